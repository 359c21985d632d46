import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray.audio.chunks import (
    LARGEST,
    ORDERS,
    Chunk,
    announced_size,
    append_chunks,
    length_of,
    mend_stream,
    read_chunks,
)

FORMS = [("WAV", "FILE"), ("WAV", "BIG"), ("RF64", "FILE"), ("AIFF", "FILE"), ("WAVEX", "FILE")]
NAMES = st.sampled_from([b"bext", b"iXML", b"cue ", b"LIST", b"id3 ", b"JUNK", b"\xff\x00zz"])
CHUNKS = st.lists(st.builds(Chunk, name=NAMES, content=st.binary(max_size=50)), max_size=5)


def write(container: str, endian: str, *, num_samples: int = 7, subtype: str = "PCM_U8") -> io.BytesIO:
    """An odd number of bytes of sound, where samples are of 8 bits."""
    buffer = io.BytesIO()
    sound = np.linspace(-0.5, 0.5, num_samples)
    soundfile.write(buffer, sound, 8000, format=container, subtype=subtype, endian=endian)
    return buffer


@given(st.sampled_from(FORMS), CHUNKS, CHUNKS)
@settings(deadline=None)
def test_chunks_that_are_appended_come_back_and_the_sound_stays(
    form: tuple[str, str], first: list[Chunk], then: list[Chunk]
) -> None:
    file = write(*form)
    before, _ = soundfile.read(io.BytesIO(file.getvalue()))
    append_chunks(file, first)
    append_chunks(file, then)
    assert read_chunks(file) == (first + then, "")
    after, _ = soundfile.read(io.BytesIO(file.getvalue()))
    np.testing.assert_array_equal(after, before)


@given(st.sampled_from(FORMS), CHUNKS, st.data())
@settings(deadline=None)
def test_a_file_cut_anywhere_gives_its_whole_chunks(
    form: tuple[str, str], chunks: list[Chunk], data: st.DataObject
) -> None:
    file = write(*form)
    append_chunks(file, chunks)
    cut = data.draw(st.integers(0, len(file.getvalue())))
    found, _ = read_chunks(io.BytesIO(file.getvalue()[:cut]))
    assert found == chunks[: len(found)]


HEADS = [b"", *(form + bytes(4) + kind for form, kind in ORDERS)]
PARTS = st.one_of(
    st.binary(max_size=3000),
    st.tuples(st.sampled_from([b"data", b"SSND", b"ds64", b"bext", b"fmt "]), st.binary(min_size=4, max_size=40)).map(
        b"".join
    ),
    st.tuples(st.sampled_from([b"data", b"SSND", b"bext"]), st.sampled_from([bytes(4), b"\xff" * 4])).map(b"".join),
)


@given(st.sampled_from(HEADS), st.lists(PARTS, max_size=6))
@settings(deadline=None)
def test_no_bytes_are_too_strange(head: bytes, parts: list[bytes]) -> None:
    """Each chunk lies in the file as it is given, after the one before."""
    data = head + b"".join(parts)
    place = 12
    for chunk in read_chunks(io.BytesIO(data))[0]:
        place = data.index(chunk.name, place)
        place = data.index(chunk.content, place + 8) + len(chunk.content)
    announced_size(io.BytesIO(data)), mend_stream(io.BytesIO(data))


def test_chunks_of_the_greatest_size_are_kept_and_no_greater_ones() -> None:
    for size, kept in ((LARGEST, 1), (LARGEST + 1, 0)):
        file = write("WAV", "FILE", num_samples=8)
        append_chunks(file, [Chunk(b"bext", bytes(size))])
        chunks, note = read_chunks(file)
        assert len(chunks) == kept and (note == "") == bool(kept)


@pytest.mark.parametrize("size", [0, 2**32 - 1])
def test_sound_of_unknown_length_holds_no_chunks(size: int) -> None:
    """Two seconds of leading silence are no chunks of no name and no length."""
    file = write("WAV", "FILE", num_samples=0)
    append_chunks(file, [Chunk(b"LIST", b"INFO")])
    head = file.getvalue()[:-20] + b"LIST" + struct.pack("<I4s", 4, b"INFO")
    for kind in (b"RIFF", b"RF64"):
        ds64 = b"ds64" + struct.pack("<I28x", 28) if kind == b"RF64" else b""
        data = kind + struct.pack("<I4s", size, b"WAVE") + ds64 + head[12:] + b"data" + struct.pack("<I", size)
        assert read_chunks(io.BytesIO(data + bytes(176_400))) == ([Chunk(b"LIST", b"INFO")], "")


def test_the_length_in_the_header_is_the_file_s() -> None:
    for container, endian in FORMS:
        file = write(container, endian)
        chunks = [Chunk(b"bext", b"odd"), Chunk(b"cue ", b"even")]
        before = len(file.getvalue()) + len(file.getvalue()) % 2
        append_chunks(file, chunks)
        data = file.getvalue()
        order = ">" if data[:4] in (b"FORM", b"RIFX") else "<"
        size = struct.unpack("<Q", data[20:28]) if container == "RF64" else struct.unpack(f"{order}I", data[4:8])
        assert size[0] + 8 == len(data) == before + length_of(chunks)


def test_peaks_and_other_chunks_of_the_sound_are_not_copied() -> None:
    assert b"PEAK" in write("WAV", "FILE", subtype="FLOAT").getvalue()
    assert read_chunks(write("WAV", "FILE", subtype="FLOAT")) == ([], "")


def test_a_chunk_that_claims_more_than_there_is_is_told() -> None:
    file = write("WAV", "FILE", num_samples=8)
    file.seek(0, 2)
    file.write(b"bext" + (1000).to_bytes(4, "little") + b"short")
    chunks, note = read_chunks(file)
    assert chunks == [] and "'bext' is cut off" in note


def test_other_files_have_no_chunks_and_take_none() -> None:
    assert read_chunks(io.BytesIO(b"fLaC" + bytes(20))) == ([], "")
    with pytest.raises(ValueError, match="not a WAV"):
        append_chunks(io.BytesIO(b"fLaC" + bytes(20)), [])
