import numpy as np
import pytest

from inpaint_ray.audio.damage import draw_gaps, draw_lost_frames
from inpaint_ray.audio.detection import find_runs


def test_lost_frames_number_from_12_to_88_and_both_ends_occur() -> None:
    counts = [int(draw_lost_frames(0, patch).sum()) for patch in range(2000)]
    assert (min(counts), max(counts)) == (12, 88)
    assert np.mean(counts) == pytest.approx(50, abs=2)


def test_every_frame_is_lost_equally_often() -> None:
    share = np.mean([draw_lost_frames(1, patch) for patch in range(2000)], axis=0)
    assert share.shape == (128,)
    assert np.abs(share - 50 / 128).max() < 0.05


def test_the_same_patch_is_damaged_alike_on_every_call_and_another_differently() -> None:
    assert np.array_equal(draw_lost_frames(3, 17, 4), draw_lost_frames(3, 17, 4))
    others = [(3, 17, 5), (3, 18, 4), (4, 17, 4), (3, 4, 17)]
    assert all(not np.array_equal(draw_lost_frames(3, 17, 4), draw_lost_frames(*other)) for other in others)


def test_the_stream_of_lost_frames_is_the_one_that_published_numbers_used() -> None:
    lost = draw_lost_frames(0, 1, 2)
    assert lost.sum() == 72
    assert np.flatnonzero(lost)[:10].tolist() == [1, 5, 6, 7, 8, 9, 10, 13, 14, 15]


def test_the_stream_of_gaps_is_the_one_that_published_numbers_used() -> None:
    starts, stops = find_runs(draw_gaps(160_000, 16_000, seed=3))
    assert starts.tolist() == [6377, 69298, 120689]
    assert stops.tolist() == [6971, 69822, 120793]


def test_gaps_have_the_lengths_and_the_share_that_were_asked_for() -> None:
    lost = draw_gaps(100 * 16_000, 16_000, seed=0, share=0.05, min_gap_s=0.01, max_gap_s=0.03)
    starts, stops = find_runs(lost)
    assert (stops - starts).min() >= 160 and (stops - starts).max() <= 480
    assert lost.mean() == pytest.approx(0.05, abs=0.005)
    assert (starts[1:] > stops[:-1]).all()


def test_a_signal_shorter_than_two_gaps_stays_whole() -> None:
    assert not draw_gaps(1000, 16_000, seed=0).any()


@pytest.mark.parametrize("wrong", [{"share": 0.0}, {"share": 0.6}, {"min_gap_s": 0.1, "max_gap_s": 0.05}])
def test_shares_and_lengths_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share must be in"):
        draw_gaps(16_000, 16_000, seed=0, **wrong)
