"""Whole prefixes: a folder put there, fetched from there, or deleted there."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import fs
from s3transfer.exceptions import S3DownloadFailedError  # type: ignore[import-untyped]

from inpaint_ray.errors import StorageError
from inpaint_ray.folders import UNFINISHED
from inpaint_ray.names import safe_name
from inpaint_ray.storage import s3
from inpaint_ray.storage.failures import reachable
from inpaint_ray.storage.files import delete_file, put_file
from inpaint_ray.storage.listing import list_files
from inpaint_ray.storage.uris import is_local, join, locate


def publish_folder(local: Path, uri: str) -> None:
    """Put a local folder's files at a URI, in place of those that are there; nobody else may be writing there.

    Each file appears whole, the largest first; those that the folder does not have are deleted at the end.
    """
    delete_unfinished(uri)
    files = {file.relative_to(local).as_posix(): file for file in local.rglob("*") if file.is_file()}
    files = {name: file for name, file in files.items() if not UNFINISHED.search(name)}
    for name in sorted(files, key=lambda name: (-files[name].stat().st_size, name)):
        put_file(files[name], join(uri, name))
    for file in list_files(uri):
        if file.name not in files:
            delete_file(file.uri)


@contextmanager
def local_copy(uri: str) -> Iterator[Path]:
    """Give a local folder with the files of a URI: the folder itself where it is local, else a temporary copy."""
    if is_local(uri):
        yield Path(locate(uri)[1])
        return
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        for file in list_files(uri):
            target = Path(folder, safe_name(file.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            with reachable(file.uri):
                _download(file.uri, target)
        yield Path(folder)


def delete_unfinished(uri: str) -> None:
    """Delete what killed processes had begun to write below a prefix; nobody may be writing there."""
    if is_local(uri):  # a bucket shows nothing before it is whole
        for file in list_files(uri):
            if UNFINISHED.search(file.name):
                delete_file(file.uri)


def delete_files(uri: str) -> None:
    """Delete every file below a prefix; nothing where it is absent."""
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        if os.path.isdir(path):
            shutil.rmtree(path)
    elif filesystem.get_file_info(path).type == fs.FileType.Directory:
        filesystem.delete_dir(path)


def _download(uri: str, target: Path) -> None:
    """Copy an object as it is at one moment, though it may be replaced meanwhile: not a part of each of two."""
    bucket, key = s3.bucket_and_key(locate(uri)[1])
    for _ in range(s3.READ_ATTEMPTS):
        try:
            s3.client().download_file(bucket, key, str(target))
            return
        except S3DownloadFailedError:  # it is another one by now
            continue
    raise StorageError(f"{uri}: was replaced during every read; try again when no other program writes there")
