"""The container and the kind of samples that a restored recording is written in."""

from dataclasses import dataclass, replace

import numpy as np
import soundfile

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording
from inpaint_ray.audio.encode import to_integers
from inpaint_ray.restore.config import OutputFormat

FLAC_SUBTYPES = {"PCM_U8": "PCM_S8", "PCM_S8": "PCM_S8", "PCM_16": "PCM_16", "PCM_24": "PCM_24"}
FLAC_SUBTYPES |= {"ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24"}
WAV_SUBTYPES = {"PCM_S8": "PCM_U8", "ALAC_16": "PCM_16", "ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"}
FLOAT_BYTES = {"FLOAT": 4, "DOUBLE": 8}
FLOAT_BITS = 24  # of integers that floats of 32 bits hold exactly
LOSSLESS = (*INTEGER_SUBTYPES, *FLOAT_BYTES)
LONGEST_WAV = 2**32 - 2**20  # bytes; what is above becomes RF64, whose sizes have 64 bits
SUFFIXES = {"FLAC": ".flac", "WAV": ".wav", "RF64": ".wav"}


@dataclass(frozen=True)
class Target:
    """The format of a restored recording: container, subtype and level."""

    container: str
    subtype: str
    suffix: str = ""  # after the source's name, where the container changes
    headroom_db: float = 0.0  # by which everything is lowered


def choose_target(
    source: Recording,
    num_samples: int,
    output_format: OutputFormat,
    *,
    more_bytes: int = 0,
    beyond: bool = False,
    headroom_db: float = 0.0,
) -> Target:
    """Choose the container and subtype for a recording.

    Lossless audio keeps every sample. Lossy audio becomes FLAC of 24 bits, or WAV of 32-bit floats, which is exact.
    WAV that would pass 4 GiB becomes RF64 under the same name. What goes beyond full scale needs floats, which hold
    integers exactly; where FLAC is asked for, it is cut off.

    Args:
        source: any block of it.
        num_samples: of the whole.
        output_format: what is asked for.
        more_bytes: of the file, beside the samples.
        beyond: restored samples may lie above full scale.
        headroom_db: by which everything is lowered.

    Raises:
        ValueError: the container cannot hold the samples as they are.
    """
    container, subtype, lossless = source.container, source.subtype, source.subtype in LOSSLESS
    if output_format == "wav":
        container = container if container in ("WAVEX", "RF64") else "WAV"
        subtype = WAV_SUBTYPES.get(subtype, subtype) if lossless else "FLOAT"
    elif not lossless:
        container, subtype = "FLAC", "PCM_24"
    elif output_format == "flac":
        if subtype not in FLAC_SUBTYPES:
            raise ValueError(f"FLAC cannot hold samples of {subtype} as they are; use --output-format same or wav")
        container, subtype = "FLAC", FLAC_SUBTYPES[subtype]
    if beyond and output_format != "flac" and subtype not in FLOAT_BYTES:
        subtype = "DOUBLE" if INTEGER_SUBTYPES[subtype] > FLOAT_BITS else "FLOAT"
        container = container if soundfile.check_format(container, subtype) else "WAV"
    width = FLOAT_BYTES.get(subtype) or INTEGER_SUBTYPES.get(subtype, 0) // 8
    if container in ("WAV", "WAVEX") and width * len(source.samples) * num_samples + more_bytes > LONGEST_WAV:
        container = "RF64"
    same_kind = container == source.container or container == "RF64" and source.container in ("WAV", "WAVEX")
    return Target(container, subtype, "" if same_kind else SUFFIXES[container], headroom_db)


def convert(block: Recording, target: Target) -> Recording:
    """Convert a block to the target's subtype: its own samples, floats of them, or 24-bit integers of lossy ones."""
    samples = block.samples
    if target.headroom_db:
        samples = block.to_float() * np.float64(10 ** (-target.headroom_db / 20))
    elif target.subtype in FLOAT_BYTES and samples.dtype == np.int32:
        samples = block.to_float()
    if target.subtype in FLOAT_BYTES:
        samples = samples.astype(np.float64 if target.subtype == "DOUBLE" else np.float32, copy=False)
    if target.subtype in INTEGER_SUBTYPES and samples.dtype != np.int32:
        samples = to_integers(samples, target.subtype)
    endian = block.endian if target.container == block.container else "FILE"
    return replace(block, samples=samples, container=target.container, subtype=target.subtype, endian=endian)
