"""Intervals and tests of known distributions, and of the cases in which there is nothing to tell."""

import numpy as np
import pytest

from inpaint_ray.evaluate.statistics import compare, mean_intervals


def _values(count: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, count)


def test_the_interval_of_a_mean_is_that_of_the_central_limit_theorem() -> None:
    values = _values(400)
    interval = mean_intervals(values[:, None], np.ones(400))[0]
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)


def test_tracks_weigh_by_their_patches() -> None:
    assert mean_intervals(np.array([[30.0], [2.0]]), np.array([3.0, 1.0]))[0].mean == 8.0


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(100):
        interval = mean_intervals(_values(40, seed=seed)[:, None], np.ones(40))[0]
        covered += interval.low <= 0 <= interval.high
    assert 86 <= covered <= 100


def test_the_same_seed_gives_the_same_interval_and_two_tracks_give_none() -> None:
    values = _values(20)[:, None]
    assert mean_intervals(values, np.ones(20), seed=1) == mean_intervals(values, np.ones(20), seed=1)
    assert np.isnan(mean_intervals(values[:2], np.ones(2))[0].low)
    assert np.isnan(mean_intervals(values, np.zeros(20))[0].mean)


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    ones = np.ones(30)
    clear = compare("A", "B", _values(30, mean=2.0), ones)
    assert clear.p_value < 1e-4 and clear.is_better and clear.difference.mean == pytest.approx(2.0, abs=0.5)
    none = compare("A", "B", _values(30), ones)
    assert none.p_value > 0.05 and not none.is_better
    same = compare("A", "B", np.zeros(30), ones)
    assert same.p_value == 1.0 and not same.is_better


def test_some_equal_tracks_do_no_harm() -> None:
    assert compare("A", "B", np.array([0.0, 0.0, 1.0, 2.0, 3.0]), np.ones(5)).p_value < 0.5
