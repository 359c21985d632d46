"""Files as archives hold them: good ones in several formats, and over two hundred that are broken in some way."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import soundfile

SECONDS = 2.0
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
}

# Of a WAV header: sizes and rates of bytes, which follow from what else is there (readers mend them), and the lower
# half of the sample rate, whose values are all possible.
HARMLESS_BYTES = {4, *range(28, 34), *range(40, 44)}
POSSIBLE_BYTES = {24, 25}


def sound(seed: int, *, seconds: float = SECONDS, rate: int = 44_100, channels: int = 2, kind: str = "wav") -> bytes:
    """A file of a few seeded tones and some noise."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    tones = sum(0.1 * np.sin(2 * np.pi * hertz * time) for hertz in generator.uniform(100, 4_000, 3))
    samples = tones[:, None] + 0.02 * generator.standard_normal((len(time), channels))
    container, subtype = FORMATS[kind]
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.astype(np.float32), rate, format=container, subtype=subtype)
    return buffer.getvalue()


def bad_files() -> Iterator[tuple[str, bytes]]:
    """Names and bytes of files that hold no whole second of sound, or not all that they claim."""
    whole = {kind: sound(1, kind=kind) for kind in FORMATS}
    for kind, data in whole.items():  # truncated at every kind of place: in the header, after it, in the sound
        places = sorted({1, 3, 4, 8, 12, 20, 40, 43, 44, 45, 64, 100, 128, *(len(data) * i // 16 for i in range(1, 8))})
        yield from ((f"cut_{kind}_{place}.{kind}", data[:place]) for place in places)
    for place in sorted(set(range(44)) - HARMLESS_BYTES - POSSIBLE_BYTES):
        yield f"flip_{place}.wav", flipped(whole["wav"], place)
    yield from _wrong_claims(whole["wav"], whole["flac"])
    for number, kind in enumerate(("mp3", "wav", "flac", "ogg", "aiff", "opus")):
        yield f"zero_length.{kind}", b""
        yield f"text.{kind}", b"this was a shopping list\n" * 400
        yield f"zeros.{kind}", bytes(60_000)
        yield f"noise.{kind}", np.random.default_rng(number).bytes(60_000)
        yield f"picture.{kind}", b"\x89PNG\r\n\x1a\n" + np.random.default_rng(number + 9).bytes(9_000)
        yield f"page.{kind}", b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
        yield f"zip.{kind}", b"PK\x03\x04" + np.random.default_rng(number + 20).bytes(5_000)
    for kind in FORMATS:
        yield f"short.{kind}", sound(2, seconds=0.3, kind=kind)
        yield f"silent.{kind}", _silence(kind)
    for number in range(40):  # whole files in which stretches were overwritten, header included
        generator = np.random.default_rng(100 + number)
        kind = list(FORMATS)[number % 2]
        yield f"overwritten_{number}.{kind}", _with(whole[kind], 0, generator.bytes(16 + number))


def flipped(data: bytes, place: int) -> bytes:
    """A byte turned over."""
    return _with(data, place, bytes([data[place] ^ 0xFF]))


def _wrong_claims(wav: bytes, flac: bytes) -> Iterator[tuple[str, bytes]]:
    for rate in (0, 1, 999, 2**31 - 1, 2**32 - 1):
        yield f"rate_{rate}.wav", _with(wav, 24, struct.pack("<I", rate))
    for channels in (0, 1_025, 65_535):
        yield f"channels_{channels}.wav", _with(wav, 22, struct.pack("<H", channels))
    for bits in (0, 48, 65_535):
        yield f"bits_{bits}.wav", _with(wav, 34, struct.pack("<H", bits))
    for size in (2**20 + 2**19, 2**28, 2**31 - 2**20):  # of the sound; the file has a third of a megabyte
        yield f"claims_{size}.wav", _with(_with(wav, 4, struct.pack("<I", size + 36)), 40, struct.pack("<I", size))
    for frames in (2**24, 2**31, 2**36 - 1):  # in FLAC's stream information
        high = (flac[21] & 0xF0) | frames >> 32
        yield f"claims_{frames}.flac", _with(flac, 21, bytes([high]) + struct.pack(">I", frames & 0xFFFFFFFF))


def _silence(kind: str) -> bytes:
    container, subtype = FORMATS[kind]
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros((88_200, 2), np.float32), 44_100, format=container, subtype=subtype)
    return buffer.getvalue()


def _with(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]
