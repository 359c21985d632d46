"""An archive of every lossless container and subtype: restored with differences, taken back in whole and by half."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.decisions import COLUMNS
from inpaint_ray.restore.formats import FLOAT_BYTES, LOSSLESS
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import ManifestRow
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.restoring import read_rows, restore_here

RATE = 8000
CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC", "NIST", "IRCAM", "PAF", "PVF", "AVR")
LOST = ((1000, 1080), (2000, 2050), (3000, 3120), (3500, 3510))
HALF = (0, 2)  # of LOST, taken back


def write_files(folder: Path) -> dict[str, Recording]:
    """Write a file of each container and subtype, stereo where it can be, and return what they hold."""
    time = np.arange(4000) / RATE
    sound = np.array(
        [0.3 * np.sin(2 * np.pi * hertz * time) + 0.1 * np.sin(2 * np.pi * 331 * time) for hertz in (220, 277)]
    )
    for start, stop in LOST:
        sound[:, start:stop] = 0
    sources = {}
    for container in CONTAINERS:
        for subtype in LOSSLESS:
            if not soundfile.check_format(container, subtype):
                continue
            kept = sound[:1] if container in ("AVR", "NIST") else sound
            values = (
                kept.astype(np.float32 if subtype == "FLOAT" else np.float64)
                if subtype in FLOAT_BYTES
                else to_integers(kept, subtype)
            )
            path = folder / container / f"{subtype}.audio.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            recording = Recording(samples=values, sample_rate=RATE, container=container, subtype=subtype)
            path.write_bytes(encode(recording))
            sources[f"{container}/{subtype}.audio.wav"] = read_recording(path.read_bytes())
    return sources


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Recording], dict[str, ManifestRow]]:
    folder = tmp_path_factory.mktemp("whole")
    sources = write_files(folder / "in")
    marks = [f"{name},{start / RATE},{stop / RATE}" for name in sources for start, stop in LOST]
    (folder / "gaps.csv").write_text("name,start,end\n" + "\n".join(marks) + "\n")
    config = RestoreConfig(
        input=str(folder / "in"),
        output=str(folder / "out"),
        gaps=str(folder / "gaps.csv"),
        method="autoregressive",
        proof=Proof(difference=True),
    )
    assert restore_here(config) == 0
    rows = {row.name: row for row in read_rows(folder / "out")}
    assert rows.keys() == sources.keys() and len(rows) > 30
    return folder, sources, rows


Restored = tuple[Path, dict[str, Recording], dict[str, ManifestRow]]


def read(path: Path) -> np.ndarray:
    return read_recording(path.read_bytes()).samples


def test_every_output_and_its_difference_add_up_to_the_source(restored: Restored) -> None:
    folder, sources, rows = restored
    for name, source in sources.items():
        row = rows[name]
        output, removed = (read_recording((folder / "out" / each).read_bytes()) for each in (row.output, row.removed))
        assert (output.container, output.subtype) == (source.container, source.subtype), name
        assert removed.subtype.removeprefix("PCM_") == source.subtype.replace("ALAC_20", "24").replace(
            "ALAC_", ""
        ).removeprefix("PCM_"), name
        added = output.samples + removed.samples.astype(np.result_type(removed.samples, np.float64))
        np.testing.assert_array_equal(added, source.samples, err_msg=name)
        assert row.error == "", name


def test_the_undo_of_all_gives_the_source(restored: Restored) -> None:
    folder, sources, rows = restored
    assert undo(UndoConfig(output=str(folder / "out"), to=str(folder / "undone"))) == 0
    num_bytes_equal = 0
    for name, source in sources.items():
        path = folder / "undone" / rows[name].output
        assert read(path).tobytes() == source.samples.tobytes(), name
        num_bytes_equal += path.read_bytes() == (folder / "in" / name).read_bytes()
    assert num_bytes_equal > 0.8 * len(sources)  # of others the header has a time or a peak
    table = {row["name"]: row for row in pq.read_table(folder / "undone/_undo/manifest.parquet").to_pylist()}
    for name, row in table.items():
        assert row["sound_sha256"] == rows[name].source_sound_sha256, name


def test_the_undo_of_a_half_leaves_the_other_half(restored: Restored) -> None:
    folder, sources, rows = restored
    gaps = defaultdict(list)
    for gap in pq.read_table(folder / "out" / GAPS).to_pylist():
        gaps[gap["name"]].append(gap)
    halves = {LOST[number][0] for number in HALF}
    lines = [
        ",".join(str(gap[column]) for column in COLUMNS[:4]) + (",undo" if gap["start"] in halves else ",keep")
        for each in gaps.values()
        for gap in each
    ]
    (folder / "decisions.csv").write_text(",".join(COLUMNS) + "\n" + "\n".join(lines) + "\n")
    to = folder / "half"
    assert undo(UndoConfig(output=str(folder / "out"), to=str(to), only=str(folder / "decisions.csv"))) == 0
    changed = pq.read_table(to / "_undo/manifest.parquet").to_pylist()
    assert [row["name"] for row in changed] == sorted(sources)
    for row in changed:
        source, whole = sources[row["name"]].samples, read(folder / "out" / row["output"])
        expected = whole.copy()
        for number in HALF:
            expected[:, slice(*LOST[number])] = source[:, slice(*LOST[number])]
        half = read(to / row["output"])
        np.testing.assert_array_equal(half, expected, err_msg=row["name"])
        assert (half != whole).any() and (half != source).any()
        removed = read(to / row["removed"])
        np.testing.assert_array_equal(half + removed.astype(np.float64), source, err_msg=row["name"])
        assert row["undone"] == 2 * len(source)
