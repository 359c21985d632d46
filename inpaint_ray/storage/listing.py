"""Listing of storage: the files below a prefix, or one file, with name, size and a version of the content."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError
from pyarrow import fs

from inpaint_ray.errors import UsageError
from inpaint_ray.folders import list_folder, nearest
from inpaint_ray.names import to_text
from inpaint_ray.storage import s3
from inpaint_ray.storage.failures import reachable
from inpaint_ray.storage.uris import join, locate


@dataclass(frozen=True, slots=True)  # archives have a million of them
class StoredFile:
    """A file below a prefix."""

    uri: str
    name: str  # relative to the listed prefix, with forward slashes
    size: int  # bytes
    etag: str = ""  # changes with the content: S3's ETag, a local file's time and size; "" of a link that leads nowhere


def list_files(uri: str) -> Iterator[StoredFile]:
    """List every file below a prefix, nested folders included, in order of name; nothing where the prefix is absent.

    Links in a local folder are followed, but no folder is listed twice (see `list_folder`).
    """
    filesystem, path = locate(uri)
    with reachable(uri):
        yield from _list_local(path) if isinstance(filesystem, fs.LocalFileSystem) else _list_s3(uri, path)


def find_file(uri: str, name: str) -> StoredFile | None:
    """Look at one file, under a name of the caller's; None where there is no such file."""
    filesystem, path = locate(uri)
    with reachable(uri):
        if isinstance(filesystem, fs.LocalFileSystem):
            return _stored(uri, name, os.stat(path)) if os.path.isfile(path) else None
        bucket, key = s3.bucket_and_key(path)
        if not key:
            return None
        try:
            answer = s3.client().head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if s3.code_of(error) == "404":
                return None
            raise
    return StoredFile(uri=uri, name=name, size=answer["ContentLength"], etag=answer["ETag"].strip('"'))


def why_absent(uri: str) -> str:
    """Return the reason why nothing is listed at a missing local URI, with the closest name; "" for any other URI."""
    filesystem, path = locate(uri)
    if not isinstance(filesystem, fs.LocalFileSystem) or os.path.exists(path):
        return ""
    return to_text(f"no such file or folder{nearest(path)}")


def _list_s3(uri: str, path: str) -> Iterator[StoredFile]:
    """Yield the objects page by page; S3 has them in order of their keys' UTF-8, which is that of text."""
    bucket, key = s3.bucket_and_key(path)
    prefix = f"{key}/" if key else ""
    try:
        for page in s3.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(prefix)
                if not name.endswith("/") and name:
                    yield StoredFile(uri=join(uri, name), name=name, size=entry["Size"], etag=entry["ETag"].strip('"'))
    except ClientError as error:
        if s3.code_of(error) != "NoSuchBucket":
            raise
        text = f"s3://{bucket}: no such bucket, or no right to see it; look at name, keys and endpoint"
        raise UsageError(text) from error


def _list_local(folder: str) -> Iterator[StoredFile]:
    root = to_text(folder)
    found = ((to_text(name), status) for name, status in list_folder(folder))
    yield from sorted((_stored(join(root, name), name, status) for name, status in found), key=lambda file: file.name)


def _stored(uri: str, name: str, status: os.stat_result | None) -> StoredFile:
    """Describe a local file; one without a status could not be examined."""
    if status is None:
        return StoredFile(uri=uri, name=name, size=0)
    return StoredFile(uri=uri, name=name, size=status.st_size, etag=f"{status.st_mtime_ns}-{status.st_size}")
