"""The registry as a table: settings, size and cost of each architecture."""

import statistics
import time
from collections.abc import Callable
from dataclasses import fields
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inpaint_ray.models.blocks import count_parameters
from inpaint_ray.models.registry import ARCHITECTURES, Architecture, build_model
from inpaint_ray.tables import markdown_table

PATCH = (1, 1, 128, 128)
NUM_TIMED = 7

DEFAULTS = {  # a network of the family that has no field of its own set
    "unet": "max-pooling, skips as they are, concatenated",
    "vae": "UNet_v2, at its bottom a latent vector of 300",
    "cascade": "two UNet_v2 in a row, input - out of each",
    "fpn": "1 x 1 laterals added, nearest neighbours up, all levels fused",
    "resnet": "9 blocks of two 3 x 3 to 64, normalised, ReLU after adding, input + out",
    "efficient_unet": "EfficientNet-B0 encoder, decoder of 256 to 16 channels",
    "gap_unet": "ours: knows what is lost, corrects the interpolation",
    "tower": "ours: full resolution below 2 kHz, corrects the Wiener interpolation",
}


def _layers(layers: tuple[tuple[int, int], ...]) -> str:
    groups = [(len(list(group)), *layer) for layer, group in groupby(layers)]
    return ", ".join(f"{f'{count} times ' if count > 1 else ''}{k} x {k} to {width}" for count, width, k in groups)


WORDS: dict[str, dict[Any, str] | Callable[[Any], str]] = {  # field -> what a value means
    "down": {"conv": "strided convolutions down"},
    "skip": {
        "conv1x1": "skips through 1 x 1",
        "conv3x3": "skips through 3 x 3",
        "gate": "gated skips",
        "channel_gate": "skips gated by channel",
    },
    "merge": {"add": "skips added", "concat": "concatenated"},
    "up": {
        "linknet": "bottlenecks up",
        "transpose3x3": "transposed 3 x 3 up",
        "transpose4x4": "transposed 4 x 4 up",
    },
    "activation": {"leaky": "LeakyReLU", "prelu": "PReLU", "relu": "ReLU"},
    "output": {"direct": "direct", "input_minus": "input - out", "input_plus": "input + out"},
    "num_hidden": "hidden layer of {}".format,
    "num_latent": "latent vector of {}".format,
    "lateral": {"conv3x3": "3 x 3 laterals", "conv3x3_twice": "two 3 x 3 laterals", "plain": "plain laterals"},
    "gated": {True: "gated"},
    "fuse": {"last": "last level only"},
    "num_stem": "{} stem convolutions".format,
    "num_blocks": lambda count: f"{count} block{'s' * (count > 1)}",
    "widths": lambda widths: "widths " + "-".join(map(str, widths)),
    "kernel_size": "{0} x {0}".format,
    "norm": {"inner": "last one not normalised", "none": "not normalised", True: "normalised"},
    "gate_hidden": "channel gates of {}".format,
    "end": {"relu_before_add": "ReLU before adding", "no_relu": "no ReLU after adding"},
    "layers": _layers,
    "last_kernel": "{0} x {0} to 1".format,
    "start": {"wiener": "corrects the Wiener interpolation"},
    "fold": {1: "at every bin"},
    "low_bins": "the lowest {} bins".format,
    "low_width": "{} channels below".format,
    "low_blocks": "{} blocks below".format,
    "high_width": "{} channels above".format,
    "high_blocks": "{} blocks above".format,
    "author": {
        "sun": "Sun: large kernels, two levels, skips added",
        "mandelli": "Mandelli: 4 x 4, stride 2, five levels",
    },
}


def special(entry: Architecture) -> str:
    """Describe the settings in which an architecture differs from its family's defaults."""
    values = {field.name: (getattr(entry.config, field.name), field.default) for field in fields(entry.config)}
    words = [_in_words(name, value) for name, (value, default) in values.items() if value != default]
    return ", ".join(words) or DEFAULTS[entry.family]


def _in_words(name: str, value: Any) -> str:
    words = WORDS[name]
    return words[value] if isinstance(words, dict) else words(value)


def count_multiply_adds(model: nn.Module) -> int:
    """Count the multiply-adds of one patch of 128 x 128; the model is on the meta device."""
    counter = FlopCounterMode(display=False)
    with counter:
        model.eval()(torch.zeros(PATCH, device="meta"))
    return counter.get_total_flops() // 2


def time_patch(model: nn.Module) -> float:
    """Measure the milliseconds for one patch of 128 x 128, in float32 on the CPU: the median of runs after a first."""
    given, seconds = torch.rand(PATCH), []
    model.eval()
    with torch.inference_mode():
        for _ in range(1 + NUM_TIMED):
            started = time.perf_counter()
            model(given)
            seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[1:])


def architecture_table(*, timed: bool = False) -> str:
    """Return the registry as a Markdown table, with a column of times where asked for."""
    rows = []
    for name, entry in ARCHITECTURES.items():
        with torch.device("meta"):
            model = build_model(name)
        only = "; 128 x 128 only" if hasattr(model, "patch_shape") else ""
        parameters, millions = count_parameters(model), count_multiply_adds(model) / 1e6
        published = "" if entry.published_psnr is None else f"{entry.published_psnr:.2f}"
        row = [name, entry.family, special(entry) + only, f"{parameters:,}", f"{millions:,.0f}", published]
        rows.append([*row, f"{time_patch(build_model(name)):.1f}"] if timed else row)
    header = ["architecture", "family", "what is special", "parameters", "million multiply-adds", "published PSNR"]
    return markdown_table([*header, "ms per patch"] if timed else header, rows, num_left=3)
