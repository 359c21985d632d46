import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_recording
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.difference import removed_name
from inpaint_ray.restore.formats import LOSSLESS
from inpaint_ray.restore.manifest import ManifestRow
from tests.support.restoring import read_rows, restore_here, write_damaged
from tests.support.restoring import restore_file as restore_one

FORMATS = [
    (container, subtype)
    for container in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC")
    for subtype in sorted(LOSSLESS)
    if soundfile.check_format(container, subtype)
]


def restore(folder: Path, recording: Recording, labels: str, name: str = "a.x", **options: Any) -> ManifestRow:
    """Restore one file with a difference."""
    source = folder / "source"
    source.write_bytes(encode(recording))
    config = RestoreConfig(
        input=str(folder), output=str(folder / "out"), proof=Proof(difference=True), **{"method": "linear"} | options
    )
    size = source.stat().st_size
    return restore_one(config, {"uri": str(source), "name": name, "size": size, "labels": labels})


def check_sum(folder: Path, row: ManifestRow, damaged: Recording) -> None:
    """Check that output + removed is the damaged recording, added as their own kind of number."""
    assert row.status == "restored", row.error
    restored, removed = (read_recording((folder / "out" / name).read_bytes()) for name in (row.output, row.removed))
    assert (restored.sample_rate, restored.samples.shape) == (removed.sample_rate, removed.samples.shape)
    if restored.samples.dtype == removed.samples.dtype == np.int32:
        added: np.ndarray = restored.samples.astype(np.int64) + removed.samples
        np.testing.assert_array_equal(added, damaged.samples)
    else:
        dtype = np.result_type(restored.to_float(), removed.samples)
        added = restored.to_float().astype(dtype) + removed.samples
        np.testing.assert_array_equal(added.astype(damaged.to_float().dtype), damaged.to_float())


@given(
    st.sampled_from(FORMATS),
    st.integers(1, 3),
    st.sampled_from([8000, 44_100, 96_000]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_output_and_removed_add_up_to_the_input(
    tmp_path: Path, kind: tuple[str, str], channels: int, rate: int, seed: int, loud: bool
) -> None:
    container, subtype = kind
    random = np.random.default_rng(seed)
    level = 0.01 if "ALAC" in subtype else 1.0  # libsndfile writes loud noise as ALAC wrong
    samples = random.uniform(-level, level, (channels, 600))
    if loud:  # clicks of full scale among samples of the other sign: differences that pass full scale
        samples[:, 200:210] = -level
        samples[:, [199, 210]] = level
    kinds = {"FLOAT": np.float32, "DOUBLE": np.float64}
    values = to_integers(samples, subtype) if subtype in INTEGER_SUBTYPES else samples.astype(kinds[subtype])
    if subtype in kinds and container != "AIFF":
        values[0, 300:320] = 0.0
        values[-1, 400:403] = np.nan, np.inf, -np.inf
    damaged = Recording(samples=values, sample_rate=rate, container=container, subtype=subtype)
    labels = "".join(f"{start / rate}\t{stop / rate}\tgap\n" for start, stop in ((200, 210), (300, 320), (402, 410)))
    row = restore(tmp_path, damaged, labels)
    if subtype != "DOUBLE" or not row.error:  # where a sum is rounded, the row says so
        check_sum(tmp_path, row, read_recording((tmp_path / "source").read_bytes()))
    else:
        assert "off by a rounding" in row.error
    known = np.ones(600, dtype=bool)
    known[[*range(200, 210), *range(300, 320), *range(400, 410)]] = False
    removed = read_recording((tmp_path / "out" / row.removed).read_bytes())
    assert not removed.samples[:, known].any()


@pytest.mark.parametrize(
    ("container", "subtype", "name", "wide"),
    [
        ("FLAC", "PCM_16", "a.flac.removed.wav", "FLOAT"),
        ("FLAC", "PCM_24", "a.flac.removed.wav", "FLOAT"),
        ("WAV", "PCM_16", "a.removed.flac", "FLOAT"),
        ("AIFF", "PCM_32", "a.removed.flac", "DOUBLE"),
        ("WAV", "PCM_U8", "a.removed.flac", "FLOAT"),
    ],
)
def test_a_difference_that_passes_full_scale_is_written_in_floats(
    tmp_path: Path, container: str, subtype: str, name: str, wide: str
) -> None:
    samples = np.full((1, 400), 0.9)
    samples[:, 100:110] = -1.0
    damaged = Recording(samples=to_integers(samples, subtype), sample_rate=8000, container=container, subtype=subtype)
    row = restore(tmp_path, damaged, f"{100 / 8000}\t{110 / 8000}\tgap\n", name="a.flac")
    removed = read_recording((tmp_path / "out" / row.removed).read_bytes())
    assert (row.removed, removed.subtype, row.error) == (name, wide, "")
    assert removed.samples.min() < -1.5
    check_sum(tmp_path, row, damaged)


def test_clipping_restored_beyond_full_scale_adds_up(tmp_path: Path) -> None:
    time = np.arange(4000) / 8000
    sound = np.clip(1.6 * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 1.1 * time), -0.9, 0.9)
    path = tmp_path / "in" / "a.flac"
    path.parent.mkdir()
    soundfile.write(path, sound, 8000, subtype="PCM_16")
    config = RestoreConfig(
        input=str(path.parent), output=str(tmp_path / "out"), find=("clipping",), proof=Proof(difference=True)
    )
    assert restore_here(config) == 0
    (row,) = read_rows(tmp_path / "out")
    assert row.kinds.keys() == {"clipped"} and row.output == "a.flac.wav" and row.removed == "a.flac.removed.wav"
    check_sum(tmp_path, row, read_recording(path.read_bytes()))


def test_the_difference_of_a_lossy_file_is_to_what_it_decodes_to(tmp_path: Path) -> None:
    time = np.arange(8000) / 8000
    path = tmp_path / "in" / "a.ogg"
    path.parent.mkdir()
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * 220 * time), 8000, format="OGG", subtype="VORBIS")
    (tmp_path / "gaps.csv").write_text("name,start,end\na.ogg,0.2,0.21\n")
    config = RestoreConfig(
        input=str(path.parent),
        output=str(tmp_path / "out"),
        gaps=str(tmp_path / "gaps.csv"),
        proof=Proof(difference=True),
    )
    assert restore_here(config) == 0
    (row,) = read_rows(tmp_path / "out")
    assert (row.output, row.removed) == ("a.ogg.flac", "a.ogg.removed.flac")
    decoded = read_recording(path.read_bytes())
    samples = to_integers(decoded.samples, "PCM_24")
    check_sum(tmp_path, row, Recording(samples=samples, sample_rate=8000, container="FLAC", subtype="PCM_24"))


def test_a_second_run_keeps_differences_makes_lost_ones_again_and_deletes_those_that_nobody_wants(
    tmp_path: Path,
) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    write_damaged(source / "a.wav")
    write_damaged(source / "b.flac", gaps=2)
    write_damaged(source / "whole.wav", gaps=0)
    config = RestoreConfig(input=str(source), output=str(output), proof=Proof(difference=True))
    done: list[str] = []
    assert restore_here(config, done) == 0 and len(done) == 3
    names = sorted(path.name for path in output.iterdir())
    assert names == ["_restore", "a.removed.wav", "a.wav", "b.flac", "b.removed.flac", "whole.wav"]
    for row in read_rows(output):
        if row.removed:
            assert (output / row.removed).stat().st_size == row.removed_size
            assert row.removed == removed_name(row.output)
    done.clear()
    assert restore_here(config, done) == 0 and done == []
    (output / "b.removed.flac").unlink()
    assert restore_here(config, done) == 0 and done == ["b.flac"]
    assert (output / "b.removed.flac").exists()
    write_damaged(source / "a.wav", gaps=0)
    done.clear()
    assert restore_here(config, done) == 0 and done == ["a.wav"]
    assert not (output / "a.removed.wav").exists()
    plain = RestoreConfig(input=str(source), output=str(output))
    assert restore_here(plain) == 0
    assert sorted(path.name for path in output.iterdir()) == ["_restore", "a.wav", "b.flac", "whole.wav"]
    assert [row.removed for row in read_rows(output)] == [""] * 3


def test_a_difference_takes_the_name_of_no_other_file(tmp_path: Path) -> None:
    for name in ("a.wav", "a.removed.wav"):
        write_damaged(tmp_path / "in" / name)
    config = RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), proof=Proof(difference=True))
    assert restore_here(config) == 3
    rows = {row.name: row for row in read_rows(tmp_path / "out")}
    assert "a.removed.wav, which is another file" in rows["a.wav"].error
    assert rows["a.removed.wav"].removed == "a.removed.removed.wav"


def test_headroom_and_a_difference_are_refused_together() -> None:
    with pytest.raises(ValueError, match="--headroom-db"):
        RestoreConfig(input="in", output="out", headroom_db=6, find=("clipping",), proof=Proof(difference=True))


def test_the_checksums_of_the_manifest_are_of_files_and_of_sound(tmp_path: Path) -> None:
    for name in ("a.wav", "whole.wav"):
        write_damaged(tmp_path / "in" / name, gaps=int(name == "a.wav"))
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))) == 0
    for row in read_rows(tmp_path / "out"):
        for place, of_file, of_sound in (
            ("in", row.source_sha256, row.source_sound_sha256),
            ("out", row.sha256, row.sound_sha256),
        ):
            path = tmp_path / place / row.name
            assert hashlib.sha256(path.read_bytes()).hexdigest() == of_file
            samples = soundfile.read(path, dtype="int16")[0]
            assert hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest() == of_sound
