"""Documents from elsewhere in the tree as pages of the site, and links that hold in both places."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {  # page -> its file in the tree
    "index.md": "README.md",
    "cluster.md": "cluster/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "log.md": "LOG.md",
    "network_card.md": "inpaint_ray/models/pretrained/README.md",
    "clicks_card.md": "inpaint_ray/finding/pretrained/README.md",
}
PAGES = {source: page for page, source in ELSEWHERE.items()}
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)((?:#[^)]*)?\))")
FETCHED = re.compile(
    r"<(?:script|img|source|iframe)[^>]+src=[\"']?(?:https?:)?//|<link(?![^>]+canonical)[^>]+href=[\"']?(?:https?:)?//"
    r"|(?:url\(|@import )\s*[\"']?(?:https?:)?//"
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents from elsewhere."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text with links that hold in the site, where they held in the tree."""
    name = page.file.src_uri
    source = ELSEWHERE.get(name, f"docs/{name}")

    def follow(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        if target not in PAGES and not target.startswith("docs/"):
            raise PluginError(
                f"{source}: the link to {match[2]} leads out of the site; ELSEWHERE in docs/hooks.py has what is in it"
            )
        there = PAGES.get(target, target.removeprefix("docs/"))
        return match[1] + posixpath.relpath(there, posixpath.dirname(name) or ".") + match[3]

    return LINK.sub(follow, markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that fetches anything from elsewhere."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css") and (found := FETCHED.search(path.read_text())):
            raise PluginError(f"{path.name} fetches from elsewhere: {found[0]}")
