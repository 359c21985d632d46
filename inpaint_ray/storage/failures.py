"""Failures of storage, each as one line: context managers around what reads or writes a URI."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from inpaint_ray.errors import StorageError, UnreadableError


@contextmanager
def reachable(uri: str) -> Iterator[None]:
    """Turn errors of storage, such as a wrong endpoint or a full disk, into a StorageError of one line."""
    try:
        yield
    except (FileNotFoundError, PermissionError):  # of one file: the caller knows better what that means
        raise
    except (OSError, pa.ArrowException, BotoCoreError, Boto3Error, ClientError) as error:
        text = " ".join(str(error).split())
        raise StorageError(f"{uri}: storage refuses: {text}; check path, keys and endpoint") from error


@contextmanager
def readable(uri: str) -> Iterator[None]:
    """Turn errors of storage while an input is read into an UnreadableError: a later try may succeed."""
    try:
        with reachable(uri):
            yield
    except StorageError as error:
        raise UnreadableError(str(error)) from error


@contextmanager
def writable(uri: str) -> Iterator[None]:
    """Turn errors of storage while an output is written into a StorageError, missing folders and rights included."""
    try:
        with reachable(uri):
            yield
    except (FileNotFoundError, PermissionError) as error:
        raise StorageError(f"{uri}: cannot be written: {error.strerror}; check path and permissions") from error
