"""The synthetic collection: FMA's layout, kinds of sound that differ, and damage whose truth is known."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from inpaint_ray.audio.decode import decode, read_recording
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.errors import UsageError
from inpaint_ray.fma.tracks import list_fma
from inpaint_ray.synthesis.collection import write_collection
from inpaint_ray.synthesis.damaged import write_damaged_copy
from inpaint_ray.synthesis.genres import synthesise


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_genre_is_in_every_split_and_every_listed_file_is_there(collection: Path) -> None:
    listing = list_fma(
        str(collection / "fma_music"), str(collection / "fma_metadata" / "tracks.csv"), protocol="official"
    )
    counts = Counter((track.split, track.genre) for track in listing.tracks)
    assert len(counts) == 15 and set(counts.values()) == {1}
    assert (listing.absent, listing.unlisted) == ([], [])


def test_files_lie_where_fma_has_them(collection: Path) -> None:
    for path in (collection / "fma_music").rglob("*.mp3"):
        assert len(path.stem) == 6 and path.parent.name == path.stem[:3]


def test_rates_and_channels_differ_as_in_real_life(collection: Path) -> None:
    recordings = [read_recording(path.read_bytes()) for path in (collection / "fma_music").rglob("*.mp3")]
    assert {recording.sample_rate for recording in recordings} == {22_050, 44_100, 48_000}
    assert {len(recording.samples) for recording in recordings} == {1, 2}
    peaks = [np.abs(recording.samples).max() for recording in recordings]
    assert 0.1 < min(peaks) and max(peaks) < 0.99


def test_the_same_seed_makes_the_same_archive(collection: Path, tmp_path: Path) -> None:
    write_collection(tmp_path, num_tracks=15, duration_s=3.0)
    assert _bytes(tmp_path) == _bytes(collection)


def test_a_complete_archive_is_left_as_it_is(collection: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in collection.rglob("*")}
    write_collection(collection, num_tracks=15, duration_s=3.0)
    assert {path: path.stat().st_mtime_ns for path in collection.rglob("*")} == before


def test_too_few_tracks_for_every_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises((UsageError, ValueError), match="15"):
        write_collection(tmp_path, num_tracks=14)


def _gain_of_interpolation(genre: str) -> float:
    """Return the gain in dB of interpolation over silence where every other group of four frames is lost."""
    random = np.random.default_rng(0)
    samples = synthesise(genre, duration_s=3.0, sample_rate=16_000, num_channels=1, random=random)[0]
    magnitudes = spectrogram(torch.from_numpy(samples).float(), Grid()).unsqueeze(0)
    lost = (torch.arange(magnitudes.shape[1]) % 8 >= 4).unsqueeze(0)
    error = (interpolate_frames(magnitudes, lost) - magnitudes)[lost].square().sum()
    return float(10 * torch.log10(magnitudes[lost].square().sum() / error))


def test_kinds_differ_and_none_is_solved_by_interpolation() -> None:
    gains = {
        genre: _gain_of_interpolation(genre) for genre in ("Classical", "Electronic", "Experimental", "Folk", "Rock")
    }
    assert max(gains.values()) - min(gains.values()) > 3
    assert all(0 < gain < 25 for gain in gains.values()), gains


def test_a_damaged_copy_differs_from_the_clean_one_in_gaps_alone(collection: Path, tmp_path: Path) -> None:
    write_damaged_copy(collection, tmp_path)
    names = sorted(str(path.relative_to(tmp_path / "clean")) for path in (tmp_path / "clean").rglob("*.*"))
    assert len(names) == 5 and {Path(name).suffix for name in names} == {".wav", ".flac"}
    for name in names:
        clean, damaged = (decode((tmp_path / kind / name).read_bytes())[0] for kind in ("clean", "damaged"))
        changed = clean != damaged
        assert not damaged[changed].any()
        assert 0.001 < changed.mean() < 0.05
