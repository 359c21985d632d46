"""Errors of linear prediction in both directions, over their local scale: the input of the network of clicks.

Shapes: c = channels, n = samples, K = frames, p = order.
"""

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

Signal = NDArray[np.float64]

ORDER_S = 1.45e-3  # p is 64 at 44.1 kHz
FRAME_S = 0.08
BLOCK_S = 0.005  # whose median error is the local scale
SCALE_BLOCKS = 13  # whose median is the scale that everything is divided by
WHITE_NOISE = 1e-7  # share of the power, so that silent octaves are predicted no better than rounding allows
LEAST = 0.3 / 2**15  # scale of errors: the rounding of 16 bits
NUM_FEATURES = 8
SIGNS = np.array([[-1], [-1], [-1], [1], [-1], [-1], [-1], [1]], dtype=np.float32)  # features of the negative sound


def features(samples: NDArray, sample_rate: int) -> NDArray[np.float32]:
    """Compute features of every sample, by inverse hyperbolic sine, so that large values keep an order: (c, 8, n).

    The forward and the backward prediction error over their scale, the sample over its own, the local scale over that
    of 65 ms, the first three of the loudest other channel, and 1 where there is another one.
    """
    own = np.stack([_channel_features(channel, sample_rate) for channel in samples.astype(np.float64)])
    count = len(own)
    if count == 1:
        others = np.zeros((1, 4, own.shape[2]), dtype=np.float32)
    else:
        loudest = np.argsort([-float(np.abs(each[2]).mean()) for each in own], kind="stable")
        chosen = [int(loudest[0]) if number != loudest[0] else int(loudest[1]) for number in range(count)]
        others = np.concatenate([own[chosen, :3], np.ones((count, 1, own.shape[2]), np.float32)], axis=1)
    return np.concatenate([own, others], axis=1)


def _channel_features(samples: Signal, rate: int) -> NDArray[np.float32]:
    order = max(round(ORDER_S * rate), 8)
    predictors, hop = frame_predictors(samples, order, round(FRAME_S * rate))
    forward, backward = prediction_errors(samples, predictors, hop)
    block = max(round(BLOCK_S * rate), 16)
    local = _medians(np.minimum(np.abs(forward), np.abs(backward)), block)
    size = min(SCALE_BLOCKS, len(local))
    wide = np.maximum(1.5 * scipy.ndimage.median_filter(local, size, mode="nearest"), LEAST)
    level = np.maximum(1.5 * scipy.ndimage.median_filter(_medians(np.abs(samples), block), size, mode="nearest"), LEAST)
    scale, own_scale = _spread(wide, block, len(samples)), _spread(level, block, len(samples))
    near = _spread(np.log(np.maximum(local, LEAST / 4) / wide), block, len(samples))
    rows = [np.arcsinh(forward / scale), np.arcsinh(backward / scale), np.arcsinh(samples / own_scale), near]
    return np.stack(rows).astype(np.float32)


def frame_predictors(samples: Signal, order: int, frame: int) -> tuple[Signal, int]:
    """Compute predictors of half-overlapping Hann frames, (K, p + 1), the first of each 1, and the hop.

    Frame k is centred on sample (k + 1/2) hop.
    """
    hop = frame // 2
    count = max(-(-len(samples) // hop), 1)
    padded = np.pad(samples, (hop // 2, (count + 2) * hop - len(samples)))
    window = np.hanning(2 * hop + 1)[: 2 * hop]
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[: count * hop : hop] * window
    length = scipy.fft.next_fast_len(2 * hop + order + 1, real=True)
    spectrum = scipy.fft.rfft(frames, length)
    lags = scipy.fft.irfft(spectrum.real**2 + spectrum.imag**2, length)[:, : order + 1]
    lags[:, 0] = lags[:, 0] * (1 + WHITE_NOISE) + 2 * hop * LEAST**2 / 8
    return _levinson(lags), hop


def prediction_errors(samples: Signal, predictors: Signal, hop: int) -> tuple[Signal, Signal]:
    """Compute forward and backward errors, (n,) each, every hop of samples by its own predictor."""
    count, order = len(predictors), predictors.shape[1] - 1
    padded = np.pad(samples, (order, count * hop - len(samples) + order))
    segments = np.lib.stride_tricks.sliding_window_view(padded, hop + 2 * order)[: count * hop : hop]
    length = scipy.fft.next_fast_len(hop + 2 * order, real=True)
    spectrum, response = scipy.fft.rfft(segments, length), scipy.fft.rfft(predictors, length)
    forward = scipy.fft.irfft(spectrum * response, length)[:, order : order + hop]
    backward = scipy.fft.irfft(spectrum * response.conj(), length)[:, order : order + hop]
    return forward.ravel()[: len(samples)], backward.ravel()[: len(samples)]


def _levinson(lags: Signal) -> Signal:
    """Solve the normal equations of all frames at once by Levinson's recursion: (K, p + 1) -> (K, p + 1)."""
    coefficients = np.zeros_like(lags)
    coefficients[:, 0] = 1.0
    error = lags[:, 0].copy()
    for step in range(1, lags.shape[1]):
        reflection = -np.sum(coefficients[:, :step] * lags[:, step:0:-1], axis=1) / error
        coefficients[:, 1 : step + 1] += reflection[:, None] * coefficients[:, step - 1 :: -1][:, :step]
        error *= np.maximum(1 - reflection**2, 1e-12)
    return coefficients


def _medians(values: Signal, block: int) -> Signal:
    """Return medians of consecutive blocks."""
    count = max(len(values) // block, 1)
    whole = values[: count * block]
    return np.median(whole.reshape(count, -1), axis=1) if len(whole) else np.zeros(1)


def _spread(values: Signal, block: int, num_samples: int) -> Signal:
    """Interpolate values of blocks for every sample, linearly between the middles of blocks."""
    return np.interp(np.arange(num_samples), (np.arange(len(values)) + 0.5) * block, values)
