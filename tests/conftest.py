"""Fixtures of many tests: a local Ray, a small prepared data set, real music where it is at hand."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inpaint_ray.data.schema import Dataset

# Ray reads these when it is imported: a token of the tests' own, and none written to the home folder.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ |= {
    "RAY_num_workers_soft_limit": "8",  # idle processes that are kept: a new one imports for seconds
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # each training ends, or is seen to fail, up to 2 s sooner
}
torch.set_num_threads(1)  # on shared cores a second thread costs more than it brings; Ray's workers have one too
MUSIC = Path(__file__).resolve().parents[2] / "shared" / "music"


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    """The URI of a bucket on loopback, to which the standard variables point from now on."""
    from tests.support.s3 import serve_bucket

    with serve_bucket("music") as uri:
        yield uri


@pytest.fixture(scope="session")
def local_ray(bucket: str) -> Iterator[None]:
    """A Ray of four CPUs' accounting, with a token of its own, for all tests that need one.

    Its workers see the bucket: they take over the variables as they are when Ray starts.
    """
    import ray

    from inpaint_ray.cluster import start_ray

    start_ray()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen synthetic tracks of 3 s in FMA's layout: five genres in each of three splits."""
    from inpaint_ray.synthesis.collection import write_collection

    folder = tmp_path_factory.mktemp("collection")
    write_collection(folder, num_tracks=15, duration_s=3.0)
    return folder


@pytest.fixture(scope="session")
def prepared(local_ray: None, collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The collection as shards, made by the prepare job."""
    from inpaint_ray.prepare.config import PrepareConfig
    from inpaint_ray.prepare.run import prepare

    return prepare(
        PrepareConfig(
            source=str(collection / "fma_music"),
            metadata=str(collection / "fma_metadata" / "tracks.csv"),
            output=str(tmp_path_factory.mktemp("shards") / "synthetic"),
        )
    )


@pytest.fixture(scope="session")
def music() -> Path:
    """The folder of real music; tests that ask for it are skipped where it is absent."""
    if not MUSIC.is_dir():
        pytest.skip("the folder of real music is absent")
    return MUSIC
