"""The jobs against a real S3 server, Ceph's gateway: as a chain, the server gone in mid-job, wrong settings."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

from inpaint_ray import storage
from inpaint_ray.data.schema import read_dataset
from inpaint_ray.errors import StorageError, UsageError
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare
from inpaint_ray.synthesis.damaged import write_damaged_copy
from tests.support.ceph import Ceph, CephMissing, unpack
from tests.support.s3 import forget_clients

pytestmark = [pytest.mark.ray, pytest.mark.slow]
REPOSITORY = Path(__file__).parents[2]

TRAIN_TO_RESTORE = """
import sys

from inpaint_ray.cluster import start_ray
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.run import restore
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig, Workers
from inpaint_ray.train.trainer import train

start_ray()
small = Optimisation(batch_size=5)
train(TrainConfig(
    data="s3://music/shards", output="s3://music/runs", architecture="Gap_UNet", optimisation=small,
    budget=Budget(epochs=1), workers=Workers(cache=(sys.argv[1],)),
))
best = "s3://music/runs/Gap_UNet/best"
evaluate(EvaluateConfig(data="s3://music/shards", checkpoint=(best,), output="s3://music/results"))
print("exit code", restore(RestoreConfig(input="s3://music/tapes", output="s3://music/restored", checkpoint=best)))
"""


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    """A server of the module's own with an empty bucket `music`, which the environment points to."""
    try:
        tree = unpack(Path(tempfile.gettempdir()) / "inpaint_ray_ceph")
        server = Ceph(tree, tmp_path_factory.mktemp("ceph") / "data")
    except CephMissing as error:
        pytest.skip(f"no Ceph here: {error}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables.items():
            patch.setenv(name, value)
        forget_clients()
        boto3.client("s3").create_bucket(Bucket="music")
        yield server
        forget_clients()
    server.stop()


def _upload(folder: Path, uri: str) -> None:
    for file in storage.list_files(str(folder)):
        storage.write_bytes(storage.join(uri, file.name), storage.read_bytes(file.uri))


def test_prepare_survives_a_server_that_goes_away_and_the_others_use_what_it_made(
    ceph: Ceph, collection: Path, tmp_path: Path
) -> None:
    _upload(collection, "s3://music/fma")
    command = [sys.executable, "jobs/prepare.py", "--source", "s3://music/fma/fma_music"]
    command += ["--metadata", "s3://music/fma/fma_metadata/tracks.csv", "--output", "s3://music/shards"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        while not job.stdout.readline().startswith("prepare "):
            assert job.poll() is None
        ceph.stop_gateway()
        time.sleep(8)
        assert job.poll() is None, "it ended without its storage"
        ceph.start_gateway()
        said, errors = job.communicate(timeout=120)
    assert job.returncode == 0, errors
    assert "prepared 0.01 hours" in said
    dataset = read_dataset("s3://music/shards")
    assert sum(dataset.num_tracks(split) for split in ("train", "validation", "test")) == 15

    write_damaged_copy(collection, tmp_path)
    _upload(tmp_path / "damaged", "s3://music/tapes")
    run = subprocess.run(
        [sys.executable, "-c", TRAIN_TO_RESTORE, str(tmp_path / "cache")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "exit code 0"
    kept = list((tmp_path / "cache").iterdir())
    assert len(kept) == 2  # patches of two splits, decoded
    names = {file.name for file in storage.list_files("s3://music")}
    assert {"runs/Gap_UNet/best/model.safetensors", "results/results.json", "restored/_restore/report.html"} <= names
    with storage.local_copy("s3://music/restored/_restore") as folder:
        manifest = pq.read_table(folder / "manifest.parquet").to_pylist()
    assert {row["status"] for row in manifest} == {"restored"} and len(manifest) == 5
    assert {f"restored/{row['name']}" for row in manifest} <= names
    everything = b"".join(storage.read_bytes(f"s3://music/{name}") for name in names)
    assert ceph.variables["AWS_SECRET_ACCESS_KEY"].encode() not in everything


def test_a_wrong_bucket_or_key_is_one_line_before_any_work(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PrepareConfig(source="s3://musik/fma", output="s3://music/none", protocol="folders")
    with pytest.raises(UsageError, match="s3://musik: no such bucket, or no right to see it") as wrong_bucket:
        prepare(config)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    forget_clients()
    with pytest.raises((UsageError, StorageError, PermissionError)) as wrong_key:
        prepare(PrepareConfig(source="s3://music/fma", output="s3://music/none", protocol="folders"))
    forget_clients()
    for error in (wrong_bucket, wrong_key):
        assert "\n" not in str(error.value) and os.environ["AWS_SECRET_ACCESS_KEY"] not in str(error.value)
