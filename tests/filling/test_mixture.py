import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray.filling.mixture import mix_bands

RATE = 16_000


def noise(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(length)


@given(st.integers(1, 6000), st.floats(0, 3), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_a_change_costs_no_more_than_its_budget(length: int, share: float, seed: int) -> None:
    fill, other = 0.1 * noise(length, seed), noise(length, seed + 1)
    budget = share * length
    mixed = mix_bands(fill, other, budget, RATE)
    assert np.sum((mixed - fill) ** 2) <= 1.3 * budget + 1e-9  # frames overlap: their energies add up about


def test_where_the_budget_allows_all_the_other_fill_is_taken_between_its_fades() -> None:
    fill, other = np.zeros(3200), noise(3200)
    mixed = mix_bands(fill, other, 1e9, RATE)
    np.testing.assert_array_equal(mixed[20:-20], other[20:-20])
    assert abs(mixed[0]) < 0.01 * abs(other[0])


def test_without_a_budget_nothing_changes() -> None:
    fill = noise(3200)
    np.testing.assert_array_equal(mix_bands(fill, noise(3200, 1), 0.0, RATE), fill)


def test_the_quiet_bands_are_taken_first() -> None:
    time = np.arange(3200) / RATE
    low, high = np.sin(2 * np.pi * 200 * time), 0.05 * np.sin(2 * np.pi * 4000 * time)
    mixed = mix_bands(np.zeros(3200), low + high, 0.01 * np.sum(low**2), RATE)
    spectrum = np.abs(np.fft.rfft(mixed * np.hanning(3200))) / 800
    assert spectrum[800] > 0.04  # 4 kHz, whole
    assert spectrum[40] < 0.2  # 200 Hz, of an amplitude of 1
