"""Intervals and tests of known distributions, and of the cases in which there is nothing to tell."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import scipy.stats

from inpaint_ray.evaluate import statistics
from inpaint_ray.evaluate.statistics import Comparison, Interval, compare, mean_intervals

DRAWS = 4000  # a share of 95 % is then known to 0.35 %


def _values(count: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1.0, count)


def _coverage(draw: Callable[..., np.ndarray], truth: float, counts: np.ndarray) -> float:
    """Share of the intervals that hold the mean of a distribution, which is drawn from once for each track."""
    values = draw(size=(len(counts), DRAWS))
    intervals = mean_intervals(values * counts[:, None], counts)
    return float(np.mean([interval.low <= truth <= interval.high for interval in intervals]))


@pytest.mark.parametrize("num_tracks", [3, 4, 5, 6, 8, 13, 40])
def test_intervals_hold_the_truth_as_often_as_they_say(num_tracks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "FEWEST_TRACKS", 3)  # what those that are not shown would be worth
    alike, unlike = np.full(num_tracks, 58.0), 1.0 + np.arange(num_tracks) % 10
    random = np.random.default_rng(0)
    assert _coverage(random.normal, 0.0, alike) == pytest.approx(0.95, abs=0.01)
    assert 0.92 < _coverage(random.normal, 0.0, unlike) < 0.96
    assert 0.90 < _coverage(random.uniform, 0.5, unlike) < 0.96
    assert 0.89 < _coverage(partial(random.lognormal, 0.0, 0.5), np.exp(0.5**2 / 2), unlike) < 0.95
    assert 0.79 < _coverage(partial(random.lognormal, 0.0, 1.0), np.exp(0.5), unlike) < 0.91  # skewed too much


def test_equal_tracks_give_the_interval_of_the_textbook() -> None:
    values = _values(13)
    interval = mean_intervals(5 * values[:, None], np.full(13, 5.0))[0]
    low, high = scipy.stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((values.mean(), low, high))


def test_tracks_weigh_by_their_patches() -> None:
    assert mean_intervals(np.array([[30.0], [2.0]]), np.array([3.0, 1.0]))[0].mean == 8.0


@pytest.mark.parametrize("num_tracks", [1, 2, 5])
def test_few_tracks_have_a_mean_and_no_interval(num_tracks: int) -> None:
    ones = np.ones(num_tracks)
    interval = mean_intervals(ones[:, None], ones)[0]
    assert interval.mean == 1.0 and np.isnan(interval.low) and np.isnan(interval.high)
    comparison = compare("A", "B", 5 * ones, 0 * ones, ones)
    assert np.isnan(comparison.p_value) and comparison.answer == "not sure"


def test_no_patches_have_no_mean_and_tracks_without_patches_change_nothing() -> None:
    values = _values(20)[:, None]
    assert np.isnan(mean_intervals(values, np.zeros(20))[0].mean)
    padded = np.concatenate([values, np.zeros((3, 1))])
    assert mean_intervals(padded, np.array([1.0] * 20 + [0.0] * 3)) == mean_intervals(values, np.ones(20))


def test_a_failed_quantity_has_no_interval_and_leaves_the_others_theirs() -> None:
    sums = np.stack([_values(20), np.where(np.arange(20) == 3, -np.inf, 1.0)], axis=1)
    good, failed = mean_intervals(sums, np.ones(20))
    assert good == mean_intervals(sums[:, :1], np.ones(20))[0]
    assert failed.mean == -np.inf and np.isnan(failed.low)


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    ones, nothing = np.ones(30), np.zeros(30)
    clear = compare("A", "B", _values(30, mean=2.0), nothing, ones)
    assert clear.p_value < 1e-4 and clear.answer == "yes" and clear.difference.mean == pytest.approx(2.0, abs=0.5)
    assert compare("A", "B", nothing, _values(30, mean=2.0), ones).answer == "NO"
    none = compare("A", "B", _values(30), nothing, ones)
    assert none.p_value > 0.05 and none.answer == "not sure"
    same = compare("A", "B", nothing, nothing, ones)
    assert same.p_value == 1.0 and same.answer == "not sure"


@pytest.mark.parametrize(
    ("difference", "verb"),
    [
        (Interval(0.05, -1.25, 1.45), "may or may not beat"),
        (Interval(-0.05, -1.25, 1.45), "may or may not beat"),
        (Interval(0.05, 0.01, 0.09), "beats"),
        (Interval(-0.05, -0.09, -0.01), "does NOT beat"),
        (Interval(3.0, np.nan, np.nan), "may or may not beat"),
        (Interval(-np.inf, np.nan, np.nan), "does NOT beat"),
        (Interval(np.nan, np.nan, np.nan), "may or may not beat"),
    ],
)
def test_a_verdict_holds_for_the_whole_interval(difference: Interval, verb: str) -> None:
    assert Comparison("A", "B", difference, 0.5).verb == verb


def test_a_method_that_failed_on_one_track_is_not_better_than_any_other() -> None:
    ones, failed = np.ones(30), np.where(np.arange(30) == 7, -np.inf, 99.0)
    for other in (0 * ones, failed):
        comparison = compare("A", "B", failed, other, ones)
        assert comparison.answer == "NO" and np.isnan(comparison.p_value)
    assert compare("A", "B", ones, failed, ones).answer == "not sure"  # infinitely better, by no interval


def test_some_equal_tracks_do_no_harm() -> None:
    assert compare("A", "B", np.array([0.0, 0.0, 1.0, 2.0, 3.0, 4.0]), np.zeros(6), np.ones(6)).p_value < 0.5
