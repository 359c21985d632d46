import numpy as np
import pytest

import inpaint_ray
from inpaint_ray.audio.runs import Event
from inpaint_ray.merging.calls import Transfer
from inpaint_ray.merging.offers import Taken
from tests.support.copies import RATE, lose, play_notes, snr_db, transfer

LENGTH = RATE // 10
STARTS = [3 * RATE, 7 * RATE, 11 * RATE]


def test_a_digital_copy_gives_back_every_sample_bit_for_bit() -> None:
    music = np.rint(play_notes(15, num_channels=2) * 2**15) / 2**15
    damaged, events = lose(music[:, 800:].astype(np.float32), STARTS, LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [(music.astype(np.float32), RATE)])
    np.testing.assert_array_equal(merged.samples, music[:, 800:].astype(np.float32))
    assert len(merged.notes) == len(events)
    for note in merged.notes:
        assert isinstance(note, Taken) and note.copy == "copy 1" and note.trust_db > 100
        assert note.copy_start_s * RATE == pytest.approx(note.start + 800)


@pytest.mark.parametrize(("speed", "wow"), [(0.002, 0.0), (-0.018, 0.0), (0.004, 0.001)])
def test_a_transfer_at_another_speed_gives_what_no_fill_can(speed: float, wow: float) -> None:
    music = play_notes(15, seed=1)
    copy, to_copy = transfer(music, speed=speed, wow=wow, late_s=0.2)
    copy = 0.5 * copy + 3e-4 * np.random.default_rng(0).standard_normal(copy.shape)
    damaged, events = lose(music, STARTS, LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(copy, RATE, events=[])], events=events)
    lost = np.zeros(music.shape, dtype=bool)
    for event in events:
        lost[:, event.start : event.stop] = True
    np.testing.assert_array_equal(merged.samples[~lost], music[~lost])
    filled = inpaint_ray.repair(damaged, RATE, events=events)
    assert snr_db(music[lost], merged.samples[lost]) > snr_db(music[lost], filled[lost]) + 15
    for note in merged.notes:
        assert isinstance(note, Taken)
        assert note.copy_start_s * RATE == pytest.approx(float(to_copy(np.array(note.start))), abs=1.0)


def test_what_both_have_lost_is_filled_and_noted() -> None:
    music = play_notes(15, seed=2)
    damaged, events = lose(music, STARTS, LENGTH)
    copy, others = lose(music, [STARTS[1] + LENGTH // 2], 2 * LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(copy, RATE, events=others, name="b")], events=events)
    parts = [(note.start, note.stop, isinstance(note, Taken)) for note in merged.notes]
    middle = STARTS[1] + LENGTH // 2
    assert parts == [
        (STARTS[0], STARTS[0] + LENGTH, True),
        (STARTS[1], middle, True),
        (middle, STARTS[1] + LENGTH, False),
        (STARTS[2], STARTS[2] + LENGTH, True),
    ]
    np.testing.assert_array_equal(merged.samples[:, :middle], music[:, :middle])


def test_channels_may_be_fewer_more_or_exchanged() -> None:
    music = play_notes(12, seed=3, num_channels=2)
    damaged, events = lose(music, STARTS[:2], LENGTH)
    part = (slice(None), slice(STARTS[0], STARTS[0] + LENGTH))
    for copy, least in ((music[::-1], 25), (np.concatenate([music, music[:1]]), 25), (music.mean(axis=0), 3)):
        merged = inpaint_ray.merge(damaged, RATE, [Transfer(copy, RATE, events=[])], events=events)
        assert snr_db(music[part], merged.samples[part]) > least
    mono, events = lose(music.mean(axis=0, keepdims=True), STARTS[:2], LENGTH)
    merged = inpaint_ray.merge(mono[0], RATE, [Transfer(music, RATE, events=[])], events=events)
    assert merged.samples.shape == mono[0].shape
    assert snr_db(music.mean(axis=0)[part[1]], merged.samples[part[1]]) > 25


def test_a_mono_copy_tells_what_both_channels_share_and_all_of_a_channel_lost_alone() -> None:
    music = play_notes(9, seed=8, num_channels=2)
    mono = music.mean(axis=0)
    gap = slice(STARTS[1], STARTS[1] + LENGTH)
    damaged, events = lose(music, [STARTS[1]], LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(mono, RATE, events=[])], events=events).samples
    assert snr_db(mono[gap], merged.mean(axis=0)[gap]) > 50
    filled = inpaint_ray.repair(damaged, RATE, events=events)
    assert snr_db(music[:, gap], merged[:, gap]) > snr_db(music[:, gap], filled[:, gap]) + 3
    damaged[1] = music[1]
    left = [event for event in events if event.channel == 0]
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(mono, RATE, events=[])], events=left).samples
    np.testing.assert_array_equal(merged[1], music[1])
    assert snr_db(music[0, gap], merged[0, gap]) > 40
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(music[0], RATE, events=[])], events=left).samples
    assert snr_db(music[0, gap], merged[0, gap]) > 40


def test_a_passage_that_a_copy_lacks_and_another_leader_harm_no_gap_beside_them() -> None:
    music = play_notes(24, seed=9)
    played, to_copy = transfer(music, speed=0.004)
    leader = 0.1 * np.random.default_rng(1).standard_normal((1, 3 * RATE))
    cuts = [round(float(to_copy(np.array(second * RATE)))) for second in (1, 10, 16)]
    copy = np.concatenate([leader, played[:, cuts[0] : cuts[1]], played[:, cuts[2] :]], axis=1)
    starts = [round(second * RATE) for second in (5, 8.8, 13, 17.2, 21)]
    damaged, events = lose(music, starts, LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(copy, RATE, events=[])], events=events)
    assert [isinstance(note, Taken) for note in merged.notes] == [True, True, False, True, True]
    filled = inpaint_ray.repair(damaged, RATE, events=events)
    for number, start in enumerate(starts):
        gap = (0, slice(start, start + LENGTH))
        if number == 2:
            np.testing.assert_array_equal(merged.samples[gap], filled[gap])
        else:
            assert snr_db(music[gap], merged.samples[gap]) > 20


def test_at_the_ends_of_a_recording_only_bits_are_taken() -> None:
    music = np.rint(play_notes(9, seed=10) * 2**15) / 2**15
    damaged, events = lose(music, [0, 9 * RATE - LENGTH], LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(music, RATE, events=[])], events=events)
    np.testing.assert_array_equal(merged.samples, music)
    near = 0.7 * music + 1e-4 * np.random.default_rng(0).standard_normal(music.shape)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(near, RATE, events=[])], events=events)
    np.testing.assert_array_equal(merged.samples, inpaint_ray.repair(damaged, RATE, events=events))


def test_what_is_taken_and_what_is_filled_join_without_a_step() -> None:
    music = play_notes(9, seed=11)
    damaged, events = lose(music, [STARTS[0], STARTS[1]], 2 * LENGTH)
    copy, others = lose(0.5 * music, [STARTS[1] + LENGTH], 2 * LENGTH)
    copy += 1e-5 * np.random.default_rng(0).standard_normal(copy.shape)
    merged = inpaint_ray.merge(damaged, RATE, [Transfer(copy, RATE, events=others)], events=events)
    (join,) = (note.stop for note in merged.notes if isinstance(note, Taken) and note.start == STARTS[1])
    assert STARTS[1] + LENGTH - 50 <= join <= STARTS[1] + LENGTH
    usual = np.abs(np.diff(music[0, join - LENGTH : join + LENGTH])).max()
    for place in (STARTS[1], join, STARTS[1] + 2 * LENGTH):
        assert np.abs(np.diff(merged.samples[0, place - 2 : place + 2])).max() < 1.5 * usual


def test_a_copy_of_something_else_is_refused_and_the_fill_is_the_ordinary_one() -> None:
    music = play_notes(12, seed=4)
    damaged, events = lose(music, STARTS[:2], LENGTH)
    merged = inpaint_ray.merge(damaged, RATE, [(play_notes(12, seed=5), RATE)], events=events)
    assert not merged.alignments["copy 1"].accepted
    np.testing.assert_array_equal(merged.samples, inpaint_ray.repair(damaged, RATE, events=events))


def test_a_gap_that_no_fill_may_bridge_is_taken_over() -> None:
    music = play_notes(16, seed=6).astype(np.float32)
    damaged, events = lose(music, [5 * RATE], 3 * RATE)
    merged = inpaint_ray.merge(damaged, RATE, [(music, RATE)], events=events)
    np.testing.assert_array_equal(merged.samples, music)


def test_no_copy_is_an_error_and_two_of_one_name_are() -> None:
    music = play_notes(3)
    with pytest.raises(ValueError, match="at least one"):
        inpaint_ray.merge(music, RATE, [])
    twice = [Transfer(music, RATE, [], "b"), Transfer(music, RATE, [], "b")]
    with pytest.raises(ValueError, match="two are named b"):
        inpaint_ray.merge(music, RATE, twice, events=[Event(0, 100, 200)])
