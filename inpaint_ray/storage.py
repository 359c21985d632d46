"""URIs -> files: a local path, file://PATH or s3://BUCKET/PREFIX. The only file that tells them apart.

Every URI and name is text that UTF-8 can hold, whatever bytes a local name has (see `names`). A file://
URI is unquoted, an s3:// key is taken as it is. Endpoint and credentials of S3 come from the standard AWS variables and
files (AWS_ENDPOINT_URL included), never flags.
"""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import boto3
import pyarrow as pa
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import fs
from s3transfer.exceptions import S3DownloadFailedError  # type: ignore[import-untyped]

from inpaint_ray.errors import FileNameError, StorageError, UnreadableError, UsageError
from inpaint_ray.folders import UNFINISHED, list_folder, temporary_path, why_refused
from inpaint_ray.names import printable, safe_name, to_path, to_text

# Servers such as Ceph refuse the checksum trailers that AWS clients send by default (411 MissingContentLength).
S3_ENVIRONMENT = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
os.environ.update({name: os.environ.get(name, value) for name, value in S3_ENVIRONMENT.items()})

# Attempts of a request, with pauses that grow: a server that throttles or is away for half a minute is waited for.
READ_ATTEMPTS, WRITE_ATTEMPTS = 10, 14  # pyarrow's pauses are longer than boto3's
COPY_BYTES = 2**20  # at a time
KEPT_FREE = 0.1  # of the disk or memory of kept copies
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class StoredFile:
    """A file below a prefix."""

    uri: str
    name: str  # relative to the listed prefix, with forward slashes
    size: int  # bytes
    etag: str = ""  # changes with the content: S3's ETag, a local file's time and size; "" where it was not asked for


def locate(uri: str) -> tuple[fs.FileSystem, str]:
    """The pyarrow filesystem of a URI and the path in it.

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
            raise UsageError(f"{uri}: names the machine {host}; give file:///PATH, of this one")
        return fs.LocalFileSystem(), os.path.abspath("/" + unquote(path, errors="surrogateescape"))
    if scheme == "s3":
        if not rest.strip("/"):
            raise UsageError(f"{uri}: no bucket named; give s3://BUCKET/PREFIX")
        return _s3(), rest.rstrip("/")
    raise UsageError(
        f"{uri}: storage of kind {scheme}:// is not known; give a folder, file://PATH or s3://BUCKET/PREFIX"
    )


def is_local(uri: str) -> bool:
    return isinstance(locate(uri)[0], fs.LocalFileSystem)


def absolute(uri: str) -> str:
    """The URI in a form that means the same in every process: local paths absolute, others as they are."""
    return to_text(locate(uri)[1]) if is_local(uri) else uri.rstrip("/")


def join(uri: str, *names: str) -> str:
    """The URI of something below a URI, whose names are not quoted."""
    uri = absolute(uri) if uri.startswith("file://") else uri
    return "/".join([uri.rstrip("/"), *names])


def exists(uri: str) -> bool:
    filesystem, path = locate(uri)
    with _reachable(uri):
        if isinstance(filesystem, fs.LocalFileSystem):
            return os.path.exists(path)
        return filesystem.get_file_info(path).type != fs.FileType.NotFound


def list_files(uri: str) -> Iterator[StoredFile]:
    """Every file below a prefix, nested folders included, in order of name; nothing where the prefix is absent.

    Links in a local folder are followed, but no folder is listed twice (see `list_folder`).
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        with _reachable(uri):
            yield from _list_local(path)
        return
    with _reachable(uri):
        infos = filesystem.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
        if not infos:
            _check_bucket(filesystem, path.split("/")[0])
    prefix = path.rstrip("/") + "/"
    for info in sorted(infos, key=lambda info: info.path):
        if info.type == fs.FileType.File:
            name = info.path.removeprefix(prefix)
            yield StoredFile(uri=join(uri, name), name=name, size=info.size)


def list_versions(uri: str) -> Iterator[StoredFile]:
    """Like `list_files`, with the ETag of every file."""
    filesystem, path = locate(uri)
    files = list(list_files(uri))
    if isinstance(filesystem, fs.LocalFileSystem):
        yield from files
        return
    bucket, _, key = path.partition("/")
    prefix = f"{key}/" if key else ""
    with _reachable(uri):
        pages = _client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        etags = {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", ())}
    yield from (replace(file, etag=etags.get(prefix + file.name, "")) for file in files)


def find_file(uri: str, name: str) -> StoredFile | None:
    """One file with its ETag, under a name of the caller's; None where there is no such file."""
    filesystem, path = locate(uri)
    with _reachable(uri):
        if isinstance(filesystem, fs.LocalFileSystem):
            return _stored(uri, name, os.stat(path)) if os.path.isfile(path) else None
        info = filesystem.get_file_info(path)
        if info.type != fs.FileType.File:
            return None
        bucket, _, key = path.partition("/")
        etag = _client().head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    return StoredFile(uri=uri, name=name, size=info.size, etag=etag)


def read_bytes(uri: str) -> bytes:
    """The whole content of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        with _reachable(uri):
            return Path(path).read_bytes()
    with _reachable(uri), filesystem.open_input_stream(path) as stream:
        return stream.read()


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with open_output(uri) as stream:
        stream.write(data)


@contextmanager
def open_output(uri: str) -> Iterator[BinaryIO]:
    """A stream to a file that appears, whole, when the block ends without an error, and not at all otherwise."""
    with output_path(uri) as path, _reachable(uri), path.open("wb") as stream:
        yield stream


@contextmanager
def output_path(uri: str) -> Iterator[Path]:
    """A local path to write to; the file appears, whole, when the block ends without an error, not at all otherwise.

    Raises:
        StorageError: storage cannot be written to: no right to it, a full disk.
        FileNameError: the file system cannot hold this name, or has something else under it.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        if reason := why_refused(path):
            raise FileNameError(f"{printable(uri)}: cannot be written: {reason}; rename the file")
        with _writable(uri):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = temporary_path(path)
            try:
                yield temporary
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return
    with _writable(uri), tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        spool = Path(folder, "output")
        yield spool
        bucket, _, key = path.partition("/")
        _client().upload_file(str(spool), bucket, key)  # the object shows when the upload is complete


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, where it appears whole or not at all."""
    with output_path(uri) as target:
        shutil.copyfile(path, target)


@contextmanager
def local_file(uri: str) -> Iterator[Path]:
    """A local path of a file's content: the file itself where it is local, a temporary copy otherwise.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        UnreadableError: it cannot be read this time.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        with _readable(uri), open(path, "rb"):  # whether it can be
            pass
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        copy = Path(folder, "input")
        with _readable(uri), filesystem.open_input_stream(path) as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file, COPY_BYTES)
        yield copy


def keep_copy(uri: str, folder: str) -> str:
    """The path of a copy of a stored file that is kept in a local folder, where all processes of a machine find it.

    The first to ask makes it, the others wait. It is the URI itself that comes back where that is local, or where the
    copy would take of the last tenth of the folder's disk or memory.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if is_local(uri):
        return uri
    file = find_file(uri, uri)
    if file is None:
        raise FileNotFoundError(uri)
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, hashlib.sha256(f"{uri} {file.etag}".encode()).hexdigest())
    with open(f"{target}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(target):
            disk = shutil.disk_usage(folder)
            if disk.free - file.size < KEPT_FREE * disk.total:
                return uri
            with local_file(uri) as path:
                put_file(path, target)
    return target


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
    """A local folder with the files of a URI: the folder itself where it is local, a temporary copy otherwise."""
    if is_local(uri):
        yield Path(locate(uri)[1])
        return
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        for file in list_files(uri):
            target = Path(folder, safe_name(file.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            with _reachable(file.uri):
                _download(file.uri, target)
        yield Path(folder)


def _download(uri: str, target: Path) -> None:
    """Copy an object as it is at one moment, though it may be replaced meanwhile: not a part of each of two."""
    bucket, _, key = locate(uri)[1].partition("/")
    for _ in range(READ_ATTEMPTS):
        try:
            _client().download_file(bucket, key, str(target))
            return
        except S3DownloadFailedError:  # it is another one by now
            continue
    raise StorageError(f"{uri}: was replaced whenever it was read; try again when what writes there has ended")


def delete_file(uri: str) -> None:
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        os.remove(path)
    else:
        filesystem.delete_file(path)


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


def _check_bucket(filesystem: fs.FileSystem, bucket: str) -> None:
    if filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
        raise UsageError(f"s3://{bucket}: no such bucket, or no right to see it; look at name, keys and endpoint")


@functools.cache
def _client() -> Any:
    """boto3's client, patient with a server that throttles (503 SlowDown) or is away for half a minute."""
    patience = Config(retries={"mode": "standard", "total_max_attempts": WRITE_ATTEMPTS}, connect_timeout=10)
    try:
        return boto3.client("s3", config=patience)
    except (BotoCoreError, ValueError) as error:
        raise UsageError(
            f"S3 settings cannot be used: {error}; look at the AWS_* variables and ~/.aws/config"
        ) from error


@functools.cache
def _s3() -> fs.S3FileSystem:
    """The S3 filesystem, with the endpoint and region that boto3 resolves from the AWS variables and files."""
    client = _client()
    endpoint = urlsplit(client.meta.endpoint_url)
    custom = not (endpoint.hostname or "").endswith("amazonaws.com")
    return fs.S3FileSystem(
        region=client.meta.region_name if client.meta.region_name != "aws-global" else None,
        endpoint_override=endpoint.netloc if custom else None,
        scheme=endpoint.scheme if custom else "https",
        request_timeout=60,
        connect_timeout=10,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=READ_ATTEMPTS),
    )


def _list_local(folder: str) -> Iterator[StoredFile]:
    root = to_text(folder)
    for name, status in sorted((to_text(name), status) for name, status in list_folder(folder)):
        yield _stored(join(root, name), name, status)


def _stored(uri: str, name: str, status: os.stat_result | None) -> StoredFile:
    """A local file; without a status, one that cannot be looked at."""
    if status is None:
        return StoredFile(uri=uri, name=name, size=0)
    return StoredFile(uri=uri, name=name, size=status.st_size, etag=f"{status.st_mtime_ns}-{status.st_size}")


@contextmanager
def _writable(uri: str) -> Iterator[None]:
    """Of an output, no file can be missing or closed: that, too, is storage that refuses."""
    try:
        with _reachable(uri):
            yield
    except (FileNotFoundError, PermissionError) as error:
        raise StorageError(f"{uri}: cannot be written: {error.strerror}; look at path and rights") from error


@contextmanager
def _reachable(uri: str) -> Iterator[None]:
    """Turn what storage says of a wrong endpoint or a full disk into one line."""
    try:
        yield
    except (FileNotFoundError, PermissionError):  # of one file: the caller knows better what that means
        raise
    except (OSError, pa.ArrowException, BotoCoreError, Boto3Error, ClientError) as error:
        text = " ".join(str(error).split())
        raise StorageError(f"{uri}: storage refuses: {text}; look at path, keys and endpoint") from error


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    """Of an input, what storage refuses says nothing of the file: another try may read it."""
    try:
        with _reachable(uri):
            yield
    except StorageError as error:
        raise UnreadableError(str(error)) from error
