"""Half precision, channels last, compiling and exporting: the same result within stated tolerances.

One name of each family, and two that are compiled; `benchmarks/architectures.py` checks all names in all ways, which
takes a quarter of an hour.
"""

import shutil

import pytest
import torch
from torch import Tensor, nn

from benchmarks.architectures import (
    autocast,
    build_for_comparison,
    channels_last,
    damaged_patches,
    exported,
    relative_error,
)
from inpaint_ray.models.output import restored_of
from tests.models.facts import REPRESENTATIVES

TOLERANCES = {  # see relative_error
    autocast: 3e-2,  # bf16 has 8 bits: 4e-3 a rounding
    channels_last: 1e-5,
    exported: 1e-5,
}


def _given(model: nn.Module) -> Tensor:
    """The benchmark's patches, a quarter of each where the network takes any size."""
    patches = damaged_patches()
    return patches if hasattr(model, "patch_shape") else patches[:, :, 20:84, :64]


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_model_gives_the_same_in_every_format(name: str) -> None:
    model = build_for_comparison(name)
    given = _given(model)
    with torch.no_grad():
        expected = restored_of(model(given))
        for way, tolerance in TOLERANCES.items():
            assert relative_error(way(model, given), expected, given) < tolerance, way


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # within torch
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile makes C++ for CPUs, and there is no g++")
@pytest.mark.parametrize(("name", "backend"), [("FastARCNN", "aot_eager"), ("Wiener_UNet", "inductor")])
def test_a_compiled_model_gives_the_same(name: str, backend: str) -> None:
    """One is only traced, for to make C++ of it takes 20 s; of the other it is made, but for its Fourier transforms."""
    model = build_for_comparison(name)
    given = _given(model)
    torch.compiler.reset()
    with torch.no_grad():
        output = restored_of(torch.compile(model, backend=backend)(given))
        assert relative_error(output, restored_of(model(given)), given) < 1e-5
