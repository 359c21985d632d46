"""A whole evaluation, on shards or on audio."""

import time
from dataclasses import replace

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint
from inpaint_ray.data.schema import DATASET
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.evaluate.audio.report import TaskResults
from inpaint_ray.evaluate.audio.run import evaluate_audio
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.shards.run import evaluate_shards
from inpaint_ray.evaluate.shards.table import TableRow
from inpaint_ray.progress import format_duration
from inpaint_ray.terminal import say


def evaluate(config: EvaluateConfig) -> list[TableRow] | list[TaskResults]:
    """Evaluate on the folder's shards or audio; write and print the tables, and return them.

    Raises:
        DatasetError: the folder holds neither shards nor audio, or has no such split.
        CheckpointError: a checkpoint cannot be read.
        UsageError: flags that do not go together.
    """
    started = time.monotonic()
    config = replace(
        config,
        data=storage.absolute(config.data),
        output=storage.absolute(config.output),
        checkpoint=tuple(absolute_checkpoint(uri) for uri in config.checkpoint),
    )
    results: list[TableRow] | list[TaskResults]
    results = evaluate_audio(config) if _holds_audio(config.data) else evaluate_shards(config)
    say(f"scored in {format_duration(time.monotonic() - started)}: {config.output}/results.html")
    return results


def _holds_audio(uri: str) -> bool:
    """Return True if a folder holds clean audio, not shards."""
    return not storage.exists(storage.join(uri, DATASET)) and any(
        is_audio(file.name) for file in storage.list_files(uri)
    )
