"""Chunks of WAV and AIFF files other than their sound, copied as they are from one file to another.

A file is FORM, size, type, and then chunks: name, size, content, padded to an even length. WAV (RIFF) is little-endian
and AIFF (FORM) big-endian; RF64 is WAV with the sizes of the whole and of the sound in a chunk
of 64 bits, RIFX is big-endian WAV.

A program that writes to a pipe does not know the size of the sound and cannot come back to fill it in: ffmpeg leaves
0xFFFFFFFF (0 in AIFF and in ds64), sox the largest multiple of a sample up to 0x7FFFF000 (0x7F000008 in AIFF), others
0 or 2 GiB less the header (oggdec). Such sound is streamed: it reaches to the end of the file.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

ORDERS = {(b"RIFF", b"WAVE"): "<", (b"RIFX", b"WAVE"): ">", (b"RF64", b"WAVE"): "<"}
ORDERS |= {(b"FORM", b"AIFF"): ">", (b"FORM", b"AIFC"): ">"}
OWN = {b"fmt ", b"fact", b"data", b"ds64", b"COMM", b"SSND", b"FVER", b"PEAK"}  # the sound's: its writer makes them
LARGEST = 2**26  # bytes of all chunks beside the sound that are held
IN_DS64 = 2**32 - 1
SOUND = (b"data", b"SSND")
PLACEHOLDERS = {2**64 - 1}  # sizes of sound whose length is not known
for _limit in (2**32 - 1, 2**31, 0x7FFFF000, 0x7F000008):  # less the header, or what no whole sample fits into
    PLACEHOLDERS |= set(range(_limit - 255, _limit + 1))


@dataclass(frozen=True)
class Chunk:
    """A chunk of a file."""

    name: bytes  # four of them
    content: bytes


@dataclass(frozen=True)
class _Place:
    """The position of a chunk in its file."""

    name: bytes
    size: int  # of the content, as the header says
    start: int  # of the content, in bytes of the file
    whole: bool  # it ends within the file, and its size is known


def read_chunks(file: BinaryIO) -> tuple[list[Chunk], str]:
    """Return the chunks of a WAV, RF64 or AIFF file that are not its sound, in order, and what is wrong, or "".

    A file of another kind has none.
    """
    chunks: list[Chunk] = []
    held = 0
    for place in _walk(file):
        if place.name in OWN:
            continue
        if not place.whole:
            return chunks, f"chunk {_show(place.name)} is cut off: left out, and what follows it"
        held += place.size
        if held > LARGEST:
            return chunks, f"chunk {_show(place.name)} and what follows it left out: more than {LARGEST >> 20} MiB"
        chunks.append(Chunk(place.name, _read_at(file, place.start, place.size)))
    return chunks, ""


def announced_size(file: BinaryIO) -> int:
    """Return the bytes that a WAV, RF64 or AIFF file has by its header; 0 where it says nothing, as streams do."""
    form, order = _form(file)
    if not form:
        return 0
    (size,) = struct.unpack(f"{order}I", _read_at(file, 4, 4))
    sound = next((place for place in _walk(file) if place.name in SOUND), None)
    streamed = sound is not None and not sound.whole and sound.size in {0, *PLACEHOLDERS}
    if size in (0, IN_DS64) or (streamed and sound is not None and size >= sound.size):
        return 0 if sound is None or streamed else sound.start + sound.size
    return size + 8


def mend_stream(file: BinaryIO) -> dict[int, bytes]:
    """Return what must stand in the header, by its place in the file, so that libsndfile reads streamed sound.

    It does so by itself unless a size of 0 says that there is none.
    """
    edits: dict[int, bytes] = {}
    for place in _walk(file):
        if place.name == b"ds64":
            edits = {0: b"RIFF", place.start - 8: b"JUNK"}
        elif place.name == b"data":
            unread = not place.whole and place.size in (0, 2**64 - 1)
            return {**edits, place.start - 4: b"\xff" * 4} if unread else {}
    return {}


def sound_place(file: BinaryIO) -> tuple[int, int]:
    """Return the first byte of the sound of a whole WAV or AIFF file, and how many there are.

    Raises:
        ValueError: it is no such file, or has none.
    """
    for place in _walk(file):
        if place.name in SOUND:
            return place.start, place.size
    raise ValueError("not a WAV or AIFF file")


def chunk_names(file: BinaryIO) -> set[str]:
    """Return the names of the chunks of a WAV, AIFF, W64 or CAF file that are not its sound; none of another kind."""
    file.seek(0)
    head = file.read(4)
    if head not in (b"riff", b"caff"):
        return {place.name.decode("latin-1") for place in _walk(file) if place.name not in OWN}
    end, start = file.seek(0, os.SEEK_END), 40 if head == b"riff" else 8
    names = set()
    while start + (24 if head == b"riff" else 12) <= end:
        if head == b"riff":  # a name of 16 bytes that begins with that of WAV, a size with the head, padded to 8 bytes
            name, size = struct.unpack("<4s12xQ", _read_at(file, start, 24))
            size = max(size + -size % 8, 24)
        else:
            name, size = struct.unpack(">4sq", _read_at(file, start, 12))
            size += 12
        if size < 12:  # sound to the end of the file
            break
        names.add(name)
        start += size
    return {name.decode("latin-1") for name in names - OWN - {b"desc", b"free", b"peak", b"kuki", b"pakt"}}


def channel_mask(file: BinaryIO) -> tuple[int, int] | None:
    """Return the byte at which a WAV file has its speakers' mask (WAVE_FORMAT_EXTENSIBLE), and the mask, if it has."""
    for place in _walk(file):
        if place.name == b"fmt " and place.size >= 40:
            tag, mask = struct.unpack("<H18xI", _read_at(file, place.start, 24))
            return (place.start + 20, mask) if tag == 0xFFFE else None
    return None


def append_chunks(file: BinaryIO, chunks: list[Chunk]) -> None:
    """Add chunks at the end of a whole WAV, RF64 or AIFF file, open for reading and writing.

    Raises:
        ValueError: it is no such file, or would be longer than its kind can be.
    """
    form, order = _form(file)
    if not form:
        raise ValueError("not a WAV or AIFF file")
    end = file.seek(0, os.SEEK_END)
    size = end + end % 2 + length_of(chunks)
    if form != b"RF64" and size - 8 > IN_DS64 - 1:
        raise ValueError("longer than 4 GiB")
    file.write(bytes(end % 2))
    for chunk in chunks:
        file.write(struct.pack(f"{order}4sI", chunk.name, len(chunk.content)) + chunk.content)
        file.write(bytes(len(chunk.content) % 2))
    if form == b"RF64":
        file.seek(20)
        file.write(struct.pack("<Q", size - 8))
    else:
        file.seek(4)
        file.write(struct.pack(f"{order}I", size - 8))


def length_of(chunks: list[Chunk]) -> int:
    """Return the bytes that chunks take in a file."""
    return sum(8 + len(chunk.content) + len(chunk.content) % 2 for chunk in chunks)


def _form(file: BinaryIO) -> tuple[bytes, str]:
    """Return the file's form (RIFF, RF64 or FORM) and byte order; b"" for another kind of file."""
    file.seek(0)
    head = file.read(12)
    order = ORDERS.get((head[:4], head[8:]), "")
    return (head[:4] if order else b""), order


def _walk(file: BinaryIO) -> Iterator[_Place]:
    """Yield the chunks up to the first that is not whole."""
    form, order = _form(file)
    end = file.seek(0, os.SEEK_END) if form else 0
    start, long_size = 20, 0
    while start <= end:
        name, size = struct.unpack(f"{order}4sI", _read_at(file, start - 8, 8))
        if name == b"ds64" and 16 <= size <= end - start:
            (long_size,) = struct.unpack("<8xQ", _read_at(file, start, 16))
        if name == b"data" and size == IN_DS64 and form == b"RF64":
            size = long_size
        streamed = name in SOUND and size == 0 and start < end and not _is_chunk(_read_at(file, start, 8), order, end)
        yield _Place(name, size, start, whole := start + size <= end and not streamed)
        if not whole:
            return
        start += size + size % 2 + 8


def _is_chunk(head: bytes, order: str, end: int) -> bool:
    """Tell the head of a chunk from samples, which seldom look like a name in ASCII and a size that fits."""
    plain = len(head) == 8 and all(0x20 <= byte < 0x7F for byte in head[:4])
    return plain and struct.unpack(f"{order}4xI", head)[0] <= end


def _read_at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _show(name: bytes) -> str:
    return repr(name.decode("ascii", "replace"))
