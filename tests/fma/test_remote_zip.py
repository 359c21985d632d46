"""Members of a zip on loopback or on disk, with the failures of networks; test_stage.py uses the same server."""

import hashlib
import io
import random
import socket
import struct
import threading
import time
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from inpaint_ray.errors import StorageError, UsageError
from inpaint_ray.fma import remote_zip
from inpaint_ray.fma.remote_zip import Member, MemberError, list_members, open_range, open_source, read_member

METHODS = (zipfile.ZIP_BZIP2, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # FMA's zips are bzip2


def fma_files(root: str, num_tracks: int, size: int = 20_000) -> dict[str, bytes]:
    """Names and bytes as in one of FMA's zips: the bytes of a track are random, its `checksums` is right."""
    generator = random.Random(root)
    ids = [f"{700 * number:06d}" for number in range(num_tracks)]
    tracks = {f"{name[:3]}/{name}.mp3": generator.randbytes(size) for name in ids}
    sums = "".join(f"{hashlib.sha1(data).hexdigest()}  {name}\n" for name, data in tracks.items())
    files = {"README.txt": b"read me\n", "checksums": sums.encode(), **tracks}
    return {f"{root}/{name}": data for name, data in files.items()}


def zipped(files: dict[str, bytes], methods: tuple[int, ...] = METHODS) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for number, (name, data) in enumerate(files.items()):
            zipped.writestr(zipfile.ZipInfo(name), data, methods[number % len(methods)])  # always of the same date
    return buffer.getvalue()


class ZipServer:
    """Files on loopback, in ranges, with the faults that are asked for: one a request, until there are none left."""

    def __init__(self, **files: bytes) -> None:
        self.files = {f"/{name}.zip": data for name, data in files.items()}
        self.faults: deque[str] = deque()
        self.requests: list[tuple[int, int]] = []  # start and stop of what was asked for
        self.gives_ranges = True
        self.pause_s = 0.0  # after each 4 KiB
        self.num_open = 0  # connections
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def uri(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}.zip"

    def _make_handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.num_open += 1
                try:
                    server._answer(self)
                except ConnectionError:  # the client went away
                    self.close_connection = True
                finally:
                    server.num_open -= 1

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        data = self.files.get(request.path.split("?")[0])
        first, _, last = request.headers["Range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), int(last) + 1
        self.requests.append((start, stop))
        fault = self.faults.popleft() if self.faults else ""
        if fault.isdecimal() or data is None:
            return request.send_error(int(fault or 404))
        if start >= len(data):
            return request.send_error(416)
        body = data[start:stop] if self.gives_ranges else data
        request.send_response(206 if self.gives_ranges else 200)
        if self.gives_ranges:
            request.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", hashlib.sha1(data).hexdigest())
        request.end_headers()
        for place in range(0, len(body) // 2 if fault else len(body), 4096):
            request.wfile.write(body[place : place + 4096])
            time.sleep(self.pause_s)
        if fault == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


FILES = fma_files("fma_small", num_tracks=60)
ZIP = zipped(FILES)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZipServer]:
    monkeypatch.setattr(remote_zip, "RETRY_AFTER_S", (0, 0, 0, 0, 0))
    with ZipServer(fma_small=ZIP) as server:
        yield server


def _read_all(uri: str) -> dict[str, bytes]:
    source = open_source(uri)
    members = list_members(source)
    with open_range(source, members[0].start, members[-1].end) as part:
        return {member.name: b"".join(read_member(part, member)) for member in members}


def test_members_of_every_kind_of_compression_come_back_over_http(server: ZipServer) -> None:
    assert _read_all(server.uri("fma_small")) == FILES
    assert len(server.requests) < 8  # one to find the zip, a few for its directory, one for all members


def test_adjoining_members_are_one_range_and_nothing_else_is_read(server: ZipServer) -> None:
    source = open_source(server.uri("fma_small"))
    members = list_members(source)[10:20]
    server.requests.clear()
    with open_range(source, members[0].start, members[-1].end) as part:
        assert [b"".join(read_member(part, member)) for member in members] == list(FILES.values())[10:20]
    assert server.requests == [(members[0].start, members[-1].end)]


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_local_zip_reads_alike(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "fma_small.zip").write_bytes(ZIP)
    assert _read_all(f"{prefix}{tmp_path}/fma_small.zip") == FILES


@pytest.mark.parametrize("fault", ["503", "429", "reset", "cut"])
def test_a_failing_server_is_asked_again(server: ZipServer, fault: str) -> None:
    server.faults.extend([fault] * 4 + [""] * 3 + [fault] * 4)
    assert _read_all(server.uri("fma_small")) == FILES


@pytest.mark.parametrize("fault", ["reset", "cut"])
def test_a_broken_range_is_taken_up_where_it_was(server: ZipServer, fault: str) -> None:
    source = open_source(server.uri("fma_small"))
    server.requests.clear()
    server.faults.append(fault)
    with open_range(source) as part:
        assert part.read() == ZIP
    (first, second) = server.requests
    assert first == (0, len(ZIP))
    assert second[0] > len(ZIP) // 4


def test_a_server_that_goes_on_failing_is_given_up(server: ZipServer) -> None:
    server.faults.extend(["503"] * 6)
    with pytest.raises(StorageError, match="no answer in 6 tries: HTTP Error 503: Service Unavailable; run again"):
        open_source(server.uri("fma_small"))
    assert len(server.requests) == 6


def test_a_server_that_is_not_there_is_not_waited_for() -> None:
    with pytest.raises(StorageError, match="http://127.0.0.1:9/a.zip: not reached: .*refused"):
        open_source("http://127.0.0.1:9/a.zip?key=secret")


def test_a_server_without_ranges_is_refused_in_a_line(server: ZipServer) -> None:
    server.gives_ranges = False
    with pytest.raises(UsageError, match="gives no ranges of a file; download the zip and give its path"):
        open_source(server.uri("fma_small"))
    assert len(server.requests) == 1


def test_what_cannot_be_read_is_a_line_without_keys(server: ZipServer) -> None:
    server.files["/empty.zip"] = b""
    for name, fault, said in (
        ("none", "", "404: no such file"),
        ("fma_small", "403", "no permission"),
        ("empty", "", "empty"),
    ):
        server.faults.append(fault)
        with pytest.raises(UsageError, match=said) as info:
            open_source(server.uri(name) + "?token=secret")
        assert "secret" not in str(info.value)
    with pytest.raises(UsageError, match="http://example.org/a.zip: leave user and password out") as info:
        open_source("http://me:secret@example.org/a.zip")
    assert "secret" not in str(info.value)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host/fma_small.zip", "of kind ftp:// is not known"),
        ("/nowhere/fma_small.zip", "no such file"),
        ("http://localhost/a b.zip?k", "/a b.zip: not a URL"),
    ],
)
def test_a_wrong_place_is_a_line(uri: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        open_source(uri)


@pytest.mark.parametrize("data", [b"", b"no zip" * 1000, ZIP[:-100]], ids=["empty", "other", "cut"])
def test_what_is_no_zip_is_a_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UsageError, match="a.zip: not a zip, or not all of one"):
        list_members(open_source(f"{tmp_path}/a.zip"))


def test_a_zip_that_changes_while_it_is_read_is_not_mixed(server: ZipServer, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ZIP)
    sources = [open_source(server.uri("fma_small")), open_source(f"{tmp_path}/a.zip")]
    server.files["/fma_small.zip"] = ZIP[::-1]
    (tmp_path / "a.zip").write_bytes(ZIP + b"more")
    for source in sources:
        with open_range(source) as part, pytest.raises(StorageError, match="changed while it was read"):
            part.read(1)


@pytest.mark.parametrize("place", [5, 6, 7], ids=["deflated", "bzip2", "stored"])
def test_damaged_members_are_told(tmp_path: Path, place: int) -> None:
    (tmp_path / "a.zip").write_bytes(ZIP)
    member = list_members(open_source(f"{tmp_path}/a.zip"))[place]
    middle = (member.start + member.end) // 2
    (tmp_path / "a.zip").write_bytes(ZIP[:middle] + b"damaged" + ZIP[middle + 7 :])
    with pytest.raises(MemberError, match="damaged in the zip"):
        _read_one(tmp_path / "a.zip", member)


def test_a_member_with_another_sha1_or_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(ZIP)
    member = list_members(open_source(f"{tmp_path}/a.zip"))[4]
    with pytest.raises(MemberError, match="its SHA-1 is [0-9a-f]{40}, but the zip's checksums list 0{40}"):
        _read_one(tmp_path / "a.zip", replace(member, sha1=40 * "0"))
    with pytest.raises(MemberError, match="its position is not the one in the zip's directory"):
        _read_one(tmp_path / "a.zip", replace(member, start=member.start + 1))


def _read_one(path: Path, member: Member) -> bytes:
    with open_range(open_source(str(path)), member.start, member.end) as part:
        return b"".join(read_member(part, member))


def test_members_beyond_four_gib_are_found(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    with path.open("wb") as file:
        file.truncate(5 << 30)  # a hole, which takes no space on disk
    with zipfile.ZipFile(path, "a") as zipped, zipped.open("fma_full/checksums", "w", force_zip64=True) as stream:
        stream.write(b"far away")
    (member,) = list_members(open_source(str(path)))
    assert member.start == 5 << 30
    assert _read_all(str(path)) == {"fma_full/checksums": b"far away"}
