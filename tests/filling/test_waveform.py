from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.interpolation import interpolate_frames
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.filling.synthesis import lost_frames
from inpaint_ray.filling.waveform import METHODS, Method, fill, fill_with_notes

RATE = 16_000
LEAVE_A_STEP = ("silence", "linear")  # baselines


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small transforms on several threads are a hundred times slower where the cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tones(num_samples: int = 2 * RATE) -> NDArray[np.float64]:
    time = np.arange(num_samples) / RATE
    return sum(np.sin(2 * np.pi * hz * time + hz) / 4 for hz in (220.0, 331.7, 1234.5))


def damaged(*gaps: tuple[int, int], num_samples: int = 2 * RATE) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    lost = np.zeros(num_samples, dtype=bool)
    for start, stop in gaps:
        lost[start:stop] = True
    return np.where(lost, np.nan, tones(num_samples)), lost


def snr(filled: NDArray[np.float64], lost: NDArray[np.bool_]) -> float:
    clean = tones(len(filled))[lost]
    return float(10 * np.log10(np.sum(clean**2) / np.sum((clean - filled[lost]) ** 2)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_lost_samples_change_and_the_fill_is_finite(method: Method, dtype: type) -> None:
    samples, lost = damaged((0, 100), (8000, 8500), (12_000, 14_000), (31_900, 32_000))
    both = np.stack([samples, samples[::-1]]).astype(dtype)
    masks = np.stack([lost, lost[::-1]])
    filled = fill(both, RATE, masks, method=method, restore_magnitudes=interpolate_frames)
    assert filled.shape == both.shape and filled.dtype == dtype
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~masks], both[~masks])


def test_the_autoregressive_fill_beats_the_line_and_the_line_beats_nothing() -> None:
    samples, lost = damaged((8000, 8020))
    reached = [
        snr(fill(samples, RATE, lost, method=method), lost) for method in ("silence", "linear", "autoregressive")
    ]
    assert reached[0] == pytest.approx(0)
    assert 0.5 < reached[1] < 20
    assert reached[2] > 40


def test_a_line_is_drawn_between_the_neighbours_and_held_at_the_ends() -> None:
    samples = np.array([9.0, 1.0, 9.0, 9.0, 9.0, 3.0, 9.0])
    lost = np.array([True, False, True, True, True, False, True])
    assert fill(samples, RATE, lost, method="linear").tolist() == [1, 1, 1.5, 2, 2.5, 3, 3]


def test_one_mask_holds_for_every_channel() -> None:
    samples, lost = damaged((8000, 8100))
    filled = fill(np.stack([samples, samples]), RATE, lost)
    np.testing.assert_array_equal(filled[0], filled[1])
    np.testing.assert_array_equal(filled[0], fill(samples, RATE, lost))


def test_a_gap_in_one_channel_is_filled_with_the_help_of_the_other() -> None:
    random = np.random.default_rng(0)
    noise = random.standard_normal(2 * RATE)
    stereo = np.stack([0.5 * np.roll(noise, 3) + 0.3 * tones(), noise])
    lost = np.zeros(stereo.shape, dtype=bool)
    lost[0, 8000:8400], lost[1, 20_000:20_200] = True, True
    filled = fill(np.where(lost, np.nan, stereo), RATE, lost)
    alone = fill(np.where(lost, np.nan, stereo)[0], RATE, lost[0])
    error, error_alone = np.std((filled - stereo)[0, 8000:8400]), np.std((alone - stereo[0])[8000:8400])
    assert error < 0.2 * error_alone  # noise cannot be predicted, but the other channel has it
    np.testing.assert_array_equal(filled[~lost], stereo[~lost])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 300), st.integers(0, 2**31))
def test_any_damage_in_any_channels_is_filled_with_finite_values(channels: int, num_samples: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    samples = random.standard_normal((channels, num_samples)) * random.integers(0, 2, (channels, 1))
    lost = np.repeat(random.random((channels, num_samples // 5 + 1)) < 0.3, 5, axis=1)[:, :num_samples]
    filled = fill(np.where(lost, np.nan, samples), RATE, lost)
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~lost], samples[~lost])


def test_the_input_is_not_changed() -> None:
    samples, lost = damaged((8000, 8100))
    before = samples.copy()
    fill(samples, RATE, lost)
    np.testing.assert_array_equal(samples, before)


def test_auto_lends_what_is_too_quiet_bands_of_the_model() -> None:
    samples, lost = damaged((4000, 4400), (16_000, 20_000))
    samples = samples + 0.3 * np.random.default_rng(0).standard_normal(len(samples))
    seen = []

    def restore(magnitudes: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        seen.append((magnitudes.shape, int(frames.sum())))
        return interpolate_frames(magnitudes, frames)

    auto, notes = fill_with_notes(samples, RATE, lost, restore_magnitudes=restore)
    plain = fill(samples, RATE, lost, method="autoregressive")
    assert seen == [((1, 133, 128), 10), ((1, 191, 128), 66)]  # 64 frames on either side; those that touch a gap
    assert {note.method for note in notes} == {"autoregressive + model"}
    assert np.std(auto[16_000:20_000]) > 1.05 * np.std(plain[16_000:20_000])


def test_fills_of_the_right_level_are_left_alone() -> None:
    samples, lost = damaged((4000, 4400))
    filled, notes = fill_with_notes(samples, RATE, lost)
    np.testing.assert_array_equal(filled, fill(samples, RATE, lost, method="autoregressive"))
    assert notes[0].method == "autoregressive" and notes[0].expected_snr_db > 10


def test_with_the_true_magnitudes_the_model_method_finds_the_signal() -> None:
    samples, lost = damaged((16_000, 18_000))
    window = tones()[16_000 - 64 * 64 : 18_000 + 64 * 64]

    def know(magnitudes: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        return spectrogram(torch.from_numpy(window.astype(np.float32)), Grid(RATE)).unsqueeze(0)

    assert snr(fill(samples, RATE, lost, method="model", restore_magnitudes=know), lost) > 20


@pytest.mark.parametrize("method", ["model", "griffin_lim"])
def test_the_joins_have_no_step(method: Method) -> None:
    samples, lost = damaged((16_000, 17_600))
    filled = fill(samples, RATE, lost, method=method, restore_magnitudes=interpolate_frames)
    steps = np.abs(np.diff(filled))
    largest = np.abs(np.diff(tones())).max()
    assert max(steps[15_998:16_002].max(), steps[17_598:17_602].max()) < 1.1 * largest


@pytest.mark.parametrize("method", METHODS)
def test_gaps_above_the_longest_fade_into_silence(method: Method) -> None:
    samples, lost = damaged((1000, 1200), (8000, 26_000))
    filled = fill(samples, RATE, lost, method=method, restore_magnitudes=interpolate_frames)
    assert not filled[8160:25_840].any()
    assert np.abs(np.diff(filled[7998:8162])).max() < 1.1 * np.abs(np.diff(tones())).max() or method in LEAVE_A_STEP
    assert np.abs(filled[1000:1200]).max() > 0.1 or method == "silence"


@pytest.mark.parametrize("method", METHODS)
def test_where_everything_is_lost_the_fill_is_zero(method: Method) -> None:
    samples, lost = np.full(4000, np.inf), np.ones(4000, dtype=bool)
    assert not fill(samples, RATE, lost, method=method, restore_magnitudes=interpolate_frames).any()


def test_frames_that_touch_a_lost_sample_are_lost() -> None:
    lost = torch.zeros(1000, dtype=torch.bool)
    lost[400] = True  # frame t covers 64 t to 64 t + 254
    assert torch.nonzero(lost_frames(lost, Grid(RATE))).flatten().tolist() == [3, 4, 5, 6]


def test_an_unknown_method_is_refused_with_the_choices() -> None:
    with pytest.raises(
        ValueError, match="one of auto, autoregressive, model, griffin_lim, linear, silence, got 'best'"
    ):
        fill(*_arguments(), method="best")  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["model", "griffin_lim"])
def test_a_method_without_its_model_is_refused(method: Method) -> None:
    with pytest.raises(ValueError, match="needs restore_magnitudes"):
        fill(*_arguments(), method=method)


@pytest.mark.parametrize(
    ("samples", "lost", "message"),
    [
        (np.zeros((2, 2, 5)), np.zeros(5, dtype=bool), r"samples must be \(n,\) or \(channels, n\)"),
        (np.zeros(5, dtype=np.int16), np.zeros(5, dtype=bool), "samples must be float32 or float64, got int16"),
        (np.zeros(5), np.zeros(5), "lost must be bool"),
        (np.zeros((2, 5)), np.zeros((3, 5), dtype=bool), r"got \(3, 5\)"),
        (np.zeros((2, 5)), np.zeros(2, dtype=bool), r"got \(2,\)"),
        (np.array([0.0, np.nan, 0.0]), np.array([True, False, False]), "must be finite"),
    ],
)
def test_arguments_that_cannot_work_are_refused(samples: NDArray, lost: NDArray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill(samples, RATE, lost)


def test_a_model_that_gives_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="magnitudes that are not finite"):
        fill(*_arguments(), method="model", restore_magnitudes=lambda magnitudes, lost: magnitudes * torch.nan)


def _arguments() -> tuple[NDArray[np.float64], int, NDArray[np.bool_]]:
    samples, lost = damaged((1000, 1100), num_samples=4000)
    return samples, RATE, lost
