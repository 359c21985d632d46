"""What else a WAV or AIFF file holds beside sound: its chunks, copied as they are from one file to another.

A file is FORM, size, type, and then chunks: name, size, content, padded to an even length. WAV (RIFF) is little-endian
and AIFF (FORM) big-endian; RF64 is WAV with the sizes of the whole and of the sound in a chunk
of 64 bits, RIFX is big-endian WAV.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

ORDERS = {(b"RIFF", b"WAVE"): "<", (b"RIFX", b"WAVE"): ">", (b"RF64", b"WAVE"): "<"}
ORDERS |= {(b"FORM", b"AIFF"): ">", (b"FORM", b"AIFC"): ">"}
OWN = {b"fmt ", b"fact", b"data", b"ds64", b"COMM", b"SSND", b"FVER", b"PEAK"}  # the sound's: its writer makes them
LARGEST = 2**26  # bytes of all chunks beside the sound that are held
IN_DS64 = 2**32 - 1


@dataclass(frozen=True)
class Chunk:
    """A chunk of a file."""

    name: bytes  # four of them
    content: bytes


def read_chunks(file: BinaryIO) -> tuple[list[Chunk], str]:
    """The chunks of a WAV, RF64 or AIFF file that are not its sound, in order; and what is wrong with the rest, or "".

    A file of another kind has none.
    """
    form, order = _form(file)
    if not form:
        return [], ""
    chunks: list[Chunk] = []
    end = file.seek(0, os.SEEK_END)
    place, held, data_size = 12, 0, 0
    while place + 8 <= end:
        file.seek(place)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if name == b"ds64" and 16 <= size <= end - place - 8:
            data_size = struct.unpack("<8xQ", file.read(16))[0]
        if name == b"data" and size == IN_DS64:
            size = data_size
        own = name in OWN
        if place + 8 + size > end:
            return chunks, "" if own else f"chunk {_show(name)} is cut off: left out, and what follows it"
        held += 0 if own else size
        if held > LARGEST:
            return chunks, f"chunk {_show(name)} and what follows it left out: more than {LARGEST >> 20} MiB"
        if not own:
            file.seek(place + 8)
            chunks.append(Chunk(name, file.read(size)))
        place += 8 + size + size % 2
    return chunks, ""


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
    """Bytes that they take in a file."""
    return sum(8 + len(chunk.content) + len(chunk.content) % 2 for chunk in chunks)


def _form(file: BinaryIO) -> tuple[bytes, str]:
    """RIFF, RF64 or FORM, and the byte order; b"" for another kind of file."""
    file.seek(0)
    head = file.read(12)
    order = ORDERS.get((head[:4], head[8:]), "")
    return (head[:4] if order else b""), order


def _show(name: bytes) -> str:
    return repr(name.decode("ascii", "replace"))
