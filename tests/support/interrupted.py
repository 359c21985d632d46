"""A job that is killed before any of its changes to the output, and run again, leaves what an undisturbed one does."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.support.here import here


class Killed(BaseException):
    """An end of a run as by a power failure: nothing in it catches this."""


class Disk:
    """A disk that counts files that appear or go below a folder, and fails at one such change and all that follow.

    What was begun by then stays: no clean-up of the dying run reaches a dead disk.
    """

    def __init__(self, folder: Path, last: int | None = None) -> None:
        self.folder, self.last = f"{folder}/", last
        self.count = 0

    @property
    def is_dead(self) -> bool:
        return self.count == self.last

    def change(self, path: Any) -> None:
        if self.holds(path):
            if self.is_dead:
                raise Killed
            self.count += 1

    def holds(self, path: Any) -> bool:
        return f"{path}/".startswith(self.folder)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notice every change that this process makes."""
        replace, remove, unlink, rmtree = os.replace, os.remove, Path.unlink, shutil.rmtree

        def replaced(source: Any, target: Any) -> None:
            self.change(target)
            replace(source, target)

        def removed(path: Any) -> None:
            self.change(path)
            remove(path)

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            if not (self.is_dead and self.holds(path)):
                unlink(path, missing_ok)

        def removed_tree(path: Any, *given: Any, **named: Any) -> None:
            for file in sorted(Path(path).rglob("*")) if self.holds(path) else ():
                if file.is_file():
                    removed(file)
            rmtree(path, *given, **named)

        with (
            patch("os.replace", replaced),
            patch("os.remove", removed),
            patch.object(Path, "unlink", unlinked),
            patch("shutil.rmtree", removed_tree),
        ):
            yield


def run_until(run: Callable[[], object], output: Path, killed_at: int | None = None) -> int:
    """Run a job in this process, all its times 0, and tell how many changes to its output it made.

    Args:
        run: the job.
        output: its folder.
        killed_at: number of the change, from 0, before which it is killed; None: it ends.
    """
    disk = Disk(output, killed_at)
    with here(), patch("time.monotonic", lambda: 0.0), patch("time.perf_counter", lambda: 0.0), disk.watched():
        with suppress(Killed):
            run()
    return disk.count


def check_every_kill(run: Callable[[], object], output: Path, *, least: int) -> None:
    """Kill a job before each of its changes in turn, and compare what the next run leaves, byte for byte.

    Args:
        run: the job, into the output.
        output: a folder, in which the job begins with what is there now.
        least: how many changes it makes, at least.
    """
    before = output.parent / "before"
    if output.exists():
        shutil.copytree(output, before)

    def start() -> None:
        shutil.rmtree(output, ignore_errors=True)
        if before.exists():
            shutil.copytree(before, output)

    count = run_until(run, output)
    assert count >= least
    expected = contents(output)
    left_unfinished = 0
    for killed_at in range(count):
        start()
        assert run_until(run, output, killed_at) == killed_at
        left_unfinished += any(name.endswith(".tmp") for name in contents(output))
        run_until(run, output)
        left = contents(output)
        assert left.keys() == expected.keys(), f"killed at change {killed_at}"
        differing = [name for name in expected if left[name] != expected[name]]
        assert not differing, f"killed at change {killed_at}"
    assert left_unfinished > count // 2


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
