"""bext, iXML, the MD5 of the sound and the mask of speakers; wavinfo, which others wrote, reads what we write."""

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wavinfo

from inpaint_ray.audio.chunks import Chunk, append_chunks, channel_mask, read_chunks
from inpaint_ray.audio.tags import copy_tags

HISTORY = "A=ANALOGUE,M=mono,T=Studer A810; 38 cm/s\r\nA=PCM,F=48000,W=24,M=mono,T=Prism"
IXML = b'<?xml version="1.0"?><BWFXML><PROJECT>Harbour</PROJECT></BWFXML>'


def bext(history: str, padding: int = 0) -> Chunk:
    fields = struct.pack("<256s32s32s10s8sQH", b"Tape 12", b"Archive", b"REF", b"1968-05-01", b"10:00:00", 48_000, 1)
    return Chunk(b"bext", fields.ljust(602, b"\0") + history.encode() + bytes(padding))


def write(path: Path, container: str = "WAV", channels: int = 1, chunks: tuple[Chunk, ...] = ()) -> Path:
    samples = 0.1 * np.random.default_rng(channels).standard_normal((4000, channels))
    soundfile.write(path, samples, 48_000, format=container, subtype="PCM_24")
    if chunks:
        with path.open("r+b") as file:
            append_chunks(file, list(chunks))
    return path


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("padding", [0, 64])
def test_the_coding_history_goes_on_and_everything_else_stays(tmp_path: Path, container: str, padding: int) -> None:
    source = write(tmp_path / "a.wav", chunks=(bext(HISTORY, padding), Chunk(b"iXML", IXML)))
    written = write(tmp_path / "b.wav", container)
    assert copy_tags(source, written, treatment="inpaint_ray 1; 3 gaps, filled") == ""
    found = wavinfo.WavInfoReader(str(written))
    assert found.bext.description == "Tape 12" and found.bext.originator_date == "1968-05-01"
    assert found.bext.time_reference == 48_000
    assert found.bext.coding_history.split("\r\n") == [
        *HISTORY.split("\r\n"),
        "A=PCM,F=48000,W=24,M=mono,T=inpaint_ray 1; 3 gaps; filled",
        "",
    ]
    assert found.ixml.project == "Harbour"
    with written.open("rb") as file:
        chunks = {chunk.name: chunk.content for chunk in read_chunks(file)[0]}
    assert chunks[b"iXML"] == IXML
    samples = soundfile.read(written, dtype="int32")[0]
    data = samples.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    assert chunks[b"MD5 "] == hashlib.md5(data).digest()[::-1]  # BWF MetaEdit reads it as a little-endian number


def test_an_md5_is_brought_up_to_date_and_written_on_request(tmp_path: Path) -> None:
    old = Chunk(b"MD5 ", bytes(16))
    for chunks, md5, wanted in (((old,), False, 1), ((), True, 1), ((), False, 0)):
        source = write(tmp_path / "a.wav", chunks=chunks)
        written = write(tmp_path / "b.wav", channels=2)
        assert copy_tags(source, written, md5=md5) == ""
        with written.open("rb") as file:
            found = [chunk.content for chunk in read_chunks(file)[0] if chunk.name == b"MD5 "]
        assert len(found) == wanted and bytes(16) not in found


def test_a_damaged_bext_stays_as_it_is(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", chunks=(Chunk(b"bext", b"short"),))
    written = write(tmp_path / "b.wav")
    assert copy_tags(source, written, treatment="x") == ""
    with written.open("rb") as file:
        assert Chunk(b"bext", b"short") in read_chunks(file)[0]


def test_the_mask_of_speakers_stays(tmp_path: Path) -> None:
    source, written = (write(tmp_path / name, "WAVEX", channels=4) for name in ("a.wav", "b.wav"))
    with source.open("r+b") as file:
        place, mask = channel_mask(file) or (0, 0)
        file.seek(place)
        file.write(struct.pack("<I", 0x107))
    assert mask != 0x107
    assert copy_tags(source, written) == ""
    with written.open("rb") as file:
        assert channel_mask(file) == (place, 0x107)
    np.testing.assert_array_equal(soundfile.read(written)[0], soundfile.read(source)[0])
    assert copy_tags(source, write(tmp_path / "c", "FLAC", 4)) == "of WAVEX, the channel mask 0x107 not kept in FLAC"


def test_what_another_container_does_not_take_is_named(tmp_path: Path) -> None:
    source = write(tmp_path / "a.wav", chunks=(bext(HISTORY), Chunk(b"iXML", IXML), Chunk(b"JUNK", b"")))
    assert copy_tags(source, write(tmp_path / "b.flac", "FLAC")) == "of WAV, bext, iXML not kept in FLAC"


def test_chunks_of_w64_and_caf_are_named(tmp_path: Path) -> None:
    for container, form in (("W64", "<4s12xQ"), ("CAF", ">4sq")):
        source, written = (write(tmp_path / f"{name}.{container}", container) for name in ("a", "b"))
        assert copy_tags(source, written) == ""
        with source.open("ab") as file:
            head = struct.pack(form, b"mark", 32 if container == "W64" else 8)
            file.write(head)
            file.write(bytes(8))
        assert copy_tags(source, written) == f"of {container}, mark not kept in {container}"
