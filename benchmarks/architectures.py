"""The equivalence of every architecture under bf16 autocast, channels_last, torch.compile and torch.export.

python benchmarks/architectures.py
python benchmarks/architectures.py --architectures UNet_v2 Gap_UNet

Prints, by architecture, the difference to eager float32 (see `relative_error`), the seconds that compiling took, and
the first line of the error where a way does not work. torch.compile needs a C++ compiler.
"""

import argparse
import copy
import os
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inpaint_ray.models.gaps import draw_last_weights
from inpaint_ray.models.output import restored_of
from inpaint_ray.models.registry import ARCHITECTURES, build_model
from inpaint_ray.tables import markdown_table


def damaged_patches() -> Tensor:
    """Return two patches, (2, 1, 128, 128) normalised, with lost frames."""
    patches = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(0)) + 0.001
    patches[:, :, 30:45] = patches[1, :, 70:72] = 0.001
    return patches


def autocast(model: nn.Module, given: Tensor) -> Tensor:
    """Run a network in bf16 where autocast deems it safe."""
    with torch.autocast("cpu", torch.bfloat16):
        return restored_of(model(given)).float()


def channels_last(model: nn.Module, given: Tensor) -> Tensor:
    """Run a network with channels as the innermost axis of weights and patches in memory."""
    model = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return restored_of(model(given.contiguous(memory_format=torch.channels_last)))


def compiled(model: nn.Module, given: Tensor) -> Tensor:
    """Run a network compiled as in training; Wiener_UNet in two graphs, as inductor has no Fourier transforms."""
    torch.compiler.reset()
    return restored_of(torch.compile(model)(given))


def exported(model: nn.Module, given: Tensor) -> Tensor:
    """Run an exported network, for batches of any size."""
    program = torch.export.export(model, (given,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    return restored_of(program.module()(given.repeat(2, 1, 1, 1)))[: len(given)]


WAYS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "bf16 autocast": autocast,
    "channels_last": channels_last,
    "torch.export": exported,
    "torch.compile": compiled,
}


def build_for_comparison(name: str) -> nn.Module:
    """Build a model in evaluation mode, the same every time, whose output is not the input's interpolation."""
    torch.manual_seed(0)
    model = build_model(name).eval()
    draw_last_weights(model)
    return model


def relative_error(output: Tensor, expected: Tensor, given: Tensor) -> float:
    """Return the RMS of the difference over that of the output, or of its correction of the input if smaller."""
    size = min(_size(expected), _size(expected - given))
    return _size(output - expected) / size


def _size(tensor: Tensor) -> float:
    return tensor.double().square().mean().sqrt().item()


def compare(name: str) -> list[str]:
    """Return a row of the table."""
    model, given = build_for_comparison(name), damaged_patches()
    row = [name]
    with torch.no_grad():
        expected = restored_of(model(given))
        for way in WAYS.values():
            started = time.perf_counter()
            try:
                row.append(f"{relative_error(way(model, given), expected, given):.1e}")
            except Exception as problem:  # what does not work is what is asked for here
                row.append(str(problem).splitlines()[0])
    return [*row, f"{time.perf_counter() - started:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    arguments = parser.parse_args()
    rows = []
    for name in arguments.architectures:
        rows.append(compare(name))
        print(*rows[-1], flush=True)
    print(f"\n{torch.get_num_threads()} threads on {len(os.sched_getaffinity(0))} cores\n")
    print(markdown_table(["architecture", *WAYS, "s to compile"], rows))


if __name__ == "__main__":
    main()
