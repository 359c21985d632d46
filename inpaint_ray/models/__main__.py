"""Print the table of architectures, as Markdown, and below it the departures from the reference.

python -m inpaint_ray.models
python -m inpaint_ray.models --time    # with milliseconds per patch on this machine
"""

import os
import sys

import torch

from inpaint_ray.models.registry import ARCHITECTURES
from inpaint_ray.models.table import NUM_TIMED, architecture_table


def main(arguments: list[str]) -> None:
    if arguments not in ([], ["--time"]):
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    timed = bool(arguments)
    print(architecture_table(timed=timed))
    if timed:
        cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
        print(
            f"ms per patch: float32, one patch at a time, median of {NUM_TIMED}; {threads} threads on {cores} cores\n"
        )
    for name, entry in ARCHITECTURES.items():
        if entry.note:
            print(f"- {name}: {entry.note}")


if __name__ == "__main__":
    main(sys.argv[1:])
