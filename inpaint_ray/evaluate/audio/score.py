"""Scores of every method on one recording, task by task and damage by damage; and the actor that does it."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from inpaint_ray import storage
from inpaint_ray.audio.damage import Damage
from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.metrics import join_step, log_spectral_distance, snr, spectral_convergence
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.checkpoints import open_restorer
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.evaluate.audio.cases import Case, Excerpt, cut, read_excerpt
from inpaint_ray.evaluate.audio.methods import restore
from inpaint_ray.evaluate.audio.visqol import Visqol
from inpaint_ray.evaluate.config import EvaluateConfig, Task
from inpaint_ray.filling.synthesis import lost_frames
from inpaint_ray.filling.waveform import RestoreMagnitudes
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.records import Entry, RecordWriter
from inpaint_ray.metrics import count

HIGHEST_SNR = 100.0  # dB; above, a signal counts as recovered exactly, and a mean is not made of rounding errors
MIN_POWER = 1e-8  # -80 dB: what is lost in silence has no ratio
DAMAGED = "damaged"  # the row of the damaged file, without any method


@dataclass(frozen=True, kw_only=True)
class AudioScore:
    """The scores of one method on one file, damaged in one way; or the error for which there are none.

    With an error and a method, it is the method that failed; without a method, the file or the case.
    """

    name: str  # of the file below the folder
    task: str = ""
    damage: str = ""
    method: str = ""
    seconds: float = 0.0  # of the excerpt
    num_gaps: int = 0
    lost_s: float = 0.0
    snr_gap: float = 0.0  # dB, over the samples that the damage changed
    snr_file: float = 0.0  # dB, over the excerpt
    lsd: float = 0.0  # log-spectral distance, dB, over frames that touch the damage
    convergence: float = 0.0  # spectral, over the same frames
    join_step: float = 0.0  # largest step where a gap begins or ends, over the signal's own largest
    visqol: float | None = None  # MOS-LQO of the excerpt, where it was asked for
    wall_s: float = 0.0
    error: str = ""

    @property
    def folder(self) -> str:
        """Return the first folder of the name, which stands for a genre."""
        return self.name.split("/")[0] if "/" in self.name else "."


SCHEMA = pa.schema(
    {
        each.name: pa.string() if each.type is str else pa.int64() if each.type is int else pa.float64()
        for each in fields(AudioScore)
    }
)


class AudioScorer:
    """Scores every method on recordings; the work of an evaluation on audio."""

    item: ClassVar[type[Item]] = Item
    schema: ClassVar[pa.Schema] = SCHEMA

    def __init__(self, config: EvaluateConfig) -> None:
        torch.set_num_threads(1)  # the cores are busy with other files
        self.config = config
        self.model = load_model(config)
        self.visqol = Visqol() if config.visqol else None

    def __call__(self, file: Item, earlier: Entry | None, record: RecordWriter) -> Entry:
        """Score a file; the record has a row for each task, damage and method, or one with the error of a bad file."""
        try:
            excerpt = read_excerpt(file.name, storage.read_bytes(file.uri), self.config.seconds)
        except (AudioDecodeError, FileNotFoundError, PermissionError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            count("evaluate", rejects=1)
            record.add(asdict(AudioScore(name=file.name, error=reason)))
            again = not isinstance(error, AudioDecodeError)  # it may be there, or readable, the next time
            return file.entry(failed=True, fingerprint="" if again else file.fingerprint)
        scores = list(score_excerpt(excerpt, self.config, self.model, self.visqol))
        for score in scores:
            record.add(asdict(score))
        gaps = {(score.task, score.damage): score.num_gaps for score in scores}
        count("evaluate", tracks=1, gaps=sum(gaps.values()))
        return file.entry()


def load_model(config: EvaluateConfig) -> RestoreMagnitudes | None:
    """Open the checkpoint's model on the device that the configuration asks for; None without a checkpoint."""
    if not config.checkpoint:
        return None
    return open_restorer(config.checkpoint[0], use_gpu=config.actors.use_gpu, tta=config.tta)


def cases_of(config: EvaluateConfig) -> Iterator[tuple[Task, str]]:
    """Return every task with every kind of damage that it knows."""
    for task in config.tasks:
        for damage in config.damage:
            if not (task == "samples" and damage == "frames"):
                yield task, damage


def score_excerpt(
    excerpt: Excerpt, config: EvaluateConfig, model: RestoreMagnitudes | None, visqol: Visqol | None = None
) -> Iterator[AudioScore]:
    """Score every task, damage and method on an excerpt.

    Args:
        excerpt: clean.
        config: with its damage and methods named.
        model: fills lost frames of magnitudes; None where no method needs it.
        visqol: where it is asked for.
    """
    for task, damage in cases_of(config):
        case = cut(excerpt, task, Damage.parse(damage), seed=config.seed)
        start = AudioScore(name=excerpt.name, task=task, damage=damage, seconds=excerpt.seconds)
        if not case.lost.any():
            yield replace(start, error="nothing was lost, or all of it is recovered exactly")
        elif np.mean(excerpt.samples[case.touched] ** 2) < MIN_POWER:
            yield replace(start, error="silent where it was damaged")
        elif not np.ptp(excerpt.samples):
            yield replace(start, error="the same value throughout: no sound")
        else:
            yield from _score_case(excerpt, case, start, config, model, visqol)


def _score_case(
    excerpt: Excerpt,
    case: Case,
    start: AudioScore,
    config: EvaluateConfig,
    model: RestoreMagnitudes | None,
    visqol: Visqol | None,
) -> Iterator[AudioScore]:
    judge = _Judge(excerpt, case)
    start = replace(start, num_gaps=len(find_runs(case.lost)[0]), lost_s=float(case.lost.sum() / excerpt.sample_rate))
    if start.task == "columns":  # elsewhere it is what `silence` gives
        yield replace(start, method=DAMAGED, **judge.score(case.damaged, visqol))
    for method in config.methods:
        began = time.perf_counter()
        try:
            restored = restore(method, case.known, excerpt.sample_rate, case.lost, model)
        except ValueError as error:
            yield replace(start, method=method, error=" ".join(str(error).split()))
            continue
        seconds = time.perf_counter() - began
        yield replace(start, method=method, wall_s=seconds, **judge.score(restored, visqol))


class _Judge:
    """The reference that restorations of one case are scored against."""

    def __init__(self, excerpt: Excerpt, case: Case) -> None:
        self.grid = Grid(excerpt.sample_rate)
        self.clean = torch.from_numpy(excerpt.samples)
        self.lost, self.touched = torch.from_numpy(case.lost), torch.from_numpy(case.touched)
        self.frames = lost_frames(self.touched, self.grid)
        self.spectrum = self._spectrum(self.clean)

    def score(self, restored: NDArray[np.float64], visqol: Visqol | None) -> dict[str, Any]:
        """Compute the scores of `AudioScore` by name."""
        signal = torch.from_numpy(restored)
        spectrum = self._spectrum(signal)
        scores: dict[str, Any] = {
            "snr_gap": min(snr(signal[self.touched], self.clean[self.touched]), HIGHEST_SNR),
            "snr_file": min(snr(signal, self.clean), HIGHEST_SNR),
            "lsd": log_spectral_distance(spectrum, self.spectrum),
            "convergence": spectral_convergence(spectrum, self.spectrum),
            "join_step": join_step(signal, self.clean, self.lost),
        }
        if visqol is not None:
            scores["visqol"] = visqol.score(self.clean.numpy(), restored, self.grid.sample_rate)
        return scores

    def _spectrum(self, signal: Tensor) -> Tensor:
        return spectrogram(signal, self.grid)[self.frames]
