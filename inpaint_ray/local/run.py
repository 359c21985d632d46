"""`inpaint-ray repair`: the files one after the other, or several at once in processes, and a line on each."""

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

import soundfile

from inpaint_ray.errors import SOME_FAILED
from inpaint_ray.local.config import RepairConfig
from inpaint_ray.local.outcome import line_of, sum_up
from inpaint_ray.local.plan import Task, plan
from inpaint_ray.local.work import Outcome, Repairer, failed
from inpaint_ray.names import printable, to_path
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.terminal import is_terminal, say

SERIAL_BYTES = 40_000_000  # of all files; fewer are done before a second process has started
LONG_S = 30.0  # of a recording; shorter ones get a progress bar on a terminal alone
DIED = "the process that repaired it died: not enough memory, perhaps"

_repairer: Repairer | None = None  # of a process of the pool


def repair(config: RepairConfig) -> int:
    """Repair files, print the outcome of each, and return the exit code.

    Raises:
        UsageError: a file is not there, or an output would be an input.
        CheckpointError: the checkpoint cannot be read.
    """
    started = time.monotonic()
    tasks, unmatched = plan(config)
    width = max(len(task.label) for task in tasks)
    outcomes: dict[int, Outcome] = {}
    processes = min(config.processes or os.cpu_count() or 1, len(tasks))
    if processes > 1 and (config.processes or sum(task.source.size for task in tasks) > SERIAL_BYTES):
        progress = Progress("repair", len(tasks), "files")
        for number, outcome in _in_processes(config, tasks, processes):
            outcomes[number] = outcome
            say(line_of(tasks[number], outcome, width))
            progress.add(1)
    else:
        repairer = Repairer(config)
        for number, task in enumerate(tasks):
            outcomes[number] = _watched(repairer, task)
            say(line_of(task, outcomes[number], width))
    for name, reason in unmatched:
        say(f"{printable(name)}  failed: {reason}")
    if len(tasks) + len(unmatched) > 1:
        say(f"{sum_up(list(outcomes.values()), len(unmatched))}, in {format_duration(time.monotonic() - started)}")
    some_failed = unmatched or any(outcome.row.status == "failed" for outcome in outcomes.values())
    return SOME_FAILED if some_failed else 0


def _watched(repairer: Repairer, task: Task) -> Outcome:
    """Repair a file, with a progress bar if it is long."""
    seconds = _duration(task)
    if seconds < LONG_S and not is_terminal():
        return repairer(task)
    progress = Progress(task.label, round(seconds), "s")
    progress.add(0, "looking for damage")

    def watch(filled_s: float) -> None:
        progress.add(max(min(int(filled_s), progress.total - 1) - progress.done, 0), "filling")

    return repairer(task, watch)


def _duration(task: Task) -> float:
    """Return the seconds that a file's header announces; 0 where it cannot be read, which the repair will say."""
    try:
        return float(soundfile.info(os.fsencode(to_path(task.source.uri))).duration)
    except (soundfile.SoundFileError, OSError):
        return 0.0


def _in_processes(config: RepairConfig, tasks: list[Task], processes: int) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes of files, by their number, as they are done.

    A process that dies takes its pool along: the files that are left are then done each in one of its own.
    """
    left = dict(enumerate(tasks))
    for at_once in (len(tasks), 1):
        groups = [dict(left)] if at_once > 1 else [{number: task} for number, task in left.items()]
        for group in groups:
            for number, outcome in _in_pool(config, group, min(processes, len(group))):
                del left[number]
                yield number, outcome
    for number, task in left.items():
        yield number, failed(task, DIED)


def _in_pool(config: RepairConfig, tasks: dict[int, Task], processes: int) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes of files that a pool finishes before one of its processes dies."""
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(config,)) as pool:
        futures = {pool.submit(_repair, task): number for number, task in tasks.items()}
        for future in as_completed(futures):
            try:
                yield futures[future], future.result()
            except BrokenProcessPool:
                continue


def _begin(config: RepairConfig) -> None:
    global _repairer
    os.environ["OMP_NUM_THREADS"] = "1"  # the cores are busy with other files
    _repairer = Repairer(config)


def _repair(task: Task) -> Outcome:
    assert _repairer is not None
    return _repairer(task)
