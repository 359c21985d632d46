import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.detection import find_lost, find_runs

RATE = 44_100


def music(seconds: float = 2.0) -> NDArray[np.float64]:
    """A decaying chord over noise, without a single exact zero, (1, n)."""
    time = np.arange(int(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.3, 277.9, 331.1)) * np.exp(-time)
    return (0.2 * chord + 0.01 * np.random.default_rng(0).standard_normal(len(time)))[None]


def test_dropouts_are_found_with_their_exact_borders() -> None:
    lost = draw_gaps(20 * RATE, RATE, seed=0)[None]
    found = find_lost(np.where(lost, 0.0, music(20.0)), RATE)
    assert lost.sum() > 5000
    np.testing.assert_array_equal(found, lost)


def test_each_channel_is_judged_by_itself() -> None:
    samples = np.concatenate([music(), music()])
    samples[1, 5000:6000] = 0
    found = find_lost(samples, RATE)
    assert not found[0].any()
    assert (find_runs(found[1])[0].tolist(), find_runs(found[1])[1].tolist()) == ([5000], [6000])


def test_silence_at_the_start_and_the_end_is_not_a_gap() -> None:
    samples = np.pad(music(), ((0, 0), (4000, 4000)))
    assert not find_lost(samples, RATE).any()


def test_a_pause_between_a_fade_out_and_a_fade_in_is_not_a_gap() -> None:
    fade = np.linspace(1, 0, 20_000) ** 2
    parts = [music()[0, :20_000] * fade, np.zeros(5000), music()[0, :20_000] * fade[::-1]]
    steps = np.round(np.concatenate(parts) * 2**15) / 2**15  # as a 16 bit file holds it
    assert not find_lost(steps[None], RATE).any()


def test_runs_shorter_than_the_shortest_gap_are_left() -> None:
    samples = music()
    samples[0, 1000:1040] = 0
    assert not find_lost(samples, RATE).any()
    assert find_lost(samples, RATE, min_gap_s=0.0005).sum() == 40


def test_samples_that_are_not_finite_are_lost_and_hide_no_gap() -> None:
    samples = music()
    samples[0, [7, 9]] = np.nan, np.inf
    samples[0, 3000:4000] = 0
    samples[0, 3500] = -np.inf
    found = np.flatnonzero(find_lost(samples, RATE)[0])
    assert found.tolist() == [7, 9, *range(3000, 4000)]


@pytest.mark.parametrize("samples", [np.zeros((2, 100)), np.zeros((1, 0)), np.ones((1, 1))])
def test_silence_and_next_to_nothing_have_no_gaps(samples: NDArray[np.float64]) -> None:
    assert find_lost(samples, RATE).shape == samples.shape
    assert not find_lost(samples, RATE).any()


@given(st.lists(st.booleans(), max_size=30))
def test_runs_cover_exactly_what_is_true(values: list[bool]) -> None:
    mask = np.array(values, dtype=bool)
    again = np.zeros_like(mask)
    starts, stops = find_runs(mask)
    for start, stop in zip(starts, stops, strict=True):
        assert mask[start:stop].all()
        again[start:stop] = True
    np.testing.assert_array_equal(again, mask)
