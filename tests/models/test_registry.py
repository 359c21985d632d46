"""A contract over every registered architecture."""

import pytest
import torch

from inpaint_ray.errors import UsageError
from inpaint_ray.models.blocks import count_parameters
from inpaint_ray.models.registry import ARCHITECTURES, build_model

UNETS = [name for name, entry in ARCHITECTURES.items() if entry.keras_params is not None]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(("num_frames", "num_bins"), [(128, 128), (100, 353)])
def test_output_has_the_shape_of_the_input(name: str, num_frames: int, num_bins: int) -> None:
    with torch.device("meta"):
        output = build_model(name)(torch.zeros(2, 1, num_frames, num_bins))
    assert output.shape == (2, 1, num_frames, num_bins)


@pytest.mark.parametrize("name", UNETS)
def test_parameters_are_as_many_as_in_the_reference(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name)
    assert count_parameters(model) == ARCHITECTURES[name].keras_params


def test_the_thirteen_unets_of_the_reference_are_there() -> None:
    assert len(UNETS) == 13


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean UNet_v2.*Attention_UNet, .*LinkNet"):
        build_model("Unet_v2")
