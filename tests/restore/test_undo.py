from pathlib import Path

import numpy as np
import pytest
import soundfile

from inpaint_ray.audio.decode import Recording
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import FilledGap, gap_writer, merge_gaps, read_gaps
from inpaint_ray.restore.manifest import ManifestRow, write_manifest
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.undo import UndoConfig, put_back, undo


def gap(name: str, channel: int, start: int, samples: np.ndarray) -> FilledGap:
    return FilledGap(
        name=name,
        channel=channel,
        start=start,
        stop=start + len(samples),
        start_s=0.0,
        seconds=0.0,
        method="linear",
        level_before_db=-np.inf,
        level_after_db=0.0,
        dtype=str(samples.dtype),
        replaced=samples.tobytes(),
    )


def test_samples_go_back_across_blocks_bit_for_bit(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    original = random.standard_normal((2, 1000)).astype(np.float32)
    original[0, 300] = np.nan
    restored = original.copy()
    with gap_writer(tmp_path / "gaps.parquet") as writer:
        for channel, start, stop in ((0, 0, 10), (0, 250, 760), (1, 255, 256), (1, 990, 1000)):
            restored[channel, start:stop] = 1
            writer.add(gap("a", channel, start, original[channel, start:stop]))
        writer.add(gap("b", 0, 0, original[0]))
    rows = (row for batch in read_gaps(tmp_path / "gaps.parquet", {"a"}) for row in batch.to_pylist())
    blocks = (
        Recording(samples=part, sample_rate=1000, container="WAV", subtype="FLOAT")
        for part in np.split(restored, [255, 500, 501], axis=1)
    )
    undone = np.concatenate([block.samples for block in put_back(blocks, rows)], axis=1)
    assert undone.tobytes() == original.tobytes()


def test_many_gaps_are_written_and_read_in_groups(tmp_path: Path) -> None:
    samples = np.zeros(2**18, dtype=np.int32)
    with gap_writer(tmp_path / "gaps.parquet") as writer:
        for number in range(20):
            writer.add(gap(f"{number // 10}", 0, number, samples))
    assert (tmp_path / "gaps.parquet").stat().st_size < 100_000
    batches = list(read_gaps(tmp_path / "gaps.parquet", {"1"}))
    assert len(batches) > 1
    assert [row["start"] for batch in batches for row in batch.to_pylist()] == list(range(10, 20))


def test_a_long_stretch_that_is_not_finite_is_silenced_and_comes_back(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).standard_normal((32_000, 1)).astype(np.float32) / 10
    samples[8000:20_000] = np.inf
    source, output = tmp_path / "in" / "a.wav", str(tmp_path / "out")
    source.parent.mkdir()
    soundfile.write(source, samples, 8000, subtype="FLOAT")
    row = ManifestRow(
        **Restorer(RestoreConfig(input=str(tmp_path / "in"), output=output))(
            {"uri": str(source), "name": "a.wav", "size": 1}
        )
    )
    assert (row.status, row.gaps, row.samples_replaced) == ("partly", 1, 0)
    assert np.isfinite(soundfile.read(tmp_path / "out" / "a.wav")[0]).all()
    merge_gaps(output, [row], {"a.wav"})
    write_manifest(output, [row])
    undo(UndoConfig(output=output, to=str(tmp_path / "undone")))
    undone = soundfile.read(tmp_path / "undone" / "a.wav", dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(undone, samples)


def test_where_there_is_nothing_to_undo_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing was filled in x.wav"):
        undo(UndoConfig(output=str(tmp_path), to="elsewhere", name="x.wav"))
    with pytest.raises(ValueError, match="--to"):
        UndoConfig(output=str(tmp_path), to=str(tmp_path))
