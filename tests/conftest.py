"""What many tests share: a local Ray, real music where it is at hand, small data."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # on shared cores a second thread costs more than it brings; Ray's workers have one too
MUSIC = Path(__file__).resolve().parents[2] / "shared" / "music"


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Ray of four CPUs' accounting, with a token of its own, for all tests that need one."""
    import ray

    from inpaint_ray.command_line import start_ray

    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text(secrets.token_hex(32))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    start_ray()
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def music() -> Path:
    """The folder of real music; tests that ask for it are skipped where it is absent."""
    if not MUSIC.is_dir():
        pytest.skip(f"no real music at {MUSIC.name}: tests on it are skipped")
    return MUSIC
