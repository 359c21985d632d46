"""URIs: their filesystems, and joining."""

import os
import re
from urllib.parse import unquote

from pyarrow import fs

from inpaint_ray.errors import UsageError
from inpaint_ray.names import to_path, to_text
from inpaint_ray.storage import s3

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """Find the pyarrow filesystem of a URI and the path in it.

    Raises:
        UsageError: the scheme is not one that is known, or the S3 settings cannot work.
    """
    found = SCHEME.match(uri)
    if found is None:
        return fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(to_path(uri)))
    scheme, rest = found[1].lower(), uri[found.end() :]
    if scheme == "file":
        host, _, path = rest.partition("/")
        if host not in ("", "localhost"):
            raise UsageError(f"{uri}: names another machine, {host}; give file:///PATH on this one")
        return fs.LocalFileSystem(), os.path.abspath("/" + unquote(path, errors="surrogateescape"))
    if scheme == "s3":
        if not rest.strip("/"):
            raise UsageError(f"{uri}: no bucket named; give s3://BUCKET/PREFIX")
        return s3.filesystem(), rest.rstrip("/")
    raise UsageError(
        f"{uri}: storage of kind {scheme}:// is not known; give a folder, file://PATH or s3://BUCKET/PREFIX"
    )


def is_local(uri: str) -> bool:
    return isinstance(locate(uri)[0], fs.LocalFileSystem)


def absolute(uri: str) -> str:
    """Return the URI in a form that means the same in every process: local paths absolute, others as they are."""
    return to_text(locate(uri)[1]) if is_local(uri) else uri.rstrip("/")


def join(uri: str, *names: str) -> str:
    """Return the URI of something below a URI, whose names are not quoted."""
    uri = absolute(uri) if uri.startswith("file://") else uri
    return "/".join([uri.rstrip("/"), *names])
