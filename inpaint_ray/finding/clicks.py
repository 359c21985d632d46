"""Clicks, crackle and scratches: samples to which something was added, by a small network over prediction errors.

The network gives every sample a logit. Neighbouring samples above a threshold are one event, whose confidence follows
from its logits and its length by a fit on music that the network was not trained on.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from safetensors import safe_open

from inpaint_ray.audio.runs import Event, find_runs
from inpaint_ray.finding.residuals import SIGNS, features
from inpaint_ray.finding.windows import Window, Windows

if TYPE_CHECKING:
    from inpaint_ray.finding.network import ClickNetwork

WEIGHTS = Path(__file__).parent / "pretrained" / "clicks.safetensors"
HOP = 2**16  # samples that are decided at a time
MARGIN = 2**13  # samples on either side of these, which the network is given, too
LOW = 1.5  # logit of the samples of an event


class Calibration(NamedTuple):
    """The fit of confidence, whose logit is bias + by_peak * highest + by_mean * mean + by_length * ln(length)."""

    bias: float
    by_peak: float
    by_mean: float
    by_length: float


class Clicks:
    """The detector of `click` events, crackle and scratches among them."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._windows = Windows(HOP, MARGIN)

    def look(self, block: NDArray) -> list[Event]:
        """Take the next block, (channels, n); returns the events that it decides."""
        return [event for window in self._windows.push(block) for event in self._decide(window)]

    def finish(self) -> list[Event]:
        """Return the events that the end of the stream decides."""
        return [event for window in self._windows.finish() for event in self._decide(window)]

    def _decide(self, window: Window) -> list[Event]:
        """Return the events that begin in the stretch that a window decides."""
        events = []
        for channel, logits in enumerate(click_logits(window.samples, self.sample_rate)):
            for start, stop, confidence in _events_of(logits):
                if window.start <= start < window.stop:
                    events.append(Event(channel, window.first + start, window.first + stop, "click", confidence))
        return events


def click_logits(samples: NDArray, sample_rate: int) -> NDArray[np.float32]:
    """Compute the logits of the chance that something was added to a sample: (channels, n) -> (channels, n).

    Each is the mean of two outputs of the network: of the sound, and of the sound negated, whose damage is the same.
    """
    import torch  # here: most recordings are asked for dropouts alone

    from inpaint_ray.finding.network import UNIT

    num_samples = samples.shape[1]
    sound = np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0)
    inputs = features(sound, sample_rate)
    padded = np.pad(inputs, ((0, 0), (0, 0), (0, -num_samples % UNIT)))
    with torch.inference_mode():
        logits = [_network()(torch.from_numpy(np.stack([each, each * SIGNS]))).mean(dim=0).numpy() for each in padded]
    return np.stack(logits)[:, :num_samples]


def runs_above(logits: NDArray[np.float32], low: float) -> list[tuple[int, int]]:
    """Return starts and stops of runs of logits above a threshold, a sample wider on either side; near ones join."""
    starts, stops = find_runs(scipy.ndimage.binary_dilation(logits > low))
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def _events_of(logits: NDArray[np.float32]) -> list[tuple[int, int, float]]:
    """Return start, stop and confidence of the events of one channel."""
    events, fit = [], _calibration()
    for start, stop in runs_above(logits, LOW):
        part = logits[start:stop]
        logit = fit.bias + fit.by_peak * float(part.max()) + fit.by_mean * float(part.mean())
        events.append((start, stop, 1 / (1 + math.exp(-logit - fit.by_length * math.log(stop - start)))))
    return events


@cache
def _network() -> "ClickNetwork":
    from inpaint_ray.finding.network import ClickNetwork

    network = ClickNetwork()
    with safe_open(WEIGHTS, "pt") as file:
        network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return network.eval()


@cache
def _calibration() -> Calibration:
    with safe_open(WEIGHTS, "pt") as file:
        return Calibration(**json.loads(file.metadata()["calibration"]))
