"""Facts of the reference's networks (architectures.json), and the layers that ours should have.

A census counts layers by kind: "conv 3x3/1 32->64", "deconv 3x3/2 64->32", "dense 64->32", "batchnorm 64", "prelu 64".
"""

import json
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inpaint_ray.models.registry import build_model

Census = Counter[str]
FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "architectures.json").read_text())
FACTS.pop("_about")
REPRESENTATIVES = (  # of each class of networks, the member that has most of its parts
    "Attention_UNet",
    "VAE_Res_UNet_v2",
    "Dual_Res_UNet_v2",
    "Attention_FPN_RFB_TDM",
    "CANDI",
    "ARCNN",
    "UNet_Sun",
    "UNet_Mandelli",
    "Efficient_UNet_v2",
    "Gap_UNet",
    "Wiener_UNet",
)


@cache
def meta_model(name: str) -> nn.Module:
    """Return a model without weights, which all tests share and none may change."""
    with torch.device("meta"):
        return build_model(name)


def census_of(model: nn.Module) -> Census:
    """Count the layers of a model by kind."""
    census: Census = Counter()
    for module in model.modules():
        match module:
            case nn.Conv2d() | nn.ConvTranspose2d():
                kind = "conv" if isinstance(module, nn.Conv2d) else "deconv"
                size = "x".join(map(str, module.kernel_size))
                widths = f"{module.in_channels}->{module.out_channels}"
                census[f"{kind} {size}/{module.stride[0]} {widths}"] += 1
            case nn.Linear():
                census[f"dense {module.in_features}->{module.out_features}"] += 1
            case nn.BatchNorm2d():
                census[f"batchnorm {module.num_features}"] += 1
            case nn.PReLU():
                census[f"prelu {module.num_parameters}"] += 1
    return census


def count_of(census: Census) -> int:
    """Count parameters as Keras does, from the layers alone."""
    return sum(number * _count_of_layer(layer) for layer, number in census.items())


def _count_of_layer(layer: str) -> int:
    kind, numbers = layer.split()[0], [int(number) for number in re.findall(r"\d+", layer)]
    match kind:
        case "conv" | "deconv":
            height, width, _, before, after = numbers
            return height * width * before * after + after
        case "dense":
            before, after = numbers
            return before * after + after
        case "batchnorm":
            return 4 * numbers[0]  # scale, shift, running mean and variance
        case "prelu":
            return math.prod(numbers)  # a slope per channel, or per pixel and channel
    raise ValueError(layer)


def expected_census(name: str) -> Census:
    """Return the layers of the reference's file or, where the registry's note says so, of what replaces them."""
    if name == "LinkNet":
        return _linknet()
    if name == "FPN_RFB_U_Net":
        return _fpn_rfb_u_net()
    layers = FACTS[name]["layers"]
    one_channel = {re.sub(r"^(conv .*)->3$", r"\1->1", layer): number for layer, number in layers.items()}
    return Counter({layer.replace("prelu 128x128x", "prelu "): number for layer, number in one_channel.items()})


def _linknet() -> Census:
    """The file's, with a bottleneck in place of each transposed convolution: the notebook's."""
    census = Counter(FACTS["LinkNet"]["layers"])
    for before, after in ((1024, 512), (512, 256), (256, 128), (128, 64), (64, 32)):
        narrow = before // 4
        census[f"deconv 3x3/2 {before}->{after}"] -= 1
        census[f"conv 1x1/1 {before}->{narrow}"] += 1
        census[f"deconv 4x4/2 {narrow}->{narrow}"] += 1
        census[f"conv 1x1/1 {narrow}->{after}"] += 1
        census[f"batchnorm {narrow}"] += 2
        census[f"batchnorm {after}"] += 1
    return +census


def _fpn_rfb_u_net() -> Census:
    """FPN_RFB_RON's without three laterals, and with other widths coming down: 256, 128, 64, 128."""
    census = Counter(FACTS["FPN_RFB_RON"]["layers"])
    for before in (256, 128, 64):
        census[f"conv 1x1/1 {before}->128"] -= 1
    census["deconv 3x3/2 128->128"] -= 4
    census.update(f"deconv 3x3/2 {before}->{after}" for before, after in ((128, 256), (256, 128), (128, 64), (64, 128)))
    census["conv 3x3/1 128->32"] -= 4
    census.update(f"conv 3x3/1 {width}->32" for width in (256, 128, 64, 128))
    return +census
