"""Two hundred broken files beside fifty good ones: none spoils another, none is forgotten, memory is bounded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import read_rows
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.patching import read_clip
from inpaint_ray.prepare.run import prepare
from tests.support.bad_files import FORMATS, HARMLESS_BYTES, bad_files, flipped, sound

PEAK_OF_ALL = """
import resource
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.prepare.patching import read_clip
from tests.support.bad_files import bad_files
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _, data in bad_files():
    try:
        read_clip(data)
    except AudioDecodeError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _good_files() -> dict[str, bytes]:
    """Fifty of several formats, rates and numbers of channels, one with nine."""
    settings = [(rate, channels) for rate in (44_100, 48_000, 22_050, 16_000) for channels in (1, 2, 6)]
    files = {}
    for number in range(50):
        kind = list(FORMATS)[number % len(FORMATS)]
        rate, channels = settings[number % len(settings)]
        if kind == "mp3":
            channels = min(channels, 2)
        files[f"good_{number}.{kind}"] = sound(number, seconds=1.5, rate=rate, channels=channels, kind=kind)
    files["good_0.wav"] = sound(0, seconds=1.5, channels=9)
    return files


def _prepare(folder: Path, files: dict[str, bytes]) -> Dataset:
    (folder / "tapes").mkdir(parents=True)
    for name, data in files.items():
        (folder / "tapes" / name).write_bytes(data)
    listed = "".join(f"{name},Jazz,train\n" for name in sorted(files))
    (folder / "list.csv").write_text(f"uri,genre,split\n{listed}")
    return prepare(
        PrepareConfig(
            source=str(folder / "tapes"),
            output=str(folder / "shards"),
            metadata=str(folder / "list.csv"),
            protocol="manifest",
            max_rejected=1.0,
        )
    )


def _patches(dataset: Dataset) -> dict[tuple[int, int], bytes]:
    uris = [str(path) for path in Path(dataset.uri).glob("train/*.parquet")]
    return {
        (int(track_id), int(patch)): magnitudes.tobytes()
        for rows in read_rows(uris)
        for track_id, patch, magnitudes in zip(rows.track_id, rows.patch, rows.magnitudes, strict=True)
    }


@pytest.mark.ray
def test_good_files_give_what_they_give_without_the_bad_ones(local_ray: None, tmp_path: Path) -> None:
    good, bad = _good_files(), dict(bad_files())
    assert len(good) == 50 and len(bad) >= 200
    clean, mixed = _prepare(tmp_path / "clean", good), _prepare(tmp_path / "mixed", good | bad)
    assert _patches(mixed) == _patches(clean)
    assert len(_patches(clean)) == 50 * 2
    rejected = pq.read_table(f"{mixed.uri}/rejected").to_pylist()
    assert {Path(row["uri"]).name for row in rejected} == set(bad)
    assert all(row["error"] for row in rejected)
    assert clean.rejected == 0


def test_no_bad_file_decides_the_memory() -> None:
    run = subprocess.run([sys.executable, "-c", PEAK_OF_ALL], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100_000  # KiB, though headers claim up to six hours and 68 thousand million samples


@pytest.mark.parametrize("place", sorted(HARMLESS_BYTES))
def test_a_header_that_is_wrong_where_it_does_not_matter_gives_the_same_sound(place: int) -> None:
    data = sound(1)
    np.testing.assert_array_equal(read_clip(flipped(data, place))[0], read_clip(data)[0])
