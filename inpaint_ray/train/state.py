"""The state of a run for resuming: optimiser, average and random state as safetensors, place and history as JSON.

They lie beside the checkpoint's own files, in the folders that Ray keeps.
"""

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.train.epoch import TrainingSums
from inpaint_ray.train.history import best_row
from inpaint_ray.train.learner import Learner

TENSORS, RECORD = "state.safetensors", "state.json"

Row = dict[str, float]


@dataclass
class RunState:
    """The progress of a run."""

    history: list[Row] = field(default_factory=list)  # a row of metrics for each finished epoch
    sums: TrainingSums = field(default_factory=TrainingSums)  # of the epoch that is under way
    num_lanes: int = 0  # of the order that the steps of this epoch are counted in

    @property
    def epoch(self) -> int:
        """Return the number of finished epochs."""
        return len(self.history)

    def best(self) -> Row:
        """Return the row of the epoch with the best validation PSNR."""
        return best_row(self.history)


def save_state(folder: Path, state: RunState, learner: Learner, checkpoint: Checkpoint) -> None:
    """Write a checkpoint from which a run can go on, bit for bit; state.json is written last."""
    save_checkpoint(checkpoint, folder)
    optimizer = learner.optimizer.state_dict()
    tensors = {
        f"optimizer.{number}.{name}": value
        for number, values in optimizer["state"].items()
        for name, value in values.items()
    }
    tensors["random.cpu"] = torch.get_rng_state()
    if learner.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(learner.device)
    if learner.average is not None:
        tensors |= {f"model.{name}": value for name, value in learner.model.state_dict().items()}
        tensors["averaged"] = torch.tensor(learner.average.num_steps)
    stored = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    safetensors.torch.save_file(stored, folder / TENSORS)
    record = asdict(state) | {"param_groups": optimizer["param_groups"], "schedule": learner.schedule.state_dict()}
    (folder / RECORD).write_text(json.dumps(record))


def load_state(folder: Path, learner: Learner) -> RunState:
    """Load the state in a folder, the learner's included."""
    record = json.loads((folder / RECORD).read_text())
    tensors = safetensors.torch.load_file(folder / TENSORS)
    weights = load_checkpoint(folder).model.state_dict()
    learner.best_guess.load_state_dict(weights)
    if learner.average is not None:
        learner.model.load_state_dict(_below("model.", tensors))
        learner.average.num_steps = int(tensors["averaged"])
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _below("optimizer.", tensors).items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    learner.optimizer.load_state_dict({"state": moments, "param_groups": record["param_groups"]})
    learner.schedule.load_state_dict(record["schedule"])
    torch.set_rng_state(tensors["random.cpu"])
    if learner.device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], learner.device)
    return RunState(record["history"], TrainingSums(**record["sums"]), record["num_lanes"])


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def metrics_csv(history: list[Row]) -> str:
    """Format rows as CSV, a line an epoch; `nan` where an earlier version had no such column."""
    buffer = io.StringIO()
    columns = dict.fromkeys(name for row in history for name in row)
    writer = csv.DictWriter(buffer, fieldnames=list(columns), restval=math.nan, lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: round(value, 6) for name, value in row.items()})
    return buffer.getvalue()


def read_metrics(text: str) -> list[dict[str, Any]]:
    """Parse the rows of a metrics.csv."""
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
