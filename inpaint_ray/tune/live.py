"""The live table of a search, printed now and then."""

import time
from typing import Any

import ray.tune

from inpaint_ray.progress import format_duration
from inpaint_ray.tables import markdown_table
from inpaint_ray.terminal import say
from inpaint_ray.train.state import Row
from inpaint_ray.tune.config import trial_name

TABLE_EVERY_S = 60.0
STATES = {"PENDING": "waits", "RUNNING": "runs", "PAUSED": "waits", "TERMINATED": "done", "ERROR": "failed"}


class LiveTable(ray.tune.Callback):
    """A callback of Ray Tune that prints a line for each trial: when one ends, and now and then."""

    def __init__(self, epochs: int, num_trials: int) -> None:
        self.epochs, self.num_trials = epochs, num_trials
        self.rows: dict[str, Row] = {}  # by Ray's name of the trial: of its last epoch
        self.started = self.last_table = time.monotonic()
        self.num_ended = 0

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if "gain" in result:  # not so what is reported within a first epoch
            self.rows[trial.trial_id] = result
        if time.monotonic() - self.last_table > TABLE_EVERY_S:
            self._print(trials)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.num_ended += 1
        self._print(trials)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.num_ended += 1
        self._print(trials)

    def _print(self, trials: list[Any]) -> None:
        self.last_table = time.monotonic()
        begun = [trial for trial in trials if trial.status != "PENDING"]
        lines = [self._line(trial) for trial in begun]
        say(
            markdown_table(["trial", "state", "epoch", "gain", "over interpolation", "left"], lines, num_left=2), end=""
        )
        spent = self.last_table - self.started
        left = format_duration(spent / self.num_ended * (self.num_trials - self.num_ended)) if self.num_ended else "?"
        say(f"tune  {self.num_ended}/{self.num_trials} trials  about {left} left")

    def _line(self, trial: Any) -> list[str]:
        name, state = trial_name(**trial.config["trial"]), STATES.get(trial.status, trial.status.lower())
        row = self.rows.get(trial.trial_id)
        if row is None:
            return [name, state, f"0/{self.epochs}", "", "", "?" if state == "runs" else ""]
        epoch, over = int(row["epoch"]), row["gain"] - row["interpolation_gain"]
        left = format_duration((self.epochs - epoch) * row["seconds"]) if state == "runs" else ""
        return [name, state, f"{epoch}/{self.epochs}", f"{row['gain']:.2f}", f"{over:+.2f}", left]
