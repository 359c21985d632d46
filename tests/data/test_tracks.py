"""Listings: FMA's tracks.csv with its oddities, the reference's splits, a folder per genre."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inpaint_ray.data.tracks import Track, keep_some, list_folders
from inpaint_ray.errors import UsageError
from inpaint_ray.fma.tracks import list_fma

HEADER = ",set,set,track,track\n,split,subset,genre_top,title\ntrack_id,,,,\n"


def _fma(folder: Path, rows: list[str], files: list[int]) -> tuple[str, str]:
    """A folder of audio (of no content) and a tracks.csv; their URIs."""
    for track_id in files:
        path = folder / "music" / f"{track_id:06d}"[:3] / f"{track_id:06d}.mp3"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (folder / "tracks.csv").write_text(HEADER + "\n".join(rows) + "\n")
    return str(folder / "music"), str(folder / "tracks.csv")


def test_the_official_split_is_that_of_the_file(tmp_path: Path) -> None:
    rows = ["2,training,small,Rock,A", "5,validation,small,Rock,B", "1007,test,large,,C"]
    listing = list_fma(*_fma(tmp_path, rows, [2, 5, 1007]), protocol="official")
    assert [(t.track_id, t.split, t.genre) for t in listing.tracks] == [
        (2, "train", "Rock"),
        (5, "validation", "Rock"),
        (1007, "test", "unknown"),
    ]


def test_absent_and_unlisted_files_are_told_apart(tmp_path: Path) -> None:
    source, metadata = _fma(tmp_path, ["2,training,small,Rock,A", "3,training,small,Rock,B"], [2, 9])
    listing = list_fma(source, metadata, protocol="official")
    assert listing.absent == ["000003"]
    assert [Path(uri).name for uri in listing.unlisted] == ["000009.mp3"]


def test_titles_with_commas_and_line_breaks_are_read(tmp_path: Path) -> None:
    source, metadata = _fma(tmp_path, ['2,training,small,Rock,"one, two\nthree"'], [2])
    assert [t.track_id for t in list_fma(source, metadata, protocol="official").tracks] == [2]


def test_the_reference_trains_on_small_and_tests_on_medium(tmp_path: Path) -> None:
    rows = [f"{i},{split},small,Rock,x" for i, split in enumerate(["training"] * 8 + ["validation", "test"])]
    rows += [f"{i},training,medium,Jazz,x" for i in range(10, 14)] + ["20,training,large,Jazz,x"]
    rows += [f"{i},training,medium,Rock,x" for i in range(100, 6_203)]
    rows += [f"{i},training,medium,Hip-Hop,x" for i in range(7_000, 7_100)]
    files = [*range(14), 20, *range(100, 6_203), *range(7_000, 7_100)]
    listing = list_fma(*_fma(tmp_path, rows, files), protocol="reference")
    counts = Counter((track.split, track.genre) for track in listing.tracks)
    assert counts == {
        ("train", "Rock"): 8,
        ("validation", "Rock"): 2,
        ("test", "Jazz"): 4,
        ("test", "Rock"): 608,  # of 6,103, as the reference drew
        ("test", "Hip-Hop"): 49,  # of 100: the share that 585 of 1,201 is
    }
    assert listing.notes == [
        "not as many tracks as the reference has: 8 of 6400 train, 2 of 1600 validation, 661 of 5583 test; "
        "the proportions are its own"
    ]


def test_the_reference_draws_the_same_tracks_from_the_same_seed(tmp_path: Path) -> None:
    rows = [f"{i},training,medium,Rock,x" for i in range(1_000)]
    uris = _fma(tmp_path, rows, list(range(1_000)))
    drawn = [
        {track.track_id for track in list_fma(*uris, protocol="reference", seed=seed).tracks} for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_length_of_the_song_is_expected_of_whole_songs_alone(tmp_path: Path) -> None:
    uris = _fma(tmp_path, ["2,training,small,168,Rock"], [2])
    Path(uris[1]).write_text(
        ",set,set,track,track\n,split,subset,duration,genre_top\ntrack_id,,,,\n2,training,small,168,Rock\n"
    )
    assert list_fma(*uris, protocol="official").tracks[0].duration_s is None
    assert list_fma(*uris, protocol="official", whole=True).tracks[0].duration_s == 168.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "column set/split, set/subset, track/genre_top is missing"),
        (",set,track,track\n,split,genre_top,title\ntrack_id,,,\n", "column set/subset is missing"),
        (HEADER, "no track in it has a split"),
    ],
)
def test_a_tracks_csv_that_is_none_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    source, metadata = _fma(tmp_path, [], [2])
    Path(metadata).write_text(text)
    with pytest.raises(UsageError, match=message):
        list_fma(source, metadata, protocol="official")


def test_a_missing_tracks_csv_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.csv: no such file; give FMA's"):
        list_fma(str(tmp_path), f"{tmp_path}/nowhere.csv", protocol="official")


def test_a_source_without_audio_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no audio file there"):
        list_folders(str(tmp_path))


def _add(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def _splits(folder: Path) -> dict[str, str]:
    """Name below the folder -> split."""
    return {track.uri.removeprefix(f"{folder}/"): track.split for track in list_folders(str(folder)).tracks}


def test_the_genre_is_the_first_folder_of_a_name(tmp_path: Path) -> None:
    _add(tmp_path, "Jazz/a.wav", "Folk/live/b.wav", "c.wav", "notes.txt")
    genres = {Path(track.uri).name: track.genre for track in list_folders(str(tmp_path)).tracks}
    assert genres == {"a.wav": "Jazz", "b.wav": "Folk", "c.wav": "unknown"}


def test_adding_tracks_moves_none_to_another_split(tmp_path: Path) -> None:
    random, standing = np.random.default_rng(0), dict[str, str]()
    for number in range(200):  # one genre grows from nothing, the others more slowly
        _add(tmp_path, f"{random.choice(['Jazz', 'Folk', 'Rock'], p=[0.7, 0.2, 0.1])}/{number}.wav")
        splits = _splits(tmp_path)
        assert standing.items() <= splits.items()
        standing = splits


def test_a_track_is_in_the_same_split_wherever_the_source_lies_and_whatever_else_it_holds(tmp_path: Path) -> None:
    names = [f"Jazz/{number}.wav" for number in range(30)]
    _add(tmp_path / "all", *names)
    for number, name in enumerate(names):
        _add(tmp_path / f"alone{number}", name)
        assert _splits(tmp_path / f"alone{number}") == {name: _splits(tmp_path / "all")[name]}


def test_eight_tracks_of_ten_are_for_training_and_one_for_each_of_the_others(tmp_path: Path) -> None:
    _add(tmp_path, *(f"Jazz/{number}.wav" for number in range(2_000)))
    counts = Counter(_splits(tmp_path).values())
    shares = {split: count / 2_000 for split, count in counts.items()}
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.02)


def test_a_source_so_small_that_a_split_stays_empty_is_told(tmp_path: Path) -> None:
    _add(tmp_path, "Jazz/0.wav")
    (note,) = list_folders(str(tmp_path)).notes
    assert note.startswith("none of these tracks is in validation or test: a hash of its name puts each where it is")
    _add(tmp_path, *(f"Jazz/{number}.wav" for number in range(100)))
    assert list_folders(str(tmp_path)).notes == []


def test_a_limit_keeps_every_split_and_genre() -> None:
    tracks = [
        Track(f"{i}", i, genre, split)
        for i, (genre, split) in enumerate(
            [("Rock", "train")] * 20 + [("Jazz", "train")] * 2 + [("Rock", "validation")] * 3 + [("Jazz", "test")]
        )
    ]
    kept = keep_some(tracks, 8)
    assert len(kept) == 8
    assert {(t.genre, t.split) for t in kept} == {(t.genre, t.split) for t in tracks}
