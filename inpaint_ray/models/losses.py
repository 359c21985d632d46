"""The names of the losses that a network may be trained with; `train.losses` computes them."""

from typing import Literal

LossName = Literal["mse", "l1", "log", "multi_resolution", "gap_mse", "gap_l1", "gap_db", "gap_root"]
