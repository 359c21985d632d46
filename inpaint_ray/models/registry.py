"""The registry of architectures: name, configuration, and the reference's parameter count."""

import difflib
from dataclasses import dataclass

from torch import nn

from inpaint_ray.errors import UsageError
from inpaint_ray.models.baselines import BaselineConfig
from inpaint_ray.models.cascade import CascadeConfig
from inpaint_ray.models.efficient_unet import EfficientUNetConfig
from inpaint_ray.models.fpn import FPNConfig
from inpaint_ray.models.gap_unet import GapUNetConfig
from inpaint_ray.models.losses import LossName
from inpaint_ray.models.plain import PlainConfig
from inpaint_ray.models.resnet import ResNetConfig
from inpaint_ray.models.tower import TowerConfig
from inpaint_ray.models.unet import UNetConfig
from inpaint_ray.models.vae import VAEConfig

Config = (
    UNetConfig
    | VAEConfig
    | CascadeConfig
    | FPNConfig
    | ResNetConfig
    | PlainConfig
    | BaselineConfig
    | EfficientUNetConfig
    | GapUNetConfig
    | TowerConfig
)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """An entry of the table."""

    config: Config
    loss: LossName = "mse"
    """The loss it is trained with unless the training names another; the reference's is MSE, to which the outputs of
    VAEs and of the cascade add their own parts."""
    keras_params: int | None = None
    """The reference's "Total params", batch-norm statistics included, less or more by what the note says is different
    here. None: ours."""
    published_psnr: float | None = None
    """dB, as the notebook of this name prints it: the best epoch's mean over the eight genres of FMA small's validation
    tracks, of the network's bare output. The paper's own data and damage: nothing measured here compares with it."""
    note: str = ""
    """Departures from the reference's file, and the reasons."""

    @property
    def family(self) -> str:
        """Return the name of the module of its network class."""
        return type(self.config).__module__.rpartition(".")[2]


ONE_CHANNEL = "one output channel, where the file has three, left over from RGB images"
ONE_SLOPE = "one PReLU slope per channel, where the file's is per pixel, which ties it to 128 x 128"
MEAN_IN_EVALUATION = (
    "takes patches of 128 x 128 only, which its dense layers fix: other sizes are tiled; in evaluation the latent "
    "vector is its mean, where the reference draws it, so that results repeat and do not depend on the batch"
)
OTHER_NETWORK = "follows the file; the published PSNR is of a notebook that prints FPN_RFB_RON's 2,545,601 parameters"
ARCNN = ((64, 9), (32, 7), (16, 1))
FAST_ARCNN = ((64, 9), (32, 1), (32, 7), (16, 1))

ARCHITECTURES: dict[str, Architecture] = {
    "UNet": Architecture(config=UNetConfig(), keras_params=18_872_545, published_psnr=55.77),
    "Res_UNet": Architecture(config=UNetConfig(output="input_minus"), keras_params=18_872_545, published_psnr=55.90),
    "UNet_v2": Architecture(config=UNetConfig(down="conv"), keras_params=22_020_161, published_psnr=56.23),
    "Res_UNet_v2": Architecture(config=UNetConfig(down="conv", output="input_minus"), keras_params=22_020_161),
    "UNet_RFB_FPN": Architecture(config=UNetConfig(skip="conv1x1"), keras_params=19_222_721, published_psnr=55.78),
    "UNet_RFB_TDM": Architecture(config=UNetConfig(skip="conv3x3"), keras_params=22_016_193, published_psnr=55.97),
    "Res_UNet_RFB_TDM": Architecture(
        config=UNetConfig(skip="conv3x3", output="input_minus"), keras_params=22_016_193, published_psnr=56.06
    ),
    "UNet_V2_RFB_TDM": Architecture(
        config=UNetConfig(down="conv", skip="conv3x3"), keras_params=25_163_809, published_psnr=56.16
    ),
    "Res_UNet_V2_RFB_TDM": Architecture(
        config=UNetConfig(down="conv", skip="conv3x3", output="input_minus"), keras_params=25_163_809
    ),
    "Attention_UNet": Architecture(config=UNetConfig(skip="gate"), keras_params=19_573_894, published_psnr=55.74),
    "Attention_UNet_t2": Architecture(config=UNetConfig(skip="channel_gate"), keras_params=19_923_073),
    "Res_Attention_UNet": Architecture(
        config=UNetConfig(skip="gate", output="input_minus"), keras_params=19_573_894, published_psnr=55.84
    ),
    "LinkNet": Architecture(
        config=UNetConfig(down="conv", merge="add", up="linknet"),
        keras_params=14_521_633,
        published_psnr=55.84,
        note="follows the notebook that was published; the file of this name is UNet_v2 with added skips",
    ),
    "VAE_UNet_v2": Architecture(
        config=VAEConfig(),
        keras_params=37_143_345,
        note=f"{MEAN_IN_EVALUATION}; at a learning rate of 1e-3 its divergence first rises to thousands, not at 1e-4",
    ),
    "VAE_Res_UNet_v2": Architecture(
        config=VAEConfig(num_hidden=1000, num_latent=500, activation="leaky", output="input_minus"),
        keras_params=47_614_545,
        note=f"{MEAN_IN_EVALUATION}; its notebook trains with Adam 1e-4 for 200 epochs and normalises with 0.0001, not "
        "0.001; the 56.24 dB published for VAE_Res_UNet_v2_metade are of another network, of 290 million parameters",
    ),
    "Dual_Res_UNet_v2": Architecture(config=CascadeConfig(), keras_params=44_040_322, published_psnr=56.49),
    "FPN": Architecture(config=FPNConfig(), keras_params=1_918_273, published_psnr=52.39),
    "FPN_RFB_RON": Architecture(config=FPNConfig(up="transpose3x3"), keras_params=2_545_601, published_psnr=53.33),
    "FPN_RFB_TDM": Architecture(
        config=FPNConfig(lateral="conv3x3", merge="concat", fuse="last"),
        keras_params=2_845_057,
        published_psnr=52.55,
        note=OTHER_NETWORK,
    ),
    "FPN_RFB_RefineDet": Architecture(
        config=FPNConfig(lateral="conv3x3_twice", up="transpose4x4"),
        keras_params=4_606_401,
        published_psnr=53.23,
        note=OTHER_NETWORK,
    ),
    "FPN_RFB_U_Net": Architecture(
        config=FPNConfig(lateral="plain", up="transpose3x3"),
        keras_params=2_653_825,
        note="mended: the file does not build, it adds 256 to 128 channels; here what comes down has 256, 128, 64 and "
        "128 channels, so that the encoder's own features d4, d3 and d2 can be added",
    ),
    "Attention_FPN_RFB_TDM": Architecture(
        config=FPNConfig(lateral="conv3x3", gated=True, merge="concat", fuse="last"), keras_params=2_993_668
    ),
    "Res_FPN_v2": Architecture(config=FPNConfig(up="transpose3x3", output="input_minus"), keras_params=2_545_601),
    "ResNet": Architecture(config=ResNetConfig(), keras_params=670_529),
    "SE_ResNet": Architecture(config=ResNetConfig(gate_hidden=32, output="direct"), keras_params=708_257),
    "GRes_SE_ResNet": Architecture(config=ResNetConfig(gate_hidden=32, output="input_minus"), keras_params=708_257),
    "EDSR_ResNet": Architecture(config=ResNetConfig(norm="none", end="no_relu"), keras_params=665_921),
    "SRResnet": Architecture(config=ResNetConfig(end="no_relu"), keras_params=670_529, note=ONE_CHANNEL),
    "CANDI": Architecture(
        config=ResNetConfig(
            num_blocks=5, widths=(64, 64, 64, 64), norm="inner", gate_hidden=64, end="no_relu", output="direct"
        ),
        keras_params=785_217,
    ),
    "Card": Architecture(
        config=ResNetConfig(num_stem=0, num_blocks=10, widths=(64, 16), norm="none", end="no_relu"),
        keras_params=176_625,
    ),
    "Deeper_SRCNN": Architecture(
        config=ResNetConfig(
            num_stem=4, num_blocks=5, widths=(32, 32, 32), kernel_size=5, norm="none", end="relu_before_add"
        ),
        keras_params=463_009,
    ),
    "ARCNN": Architecture(config=PlainConfig(layers=ARCNN, last_kernel=5), keras_params=106_673, note=ONE_SLOPE),
    "FastARCNN": Architecture(
        config=PlainConfig(layers=FAST_ARCNN, last_kernel=5), keras_params=58_609, note=f"{ONE_SLOPE}; {ONE_CHANNEL}"
    ),
    "Res_ARCNN": Architecture(
        config=PlainConfig(layers=ARCNN, last_kernel=5, output="input_minus"),
        keras_params=106_673,
        note=f"{ONE_SLOPE}; {ONE_CHANNEL}",
    ),
    "Res_FastARCNN": Architecture(
        config=PlainConfig(layers=FAST_ARCNN, last_kernel=5, output="input_minus"),
        keras_params=58_609,
        note=f"{ONE_SLOPE}; {ONE_CHANNEL}",
    ),
    "dnCNN": Architecture(
        config=PlainConfig(layers=((64, 3),) * 19, last_kernel=3, activation="relu", norm=True, output="input_minus"),
        keras_params=670_529,
    ),
    "UNet_Sun": Architecture(config=BaselineConfig(author="sun"), keras_params=51_121),
    "UNet_Mandelli": Architecture(config=BaselineConfig(author="mandelli"), keras_params=16_659_073),
    "Efficient_UNet_v2": Architecture(
        config=EfficientUNetConfig(),
        keras_params=12_713_821,
        note="the notebook prints 12,713,824: 3 more, the statistics of Keras's Normalization layer, which change "
        "nothing; its code was edited to widths 512 to 32 later, and it holds no finished training",
    ),
    "Gap_UNet": Architecture(config=GapUNetConfig(), loss="gap_db", note="ours: corrects the interpolation"),
    "Wiener_UNet": Architecture(
        config=GapUNetConfig(start="wiener", widths=(16, 32, 64, 96), fold=1, num_blocks=1),
        loss="gap_db",
        note="ours: corrects the Wiener interpolation",
    ),
    "Wiener_Tower": Architecture(
        config=TowerConfig(),
        loss="gap_root",
        note="ours: corrects the Wiener interpolation, mostly below 2 kHz",
    ),
    "Wiener_Tower_large": Architecture(
        config=TowerConfig(low_width=128, low_blocks=12, high_width=64, high_blocks=3),
        loss="gap_root",
        note="ours: Wiener_Tower for a GPU",
    ),
}


def find_architecture(name: str) -> Architecture:
    """Find the entry of an architecture by its name.

    Raises:
        UsageError: no architecture has this name; the message has the nearest ones and the whole list.
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"unknown architecture {name!r}; {hint}choose one of: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build_model(name: str) -> nn.Module:
    """Build a network of an architecture, (B, 1, T, F) -> (B, 1, T, F), with fresh weights from torch's seed.

    `output.restored_of` takes the prediction from what it gives: VAEs and the cascade give a NamedTuple.

    Raises:
        UsageError: (a ValueError) no architecture has this name.
    """
    return find_architecture(name).config.build()
