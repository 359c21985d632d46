import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inpaint_ray.filling import autoregressive
from inpaint_ray.filling.autoregressive import fill_gaps

RATE = 16_000
NUM_SAMPLES = 16_000


def tones(num_samples: int = NUM_SAMPLES) -> NDArray[np.float64]:
    time = np.arange(num_samples) / RATE
    return sum(np.sin(2 * np.pi * hz * time + hz) / 4 for hz in (220.0, 331.7, 1234.5, 5000.1))


def lost_at(*gaps: tuple[int, int], num_samples: int = NUM_SAMPLES) -> NDArray[np.bool_]:
    lost = np.zeros(num_samples, dtype=bool)
    for start, stop in gaps:
        lost[start:stop] = True
    return lost


def snr(signal: NDArray[np.float64], lost: NDArray[np.bool_]) -> float:
    """SNR in dB in the gaps that were filled."""
    filled = fill_gaps(np.where(lost, np.nan, signal), lost, RATE)
    return 10 * np.log10(np.sum(signal[lost] ** 2) / np.sum((signal - filled)[lost] ** 2))


@pytest.mark.parametrize("length", [80, 320, 800, 1600])
def test_a_sum_of_tones_is_recovered(length: int) -> None:
    assert snr(tones(), lost_at((8000, 8000 + length))) > 40


def test_a_ringing_autoregressive_process_is_recovered() -> None:
    random, signal = np.random.default_rng(0), np.zeros(NUM_SAMPLES)
    for n in range(2, NUM_SAMPLES):
        signal[n] = 1.95 * signal[n - 1] - 0.9999 * signal[n - 2] + 1e-3 * random.standard_normal()
    assert snr(signal, lost_at((8000, 8080))) > 29


def test_gaps_closer_together_than_the_order_are_solved_jointly() -> None:
    assert snr(tones(), lost_at(*[(start, start + 80) for start in range(6000, 8000, 160)])) > 40


def test_half_of_all_samples_lost_in_packets_is_recovered() -> None:
    assert snr(tones(), lost_at(*[(start, start + 160) for start in range(320, NUM_SAMPLES - 320, 320)])) > 30


@pytest.mark.parametrize("gap", [(0, 160), (30, 190), (NUM_SAMPLES - 160, NUM_SAMPLES), (NUM_SAMPLES - 190, 15_970)])
def test_gaps_at_the_ends_are_extrapolated_from_one_side(gap: tuple[int, int]) -> None:
    assert snr(tones(), lost_at(gap)) > 25


@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(NUM_SAMPLES),
        np.ones(NUM_SAMPLES),
        np.sin(np.arange(NUM_SAMPLES) / 7),
        np.clip(5 * np.sin(np.arange(NUM_SAMPLES) / 20), -1, 1),
        np.random.default_rng(0).standard_normal(NUM_SAMPLES),
        np.eye(1, NUM_SAMPLES, 7990)[0],
        1e-30 * tones(),
        1e30 * tones(),
    ],
    ids=["silence", "constant", "tone", "clipped", "noise", "click", "tiny", "huge"],
)
@pytest.mark.parametrize(
    "gaps",
    [
        [(8000, 8400)],
        [(0, 300), (400, 700), (15_700, 16_000)],
        [(4000, 9000), (9003, 15_000)],
        [(start, start + 1) for start in range(8000, 8400, 2)],
    ],
    ids=["inside", "ends", "long", "every second sample"],
)
def test_the_fill_is_finite_and_no_louder_than_twice_the_signal(
    signal: NDArray[np.float64], gaps: list[tuple[int, int]]
) -> None:
    lost = lost_at(*gaps)
    filled = fill_gaps(np.where(lost, np.nan, signal), lost, RATE)
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= 2 * np.abs(signal).max()
    np.testing.assert_array_equal(filled[~lost], signal[~lost])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 2**31))
def test_tiny_signals_are_filled_with_finite_values(num_samples: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    signal, lost = random.standard_normal(num_samples), random.random(num_samples) < 0.5
    filled = fill_gaps(np.where(lost, np.nan, signal), lost, RATE)
    assert filled.shape == (num_samples,)
    assert np.isfinite(filled).all()


def test_where_everything_is_lost_the_fill_is_zero() -> None:
    assert not fill_gaps(np.full(1000, np.nan), np.ones(1000, dtype=bool), RATE).any()


def test_gaps_longer_than_the_longest_fade_into_silence_and_shorter_ones_do_not() -> None:
    lost = lost_at((1000, 4000), (6000, 14_000))
    filled = fill_gaps(tones(), lost, RATE, max_gap_s=0.25)
    assert not filled[6160:13_840].any()  # 10 ms at either end
    assert np.abs(np.diff(filled))[5990:14_010].max() < 1.1 * np.abs(np.diff(tones())).max()
    assert np.abs(filled[1000:4000]).max() > 0.5


def test_a_decaying_tone_is_recovered() -> None:
    assert snr(tones() * np.exp(-np.arange(NUM_SAMPLES) / 2000), lost_at((8000, 8320))) > 30


def test_a_vibrato_is_followed_from_both_sides() -> None:
    phase = 2 * np.pi * np.cumsum(440 * (1 + 0.01 * np.sin(np.arange(NUM_SAMPLES) * 2 * np.pi * 5 / RATE))) / RATE
    assert snr(np.sin(phase), lost_at((8000, 8320))) > 15


def test_a_long_gap_joins_its_neighbours_without_a_step() -> None:
    signal = np.sin(np.arange(40_000) / 30)
    filled = fill_gaps(signal, lost_at((10_000, 24_000), num_samples=40_000), RATE)
    assert np.abs(np.diff(filled)).max() < 1.1 / 30


def test_a_long_gap_is_never_solved_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its equations would take seconds and gigabytes: the cost of an extrapolation grows with the length alone."""
    sizes: list[int] = []
    monkeypatch.setattr(autoregressive, "least_error", lambda window, index, *rest: sizes.append(len(index)))
    fill_gaps(tones(3 * 44_100), lost_at((44_100, 88_200), num_samples=3 * 44_100), 44_100)
    assert sizes == []


@pytest.mark.parametrize("rate", [48_000, 96_000, 192_000])
def test_gaps_up_to_a_fifth_of_a_second_are_solved(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def note(window: NDArray[np.float64], index: NDArray[np.int64], *rest: object) -> NDArray[np.float64]:
        sizes.add(len(index))
        return np.zeros(len(index))

    sizes: set[int] = set()
    monkeypatch.setattr(autoregressive, "least_error", note)
    for length_s in (0.05, 0.1, 0.2, 0.21):
        gap = (rate // 2, rate // 2 + round(length_s * rate))
        fill_gaps(tones(rate), lost_at(gap, num_samples=rate), rate)
    solved = [0.05, 0.1, 0.2] if rate < 192_000 else [0.05, 0.1]  # no more than 19,200 samples
    assert sizes == {round(length_s * rate) for length_s in solved}
