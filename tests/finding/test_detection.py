import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.runs import Event, find_runs, join_events, mark_gaps
from inpaint_ray.finding.detection import find_gaps

RATE = 44_100


def music(seconds: float = 2.0) -> NDArray[np.float64]:
    """A decaying chord over noise, without a single exact zero, (1, n)."""
    time = np.arange(int(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220.3, 277.9, 331.1)) * np.exp(-time)
    return (0.2 * chord + 0.01 * np.random.default_rng(0).standard_normal(len(time)))[None]


def find_lost(samples: NDArray, **options: float) -> NDArray[np.bool_]:
    """Find gaps, and return the mask of lost samples: (channels, n)."""
    return mark_gaps(find_gaps([samples], RATE, **options), len(samples), 0, samples.shape[1])


def test_dropouts_are_found_with_their_exact_borders() -> None:
    lost = draw_gaps(20 * RATE, RATE, seed=0)[None]
    found = find_lost(np.where(lost, 0.0, music(20.0)))
    assert lost.sum() > 5000
    np.testing.assert_array_equal(found, lost)


def test_each_channel_is_judged_by_itself() -> None:
    samples = np.concatenate([music(), music()])
    samples[1, 5000:6000] = 0
    found = find_lost(samples)
    assert not found[0].any()
    assert (find_runs(found[1])[0].tolist(), find_runs(found[1])[1].tolist()) == ([5000], [6000])


def test_silence_at_the_start_and_the_end_is_not_a_gap() -> None:
    samples = np.pad(music(), ((0, 0), (4000, 4000)))
    assert not find_lost(samples).any()


def test_a_pause_between_a_fade_out_and_a_fade_in_is_not_a_gap() -> None:
    fade = np.linspace(1, 0, 20_000) ** 2
    parts = [music()[0, :20_000] * fade, np.zeros(5000), music()[0, :20_000] * fade[::-1]]
    steps = np.round(np.concatenate(parts) * 2**15) / 2**15  # as a 16 bit file holds it
    assert not find_lost(steps[None]).any()


def test_runs_shorter_than_the_shortest_gap_are_left() -> None:
    samples = music()
    samples[0, 1000:1040] = 0
    assert not find_lost(samples).any()
    assert find_lost(samples, min_gap_s=0.0005).sum() == 40


def test_samples_that_are_not_finite_are_lost_and_hide_no_gap() -> None:
    samples = music()
    samples[0, [7, 9]] = np.nan, np.inf
    samples[0, 3000:4000] = 0
    samples[0, 3500] = -np.inf
    found = np.flatnonzero(find_lost(samples)[0])
    assert found.tolist() == [7, 9, *range(3000, 4000)]


@pytest.mark.parametrize("samples", [np.zeros((2, 100)), np.zeros((1, 0)), np.ones((1, 1))])
def test_silence_and_next_to_nothing_have_no_gaps(samples: NDArray[np.float64]) -> None:
    assert find_lost(samples).shape == samples.shape
    assert not find_lost(samples).any()


def test_a_value_that_sticks_is_a_gap_and_a_square_wave_is_none() -> None:
    samples = music()
    samples[0, 5000:5200] = samples[0, 4999]
    samples[0, 9000:9300] = 0.9
    stuck = [Event(0, 4999, 5200, "stuck", 0.99), Event(0, 9000, 9300, "stuck", 0.99)]
    assert find_gaps([samples], RATE) == stuck
    square = 0.2 * np.sign(np.sin(2 * np.pi * 110.3 * np.arange(RATE) / RATE + 0.1))[None]
    assert find_gaps([square], RATE) == find_gaps([np.clip(3 * music(), -0.5, 0.5)], RATE) == []


def test_the_noise_of_dither_counts_as_silence_up_to_the_floor() -> None:
    samples = np.round(music() * 2**15)
    samples[0, 5000:6000] = np.random.default_rng(1).integers(-2, 3, 1000)
    samples /= 2**15
    assert find_gaps([samples], RATE) == []
    (gap,) = find_gaps([samples], RATE, floor=4 / 2**15)
    assert 4997 <= gap.start <= 5000 and 6000 <= gap.stop <= 6003


def test_a_quick_decay_into_quiet_and_a_sudden_beat_are_no_gap() -> None:
    """The last steps of the decay repeat a value above the floor, as slow sound in few bits does."""
    decay = 500 * np.exp(-np.arange(400) / 60) * np.cos(np.arange(400) / 9)
    quiet = np.concatenate([np.full(20, 7), np.full(20, 5), 3 * np.cos(np.arange(2000) / 40)])
    beat = 3000 * np.random.default_rng(0).standard_normal(4000)
    samples = np.round(np.concatenate([beat, decay, quiet, beat]))[None] / 2**15
    assert find_gaps([samples], RATE, floor=4 / 2**15) == []


def test_a_gap_into_which_sound_dies_away_is_found_and_nothing_beside_it() -> None:
    samples = music()
    ramp = np.linspace(1, 0, 200) ** 2
    samples[0, 5000:5200] *= ramp
    samples[0, 5200:5400] = 0
    samples[0, 5400:5600] *= ramp[::-1]
    (gap,) = find_gaps([samples], RATE)
    assert 5199 <= gap.start <= 5200 and 5400 <= gap.stop <= 5401  # the ramps end in zeros
    assert not samples[0, gap.start : gap.stop].any()


def test_a_gap_where_sound_crosses_zero_is_found_without_the_crossing() -> None:
    """It begins at a zero of the sound."""
    samples = 0.3 * np.sin(2 * np.pi * 200 * np.arange(RATE)[None] / RATE)
    start = round(RATE * 0.5)
    samples[0, start : start + 700] = 0
    (gap,) = find_gaps([samples], RATE)
    assert abs(gap.start - start) <= 1 and abs(gap.stop - (start + 700)) <= 1
    assert not samples[0, gap.start : gap.stop].any()


@given(
    st.lists(
        st.tuples(st.integers(0, 7000), st.integers(1, 3000), st.sampled_from(["zero", "stuck", "nan", "dither"]))
    ),
    st.lists(st.integers(0, 8000), max_size=6),
)
@settings(deadline=None)
def test_where_blocks_are_cut_does_not_matter(gaps: list[tuple[int, int, str]], cuts: list[int]) -> None:
    random = np.random.default_rng(0)
    samples = np.round(2000 * random.standard_normal((2, 8000))) / 2**15
    for number, (start, length, kind) in enumerate(gaps):
        part = samples[number % 2, start : start + length]
        values = {"zero": 0.0, "stuck": 0.1, "nan": np.nan, "dither": random.integers(-1, 2, len(part)) / 2**15}
        part[:] = values[kind]
    blocks = np.split(samples, sorted(cuts), axis=1)
    rate = 8000
    whole = find_gaps([samples], rate, floor=2 / 2**15)
    assert find_gaps(blocks, rate, floor=2 / 2**15) == whole == join_events(whole)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_cover_exactly_what_is_true(values: list[bool]) -> None:
    mask = np.array(values, dtype=bool)
    again = np.zeros_like(mask)
    starts, stops = find_runs(mask)
    for start, stop in zip(starts, stops, strict=True):
        assert mask[start:stop].all()
        again[start:stop] = True
    np.testing.assert_array_equal(again, mask)
