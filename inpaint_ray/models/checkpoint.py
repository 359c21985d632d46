"""Checkpoints: folders with model.safetensors and config.json. Reading one never runs code."""

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
SHA256 = "weights_sha256"  # key of a config: the digest of model.safetensors; within it, see `_digest_of_parts`
PRETRAINED = "pretrained"  # in place of a folder: the checkpoint that ships with the package
PRETRAINED_FOLDER = Path(__file__).parent / PRETRAINED


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model with its architecture, scale and training settings."""

    model: nn.Module
    architecture: str  # its name in the registry
    scale: float  # largest training magnitude; networks see magnitude / scale + 0.001
    training: dict[str, Any] = field(default_factory=dict)  # settings and scores of the training, JSON values


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the checkpoint into a folder.

    model.safetensors alone is the whole of it, because weights carry their settings in the header: a checkpoint is
    replaced by replacing one file. config.json has the settings for people and other tools, and is written last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.model.state_dict().items()}
    config = {
        "format": FORMAT,
        "architecture": checkpoint.architecture,
        "scale": checkpoint.scale,
        "training": checkpoint.training,
        "inpaint_ray": VERSION,
    }
    header, tensors = _header_and_tensors(safetensors.torch.save(weights))
    carried = config | {SHA256: _digest_of_parts(config, json.loads(header), tensors)}
    data = safetensors.torch.save(weights, metadata={CONFIG: json.dumps(carried)})
    (folder / WEIGHTS).write_bytes(data)
    config |= {SHA256: hashlib.sha256(data).hexdigest()}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")


def load_checkpoint(folder: str | Path, *, name: str | None = None) -> Checkpoint:
    """Load the checkpoint in a folder, its model in evaluation mode on the CPU.

    Args:
        folder: a local folder; `pretrained` is the one that ships with the package.
        name: what to call it in errors (its URI); None is the folder.

    Raises:
        CheckpointError: the folder is absent, incomplete, of a later format, or its parts do not belong together.
    """
    place = name or str(folder)
    folder = PRETRAINED_FOLDER if str(folder) == PRETRAINED else Path(folder)
    beside = _content(folder / CONFIG)  # first: where it is replaced meanwhile, the weights carry what belongs to them
    data = _content(folder / WEIGHTS) or b""
    if not data and beside is not None:
        raise CheckpointError(f"{place}: no {WEIGHTS} beside {CONFIG}; copy the whole checkpoint folder")
    config = None if beside is None else _parse_config(beside, place)
    if config is None or hashlib.sha256(data).hexdigest() != config[SHA256]:
        config = _carried_config(data, place)
    if config is None:
        raise CheckpointError(
            f"{place}: not a checkpoint: no {CONFIG} there; give a run's best or last folder"
            if beside is None
            else f"{place}: {WEIGHTS} is damaged or not the one {CONFIG} was written for; copy it again"
        )
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


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _header_and_tensors(data: bytes) -> tuple[bytes, memoryview]:
    """Split a safetensors file: the length of the header in 8 bytes, the header as JSON, the tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end], memoryview(data)[end:]


def _digest_of_parts(config: dict[str, Any], table: dict[str, Any], tensors: memoryview) -> str:
    """Return the SHA-256 of all that a safetensors file holds but the digest itself, which is among the settings.

    Args:
        config: the settings in the header, without the digest.
        table: the rest of the header: type, shape and place of each tensor.
        tensors: what follows the header.
    """
    digest = hashlib.sha256(json.dumps([config, table], sort_keys=True).encode())
    digest.update(tensors)
    return digest.hexdigest()


def _carried_config(data: bytes, place: str) -> dict[str, Any] | None:
    """Return the settings in the header of weights; None where there are none, or the file is not as it was written."""
    header, tensors = _header_and_tensors(data)
    try:
        table = json.loads(header)
        text = table.pop("__metadata__")[CONFIG]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    config = _parse_config(text, place)
    written = config.pop(SHA256)
    return config if written == _digest_of_parts(config, table, tensors) else None


def _parse_config(text: str | bytes, place: str) -> dict[str, Any]:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise CheckpointError(f"{place}: {CONFIG} is damaged: {error}") from error
    needed = {"format", "architecture", "scale", "training", SHA256}
    if not isinstance(config, dict) or not needed <= config.keys():
        raise CheckpointError(f"{place}: {CONFIG} lacks {', '.join(sorted(needed - set(config)))}")
    if config["format"] != FORMAT:
        raise CheckpointError(
            f"{place}: checkpoint format {config['format']}, this version reads {FORMAT}; install a newer inpaint_ray"
        )
    return config
