"""A checkpoint: a folder with model.safetensors and config.json. Reading one never runs code."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from inpaint_ray.errors import CheckpointError, UsageError
from inpaint_ray.models.registry import build_model
from inpaint_ray.version import VERSION

FORMAT = 1
WEIGHTS, CONFIG = "model.safetensors", "config.json"
PRETRAINED = "pretrained"  # in place of a folder: the checkpoint that ships with the package
PRETRAINED_FOLDER = Path(__file__).parent / PRETRAINED


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model and what is needed to use it."""

    model: nn.Module
    architecture: str  # its name in the registry
    scale: float  # largest training magnitude; networks see magnitude / scale + 0.001
    training: dict[str, Any] = field(default_factory=dict)  # how it was trained and what it scored, JSON values


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint into a folder; config.json, which has the SHA-256 of the weights, is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    data = safetensors.torch.save(weights)
    (folder / WEIGHTS).write_bytes(data)
    config = {
        "format": FORMAT,
        "architecture": checkpoint.architecture,
        "scale": checkpoint.scale,
        "training": checkpoint.training,
        "inpaint_ray": VERSION,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def load_checkpoint(folder: str | Path, *, name: str | None = None) -> Checkpoint:
    """The checkpoint in a folder, its model in evaluation mode on the CPU.

    Args:
        folder: a local folder; `pretrained` is the one that ships with the package.
        name: what to call it in errors (its URI); None is the folder.

    Raises:
        CheckpointError: the folder is absent, incomplete, of a later format, or its parts do not belong together.
    """
    place = name or str(folder)
    folder = PRETRAINED_FOLDER if str(folder) == PRETRAINED else Path(folder)
    config = _read_config(folder, place)
    try:
        data = (folder / WEIGHTS).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{place}: no {WEIGHTS} beside {CONFIG}; copy the whole checkpoint folder") from error
    if hashlib.sha256(data).hexdigest() != config["weights_sha256"]:
        raise CheckpointError(f"{place}: {WEIGHTS} is damaged or not the one {CONFIG} was written for; copy it again")
    try:
        with torch.device("meta"):  # no weights are drawn only to be replaced
            model = build_model(config["architecture"])
        model.load_state_dict(safetensors.torch.load(data), assign=True)
    except UsageError as error:
        raise CheckpointError(f"{place}: {error}; a later version of inpaint_ray may know it") from error
    except (RuntimeError, safetensors.SafetensorError) as error:
        problem = str(error).splitlines()[0]
        raise CheckpointError(f"{place}: weights do not fit {config['architecture']}: {problem}") from error
    return Checkpoint(
        model=model.eval(),
        architecture=config["architecture"],
        scale=float(config["scale"]),
        training=config["training"],
    )


def _read_config(folder: Path, place: str) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text())
    except OSError as error:
        raise CheckpointError(
            f"{place}: not a checkpoint: no {CONFIG} there; give a run's best or last folder"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{place}: {CONFIG} is damaged: {error}") from error
    needed = {"format", "architecture", "scale", "training", "weights_sha256"}
    if not isinstance(config, dict) or not needed <= config.keys():
        raise CheckpointError(f"{place}: {CONFIG} lacks {', '.join(sorted(needed - set(config)))}")
    if config["format"] != FORMAT:
        raise CheckpointError(
            f"{place}: checkpoint format {config['format']}, this version reads {FORMAT}; install a newer inpaint_ray"
        )
    return config
