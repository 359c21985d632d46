import math

import numpy as np
import pytest

from inpaint_ray.audio.damage import Damage, draw_gaps, draw_lost_frames, draw_lost_samples, parse_damage
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.errors import UsageError


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


def _drawn(flag: str, count: int = 1_000) -> np.ndarray:
    return np.stack([draw_lost_frames(0, 7, patch, damage=parse_damage((flag,))) for patch in range(count)])


@pytest.mark.parametrize("length_ms", [5, 50, 480])
def test_a_gap_touches_the_frames_that_reach_into_it(length_ms: int) -> None:
    drawn = _drawn(f"gap:{length_ms}")
    assert {len(find_runs(lost)[0]) for lost in drawn} == {1}
    assert int(drawn.sum(axis=1).max()) == math.ceil((length_ms + 16) / 4)  # frames of 16 ms every 4 ms
    assert drawn.sum(axis=1).min() >= min(1, length_ms // 4)


def test_gaps_of_a_range_have_all_its_lengths_and_places() -> None:
    lost = _drawn("gap:5-100")
    assert lost.sum(axis=1).min() <= 6 and lost.sum(axis=1).max() >= 26
    assert (lost.mean(axis=0) > 0.02).all()


@pytest.mark.parametrize(("flag", "frames_per_packet"), [("packets:20", 5), ("packets:40", 10), ("bursts:20", 5)])
def test_packets_are_lost_at_rates_from_5_to_40_percent(flag: str, frames_per_packet: int) -> None:
    lost = _drawn(flag)
    assert lost.any(axis=1).all()
    inner = [b - a for row in lost for a, b in zip(*find_runs(row), strict=True) if a > 0 and b < 128]
    assert min(inner) >= frames_per_packet + 3  # every packet with the frames before it that reach into it
    assert 0.2 < lost.mean() < 0.6


def test_bursts_are_longer_than_packets_that_are_lost_by_themselves() -> None:
    single, bursts = (
        np.concatenate([np.subtract(*find_runs(lost)[::-1]) for lost in _drawn(flag)]).mean()
        for flag in ("packets:20", "bursts:20")
    )
    assert bursts > 1.3 * single


def test_of_several_damages_each_patch_draws_one() -> None:
    both = parse_damage(("gap:20", "frames"))
    drawn = [draw_lost_frames(0, patch, damage=both) for patch in range(400)]
    alone = {kind: [draw_lost_frames(0, patch, damage=(kind,)) for patch in range(400)] for kind in both}
    share = np.mean([np.array_equal(lost, gap) for lost, gap in zip(drawn, alone[both[0]], strict=True)])
    assert share == pytest.approx(0.5, abs=0.1)
    assert all(any(np.array_equal(d, alone[kind][i]) for kind in both) for i, d in enumerate(drawn))


@pytest.mark.parametrize(
    "flag", ["", "noise", "frames:20", "gap:", "gap:0", "gap:1001", "gap:50-20", "packets:20-40", "gap:x", "gap:1e2"]
)
def test_a_damage_that_is_none_is_refused(flag: str) -> None:
    with pytest.raises(ValueError, match="--damage"):
        Damage.parse(flag)


def test_a_damage_that_is_longer_than_a_patch_is_for_audio_alone() -> None:
    assert Damage.parse("gap:500").longest_ms == 500
    with pytest.raises(UsageError, match="--damage gap:500: patches last 524 ms"):
        parse_damage(("frames", "gap:500"))


def test_lengths_left_out_are_the_usual_ones() -> None:
    assert [Damage.parse(flag).shortest_ms for flag in ("packets", "bursts", "gap")] == [20.0, 20.0, 50.0]


@pytest.mark.parametrize(("flag", "shortest", "longest"), [("gap:20", 160, 160), ("gap:5-100", 40, 800)])
def test_gaps_of_a_waveform_come_once_a_second_with_sound_between(flag: str, shortest: int, longest: int) -> None:
    lost = draw_lost_samples(60 * 8_000, 8_000, 0, 7, damage=Damage.parse(flag))
    starts, stops = find_runs(lost)
    assert len(starts) == 60
    assert (stops - starts).min() >= shortest - 1 and (stops - starts).max() <= longest + 1
    assert (starts[1:] - stops[:-1]).min() >= 4_000 - 2


@pytest.mark.parametrize("flag", ["packets:20", "bursts:20"])
def test_packets_of_a_waveform_have_their_length_and_a_rate_of_their_own(flag: str) -> None:
    shares = []
    for track in range(50):
        lost = draw_lost_samples(20 * 8_000, 8_000, 0, track, damage=Damage.parse(flag))
        starts, stops = find_runs(lost)
        inner = (stops - starts)[1:-1]
        assert np.abs((inner + 1) % 160 - 1).max() <= 1  # whole packets
        shares.append(lost.mean())
    assert 0.02 < min(shares) < 0.12 and 0.3 < max(shares) < 0.55


def test_a_waveform_that_is_too_short_for_a_gap_stays_whole_and_has_no_frames() -> None:
    assert not draw_lost_samples(1_000, 8_000, 0, damage=Damage.parse("gap:480")).any()
    with pytest.raises(ValueError, match="no frames to lose"):
        draw_lost_samples(1_000, 8_000, 0, damage=Damage())
