from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_recording
from inpaint_ray.audio.encode import encode, to_integers, write_blocks

FORMATS = [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("AIFF", "PCM_S8")]
FORMATS += [("FLAC", "PCM_S8"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]


def recording_of(samples: np.ndarray, container: str, subtype: str) -> Recording:
    return Recording(samples=samples, sample_rate=44_100, container=container, subtype=subtype)


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_integers_survive_writing_and_reading_bit_for_bit(container: str, subtype: str) -> None:
    bits = INTEGER_SUBTYPES[subtype]
    steps = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2, 3000))
    samples = (steps << (32 - bits)).astype(np.int32)
    back = read_recording(encode(recording_of(samples, container, subtype)))
    assert (back.container, back.subtype) == (container, subtype)
    np.testing.assert_array_equal(back.samples, samples)


@pytest.mark.parametrize(("subtype", "dtype"), [("FLOAT", np.float32), ("DOUBLE", np.float64)])
def test_floats_survive_writing_and_reading_bit_for_bit(subtype: str, dtype: type) -> None:
    samples = np.random.default_rng(0).standard_normal((2, 3000)).astype(dtype)
    np.testing.assert_array_equal(read_recording(encode(recording_of(samples, "WAV", subtype))).samples, samples)


def test_a_format_that_cannot_be_written_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="FLAC files of FLOAT"):
        encode(recording_of(np.zeros((1, 10), dtype=np.float32), "FLAC", "FLOAT"))


@given(st.sampled_from(sorted(INTEGER_SUBTYPES)), st.integers(0, 2**32 - 1))
def test_floats_of_integers_become_the_same_integers_again(subtype: str, seed: int) -> None:
    bits = INTEGER_SUBTYPES[subtype]
    steps = np.random.default_rng(seed).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (1, 50))
    samples = (steps << (32 - bits)).astype(np.int32)
    np.testing.assert_array_equal(to_integers(recording_of(samples, "WAV", subtype).to_float(), subtype), samples)


def test_values_beyond_full_scale_are_clipped() -> None:
    assert to_integers(np.array([[-3.0, 3.0]]), "PCM_16").tolist() == [[-(2**31), (2**15 - 1) * 2**16]]


def test_samples_that_alac_would_not_hold_are_refused(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-(2**31), 2**31, (2, 9000)) >> 12 << 12  # 20 bits
    noise = Recording(samples=samples.astype(np.int32), sample_rate=8000, container="CAF", subtype="ALAC_20")
    with pytest.raises(ValueError, match="cannot write these samples as ALAC; use --output-format wav"):
        write_blocks(tmp_path / "noise.caf", [noise])
    quiet = replace(noise, samples=noise.samples >> 18 << 12)
    write_blocks(tmp_path / "quiet.caf", [quiet])
    np.testing.assert_array_equal(read_recording((tmp_path / "quiet.caf").read_bytes()).samples, quiet.samples)
