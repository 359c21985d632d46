"""An ablation of Wiener_Tower's recipe: trainings of the same time without each part; seeds, sizes, one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.ablation --data MORE_SHARDS --less SHARDS --seconds 240 --seeds 3

Time is CPU time of the whole process, so that other work on the machine changes little. The learning rate rises, stays,
and falls to nothing over the last two fifths. Gains are on every tenth validation patch of --less, which both have.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from benchmarks import clocked
from benchmarks.clocked import endless_steps, learner_of, train_for, validation_scores
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.data.schema import read_dataset
from inpaint_ray.data.shards import shard_rows
from inpaint_ray.models.gap_unet import GapUNetConfig
from inpaint_ray.models.losses import LossName
from inpaint_ray.models.tower import TowerConfig
from inpaint_ray.tables import markdown_table
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.sources import HostSource

SIZE = TowerConfig(low_width=32, low_blocks=5)
MUON = Optimisation(optimizer="muon", learning_rate=0.03, clip_norm=1.0)
ADAMW = Optimisation(optimizer="adamw", learning_rate=4e-3, clip_norm=1.0)
BF16 = Precision(bf16=True, channels_last=True)
CPU = torch.device("cpu")
BATCH, STRIDE = 16, 10


def _from_lines() -> nn.Module:
    model = SIZE.build()
    model.start._wiener_frames = interpolate_frames  # type: ignore[union-attr]
    return model


@dataclass(frozen=True)
class Variant:
    """The recipe, or the recipe without one part."""

    build: Callable[[], nn.Module] = SIZE.build
    optimisation: Optimisation = MUON
    loss: LossName = "gap_root"
    reverse: bool = True
    less: bool = False  # music: of --less alone


VARIANTS = {
    "whole": Variant(),
    "AdamW": Variant(optimisation=ADAMW),
    "a U-Net on all bins": Variant(
        build=GapUNetConfig(start="wiener", widths=(16, 32, 64, 96), fold=1, num_blocks=1).build
    ),
    "loss in dB": Variant(loss="gap_db"),
    "loss MSE in lost frames": Variant(loss="gap_mse"),
    "no patch backwards": Variant(reverse=False),
    "less music": Variant(less=True),
    "starts from lines": Variant(build=_from_lines),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folder with all music")
    parser.add_argument("--less", required=True, help="prepared folder with less, whose validation patches are scored")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clocked.now = time.process_time
    more, less = read_dataset(arguments.data), read_dataset(arguments.less)
    rows, whole = [], 0.0
    for name in arguments.only:
        variant, gains, patches = VARIANTS[name], [], []
        dataset = less if variant.less else more
        for seed in range(arguments.seeds):
            torch.manual_seed(seed)
            learner = learner_of(variant.build(), variant.optimisation, variant.loss, CPU, arguments.seconds, BF16)
            source = HostSource(shard_rows(dataset, "train"), None, CPU)
            steps = endless_steps(dataset, source, BATCH, ("frames",), CPU, reverse=variant.reverse, seed=seed)
            patches.append(train_for(learner, steps, arguments.seconds, lambda _: None).num_patches)
            gains.append(validation_scores(learner.best_guess, less, CPU, stride=STRIDE)["gain"])
            print(f"{name}, seed {seed}: {gains[-1]:.2f} dB after {patches[-1]:,} patches", flush=True)
        mean = statistics.mean(gains)
        whole = mean if name == "whole" else whole
        spread = statistics.stdev(gains) if len(gains) > 1 else 0.0
        rows.append([name, f"{mean:.2f}", f"{spread:.2f}", f"{mean - whole:+.2f}", f"{statistics.mean(patches):,.0f}"])
    print(markdown_table(["variant", "gain, dB", "std over seeds", "beside whole", "patches"], rows))


if __name__ == "__main__":
    main()
