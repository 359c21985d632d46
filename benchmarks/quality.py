"""The quality of networks beside each other and the baselines: gain by genre and by share of lost frames, and cost.

    OMP_NUM_THREADS=1 python -m benchmarks.quality --data SHARDS --checkpoint runs/Wiener_UNet/best runs/UNet_v2/best

Gains are those of jobs/evaluate.py; milliseconds are of one patch on one thread. --docs writes the tables below the
mark of FOLDER/quality.md, whose text above it stays, and two of the page's pictures beside it.
"""

import argparse
import base64
import re
import time
from pathlib import Path

import torch

from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.wiener import wiener_frames
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.cluster import start_ray
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.models.registry import build_model
from inpaint_ray.models.table import PATCH, count_multiply_adds, time_patch
from inpaint_ray.tables import markdown_table

NUM_TIMED = 20
MADE = "<!-- made by: python -m benchmarks.quality -->"  # what stands above it is written by hand


def time_baselines() -> list[list[str]]:
    magnitudes, lost = torch.rand(PATCH)[0], torch.rand(1, PATCH[2]) < 0.4
    rows = []
    for name, fill in (("interpolation", interpolate_frames), ("wiener", wiener_frames)):
        fill(magnitudes, lost)
        started = time.perf_counter()
        for _ in range(NUM_TIMED):
            fill(magnitudes, lost)
        rows.append([name, "", "", f"{(time.perf_counter() - started) / NUM_TIMED * 1e3:.1f}"])
    return rows


def time_models(uris: list[str]) -> list[list[str]]:
    rows = []
    for uri in uris:
        checkpoint = open_checkpoint(uri)
        with torch.device("meta"):
            model = build_model(checkpoint.architecture)
        num_parameters = sum(weight.numel() for weight in model.parameters())
        cost = f"{count_multiply_adds(model) / 1e6:,.0f}"
        rows.append([checkpoint.architecture, f"{num_parameters:,}", cost, f"{time_patch(checkpoint.model):.1f}"])
    return rows


def write_docs(results: Path, costs: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "quality.md"
    above = page.read_text().partition(MADE)[0] if page.exists() else ""
    page.write_text(f"{above}{MADE}\n{(results / 'results.md').read_text()}\n## Cost\n{costs}")
    pictures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", (results / "results.html").read_text())
    for name, data in zip(("by_genre.png", "by_share.png"), pictures, strict=False):
        (folder / name).write_bytes(base64.b64decode(data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="prepared folder")
    parser.add_argument("--checkpoint", nargs="+", required=True, help="checkpoint folders")
    parser.add_argument("--output", type=Path, default=Path("runs/quality"), help="of the whole report")
    parser.add_argument("--docs", type=Path, help="folder for a short version")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = time_baselines() + time_models(arguments.checkpoint)
    start_ray()
    evaluate(EvaluateConfig(data=arguments.data, checkpoint=tuple(arguments.checkpoint), output=str(arguments.output)))
    costs = markdown_table(["method", "parameters", "million multiply-adds", "ms a patch"], rows)
    print(costs)
    if arguments.docs:
        write_docs(arguments.output, costs, arguments.docs)


if __name__ == "__main__":
    main()
