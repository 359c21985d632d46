"""What a run needs to go on: optimiser and history as safetensors and JSON, beside the checkpoint's own files."""

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor
from torch.optim import Optimizer

TENSORS, RECORD = "optimizer.safetensors", "state.json"

Row = dict[str, float]


@dataclass
class RunState:
    """One row of metrics for each finished epoch."""

    history: list[Row] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs that are finished."""
        return len(self.history)

    def best(self) -> Row:
        """The row of the best epoch, by validation PSNR."""
        return max(self.history, key=lambda row: row["psnr"])


def save_state(folder: Path, state: RunState, optimizer: Optimizer) -> None:
    record = optimizer.state_dict()
    tensors = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, values in record["state"].items()
        for name, value in values.items()
    }
    safetensors.torch.save_file(tensors, folder / TENSORS)
    text = json.dumps({"history": state.history, "param_groups": record["param_groups"]})
    (folder / RECORD).write_text(text)


def load_state(folder: Path, optimizer: Optimizer) -> RunState:
    """The state in a folder; the optimiser takes up where it was."""
    record = json.loads((folder / RECORD).read_text())
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in safetensors.torch.load_file(folder / TENSORS).items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": record["param_groups"]})
    return RunState(record["history"])


def metrics_csv(history: list[Row]) -> str:
    """One line an epoch, with a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: round(value, 6) for name, value in row.items()})
    return buffer.getvalue()


def read_metrics(text: str) -> list[dict[str, Any]]:
    """The rows of a metrics.csv as numbers."""
    return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(text))]
