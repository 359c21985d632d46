"""The table of architectures: a name, what is special about it, and the reference's parameter count."""

import difflib
from dataclasses import dataclass
from typing import Literal

from torch import nn

from inpaint_ray.errors import UsageError
from inpaint_ray.models.gap_unet import GapUNetConfig
from inpaint_ray.models.unet import UNetConfig

LossName = Literal["mse", "gap_db"]


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """An entry of the table."""

    config: UNetConfig | GapUNetConfig
    loss: LossName = "mse"  # what it is trained with unless the training says otherwise; the reference's is MSE
    keras_params: int | None = None  # "Total params" of the reference's notebook, batch-norm statistics included
    note: str = ""  # where this departs from the reference's file, and why


ARCHITECTURES: dict[str, Architecture] = {
    "UNet": Architecture(config=UNetConfig(), keras_params=18_872_545),
    "Res_UNet": Architecture(config=UNetConfig(output="input_minus"), keras_params=18_872_545),
    "UNet_v2": Architecture(config=UNetConfig(down="conv"), keras_params=22_020_161),
    "Res_UNet_v2": Architecture(config=UNetConfig(down="conv", output="input_minus"), keras_params=22_020_161),
    "UNet_RFB_FPN": Architecture(config=UNetConfig(skip="conv1x1"), keras_params=19_222_721),
    "UNet_RFB_TDM": Architecture(config=UNetConfig(skip="conv3x3"), keras_params=22_016_193),
    "Res_UNet_RFB_TDM": Architecture(config=UNetConfig(skip="conv3x3", output="input_minus"), keras_params=22_016_193),
    "UNet_V2_RFB_TDM": Architecture(config=UNetConfig(down="conv", skip="conv3x3"), keras_params=25_163_809),
    "Res_UNet_V2_RFB_TDM": Architecture(
        config=UNetConfig(down="conv", skip="conv3x3", output="input_minus"), keras_params=25_163_809
    ),
    "Attention_UNet": Architecture(config=UNetConfig(skip="gate"), keras_params=19_573_894),
    "Attention_UNet_t2": Architecture(config=UNetConfig(skip="channel_gate"), keras_params=19_923_073),
    "Res_Attention_UNet": Architecture(config=UNetConfig(skip="gate", output="input_minus"), keras_params=19_573_894),
    "LinkNet": Architecture(
        config=UNetConfig(down="conv", merge="add", up="linknet"),
        keras_params=14_521_633,
        note="follows the notebook that was published; the file of this name is UNet_v2 with added skips",
    ),
    "Gap_UNet": Architecture(config=GapUNetConfig(), loss="gap_db", note="ours: corrects the interpolation"),
}


def find_architecture(name: str) -> Architecture:
    """The entry of a name.

    Raises:
        UsageError: no architecture has this name; the message has the nearest ones and the whole list.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown architecture {name!r}; {hint}choose one of: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build_model(name: str) -> nn.Module:
    """A new instance of an architecture, (B, 1, T, F) -> (B, 1, T, F), with fresh weights from torch's seed.

    Raises:
        UsageError: (a ValueError) no architecture has this name.
    """
    return find_architecture(name).config.build()
