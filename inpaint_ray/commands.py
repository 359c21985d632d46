"""The table of the commands of `inpaint-ray`: name, settings and function of each."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """A command; its modules are named, not imported, so that listing commands imports none of them."""

    name: str
    summary: str
    settings: str  # MODULE:DATACLASS, of a module that loads neither torch nor Ray
    call: str  # MODULE:FUNCTION, which takes the settings and gives the exit code, or anything else for 0
    example: str  # its arguments
    on_ray: bool = True  # it may start Ray, whose output is redirected

    def load_settings(self) -> type:
        """Import the dataclass of the command's settings."""
        loaded: type = _load(self.settings)
        return loaded

    def load_call(self) -> Callable[[Any], Any]:
        """Import the function that runs the command, and with it all that it needs."""
        loaded: Callable[[Any], Any] = _load(self.call)
        return loaded

    @property
    def description(self) -> str:
        """Return the text for --help above the flags."""
        return f"{self.summary}\n\n    inpaint-ray {self.name} {self.example}"


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "repair",
            "Find and fill the damage of files or folders, here and now, without Ray.",
            "inpaint_ray.local.config:RepairConfig",
            "inpaint_ray.local.run:repair",
            "tape.wav",
            on_ray=False,
        ),
        Command(
            "app",
            "Repair files in the browser, on this machine alone.",
            "inpaint_ray.local.config:AppConfig",
            "inpaint_ray.local.app:serve",
            "",
            on_ray=False,
        ),
        Command(
            "restore",
            "Fill the gaps of every recording in an archive; write the restored archive, a manifest and a report.",
            "inpaint_ray.restore.config:RestoreConfig",
            "inpaint_ray.restore.run:restore",
            "--input tapes --output restored",
        ),
        Command(
            "merge",
            "Take what a recording has lost from other copies of it, and fill what all of them have lost.",
            "inpaint_ray.copies.config:MergeConfig",
            "inpaint_ray.copies.run:merge",
            "--input tapes --copies second_transfer --output merged",
        ),
        Command(
            "undo",
            "Take a restoration back: write restored files with the samples in their gaps as they came.",
            "inpaint_ray.restore.config:UndoConfig",
            "inpaint_ray.restore.undo:undo",
            "--output restored --to as_they_came",
        ),
        Command(
            "show",
            "List the least certain repairs of a restoration, and write what was there before and after each.",
            "inpaint_ray.restore.config:ShowConfig",
            "inpaint_ray.restore.show:show",
            "--output restored",
            on_ray=False,
        ),
        Command(
            "stage-fma",
            "Copy FMA's zips into storage member by member, each checked, without unpacking them to disk.",
            "inpaint_ray.fma.config:StageConfig",
            "inpaint_ray.fma.stage:stage",
            "--zips fma_small.zip fma_metadata.zip --output fma",
        ),
        Command(
            "prepare",
            "Read audio from storage and write Parquet shards of spectrogram patches.",
            "inpaint_ray.prepare.config:PrepareConfig",
            "inpaint_ray.prepare.run:prepare",
            "--source fma/fma_small --metadata fma/fma_metadata/tracks.csv --output shards",
        ),
        Command(
            "train",
            "Train one architecture with Ray Train.",
            "inpaint_ray.train.config:TrainConfig",
            "inpaint_ray.train.trainer:train",
            "--data shards --output runs --architecture Gap_UNet --num-workers 2",
        ),
        Command(
            "tune",
            "Train several architectures with Ray Tune and rank them.",
            "inpaint_ray.tune.config:TuneConfig",
            "inpaint_ray.tune.search:search",
            "--data shards --output runs --architectures Gap_UNet UNet_v2 LinkNet --epochs 5",
        ),
        Command(
            "evaluate",
            "Score checkpoints on prepared shards, or methods on clean audio into which gaps are cut.",
            "inpaint_ray.evaluate.config:EvaluateConfig",
            "inpaint_ray.evaluate.run:evaluate",
            "--data shards --checkpoint pretrained --output results",
        ),
    )
}


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
