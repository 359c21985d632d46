"""The same functions on s3:// URIs, against a server on loopback."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from inpaint_ray import storage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.shards import read_rows
from inpaint_ray.errors import CheckpointError, StorageError, UsageError
from inpaint_ray.fma.tracks import list_fma
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.plan import ShardPlan, make_shard
from inpaint_ray.storage import s3
from tests.support.faulty_proxy import Fate, FaultyProxy
from tests.support.interrupted import Killed
from tests.support.s3 import forget_clients
from tests.train.test_publish import read_while_replaced, whole_scale, write_checkpoint


def count_requests(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Count from here on what boto3 asks for, and forbid that pyarrow asks."""
    seen: list[str] = []
    make = s3.client()._make_api_call

    def make_api_call(operation: str, arguments: dict[str, Any]) -> Any:
        seen.append(operation)
        return make(operation, arguments)

    monkeypatch.setattr(s3.client(), "_make_api_call", make_api_call)
    monkeypatch.setattr(s3, "filesystem", lambda: None)
    return lambda: list(seen)


def test_bytes_come_back_and_are_listed(bucket: str) -> None:
    storage.write_bytes(f"{bucket}/a b/one.bin", b"123")
    assert storage.read_bytes(f"{bucket}/a b/one.bin") == b"123"
    assert [(file.name, file.size) for file in storage.list_files(f"{bucket}/a b")] == [("one.bin", 3)]
    assert storage.exists(f"{bucket}/a b/one.bin") and not storage.exists(f"{bucket}/a b/two.bin")


@pytest.mark.parametrize("name", ["a#b", "a?b=c", "a%41b", "a+b", "a b ", "\u00e9", "e\u0301", "a\\xffb", "x:y"])
def test_a_key_is_taken_as_it_is(bucket: str, name: str) -> None:
    uri = f"{bucket}/keys-{hashlib.md5(name.encode()).hexdigest()}/{name}"
    storage.write_bytes(uri, b"123")
    (file,) = storage.list_files(uri.rpartition("/")[0])
    assert file.uri == uri and storage.read_bytes(uri) == b"123"
    assert storage.find_file(uri, name) == file == storage.find_file(storage.absolute(uri), name)
    storage.delete_file(uri)
    assert not storage.exists(uri)


def test_a_file_has_its_etag_and_comes_as_a_local_copy(bucket: str) -> None:
    with storage.output_path(f"{bucket}/etag/a \u00e9.bin") as path:
        path.write_bytes(b"123")
    (listed,) = storage.list_files(f"{bucket}/etag")
    assert (listed.name, listed.size, listed.etag) == ("a \u00e9.bin", 3, hashlib.md5(b"123").hexdigest())
    assert storage.find_file(f"{bucket}/etag/a \u00e9.bin", "x") == replace(listed, name="x")
    assert storage.find_file(f"{bucket}/etag/none.bin", "x") is None
    with storage.local_file(listed.uri) as path:
        assert path.read_bytes() == b"123"
    assert not path.exists()
    with pytest.raises(FileNotFoundError), storage.local_file(f"{bucket}/etag/none.bin"):
        pass


def test_a_file_whose_writing_fails_does_not_appear(bucket: str) -> None:
    with pytest.raises(RuntimeError), storage.open_output(f"{bucket}/half.bin") as stream:
        stream.write(b"half" * 10_000_000)
        raise RuntimeError
    assert not storage.exists(f"{bucket}/half.bin")


def test_an_absent_bucket_is_one_line(bucket: str) -> None:
    with pytest.raises(UsageError, match="s3://nowhere: no such bucket, or no right to see it") as info:
        list(storage.list_files("s3://nowhere/x"))
    assert "\n" not in str(info.value)


def test_a_listing_asks_for_each_thousand_files_once(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b.bin", "a/b/c.bin", "a/b/", "a.bin", "a/"):  # two of them as consoles make folders
        s3.client().put_object(Bucket="music", Key=f"few/{name}", Body=b"" if name.endswith("/") else b"123")
    requests = count_requests(monkeypatch)
    files = list(storage.list_files(f"{bucket}/few"))
    assert [file.name for file in files] == ["a.bin", "a/b.bin", "a/b/c.bin"]
    assert {(file.size, file.etag) for file in files} == {(3, hashlib.md5(b"123").hexdigest())}
    assert list(storage.list_files(f"{bucket}/none")) == []
    assert requests() == ["ListObjectsV2", "ListObjectsV2"]


@pytest.mark.parametrize(("content", "tail"), [(b"", b""), (b"12", b"12"), (b"1234", b"1234"), (b"123456", b"3456")])
def test_a_tail_is_one_request(bucket: str, monkeypatch: pytest.MonkeyPatch, content: bytes, tail: bytes) -> None:
    storage.write_bytes(f"{bucket}/tails/a b#.bin", content)
    requests = count_requests(monkeypatch)
    assert storage.read_tail(f"{bucket}/tails/a b#.bin", 4) == tail
    assert requests() == ["GetObject"]
    with pytest.raises(FileNotFoundError):
        storage.read_tail(f"{bucket}/tails/none.bin", 4)


def test_a_tail_that_breaks_off_is_asked_for_again(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def read(self) -> bytes:
            raise ResponseStreamingError(error="reset")

    storage.write_bytes(f"{bucket}/tails/broken.bin", b"123456")
    whole, left = s3.client().get_object, 2

    def get_object(**arguments: str) -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"Body": Broken()} if left >= 0 else whole(**arguments)

    monkeypatch.setattr(s3.client(), "get_object", get_object)
    assert storage.read_tail(f"{bucket}/tails/broken.bin", 4) == b"3456"
    left = s3.READ_ATTEMPTS
    with pytest.raises(StorageError, match="tails/broken.bin: storage refuses"):
        storage.read_tail(f"{bucket}/tails/broken.bin", 4)
    with pytest.raises(StorageError, match="storage refuses.*NoSuchBucket"):
        storage.read_tail("s3://nowhere/x.bin", 4)


def test_a_missing_object_is_a_missing_file(bucket: str) -> None:
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{bucket}/none.bin")


def test_a_checkpoint_goes_there_and_back(bucket: str, tmp_path: Path) -> None:
    checkpoint = Checkpoint(model=build_model("Gap_UNet"), architecture="Gap_UNet", scale=12.0)
    save_checkpoint(checkpoint, tmp_path)
    storage.publish_folder(tmp_path, f"{bucket}/runs/best")
    assert open_checkpoint(f"{bucket}/runs/best").scale == 12.0
    with pytest.raises(CheckpointError, match="s3://music/runs/last: not a checkpoint"):
        open_checkpoint(f"{bucket}/runs/last")


def test_a_kill_at_any_request_leaves_the_former_or_the_new_checkpoint(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former, new = write_checkpoint(tmp_path / "1", 1.0), write_checkpoint(tmp_path / "2", 2.0)
    upload, uri, seen = s3.client().upload_file, f"{bucket}/killed/best", []
    for after in range(4):
        storage.publish_folder(former, uri)
        left = after

        def upload_or_die(*arguments: str) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            upload(*arguments)

        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            patch.setattr(s3.client(), "upload_file", upload_or_die)
            storage.publish_folder(new, uri)
        seen.append(whole_scale(open_checkpoint(uri)))
    assert seen == [1.0, 2.0, 2.0, 2.0]
    assert {file.name for file in storage.list_files(uri)} == {"model.safetensors", "config.json", "README.md"}


def test_who_reads_a_bucket_while_checkpoints_are_replaced_gets_whole_ones(bucket: str, tmp_path: Path) -> None:
    folders = [write_checkpoint(tmp_path / str(scale), scale) for scale in (1.0, 2.0)]
    read_while_replaced(folders, f"{bucket}/replaced/best", times=12)


def test_tracks_become_a_shard(bucket: str, collection: Path) -> None:
    for file in storage.list_files(str(collection)):
        storage.write_bytes(f"{bucket}/fma/{file.name}", storage.read_bytes(file.uri))
    config = PrepareConfig(
        source=f"{bucket}/fma/fma_music", metadata=f"{bucket}/fma/fma_metadata/tracks.csv", output=f"{bucket}/shards"
    )
    assert config.metadata is not None
    tracks = list_fma(config.source, config.metadata, protocol="official").tracks
    assert len(tracks) == 15
    make = functools.partial(make_shard, ShardPlan("train/00000.parquet", tracks[:2]), config, config.output)
    metadata = make()
    assert metadata.rejected == []
    assert sum(len(rows.patch) for rows in read_rows([f"{bucket}/shards/train/00000.parquet"])) == 10
    assert make() == metadata  # from the footer


def test_a_server_that_throttles_and_resets_is_borne_with(
    bucket: str, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in storage.list_files(str(collection)):
        storage.write_bytes(f"{bucket}/again/{file.name}", storage.read_bytes(file.uri))

    def fate(number: int) -> Fate:
        return "slow_down" if number % 4 == 1 else "reset" if number % 7 == 3 else "pass"

    proxy = FaultyProxy(os.environ["AWS_ENDPOINT_URL"], fate)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    forget_clients()
    try:
        source, metadata = f"{bucket}/again/fma_music", f"{bucket}/again/fma_metadata/tracks.csv"
        config = PrepareConfig(source=source, metadata=metadata, output=f"{bucket}/borne")
        tracks = list_fma(source, metadata, protocol="official").tracks
        metadata = make_shard(ShardPlan("train/00000.parquet", tracks), config, config.output)
    finally:
        proxy.close()
        forget_clients()
    assert metadata.rejected == [] and sum(metadata.patches.values()) == 75
    assert {fate: proxy.fates.count(fate) > 2 for fate in ("slow_down", "reset")} == {"slow_down": True, "reset": True}
