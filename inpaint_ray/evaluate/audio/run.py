"""An evaluation on a folder of clean audio: the ledger's records of its scores, then tables, and sounds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from inpaint_ray import storage
from inpaint_ray.checkpoints import identify, open_checkpoint
from inpaint_ray.data.tracks import is_audio
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.evaluate.audio.listening import SOUNDS, Example, ExampleMaker, choose_examples
from inpaint_ray.evaluate.audio.methods import BASELINES, NEEDS_CHECKPOINT, WITH_MODEL, WITHOUT_MODEL
from inpaint_ray.evaluate.audio.report import SCORES_FILE, TaskResults, gather, write_audio_report, write_scores
from inpaint_ray.evaluate.audio.score import AudioScore, AudioScorer, cases_of
from inpaint_ray.evaluate.audio.table import verdicts_to_markdown
from inpaint_ray.evaluate.audio.visqol import Visqol
from inpaint_ray.evaluate.config import AUDIO_DAMAGE, FOLDER, MEMORY_GIB, EvaluateConfig
from inpaint_ray.evaluate.page import delete_page
from inpaint_ray.ledger.items import Item, fingerprint
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.spread import spread
from inpaint_ray.progress import Progress, failure_lines
from inpaint_ray.storage import StoredFile
from inpaint_ray.terminal import say


def evaluate_audio(config: EvaluateConfig) -> list[TaskResults]:
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
    checkpoint = open_checkpoint(config.checkpoint[0], tta=config.tta) if config.checkpoint else None
    architecture = checkpoint.architecture if checkpoint else ""
    files = [file for file in storage.list_files(config.data) if is_audio(file.name)]
    say(f"evaluate  {len(files)} files, {', '.join(config.damage)}: {', '.join(config.methods)}")
    scores = _score(config, files, model=identify(checkpoint))
    tasks = gather(scores)
    if not tasks:
        reason = next((score.error for score in scores), "no score")
        raise JobFailedError(f"{config.data}: no file gave a score, the first because: {reason}")
    delete_page(config.output)
    storage.delete_files(storage.join(config.output, SOUNDS))  # sounds of an earlier evaluation, once no page has them
    write_scores(config.output, scores)
    write_audio_report(config, tasks, scores, architecture=architecture)
    for task in tasks:
        say(f"Task {task.task}, against the best baseline:\n\n{verdicts_to_markdown(task.cases)}")
    failed = [(score.name, score.error) for score in scores if score.error and not score.task]
    if failed:
        say(failure_lines(failed, len(failed), f"{SCORES_FILE} has all"))
    examples = _choose_examples(config, scores, tasks[0])
    if examples:
        _make_sounds(config, examples, {file.name: file.uri for file in files})
        write_audio_report(config, tasks, scores, examples, architecture=architecture)
    return tasks


def complete(config: EvaluateConfig) -> EvaluateConfig:
    """Return the configuration with its damage and methods named.

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


def _score(config: EvaluateConfig, files: Sequence[StoredFile], *, model: str) -> list[AudioScore]:
    """Return the scores of every file, in an order that no worker decides."""
    cases = list(cases_of(config))
    settings = [cases, config.methods, config.seconds, config.seed, config.visqol, model]
    ledger = Ledger(config.output, FOLDER)
    ledger.claim("--output", {"data": config.data})
    chosen = ledger.complete(
        [
            Item(
                uri=file.uri,
                name=file.name,
                size=file.size,
                fingerprint=fingerprint([settings, file.size, file.etag]),
            )
            for file in files
        ],
        AudioScorer,
        retry_failed=config.retry_failed,
        verb="evaluate",
        unit="files",
        actors=config.actors,
        memory_gib=MEMORY_GIB,
        config=config,
    )
    scores = [AudioScore(**row) for table in ledger.rows(chosen) for row in table.to_pylist()]
    order = {case: number for number, case in enumerate([("", ""), *cases])}
    return sorted(scores, key=lambda score: (order[score.task, score.damage], score.name))


def _choose_examples(config: EvaluateConfig, scores: Sequence[AudioScore], task: TaskResults) -> list[Example]:
    """Choose examples of a task, ranked by its best method."""
    return choose_examples(
        [score for score in scores if score.task == task.task],
        _best_method(task),
        ["clean", "damaged", *(method for method in config.methods if method != "silence")],
    )


def _make_sounds(config: EvaluateConfig, examples: list[Example], uris: dict[str, str]) -> None:
    """Write the sounds and pictures of examples."""
    rows = [{"example": json.dumps(asdict(example)), "uri": uris[example.name]} for example in examples]
    pool = config.actors.pool(len(rows), memory_gib=MEMORY_GIB)
    made = spread(rows, ExampleMaker, use_gpu=config.actors.use_gpu, fn_constructor_kwargs={"config": config}, **pool)
    progress = Progress("sounds", len(rows), "examples")
    for _ in made:
        progress.add(1)


def _best_method(task: TaskResults) -> str:
    """Return the method with the highest mean SNR in the gap over the cases; no baseline where there is another."""
    methods = [row.method for row in task.cases[0].methods]
    judged = [method for method in methods if method not in BASELINES] or methods
    means = {
        method: sum(row.scores["snr_gap"].mean for case in task.cases for row in case.methods if row.method == method)
        for method in judged
    }
    return max(means, key=lambda method: means[method])
