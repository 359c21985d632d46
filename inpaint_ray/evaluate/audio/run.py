"""An evaluation on a folder of clean audio: Ray Data over its files, then tables, and sounds of the telling ones."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import ray
import ray.data

from inpaint_ray import storage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.evaluate.audio.listening import FOLDER, Example, ExampleMaker, choose_examples
from inpaint_ray.evaluate.audio.methods import BASELINES, NEEDS_CHECKPOINT, WITH_MODEL, WITHOUT_MODEL
from inpaint_ray.evaluate.audio.report import TaskResults, gather, write_audio_report, write_scores
from inpaint_ray.evaluate.audio.score import AudioScore, AudioScorer, cases_of
from inpaint_ray.evaluate.audio.table import verdicts_to_markdown
from inpaint_ray.evaluate.audio.visqol import Visqol
from inpaint_ray.evaluate.config import AUDIO_DAMAGE, MEMORY_GIB, EvaluateConfig
from inpaint_ray.evaluate.page import delete_page
from inpaint_ray.ledger.placement import place
from inpaint_ray.progress import Progress

MOST_BLOCKS = 2000  # of the data set; one file each up to that many


def evaluate_archive(config: EvaluateConfig) -> list[TaskResults]:
    """Cut gaps into clean audio, fill them by every method, and score.

    The tables are written before the sounds, and then again with them: an evaluation that is cut short leaves no sounds
    without their scores, and no page with players that have nothing to play.

    Raises:
        UsageError: flags that do not go together.
        CheckpointError: the checkpoint cannot be read.
        JobFailedError: no file gave a score.
    """
    config = complete(config)
    if config.visqol:
        Visqol()  # says at once that it is absent
    architecture = open_checkpoint(config.checkpoint[0]).architecture if config.checkpoint else ""
    uris = {file.name: file.uri for file in storage.list_files(config.data) if is_audio(file.name)}
    print(f"evaluate  {len(uris)} files, {', '.join(config.damage)}: {', '.join(config.methods)}")
    scores = _score(config, uris)
    tasks = gather(scores)
    if not tasks:
        reason = next((score.error for score in scores), "no score")
        raise JobFailedError(f"{config.data}: no file gave a score, the first because: {reason}")
    delete_page(config.output)
    storage.delete_files(storage.join(config.output, FOLDER))  # sounds of an earlier evaluation, once no page has them
    write_scores(config.output, scores)
    write_audio_report(config, tasks, scores, architecture=architecture)
    for task in tasks:
        print(f"Task {task.task}, against the best baseline:\n\n{verdicts_to_markdown(task.cases)}", flush=True)
    examples = _choose_examples(config, scores, tasks[0])
    if examples:
        _make_sounds(config, examples, uris)
        write_audio_report(config, tasks, scores, examples, architecture=architecture)
    return tasks


def complete(config: EvaluateConfig) -> EvaluateConfig:
    """The configuration with its damage and methods named.

    Raises:
        UsageError: several checkpoints, a method without its checkpoint, or a damage that no task knows.
    """
    if len(config.checkpoint) > 1:
        raise UsageError("--checkpoint: one at a time on audio; evaluate several on shards")
    methods = config.methods or (WITH_MODEL if config.checkpoint else WITHOUT_MODEL)
    for method in methods:
        if method in NEEDS_CHECKPOINT and not config.checkpoint:
            raise UsageError(f"--methods {method} needs --checkpoint")
    whole = replace(config, damage=config.damage or AUDIO_DAMAGE, methods=methods)
    if not any(cases_of(whole)):
        raise UsageError("--damage frames exists in the columns task alone; give --tasks columns, or packets, gap, ...")
    return whole


def _score(config: EvaluateConfig, uris: dict[str, str]) -> list[AudioScore]:
    """The scores of every file, in an order that no worker decides."""
    rows = [{"name": name, "uri": uri} for name, uri in uris.items()]
    scored = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).flat_map(
        AudioScorer, fn_constructor_kwargs={"config": config}, **config.actors.pool(len(rows), memory_gib=MEMORY_GIB)
    )
    progress = Progress("evaluate", len(rows), "files")
    scores: list[AudioScore] = []
    seen: set[str] = set()
    for row in place(scored, use_gpu=config.actors.use_gpu).iter_rows():
        scores.append(AudioScore(**row))
        progress.add(int(row["name"] not in seen))
        seen.add(row["name"])
    order = {case: number for number, case in enumerate([("", ""), *cases_of(config)])}
    return sorted(scores, key=lambda score: (order[score.task, score.damage], score.name))


def _choose_examples(config: EvaluateConfig, scores: Sequence[AudioScore], task: TaskResults) -> list[Example]:
    """Examples of a task, ranked by its best method."""
    return choose_examples(
        [score for score in scores if score.task == task.task],
        _best_method(task),
        ["clean", "damaged", *(method for method in config.methods if method != "silence")],
    )


def _make_sounds(config: EvaluateConfig, examples: list[Example], uris: dict[str, str]) -> None:
    """Write the sounds and pictures of examples."""
    rows = [{"example": example, "uri": uris[example.name]} for example in examples]
    made = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).map(
        cast(Any, ExampleMaker),
        fn_constructor_kwargs={"config": config},
        **config.actors.pool(len(rows), memory_gib=MEMORY_GIB),
    )
    progress = Progress("sounds", len(rows), "examples")
    for _ in place(made, use_gpu=config.actors.use_gpu).iter_rows():
        progress.add(1)


def _best_method(task: TaskResults) -> str:
    """By mean SNR in the gap over the cases, of the methods that are no baselines where there are any."""
    methods = [row.method for row in task.cases[0].methods]
    judged = [method for method in methods if method not in BASELINES] or methods
    means = {
        method: sum(row.scores["snr_gap"].mean for case in task.cases for row in case.methods if row.method == method)
        for method in judged
    }
    return max(means, key=lambda method: means[method])
