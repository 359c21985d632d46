"""Examples to play on the results page: the worst, the median and the best of each folder, by every method."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.audio.damage import Damage
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.evaluate.audio.cases import Case, Excerpt, cut, read_excerpt
from inpaint_ray.evaluate.audio.methods import restore
from inpaint_ray.evaluate.audio.score import AudioScore, load_model
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.pages.pictures import draw_spectrograms
from inpaint_ray.pages.sounds import to_flac

SOUNDS = "listen"  # folder below the output
EXCERPT_S = 3.0
MOST_FOLDERS = 20  # on the page


@dataclass(frozen=True)
class Example:
    """A file and damage to listen to, and the files beside the page."""

    number: int
    name: str
    folder: str
    task: str
    damage: str
    rank: str  # worst, median or best
    method: str  # by whose score
    snr_gap: float  # dB
    sounds: tuple[tuple[str, str], ...]  # label -> name of a FLAC file below the output
    picture: str


def choose_examples(scores: Sequence[AudioScore], method: str, labels: Sequence[str]) -> list[Example]:
    """Choose the worst, the median and the best case of each folder by a method's SNR in the gap.

    A case in which any method failed is left out.

    Args:
        scores: of one task.
        method: whose scores rank the cases.
        labels: of the sounds of each example, methods included.
    """
    failed = {(score.name, score.damage) for score in scores if score.error}
    folders: dict[str, list[AudioScore]] = defaultdict(list)
    for score in scores:
        if score.method == method and (score.name, score.damage) not in failed:
            folders[score.folder].append(score)
    examples: list[Example] = []
    for folder in sorted(folders)[:MOST_FOLDERS]:
        ranked = sorted(folders[folder], key=lambda score: (score.snr_gap, score.name, score.damage))
        chosen = {len(ranked) - 1: "best", len(ranked) // 2: "median", 0: "worst"}
        for place, rank in sorted(chosen.items(), reverse=True):
            examples.append(_example(len(examples), ranked[place], folder, rank, labels))
    return examples


def _example(number: int, score: AudioScore, folder: str, rank: str, labels: Sequence[str]) -> Example:
    return Example(
        number=number,
        name=score.name,
        folder=folder,
        task=score.task,
        damage=score.damage,
        rank=rank,
        method=score.method,
        snr_gap=score.snr_gap,
        sounds=tuple((label, f"{SOUNDS}/{number:03d}-{label}.flac") for label in labels),
        picture=f"{SOUNDS}/{number:03d}.png",
    )


class ExampleMaker:
    """Restores the chosen cases once more and writes what the page plays; the state of a Ray Data actor."""

    def __init__(self, config: EvaluateConfig) -> None:
        torch.set_num_threads(1)
        self.config = config
        self.model = load_model(config)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make an example, as JSON, from the URI of its file; returns its number once all is written."""
        example = Example(**json.loads(row["example"]))
        excerpt = read_excerpt(example.name, storage.read_bytes(row["uri"]), self.config.seconds)
        case = cut(excerpt, example.task, Damage.parse(example.damage), seed=self.config.seed)  # type: ignore[arg-type]
        part = _around_longest(case, excerpt)
        sounds = {}
        for label, name in example.sounds:
            sounds[label] = self._restore(label, excerpt, case)[None, part]
            storage.write_bytes(storage.join(self.config.output, name), to_flac(sounds[label], excerpt.sample_rate))
        drawn = draw_spectrograms(sounds, case.lost[part], excerpt.sample_rate, reference="clean")
        storage.write_bytes(storage.join(self.config.output, example.picture), drawn)
        return {"number": example.number}

    def _restore(self, label: str, excerpt: Excerpt, case: Case) -> NDArray[np.float64]:
        if label == "clean":
            return excerpt.samples
        if label == "damaged":
            return case.damaged
        return restore(label, case.known, excerpt.sample_rate, case.lost, self.model)  # type: ignore[arg-type]


def _around_longest(case: Case, excerpt: Excerpt) -> slice:
    starts, stops = find_runs(case.lost)
    longest = int(np.argmax(stops - starts))
    length = int(EXCERPT_S * excerpt.sample_rate)
    middle = int(starts[longest] + stops[longest]) // 2
    first = max(min(middle - length // 2, len(excerpt.samples) - length), 0)
    return slice(first, first + length)
