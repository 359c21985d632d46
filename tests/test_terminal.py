"""Lines for people pass, what others print is kept back; progress tells no time that it cannot know."""

import os
import sys

import pytest

from inpaint_ray import progress
from inpaint_ray.progress import Progress
from inpaint_ray.terminal import MARK, WORKER, quiet, say


def test_ours_pass_and_others_are_kept_back_until_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet() as others:
        say("ours")
        print("of a library")
        print("a warning", file=sys.stderr)
        print(f"(Worker pid=7) {MARK}from a worker")
        os.write(2, b"native code\n")
        said = others.last()
    out, err = capfd.readouterr()
    assert out == "ours\nfrom a worker\n" and err == ""
    assert said == "of a library\na warning\nnative code\n"
    print("again")
    assert capfd.readouterr().out == "again\n"


def test_every_line_of_a_worker_is_marked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER, "1")
    say("one\ntwo")
    assert capsys.readouterr().out == f"{MARK}one\n{MARK}two\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that progress is told, which a test may change."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_time_left_counts_from_the_first_result_and_is_not_told_before_it_is_known(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    job = Progress("restore", 100, "files")
    lines = []
    for seconds, count in ((20.0, 1), (6.0, 2), (6.0, 3), (188.0, 94)):  # Ray takes 20 s to start
        clock[0] += seconds
        job.add(count)
        lines.append(capsys.readouterr().out)
    assert "left" not in lines[0] and "left" not in lines[1]
    assert "about 3m46s left" in lines[2]  # 94 files, of which 5 took 12 s
    assert "left" not in lines[3] and "in 3m40s" in lines[3]


def test_lines_come_every_few_seconds_and_at_the_end(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    job = Progress("look", 50, "files")
    for _ in range(50):
        clock[0] += 1.0
        job.add(1)
    assert len(capsys.readouterr().out.splitlines()) == 10


def test_a_terminal_has_one_bar_that_the_next_line_takes_the_place_of(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "is_terminal", lambda: True)
    job = Progress("look", 4, "files")
    clock[0] += 1.0
    job.add(1)
    clock[0] += 1.0
    job.add(3)
    say("done")
    first, second, last = capsys.readouterr().out.replace("\r", "\n").split("\n")[:3]
    assert first.startswith("[######") and second.startswith("\x1b[K[########") and last == "done"
