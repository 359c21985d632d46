"""Remote zips: the list of members, and the bytes of each by its position, without the rest of the zip.

It is a local file, an object in a bucket, or what an http(s) server gives in ranges. Positions are in bytes.
"""

import hashlib
import io
import lzma
import random
import re
import struct
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, InvalidURL
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from inpaint_ray import storage
from inpaint_ray.errors import InpaintError, StorageError, UsageError

RETRY_AFTER_S = (1, 2, 4, 8, 16)  # then the sixth try is the last
TIMEOUT_S = 60.0  # of connecting, and of each wait for more
BUFFER = 1 << 18  # bytes; it is filled before anything is read from it
CHUNK = 1 << 18  # bytes; compressed ones of bzip2, so that few of them are held when they unfold

LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of the name and of the extra field that follow
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
REFUSALS = {
    401: "no permission to read it",
    403: "no permission to read it",
    404: "no such file",
    416: "it is empty, or has become shorter",
}

Result = TypeVar("Result")


class MemberError(InpaintError):
    """A member whose bytes do not match its checksum; the message is the reason, without its name."""


@dataclass(frozen=True)
class Source:
    """One version of a file; reading fails when the file has changed since."""

    uri: str
    size: int  # bytes
    version: str  # the server's ETag or date, or the time of change


@dataclass(frozen=True)
class Member:
    """An entry of the zip's directory: a file in the zip."""

    name: str
    start: int  # of its local header
    end: int  # the start of the next member, or the end of the zip
    size: int  # bytes, unpacked
    compressed: int  # bytes
    method: int  # of compression
    crc: int
    sha1: str | None = None  # of the unpacked bytes, where it is known


def is_web(uri: str) -> bool:
    return uri.lower().startswith(("http://", "https://"))


def redacted(uri: str) -> str:
    """Return the URI as it may be logged: without the password or key that a URL can carry."""
    if not is_web(uri):
        return uri
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def open_source(uri: str) -> Source:
    """Find a file and its version.

    Raises:
        UsageError: there is no such file, or its server gives no ranges.
        StorageError: the server does not answer.
    """
    if "@" in urlsplit(uri).netloc and is_web(uri):
        raise UsageError(f"{redacted(uri)}: leave user and password out of the URL; others can see it")
    source = _patiently(uri, lambda: _probe(uri) if is_web(uri) else _stored(uri))
    if source is None:
        raise UsageError(f"{uri}: no such file")
    return source


def open_range(source: Source, start: int = 0, stop: int | None = None) -> BinaryIO:
    """Open the bytes from start to stop as a seekable stream, which reads one range as long as it is read in order."""
    return io.BufferedReader(_Range(source, start, source.size if stop is None else stop), BUFFER)


def list_members(source: Source) -> list[Member]:
    """List the files in a zip, in order of position.

    Raises:
        UsageError: it is no zip.
    """
    try:
        with open_range(source) as part, zipfile.ZipFile(part) as zipped:
            infos = sorted(zipped.infolist(), key=lambda info: info.header_offset)
    except (zipfile.BadZipFile, NotImplementedError, struct.error) as error:
        raise UsageError(f"{redacted(source.uri)}: not a zip, or not all of one: {error}") from error
    ends = [info.header_offset for info in infos[1:]] + [source.size]
    return [
        Member(
            name=info.filename,
            start=info.header_offset,
            end=end,
            size=info.file_size,
            compressed=info.compress_size,
            method=info.compress_type,
            crc=info.CRC,
        )
        for info, end in zip(infos, ends, strict=False)
        if not info.is_dir()
    ]


def read_member(part: BinaryIO, member: Member) -> Iterator[bytes]:
    """Yield the unpacked bytes of a member, in chunks, from an open range of the zip that holds it.

    Raises:
        MemberError: after the last chunk or earlier, the bytes do not match the CRC-32 or the SHA-1.
    """
    part.seek(member.start)
    signature, name_length, extra_length = LOCAL_HEADER.unpack(part.read(LOCAL_HEADER.size).ljust(LOCAL_HEADER.size))
    if signature != b"PK\3\4":
        raise MemberError("its position is not the one in the zip's directory")
    part.seek(name_length + extra_length, io.SEEK_CUR)
    info = zipfile.ZipInfo(member.name)
    info.file_size, info.compress_size, info.CRC = member.size, member.compressed, member.crc
    info.compress_type = member.method
    digest = hashlib.sha1(usedforsecurity=False)
    try:
        with zipfile.ZipExtFile(part, "r", info) as stream:  # it raises where the CRC-32 is another
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                yield chunk
    except (zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error, lzma.LZMAError, OSError) as error:
        raise MemberError(f"damaged in the zip: {str(error) or 'it ends early'}") from error  # OSError is bzip2's
    if member.sha1 not in (None, digest.hexdigest()):
        raise MemberError(f"its SHA-1 is {digest.hexdigest()}, but the zip's checksums list {member.sha1}")


class _Range(io.RawIOBase):
    """A range of a source as a file, with the source's positions; a broken connection is resumed where it was."""

    def __init__(self, source: Source, start: int, stop: int) -> None:
        self._source, self._position, self._stop = source, start, stop
        self._stream: io.BufferedIOBase | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stop}[whence]
        if position != self._position:
            self._disconnect()
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: max(0, self._stop - self._position)]
        if not wanted:
            return 0
        count = _patiently(self._source.uri, lambda: self._read_some(wanted))
        self._position += count
        return count

    def close(self) -> None:
        self._disconnect()
        super().close()

    def _read_some(self, wanted: memoryview) -> int:
        """Read at least one byte."""
        try:
            self._stream = self._stream or _connect(self._source, self._position, self._stop)
            count = self._stream.readinto(wanted)
            if not count:
                raise ConnectionError("the connection ended early")
        except BaseException:
            self._disconnect()
            raise
        return count

    def _disconnect(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None


def _patiently(uri: str, attempt: Callable[[], Result]) -> Result:
    """Return the result of an attempt, repeated with exponential back-off while the network or the server fails."""
    for pause in (*RETRY_AFTER_S, None):
        try:
            return attempt()
        except PermissionError as error:
            raise UsageError(f"{redacted(uri)}: no permission to read it") from error
        except (OSError, HTTPException) as error:
            if pause is None:
                text = " ".join(str(error).split()) or type(error).__name__
                tries = len(RETRY_AFTER_S) + 1
                raise StorageError(f"{redacted(uri)}: no answer in {tries} tries: {text}; run again later") from error
            time.sleep(pause * random.uniform(0.5, 1.5))  # not all workers at once
    raise AssertionError("the last try returns or raises")


def _connect(source: Source, start: int, stop: int) -> io.BufferedIOBase:
    """Open a stream of the source that begins at start.

    Raises:
        StorageError: the source has changed.
    """
    if is_web(source.uri):
        response = _request(source.uri, start, stop)
        if _described(source.uri, response) == source:
            return response
        response.close()
    elif _stored(source.uri) == source:
        filesystem, path = storage.locate(source.uri)
        stream = filesystem.open_input_file(path)
        stream.seek(start)
        return stream
    raise StorageError(
        f"{redacted(source.uri)}: changed while it was read, or differs between workers; run again to begin anew"
    )


def _stored(uri: str) -> Source | None:
    filesystem, path = storage.locate(uri)
    info = filesystem.get_file_info(path)
    return Source(uri, info.size, str(info.mtime_ns)) if info.is_file else None


def _probe(uri: str) -> Source:
    try:
        with _request(uri, 0, 1) as response:
            return _described(uri, response)
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:  # a wrong name or port: no use in trying again
        raise StorageError(f"{redacted(uri)}: not reached: {error.reason}; look at the URL and the network") from error


def _request(uri: str, start: int, stop: int) -> HTTPResponse:
    """Send a request for a range, and return the answer; errors that may pass are OSErrors.

    Raises:
        UsageError: the server refuses, or gives no ranges.
    """
    request = urllib.request.Request(uri, headers={"Range": f"bytes={start}-{stop - 1}", "User-Agent": "inpaint_ray"})
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (408, 429) or error.code >= 500:
            raise
        reason = REFUSALS.get(error.code, error.reason)
        raise UsageError(f"{redacted(uri)}: the server answers {error.code}: {reason}; look at the URL") from error
    except (InvalidURL, UnicodeError) as error:
        raise UsageError(f"{redacted(uri)}: not a URL; write blanks and the like as %20") from error
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if response.status != 206 or not found or int(found[1]) != start:
        response.close()
        raise UsageError(f"{redacted(uri)}: the server gives no ranges of a file; download the zip and give its path")
    return response


def _described(uri: str, response: HTTPResponse) -> Source:
    found = CONTENT_RANGE.fullmatch(response.headers["Content-Range"])
    assert found, "_request checks it"
    return Source(uri, int(found[2]), response.headers.get("ETag") or response.headers.get("Last-Modified") or "")
