"""A browser for tests of pages: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Give a browser; a test that asks for one is skipped where Playwright or Chromium is absent."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'"
    )
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium, or name one in CHROMIUM")
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root otherwise
        browser = driver.chromium.launch(executable_path=executable, args=flags)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and what it did that it must not."""

    page: "Page"
    complaints: list[str] = field(default_factory=list)  # errors and warnings of console and scripts
    fetched: list[str] = field(default_factory=list)  # URIs beside the page's own

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)


def watch(page: "Page", uri: str) -> Watched:
    """Open a page and note what it complains of and fetches."""
    watched = Watched(page)
    page.on("console", lambda said: said.type in ("error", "warning") and watched.complaints.append(said.text))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: request.url != uri and watched.fetched.append(request.url))
    page.goto(uri)
    return watched
