"""The reference's published figures, to stand beside ours."""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

FMA_SOURCE = re.compile(r"fma_(small|medium|large|full)(\.zip)?/?$")  # the names of FMA's own archives


@dataclass(frozen=True)
class Published:
    """The reference's figures of an architecture on one genre of FMA, beside ours."""

    architecture: str
    genre: str
    psnr: float  # dB, of the network's bare output
    nrmse: float
    gain: float | None  # over the damaged input, whose PSNR was published for three genres of the test split only


def published_figures(architecture: str, split: str) -> dict[str, Published]:
    """Return the published figures of an architecture by genre; empty where there are none."""
    figures = _read()
    genres = figures["architectures"].get(architecture, {}).get(split, {})
    damaged = figures["damaged"].get(split, {})
    return {
        genre: Published(
            architecture, genre, psnr, nrmse, round(psnr - damaged[genre][0], 3) if genre in damaged else None
        )
        for genre, (psnr, nrmse) in genres.items()
    }


def is_fma(source: str) -> bool:
    """Return True if audio came from one of FMA's own zips, judged by the name of its folder."""
    return FMA_SOURCE.search(source) is not None


@cache
def _read() -> dict[str, Any]:
    return json.loads(resources.files("inpaint_ray.evaluate.shards").joinpath("published.json").read_text())
