"""Shards from tracks: the row function without Ray, then the job."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from inpaint_ray import storage
from inpaint_ray.audio.decode import decode
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import read_rows
from inpaint_ray.data.tracks import Track
from inpaint_ray.errors import DatasetError, JobFailedError, UsageError
from inpaint_ray.fma.tracks import list_fma
from inpaint_ray.ledger.claims import claim
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.plan import ShardPlan, make_shard, plan_shards
from inpaint_ray.prepare.run import FOLDER, ShardSummary, _run, prepare
from tests.support.evaluating import prepare_music, write_music


def _config(collection: Path, output: Path, **changes: object) -> PrepareConfig:
    config = PrepareConfig(
        source=str(collection / "fma_music"),
        metadata=str(collection / "fma_metadata" / "tracks.csv"),
        output=str(output),
    )
    return replace(config, **changes)


def _plan(collection: Path, name: str = "train/00000.parquet") -> ShardPlan:
    listing = list_fma(
        str(collection / "fma_music"), str(collection / "fma_metadata" / "tracks.csv"), protocol="official"
    )
    return ShardPlan(name, [track for track in listing.tracks if track.split == "train"][:3])


def test_a_shard_holds_the_patches_of_its_tracks_in_a_mixed_order(collection: Path, tmp_path: Path) -> None:
    plan = _plan(collection)
    metadata = make_shard(plan, _config(collection, tmp_path), str(tmp_path))
    rows = next(read_rows([str(tmp_path / plan.name)]))
    assert sum(metadata.patches.values()) == len(rows.patch) == 15  # five of 128 frames in 3 s
    assert set(rows.track_id.tolist()) == {track.track_id for track in plan.tracks}
    assert rows.track_id.tolist() != sorted(rows.track_id.tolist())
    assert metadata.largest == pytest.approx(rows.magnitudes.max())


def test_a_bad_track_is_a_row_of_the_metadata_and_spoils_no_other(collection: Path, tmp_path: Path) -> None:
    good = _plan(collection)
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"garbage" * 1_000)
    plan = ShardPlan(good.name, [good.tracks[0], Track(str(bad), 9, "Rock", "train"), *good.tracks[1:]])
    metadata = make_shard(plan, _config(collection, tmp_path), str(tmp_path / "with"))
    make_shard(good, _config(collection, tmp_path), str(tmp_path / "without"))
    assert [uri for uri, _ in metadata.rejected] == [str(bad)]
    assert metadata.rejected[0][1].startswith("not readable as audio")
    patches = [
        {(int(t), int(p)): m.tobytes() for t, p, m in zip(rows.track_id, rows.patch, rows.magnitudes, strict=True)}
        for rows in (next(read_rows([str(tmp_path / folder / good.name)])) for folder in ("with", "without"))
    ]
    assert patches[0] == patches[1]


def test_a_shard_that_stands_is_not_made_again(collection: Path, tmp_path: Path) -> None:
    plan, config = _plan(collection), _config(collection, tmp_path)
    metadata = make_shard(plan, config, str(tmp_path))
    written = (tmp_path / plan.name).stat().st_mtime_ns
    assert make_shard(plan, config, str(tmp_path)) == metadata
    assert (tmp_path / plan.name).stat().st_mtime_ns == written
    make_shard(plan, replace(config, dtype="float16"), str(tmp_path))
    assert (tmp_path / plan.name).stat().st_mtime_ns > written


def test_a_shard_all_of_whose_tracks_are_bad_is_empty(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"")
    plan = ShardPlan("test/00000.parquet", [Track(str(tmp_path / "bad.mp3"), 1, "Rock", "test")])
    metadata = make_shard(plan, _config(collection, tmp_path), str(tmp_path))
    assert metadata.rejected == [(str(tmp_path / "bad.mp3"), "empty file")]
    assert pq.read_metadata(tmp_path / plan.name).num_rows == 0


@pytest.mark.parametrize(("num_tracks", "num_shards", "largest"), [(1, 1, 1), (20, 7, 3), (256, 8, 32), (640, 20, 32)])
def test_shards_are_few_for_little_and_bounded_for_much(num_tracks: int, num_shards: int, largest: int) -> None:
    plans = plan_shards([Track(str(i), i, "Rock", "train") for i in range(num_tracks)], seed=0)
    assert len(plans) == num_shards
    assert max(len(plan.tracks) for plan in plans) == largest
    assert sorted(track.track_id for plan in plans for track in plan.tracks) == list(range(num_tracks))


@pytest.mark.ray
def test_the_job_counts_what_it_made(prepared: Dataset, collection: Path) -> None:
    assert read_dataset(prepared.uri) == prepared
    assert [prepared.num_tracks(split) for split in ("train", "validation", "test")] == [5, 5, 5]
    assert prepared.num_patches("train") == 25
    assert set(prepared.patches["test"]) == {"Classical", "Electronic", "Experimental", "Folk", "Rock"}
    magnitudes = [rows.magnitudes for rows in read_rows([str(p) for p in Path(prepared.uri).glob("train/*.parquet")])]
    assert prepared.scale == pytest.approx(np.concatenate(magnitudes).max())
    assert prepared.seconds == pytest.approx(15 * 3.0, rel=0.02)
    first = next((collection / "fma_music").rglob("*.mp3"))
    assert decode(first.read_bytes())[0].shape[1] > 0
    assert pq.read_table(f"{prepared.uri}/rejected").num_rows == 0


@pytest.mark.ray
def test_a_second_run_has_nothing_to_do(
    prepared: Dataset, collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(_config(collection, Path(prepared.uri))) == prepared
    assert "nothing to do" in capsys.readouterr().out


def _parquet() -> bytes:
    """A table of somebody else's."""
    buffer = io.BytesIO()
    pq.write_table(pa.table({"patient": ["a"], "error": ["b"]}), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("thesis.txt", b"mine"),
        ("train/song.wav", b"mine"),
        ("test/0.parquet", _parquet()),
        ("rejected/mine/00000.parquet", _parquet()),
        ("train/00000.parquet", _parquet()),
        ("train/00000.parquet", b"mine"),
        ("train/00000.parquet", _parquet()[:-100] + bytes(92) + _parquet()[-8:]),  # whole, but its footer is spoilt
        ("train/00000-0123456789abcdef-001.parquet", _parquet()),
        ("validation/00777.parquet", _parquet()),
        ("rejected/00000.parquet", _parquet()),
        ("unmatched.csv", b"kind,name,mine\r\n"),
        ("dataset.json", b'{"format": 2}'),
        ("dataset.json", b'["mine"]'),
        ("dataset.json", b"mine"),
    ],
)
def test_an_output_that_holds_something_else_is_left_alone(
    collection: Path, tmp_path: Path, name: str, data: bytes
) -> None:
    config = _config(collection, tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(data)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=f"holds .*{name}") as refused:
        prepare(config)
    assert "\n" not in str(refused.value)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_link_to_a_disk_that_is_not_there_is_left_alone(collection: Path, tmp_path: Path) -> None:
    link = tmp_path / "shards/train/00000.parquet"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "disk/00000.parquet")
    with pytest.raises(UsageError, match="holds something else .train/00000.parquet"):
        prepare(_config(collection, tmp_path / "shards"))
    assert link.is_symlink()


def test_a_run_with_other_settings_leaves_what_a_killed_one_made(collection: Path, tmp_path: Path) -> None:
    config = _config(collection, tmp_path)
    claim("--output", str(tmp_path), FOLDER, config.identity())
    make_shard(_plan(collection), config, str(tmp_path))
    with pytest.raises(UsageError, match="holds results of dtype float32; give another folder"):
        prepare(replace(config, dtype="float16"))
    assert (tmp_path / "train/00000.parquet").exists()


@pytest.mark.ray
def test_a_killed_run_is_finished_and_what_it_left_is_cleared(
    local_ray: None, collection: Path, tmp_path: Path
) -> None:
    config = _config(collection, tmp_path)
    plans = plan_shards(list_fma(config.source, config.metadata, protocol="official").tracks, seed=0)
    claim("--output", str(tmp_path), FOLDER, config.identity())
    make_shard(plans[0], config, str(tmp_path))  # what a run that was killed had made, and what it had begun
    finished = (tmp_path / plans[0].name).stat().st_mtime_ns
    for name in ("train/00001.parquet", "rejected/00000.parquet", "unmatched.csv", "dataset.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.{'a' * 32}.tmp").write_bytes(b"half")
    (tmp_path / "train/00002.parquet").write_bytes(b"")  # as after a power cut
    make_shard(replace(plans[1], name="train/00099.parquet"), config, str(tmp_path))  # of another plan
    prepare(config)
    assert (tmp_path / plans[0].name).stat().st_mtime_ns == finished
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f"{number:05d}.parquet" for number in range(5)} | {"dataset.json", "unmatched.csv", "claim.json"}
    (tmp_path / "dataset.json").unlink()  # killed before the last write
    assert prepare(config).num_patches("train") == 25
    assert (tmp_path / plans[0].name).stat().st_mtime_ns == finished


@pytest.mark.ray
def test_what_a_dying_node_had_begun_is_cleared(
    local_ray: None, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(plans: list[ShardPlan], config: PrepareConfig, output: str) -> list[ShardSummary]:
        made = _run(plans, config, output)
        (tmp_path / f"train/00000.parquet.{'a' * 32}.tmp").write_bytes(b"half")  # by a node that then died
        return made

    monkeypatch.setattr("inpaint_ray.prepare.run._run", run)
    prepare(_config(collection, tmp_path))
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.ray
def test_too_many_rejects_fail_the_job_after_writing(local_ray: None, collection: Path, tmp_path: Path) -> None:
    source = tmp_path / "music"
    for number in range(3):
        target = source / "Rock" / f"{number}.mp3"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"" if number == 0 else next((collection / "fma_music").rglob("*.mp3")).read_bytes())
    config = PrepareConfig(source=str(source), output=str(tmp_path / "shards"), protocol="folders")
    with pytest.raises(JobFailedError, match="1 of 3 files gave no patches, more than --max-rejected 0.05"):
        prepare(config)
    assert pq.read_table(tmp_path / "shards" / "rejected").to_pylist()[0]["error"] == "empty file"
    with pytest.raises(DatasetError, match="did not finish"):
        read_dataset(str(tmp_path / "shards"))
    assert prepare(replace(config, max_rejected=0.5)).rejected == 1


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_a_track_that_could_not_be_read_is_read_again_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    write_music(tmp_path / "music")
    read_bytes = storage.read_bytes
    read: list[str] = []

    def read_noted(uri: str) -> bytes:
        if uri.endswith(".wav"):
            read.append(uri.rpartition("/")[2])
        return read_bytes(uri)

    def refused(uri: str) -> bytes:
        if uri.endswith("/2.wav"):
            raise error(error.__name__)
        return read_noted(uri)

    with monkeypatch.context() as patch, pytest.raises(JobFailedError, match="1 of 6 files gave no patches, more than"):
        patch.setattr(storage, "read_bytes", refused)
        prepare_music(tmp_path / "music", tmp_path / "shards")
    assert sorted(read) == ["0.wav", "1.wav", "3.wav", "4.wav", "5.wav"]
    read.clear()
    monkeypatch.setattr(storage, "read_bytes", read_noted)
    dataset = prepare_music(tmp_path / "music", tmp_path / "shards")
    assert (dataset.rejected, dataset.num_tracks("test"), read) == (0, 5, ["2.wav"])
    whole = prepare_music(tmp_path / "music", tmp_path / "whole")
    assert (dataset.contents, dataset.fingerprint) == (whole.contents, whole.fingerprint)
    assert pq.read_table(tmp_path / "shards" / "rejected").num_rows == 0


def test_a_track_that_is_no_audio_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_music(tmp_path / "music")
    (tmp_path / "music" / "2.wav").write_bytes(b"no audio")
    for _ in range(2):
        with pytest.raises(JobFailedError, match="1 of 6 files gave no patches, more than"):
            prepare_music(tmp_path / "music", tmp_path / "shards")
        monkeypatch.setattr("inpaint_ray.prepare.plan.read_clip", None)  # from the second run on


def test_long_tracks_go_on_in_further_files(collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, config = _plan(collection), _config(collection, tmp_path)
    make_shard(plan, config, str(tmp_path / "one"))
    monkeypatch.setattr("inpaint_ray.prepare.plan.MOST_PATCHES", 6)
    metadata = make_shard(plan, config, str(tmp_path / "many"))
    assert len(metadata.files) == 3 and sum(metadata.patches.values()) == 15
    one, many = (
        {
            (int(t), int(p)): m.tobytes()
            for rows in read_rows(uris)
            for t, p, m in zip(rows.track_id, rows.patch, rows.magnitudes, strict=True)
        }
        for uris in ([str(p) for p in (tmp_path / folder).glob("train/*")] for folder in ("one", "many"))
    )
    assert one == many and len(one) == 15
    names = sorted(path.name for path in (tmp_path / "many/train").iterdir())
    fingerprint = plan.fingerprint(config)
    assert names == [f"00000-{fingerprint}-001.parquet", f"00000-{fingerprint}-002.parquet", "00000.parquet"]


def test_a_track_that_has_gone_is_a_row_of_the_metadata(collection: Path, tmp_path: Path) -> None:
    good = _plan(collection)
    plan = ShardPlan(good.name, [Track(str(tmp_path / "gone.mp3"), 9, "Rock", "train"), *good.tracks])
    metadata = make_shard(plan, _config(collection, tmp_path), str(tmp_path))
    assert len(metadata.rejected) == 1 and "No such file" in metadata.rejected[0][1]


@pytest.mark.ray
def test_what_a_list_does_not_match_is_counted_and_named(local_ray: None, collection: Path, tmp_path: Path) -> None:
    names = sorted(str(p.relative_to(collection / "fma_music")) for p in (collection / "fma_music").rglob("*.mp3"))
    (tmp_path / "list.csv").write_text(
        "uri,genre,split\n" + "".join(f"{name},Rock,train\n" for name in [*names[:3], "gone.mp3"])
    )
    config = _config(collection, tmp_path / "shards", protocol="manifest", metadata=str(tmp_path / "list.csv"))
    dataset = prepare(config)
    assert (dataset.num_tracks("train"), dataset.absent, dataset.unlisted) == (3, 1, 12)
    lines = (tmp_path / "shards" / "unmatched.csv").read_text().splitlines()
    assert lines[:2] == ["kind,name", "absent,gone.mp3"] and len(lines) == 14
    assert prepare(config) == dataset
