"""Checkpoints: what is written is what is read, and nothing damaged is read."""

import json
from pathlib import Path

import pytest
import torch

from inpaint_ray.errors import CheckpointError
from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = build_model("Gap_UNet")
    torch.nn.init.normal_(model.last.weight)
    checkpoint = Checkpoint(model=model, architecture="Gap_UNet", scale=100.0, training={"epochs": 3})
    save_checkpoint(checkpoint, tmp_path / "best")
    return tmp_path / "best"


def test_a_loaded_model_gives_bit_identical_output(saved: Path) -> None:
    torch.manual_seed(0)
    model = build_model("Gap_UNet")
    torch.nn.init.normal_(model.last.weight)
    loaded = load_checkpoint(saved)
    given = torch.rand(1, 1, 32, 32)
    given[:, :, 5:9] = 0.001
    with torch.inference_mode():
        assert torch.equal(loaded.model(given), model.eval()(given))
    assert (loaded.scale, loaded.training) == (100.0, {"epochs": 3})


def test_a_folder_without_config_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no config.json there; give a run's best or last folder"):
        load_checkpoint(tmp_path)


def test_weights_that_were_changed_are_refused(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\7")
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "Unknown"}, "unknown architecture"),
        ({"architecture": "UNet"}, "weights do not fit UNet"),
        ({"format": 99}, "format 99"),
    ],
)
def test_a_config_that_cannot_be_is_refused(saved: Path, change: dict[str, object], message: str) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_config_is_refused(saved: Path, text: str) -> None:
    (saved / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="config.json"):
        load_checkpoint(saved)


def test_nothing_in_a_checkpoint_can_run_code(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]
    assert (saved / "model.safetensors").read_bytes()[8:9] == b"{"  # safetensors: a length, then JSON
