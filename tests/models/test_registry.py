"""The registry against the reference's facts: names, layers, parameters, published scores; and shapes, on no device."""

from itertools import combinations

import pytest
import torch

from inpaint_ray.errors import UsageError
from inpaint_ray.models.blocks import count_parameters
from inpaint_ray.models.output import restored_of
from inpaint_ray.models.registry import ARCHITECTURES, build_model
from tests.models.facts import FACTS, census_of, count_of, expected_census, meta_model

FAMILIES = {
    "unet": 13,
    "vae": 2,
    "cascade": 1,
    "fpn": 7,
    "resnet": 8,
    "plain": 5,
    "baselines": 2,
    "efficient_unet": 1,
    "gap_unet": 2,
    "tower": 2,
}
EFFICIENT_NET_B0 = 4_049_571  # "Total params" of Keras's, without its head
NORMALIZATION = 2 * 3 + 1  # of which mean, variance and count of its Normalization layer, for three channels


def test_all_names_of_the_reference_are_there_and_four_of_ours() -> None:
    assert set(ARCHITECTURES) - set(FACTS) == {"Gap_UNet", "Wiener_UNet", "Wiener_Tower", "Wiener_Tower_large"}
    assert set(FACTS) <= set(ARCHITECTURES)
    families = [entry.family for entry in ARCHITECTURES.values()]
    assert {family: families.count(family) for family in dict.fromkeys(families)} == FAMILIES
    assert families == [family for family, number in FAMILIES.items() for _ in range(number)]


@pytest.mark.parametrize("name", FACTS)
def test_layers_are_those_of_the_reference(name: str) -> None:
    if name == "Efficient_UNet_v2":
        pytest.skip("the facts have no layers of it: see the test of its parameters")
    assert census_of(meta_model(name)) == expected_census(name)


@pytest.mark.parametrize("name", FACTS)
def test_parameters_are_as_many_as_in_the_reference(name: str) -> None:
    entry, facts = ARCHITECTURES[name], FACTS[name]
    if name == "Efficient_UNet_v2":
        expected = facts["notebook_params"] - (2 * 1 + 1)  # Normalization's mean, variance and count, for one channel
    else:
        expected = count_of(expected_census(name))
    assert count_parameters(meta_model(name)) == entry.keras_params == expected
    if name == "LinkNet":
        assert expected == facts["notebook_params"]
    elif not entry.note:
        assert expected == facts["params"]


@pytest.mark.parametrize("name", [name for name, facts in FACTS.items() if "params" in facts])
def test_the_facts_agree_with_themselves(name: str) -> None:
    assert count_of(FACTS[name]["layers"]) == FACTS[name]["params"]


def test_the_encoder_of_efficient_unet_is_efficient_net_b0() -> None:
    model = meta_model("Efficient_UNet_v2")
    encoder = sum(count_parameters(part) for part in (model.stem, model.blocks, model.top))
    assert encoder == EFFICIENT_NET_B0 - NORMALIZATION - 3 * 3 * (3 - 1) * 32  # one input channel in place of three
    widths = [decoder[0].in_channels for decoder in model.decoders]
    assert widths == [256 + 672, 128 + 240, 64 + 144, 32 + 96, 16]


@pytest.mark.parametrize("name", FACTS)
def test_published_scores_and_outputs_are_those_of_the_reference(name: str) -> None:
    entry, facts = ARCHITECTURES[name], FACTS[name]
    assert entry.published_psnr == facts.get("notebook_valid_psnr")
    signs = {"input - out": "input_minus", "input + out": "input_plus", "direct": "direct"}
    assert getattr(entry.config, "output", "direct") == signs[facts["output"]]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_output_has_the_shape_of_the_input(name: str) -> None:
    model = meta_model(name)
    for size in ((128, 128), (100, 353), (7, 33)):
        given = torch.zeros(2, 1, *size, device="meta")
        if size == getattr(model, "patch_shape", size):
            assert restored_of(model(given)).shape == given.shape
        else:
            with pytest.raises(ValueError, match=rf"takes patches of 128 x 128, got \({size[0]}, {size[1]}\)"):
                model(given)


def test_no_two_architectures_are_the_same() -> None:
    assert all(a.config != b.config for a, b in combinations(ARCHITECTURES.values(), 2))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="did you mean UNet_v2.*Attention_UNet, .*dnCNN"):
        build_model("Unet_v2")
