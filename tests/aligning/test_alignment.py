import numpy as np
import pytest

from inpaint_ray.aligning.alignment import THRESHOLD, align
from tests.support.copies import RATE, in_blocks, play_notes, transfer


def test_a_copy_with_another_start_is_aligned_to_its_offset() -> None:
    music = play_notes(25)
    found = align(in_blocks(music), RATE, in_blocks(music[:, 5 * RATE + 123 :]), RATE)
    assert found.accepted and found.score > 0.6
    here = found.reference_s > 5.5
    assert here.sum() > 30
    error = np.abs((found.reference_s - found.copy_s)[here] - (5 + 123 / RATE))
    assert np.median(error) < 5e-5 and error.max() < 0.01


@pytest.mark.parametrize(("speed", "wow"), [(0.02, 0.0), (-0.02, 0.0), (0.003, 0.002)])
def test_speed_and_wow_are_followed(speed: float, wow: float) -> None:
    music = play_notes(20, seed=1)
    copy, to_copy = transfer(music, speed=-speed, wow=wow, late_s=0.3)
    found = align(in_blocks(music), RATE, in_blocks(copy), RATE)
    assert found.score > 0.6
    truth = to_copy(found.reference_s * RATE) / RATE
    assert np.median(np.abs(found.copy_s - truth)) < 3e-4


def test_a_passage_that_only_one_copy_has_is_passed_over() -> None:
    music = play_notes(30, seed=2)
    copy = np.concatenate([music[:, : 12 * RATE], music[:, 17 * RATE :]], axis=1)
    found = align(in_blocks(music), RATE, in_blocks(copy), RATE)
    assert found.accepted
    inside = (found.reference_s > 12.3) & (found.reference_s < 16.7)
    assert inside.sum() == 0
    shift = found.reference_s - found.copy_s
    np.testing.assert_allclose(shift[found.reference_s > 17.5], 5, atol=2e-4)
    np.testing.assert_allclose(shift[found.reference_s < 11.5], 0, atol=2e-4)
    assert len(found.places(17.2)) in (1, 2) and any(abs(place - 12.2) < 1e-3 for place, _ in found.places(17.2))


def test_another_rate_is_no_other_speed() -> None:
    music = play_notes(15, seed=3)
    copy, _ = transfer(music, speed=-1 / 4)  # sampled at 12 kHz
    found = align(in_blocks(music), RATE, in_blocks(copy[:, : 15 * 12_000]), 12_000)
    assert found.accepted and abs(found.speed) < 1e-3


def test_other_music_is_refused() -> None:
    scores = [
        align(in_blocks(play_notes(20, seed=4)), RATE, in_blocks(play_notes(20, seed=seed)), RATE).score
        for seed in range(5, 7)
    ]
    assert max(scores) < THRESHOLD / 2


def test_a_copy_that_agrees_for_no_more_than_2_s_at_a_time_is_refused() -> None:
    music = play_notes(24, seed=7)
    random = np.random.default_rng(7)
    parts = []
    for first in range(0, music.shape[1], 2 * RATE):
        parts += [music[:, first : first + 2 * RATE], np.zeros((1, int(random.integers(RATE // 30, RATE // 12))))]
    found = align(in_blocks(music), RATE, in_blocks(np.concatenate(parts, axis=1)), RATE)
    assert found.score < THRESHOLD / 2


def test_silence_and_a_moment_are_refused() -> None:
    music = play_notes(10, seed=9)
    assert not align(in_blocks(music), RATE, in_blocks(np.zeros_like(music)), RATE).accepted
    assert not align(in_blocks(music), RATE, in_blocks(music[:, :500]), RATE).accepted
    assert not align(in_blocks(music[:, :100]), RATE, in_blocks(music), RATE).accepted
