import numpy as np
import pytest
from numpy.typing import NDArray

from inpaint_ray.filling.auto import Sources
from inpaint_ray.filling.matching import Surroundings
from inpaint_ray.filling.retrieval import find_places, make_index
from inpaint_ray.filling.waveform import fill, fill_with_notes

RATE = 16_000


def loop(seconds: float = 2.0, times: int = 4, channels: int = 1, seed: int = 0) -> NDArray[np.float64]:
    """Noise that repeats: no linear model can predict it, its repetition can."""
    bar = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE)))
    return np.tile(bar, times)


def lose(shape: tuple[int, ...], *gaps: tuple[int, int]) -> NDArray[np.bool_]:
    lost = np.zeros(shape, dtype=bool)
    for start, stop in gaps:
        lost[..., start:stop] = True
    return lost


def snr(filled: NDArray, clean: NDArray, lost: NDArray[np.bool_]) -> float:
    return float(10 * np.log10(np.sum(clean[lost] ** 2) / np.sum((clean - filled)[lost] ** 2)))


def test_the_places_found_are_those_of_the_repetition() -> None:
    music = loop()
    lost = lose(music.shape, (70_000, 73_000))
    index = make_index(music, lost, RATE, longest_s=0.2)
    places = find_places(index, 70_000, 73_000, RATE)
    assert {round(place / (2 * RATE), 2) for place in places[:3]} == {-2, -1, 1}


def test_a_place_whose_own_part_is_lost_is_never_given() -> None:
    music = loop()
    lost = lose(music.shape, (70_000, 73_000), (70_000 - 2 * RATE + 1000, 70_000 - 2 * RATE + 1010))
    index = make_index(music, lost, RATE, longest_s=0.2)
    places = [round(place / (2 * RATE), 2) for place in find_places(index, 70_000, 73_000, RATE)]
    assert -1 not in places and places[0] in (-2, 1)


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_repetition_at_another_level_and_delay_is_found_to_the_sample_and_scaled(gain: float) -> None:
    music = loop(times=3)
    music[:, 2 * RATE + 7 :] = gain * music[:, 2 * RATE : -7]
    lost = lose(music.shape, (20_000, 24_000))
    match = Surroundings(np.where(lost, 0, music), lost, 20_000, 24_000, RATE).best([2 * RATE + 6], 3)
    assert match is not None
    assert match.shifts[0] == 2 * RATE + 7
    assert match.trust_db > 40


def test_what_repeats_is_taken_from_there_and_noise_is_not() -> None:
    for music, method in ((loop(), "retrieval"), (loop(8.0, 1), "autoregressive + wiener")):
        lost = lose(music.shape, (70_000, 73_000))
        filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
        assert notes[0].method == method
        assert (snr(filled, music, lost) > 30) == (method == "retrieval")
        np.testing.assert_array_equal(filled[~lost], music[~lost])


def test_all_channels_take_one_shift() -> None:
    music = loop(channels=2)
    music[1] = np.convolve(music[1], [0.5, 0.3, 0.1], mode="same")
    lost = lose(music.shape, (70_000, 73_000))
    lost[1, 73_000:73_500] = True
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
    assert [note.method for note in notes] == ["retrieval", "retrieval"]
    assert snr(filled, music, lost) > 20


def test_gaps_of_the_same_bar_are_filled_from_a_bar_that_has_both() -> None:
    music = loop()
    lost = lose(music.shape, (36_000, 40_000), (68_000 + 4000, 68_000 + 9000))
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
    assert {note.method for note in notes} == {"retrieval"}
    assert snr(filled, music, lost) > 20


def test_a_part_is_filled_from_a_longer_stretch() -> None:
    music = loop()
    part = slice(50_000, 100_000)
    lost = lose(music.shape, (70_000, 73_000))
    known = np.where(lost, np.nan, music)
    sources = Sources(known, lost, offset=part.start)
    filled, notes = fill_with_notes(known[:, part], RATE, lost[:, part], sources=sources)
    assert notes[0].method == "retrieval"
    np.testing.assert_allclose(filled, fill(known, RATE, lost)[:, part], atol=1e-6)


def test_short_gaps_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaint_ray.filling.auto.make_index", lambda *_, **__: pytest.fail("an index was made"))
    music = loop()
    fill(music, RATE, lose(music.shape, (36_000, 36_700), (70_000, 70_790)))


def test_a_recording_of_nothing_but_silence_around_a_gap_is_filled_with_silence() -> None:
    music = np.zeros((1, 8 * RATE))
    assert not fill(music, RATE, lose(music.shape, (36_000, 40_000))).any()


def test_what_stands_in_lost_samples_is_not_looked_at() -> None:
    music = loop(channels=2).astype(np.float32)
    lost = lose(music.shape, (36_000, 40_000), (70_000, 73_000))
    fills = []
    for garbage in ((np.nan, np.nan), (np.inf, -np.inf), (1e30, 0.0)):
        damaged = np.where(lost, np.array(garbage, dtype=np.float32)[:, None], music)
        fills.append(fill(damaged, RATE, lost))
    np.testing.assert_array_equal(fills[0], fills[1])
    np.testing.assert_array_equal(fills[0], fills[2])
    assert snr(fills[0], music, lost) > 20


def test_long_recordings_are_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaint_ray.filling.auto.SEARCH_S", 5.0)
    music = loop(2.0, 20)
    lost = lose(music.shape, (20_000, 23_000), (300_000, 303_000), (600_000, 603_000))
    lengths = []

    def note(samples: NDArray, *rest: object, **options: float) -> object:
        lengths.append(samples.shape[1])
        return make_index(samples, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("inpaint_ray.filling.auto.make_index", note)
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
    assert [each.method for each in notes] == ["retrieval"] * 3
    assert len(lengths) == 3 and max(lengths) <= 10 * RATE + 3000
    assert snr(filled, music, lost) > 20


@pytest.mark.parametrize(("max_gap_s", "method"), [(1.0, "retrieval"), (0.5, "silence")])
def test_seconds_are_filled_from_what_repeats_unless_a_shorter_limit_forbids_it(max_gap_s: float, method: str) -> None:
    music = loop(4.0, 4)
    lost = lose(music.shape, (5 * RATE, 5 * RATE + 40_000))
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost, max_gap_s=max_gap_s)
    assert [note.method for note in notes] == [method]
    assert np.array_equal(filled[~lost], music[~lost])
    assert (snr(filled, music, lost) > 30) == (method == "retrieval")


def test_seconds_of_music_that_never_repeats_stay_silent() -> None:
    music = loop(12.0, 1)
    lost = lose(music.shape, (5 * RATE, 5 * RATE + 40_000))
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
    assert notes[0].method == "silence" and notes[0].expected_snr_db == 0
    assert not filled[0, 5 * RATE + 1000 : 7 * RATE].any()


def test_seconds_of_one_channel_are_filled_from_another_that_resembles_it() -> None:
    music = np.concatenate([loop(12.0, 1), loop(12.0, 1)])
    music[1] += 0.05 * loop(12.0, 1, seed=1)[0]
    lost = lose(music.shape)
    lost[1, 5 * RATE : 8 * RATE] = True
    filled, notes = fill_with_notes(np.where(lost, np.nan, music), RATE, lost)
    assert notes[0].method == "other channel"
    assert snr(filled, music, lost) > 20
