"""Single files: read, written so that they appear whole or not at all, kept as copies, deleted."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from pyarrow import fs

from inpaint_ray.errors import FileNameError
from inpaint_ray.folders import temporary_path, why_refused
from inpaint_ray.names import printable
from inpaint_ray.storage import s3
from inpaint_ray.storage.failures import reachable, readable, writable
from inpaint_ray.storage.uris import locate

COPY_BYTES = 2**20  # at a time
PART_BYTES = 2**18  # of an object that a request asks for, where only parts of it are read
BROKEN_OFF = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError)  # answers, which boto3 does not ask again


def exists(uri: str) -> bool:
    filesystem, path = locate(uri)
    with reachable(uri):
        if isinstance(filesystem, fs.LocalFileSystem):
            return os.path.exists(path)
        return filesystem.get_file_info(path).type != fs.FileType.NotFound


def read_bytes(uri: str) -> bytes:
    """Read the whole content of a file.

    Raises:
        FileNotFoundError: there is no such file.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        with reachable(uri):
            return Path(path).read_bytes()
    with reachable(uri), filesystem.open_input_stream(path) as stream:
        return stream.read()


def read_tail(uri: str, num_bytes: int) -> bytes:
    """Read the last bytes of a file, the whole of a shorter one; of S3 in one request.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if num_bytes < 1:
        raise ValueError(f"num_bytes must be at least 1, got {num_bytes}")
    filesystem, path = locate(uri)
    with reachable(uri):
        if not isinstance(filesystem, fs.LocalFileSystem):
            return _read_tail_s3(uri, path, num_bytes)
        with open(path, "rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - num_bytes, 0))
            return file.read(num_bytes)


def write_bytes(uri: str, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with open_output(uri) as stream:
        stream.write(data)


@contextmanager
def open_output(uri: str) -> Iterator[BinaryIO]:
    """Give a stream to a file that appears, whole, when the context ends without an error, and not at all otherwise."""
    with output_path(uri) as path, reachable(uri), path.open("wb") as stream:
        yield stream


@contextmanager
def output_path(uri: str) -> Iterator[Path]:
    """Give a local path to write to; the file appears, whole, when the context ends without an error, else not at all.

    Raises:
        StorageError: storage cannot be written to: no right to it, a full disk.
        FileNameError: the file system cannot hold this name, or has something else under it.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        if reason := why_refused(path):
            raise FileNameError(f"{printable(uri)}: cannot be written: {reason}; rename the file")
        with writable(uri):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            temporary = temporary_path(path)
            try:
                yield temporary
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return
    with writable(uri), tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        spool = Path(folder, "output")
        yield spool
        bucket, key = s3.bucket_and_key(path)
        s3.client().upload_file(str(spool), bucket, key)  # the object shows when the upload is complete


def put_file(path: Path, uri: str) -> None:
    """Copy a local file to a URI, where it appears whole or not at all."""
    with output_path(uri) as target:
        shutil.copyfile(path, target)


def move_file(path: Path, uri: str) -> None:
    """Move a local file to a URI, where it appears whole or not at all."""
    with output_path(uri) as target:
        shutil.move(path, target)


@contextmanager
def local_file(uri: str) -> Iterator[Path]:
    """Give a local path of a file's content: the file itself where it is local, a temporary copy otherwise.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        UnreadableError: it cannot be read this time.
    """
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        with readable(uri), open(path, "rb"):  # fails where it cannot be read
            pass
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        copy = Path(folder, "input")
        with readable(uri), filesystem.open_input_stream(path) as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file, COPY_BYTES)
        yield copy


@contextmanager
def open_input(uri: str) -> Iterator[BinaryIO]:
    """Give a file to read parts of, anywhere; of an object only those parts are fetched.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it may not be read.
        UnreadableError: it cannot be read this time.
    """
    filesystem, path = locate(uri)
    with readable(uri):
        if isinstance(filesystem, fs.LocalFileSystem):
            with open(path, "rb") as file:
                yield file
        else:
            with filesystem.open_input_file(path) as stream:
                yield io.BufferedReader(stream, PART_BYTES)


def delete_file(uri: str) -> None:
    filesystem, path = locate(uri)
    if isinstance(filesystem, fs.LocalFileSystem):
        os.remove(path)
    else:
        filesystem.delete_file(path)


def _read_tail_s3(uri: str, path: str, num_bytes: int) -> bytes:
    for _ in range(s3.READ_ATTEMPTS - 1):
        with suppress(*BROKEN_OFF):
            return _get_tail(uri, path, num_bytes)
    return _get_tail(uri, path, num_bytes)


def _get_tail(uri: str, path: str, num_bytes: int) -> bytes:
    bucket, key = s3.bucket_and_key(path)
    try:
        return s3.client().get_object(Bucket=bucket, Key=key, Range=f"bytes=-{num_bytes}")["Body"].read()
    except ClientError as error:
        if s3.code_of(error) == "NoSuchKey":
            raise FileNotFoundError(uri) from error
        if s3.code_of(error) == "InvalidRange":  # an empty file has no last byte
            return b""
        raise
