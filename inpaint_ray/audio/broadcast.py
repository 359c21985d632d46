"""Metadata that archives keep in WAV: the coding history of bext, and the MD5 of the sound.

The bext chunk (EBU Tech 3285) has 602 bytes of fields, and then the coding history: a line for each process that the
sound went through, ended by CR and LF, by EBU R 98 of A= (coding), F= (Hz), W= (bits), M= (mode) and T= (free text
without commas). The chunk `MD5 ` is BWF MetaEdit's: the digest of what the data chunk holds as a little-endian number
of 128 bits, so its bytes stand in reverse.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import soundfile

from inpaint_ray.audio.chunks import Chunk, sound_place

BEXT, MD5 = b"bext", b"MD5 "
FIELDS = 602  # bytes of bext before the coding history
BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}
MODES = {1: "mono", 2: "stereo"}
READ_BYTES = 2**20


def continue_history(chunks: Iterable[Chunk], line: str) -> list[Chunk]:
    """Return chunks in which the coding history of bext has one more line; without bext as they are."""
    return [
        Chunk(BEXT, _with_line(chunk.content, line)) if chunk.name == BEXT and len(chunk.content) >= FIELDS else chunk
        for chunk in chunks
    ]


def _with_line(content: bytes, line: str) -> bytes:
    history = content[FIELDS:].rstrip(b"\0")  # reserved by programs
    if history and not history.endswith(b"\r\n"):
        history = history.rstrip(b"\r\n") + b"\r\n"
    return content[:FIELDS] + history + line.encode("ascii", "replace") + b"\r\n"


def history_line(path: Path, text: str) -> str:
    """Return the line of the coding history that describes this program's step.

    Args:
        path: of the WAV file that it wrote.
        text: what it did; commas become semicolons.
    """
    info = soundfile.info(os.fsencode(path))
    fields = ["A=PCM", f"F={info.samplerate}"]
    if info.subtype in BITS:
        fields.append(f"W={BITS[info.subtype]}")
    fields += [f"M={MODES.get(info.channels, 'multichannel')}", f"T={text.replace(',', ';')}"]
    return ",".join(fields)


def with_digest(chunks: Iterable[Chunk], path: Path) -> list[Chunk]:
    """Return chunks with the MD5 of a WAV file's sound in place of the one that was among them."""
    return [*(chunk for chunk in chunks if chunk.name != MD5), Chunk(MD5, md5_of(path)[::-1])]


def md5_of(path: Path) -> bytes:
    """Return the MD5 of what the data chunk of a WAV file holds."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        start, size = sound_place(file)
        file.seek(start)
        while size > 0 and (part := file.read(min(READ_BYTES, size))):
            digest.update(part)
            size -= len(part)
    return digest.digest()
