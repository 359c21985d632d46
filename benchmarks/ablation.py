"""What each part of Wiener_UNet is worth: the same patches in the same order without it, one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.ablation --data SHARDS --patches 5000

Each variant sees so many training patches once, in batches of sixteen; its gain is on validation patches spread over
the split.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from inpaint_ray.data.batches import EVALUATION_SEED, Batch, damage_rows
from inpaint_ray.data.schema import Dataset, read_dataset
from inpaint_ray.data.shards import PatchRows, read_rows, shard_uris
from inpaint_ray.models.gap_unet import GapUNetConfig
from inpaint_ray.models.registry import LossName
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.epoch import TrainingSums, mean_scores, train_epoch, validate
from inpaint_ray.train.learner import Learner

BATCH = 16
SIZE = GapUNetConfig(start="wiener", widths=(16, 32, 64, 96), fold=1, num_blocks=1)  # Wiener_UNet's
INPUTS = ("level", "known", "wiener", "line", "lost", "before", "after")
CPU = torch.device("cpu")
GENRE = "music"  # scores are not told apart


@dataclass(frozen=True)
class Variant:
    """The network, or one with a part less."""

    config: GapUNetConfig = SIZE
    hidden: tuple[str, ...] = ()  # inputs that are zero
    loss: LossName = "gap_db"

    def build(self) -> nn.Module:
        torch.manual_seed(0)
        model = self.config.build()
        if self.hidden:
            seen = torch.tensor([float(name not in self.hidden) for name in INPUTS])[:, None, None]
            first: nn.Module = model.first  # type: ignore[assignment]
            first.register_forward_pre_hook(lambda module, inputs: (inputs[0] * seen,))
        return model


VARIANTS = {
    "whole": Variant(),
    "no lost frames, distances": Variant(hidden=("lost", "before", "after")),
    "no distances": Variant(hidden=("before", "after")),
    "no line": Variant(hidden=("line",)),
    "no Wiener as input": Variant(hidden=("wiener",)),
    "no known frames": Variant(hidden=("known",)),
    "no local level as input": Variant(hidden=("level",)),
    "corrects log of lines": Variant(config=replace(SIZE, start="line")),
    "four bins folded": Variant(config=replace(SIZE, widths=(32, 48, 64), fold=4, num_blocks=2)),
    "one level of the U": Variant(config=replace(SIZE, widths=(16,))),
    "loss: MSE in lost frames": Variant(loss="gap_mse"),
    "loss: MSE everywhere": Variant(loss="mse"),
}


def take(dataset: Dataset, split: str, count: int) -> PatchRows:
    """So many patches, spread over a split, in memory."""
    step = max(dataset.num_patches(split) // count, 1)
    parts = [
        (rows.track_id[::step], rows.patch[::step], rows.magnitudes[::step].copy())
        for rows in read_rows(shard_uris(dataset, split))
    ]
    track_id, patch, magnitudes = (np.concatenate(column)[:count] for column in zip(*parts, strict=True))
    return PatchRows(track_id, [GENRE] * len(track_id), patch, magnitudes)


def batches(rows: PatchRows, order: np.ndarray, scale: float, seed: int) -> Iterator[Batch]:
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        part = PatchRows(rows.track_id[chosen], [GENRE] * len(chosen), rows.patch[chosen], rows.magnitudes[chosen])
        yield damage_rows(part, scale=scale, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folder")
    parser.add_argument("--patches", type=int, default=5_000)
    parser.add_argument("--validation-patches", type=int, default=350)
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = read_dataset(arguments.data)
    training = take(dataset, "train", arguments.patches)
    validation = take(dataset, "validation", arguments.validation_patches)
    order = np.random.default_rng(0).permutation(len(training.track_id))
    steps = -(-len(order) // BATCH)
    print(f"{len(order)} training patches, {len(validation.track_id)} validation patches", flush=True)
    optimisation = Optimisation(
        batch_size=BATCH, optimizer="adamw", learning_rate=3e-3, warmup_steps=30, schedule="cosine", clip_norm=1.0
    )
    precision = Precision(bf16=arguments.bf16, channels_last=True)
    for name in arguments.only:
        variant, started = VARIANTS[name], time.monotonic()
        learner = Learner(variant.build(), optimisation, precision, variant.loss, CPU, total_steps=steps)
        train_epoch(learner, ((batch, 1.0) for batch in batches(training, order, dataset.scale, 1)), TrainingSums())
        seconds = time.monotonic() - started
        kept = batches(validation, np.arange(len(validation.track_id)), dataset.scale, EVALUATION_SEED)
        scores = mean_scores(validate(learner.best_guess, kept, [GENRE], CPU))
        gain, line = scores["gain"], scores["interpolation_gain"]
        print(f"{name:<28} gain {gain:6.2f} dB  lines {line:5.2f} dB  {seconds:6.0f} s", flush=True)


if __name__ == "__main__":
    main()
