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
    """Ends a run as a power failure does: nothing in it catches this."""


class Changes:
    """Counts the files that appear or go below a folder, and dies instead of one such change."""

    def __init__(self, folder: Path, last: int | None = None) -> None:
        self.folder, self.last = str(folder), last
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        with patch("os.replace", self._counting(os.replace, place=1)), patch("os.remove", self._counting(os.remove)):
            with patch("shutil.rmtree", self._rmtree):
                yield

    def _counting(self, act: Callable[..., Any], place: int = 0) -> Callable[..., Any]:
        def change(*given: Any, **named: Any) -> Any:
            self._change(str(given[place]))
            return act(*given, **named)

        return change

    def _rmtree(self, path: Any, *given: Any, **named: Any) -> None:
        for file in sorted(Path(path).rglob("*")) if str(path).startswith(self.folder) else ():
            if file.is_file():
                self._change(str(file))
                file.unlink()
        RMTREE(path, *given, **named)

    def _change(self, path: str) -> None:
        if path.startswith(self.folder):
            if self.count == self.last:
                raise Killed
            self.count += 1


RMTREE = shutil.rmtree


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

    def attempt(last: int | None = None) -> int:
        changes = Changes(output, last)
        with here(), patch("time.monotonic", lambda: 0.0), patch("time.perf_counter", lambda: 0.0), changes.counted():
            with suppress(Killed):
                run()
        return changes.count

    def start() -> None:
        shutil.rmtree(output, ignore_errors=True)
        if before.exists():
            shutil.copytree(before, output)

    count = attempt()
    assert count >= least
    expected = contents(output)
    for last in range(count):
        start()
        assert attempt(last) == last
        attempt()
        left = contents(output)
        assert left.keys() == expected.keys(), f"killed at change {last}"
        differing = [name for name in expected if left[name] != expected[name]]
        assert not differing, f"killed at change {last}"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
