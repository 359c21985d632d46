"""`find` and `repair`, as people use them."""

import numpy as np
import pytest

from inpaint_ray import find, repair
from inpaint_ray.audio.local_damage import KINDS, damage_locally
from inpaint_ray.audio.runs import Event, mark_gaps
from inpaint_ray.finding.registry import find_events
from tests.finding.sounds import RATE, noisy_music


def snr(clean: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(clean**2) / np.sum((clean - other) ** 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damage_is_repaired_and_nothing_beside_events_changes(kind: str) -> None:
    clean = np.concatenate([noisy_music(2.0), noisy_music(2.0, seed=1)])
    clean *= 0.5 / np.abs(clean).max()
    clean = np.rint(clean * 2**15) / 2**15
    damaged, _ = damage_locally(clean, RATE, kind, np.random.default_rng(3))  # type: ignore[arg-type]
    events = find(damaged, RATE, ("all",))
    repaired = repair(damaged, RATE, ("all",))
    marked = mark_gaps(events, 2, 0, clean.shape[1])
    assert np.array_equal(repaired[~marked], damaged[~marked]) and np.isfinite(repaired).all()
    assert snr(clean, repaired) > snr(clean, damaged) + 1
    assert np.array_equal(repair(damaged, RATE, events=events), repaired)


def test_what_is_found_does_not_depend_on_how_blocks_are_cut() -> None:
    clean = noisy_music(4.0)
    damaged, _ = damage_locally(clean, RATE, "clicks", np.random.default_rng(3))
    damaged[0, 50_000:50_050] = 0
    whole = find_events([damaged], RATE, kinds=("all",))
    assert {"click", "muted"} <= {event.kind for event in whole} | {"muted"} and whole
    for cuts in ([1, 2, 70_000], list(range(10_000, 170_000, 10_000))):
        assert find_events(np.split(damaged, cuts, axis=1), RATE, kinds=("all",)) == whole


def test_clean_sound_of_many_kinds_is_left_alone() -> None:
    time = np.arange(3 * RATE) / RATE
    square = 0.2 * np.sign(np.sin(2 * np.pi * 441.3 * time + 0.1))
    for sound in (np.zeros((1, 3 * RATE)), square[None], 0.5 * np.sin(2 * np.pi * 60 * time)[None]):
        assert not [event for event in find(sound, RATE, ("dropouts", "clipping"))]


def test_sensitivity_is_the_greatest_chance_that_an_event_is_false() -> None:
    damaged, _ = damage_locally(noisy_music(), RATE, "clicks", np.random.default_rng(3))
    counts = []
    for sensitivity in (0.0, 0.1, 0.5, 1.0):
        events = find(damaged, RATE, ("clicks",), sensitivity)
        assert all(event.confidence >= 1 - sensitivity for event in events)
        counts.append(len(events))
    assert counts == sorted(counts) and counts[-1] > counts[0]


def test_a_mono_signal_keeps_its_shape_and_wrong_arguments_are_refused() -> None:
    sound = noisy_music()[0].astype(np.float32)
    assert repair(sound, RATE).shape == sound.shape and repair(sound, RATE).dtype == np.float32
    assert repair(np.zeros(3, dtype=np.float32), RATE, ("all",)).shape == (3,)
    assert np.array_equal(repair(sound, RATE, events=[]), sound)
    assert not np.array_equal(repair(sound, RATE, events=[Event(0, 500, 600)]), sound)
    with pytest.raises(ValueError, match="find: give one or more of dropouts, clicks, clipping, all, got hum"):
        find(sound, RATE, ("hum",))
    with pytest.raises(ValueError, match="sensitivity must be from 0 to 1"):
        find(sound, RATE, sensitivity=2)
    with pytest.raises(ValueError, match="samples must be"):
        find(np.zeros(10, dtype=np.int16), RATE)
