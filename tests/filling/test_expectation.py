import numpy as np
import pytest

from inpaint_ray.filling.choice import AUTO, row_of
from inpaint_ray.filling.expectation import expected_db, in_a_word, level_db, power_around, pseudo_db, pseudo_gaps
from inpaint_ray.filling.waveform import METHODS, fill_with_notes

RATE = 16_000


def test_a_fill_of_half_the_power_is_expected_to_err_by_the_other_half() -> None:
    assert level_db(np.full(100, np.sqrt(0.5)), 1.0) == pytest.approx(3.01, abs=0.01)
    assert level_db(np.zeros(100), 1.0) == 0
    assert level_db(np.ones(100), 1.0) == 20  # a power tells no more than that
    assert level_db(np.ones(100), 0.0) == 0


def test_the_power_around_is_the_geometric_mean_of_the_sides() -> None:
    signal = np.concatenate([np.full(4000, 4.0), np.zeros(800), np.full(4000, 1.0)])
    assert power_around(signal, 4000, 4800, RATE) == pytest.approx(4.0)
    assert power_around(signal[4000:], 0, 800, RATE) == pytest.approx(1.0)


def test_pseudo_gaps_hold_nothing_lost() -> None:
    lost = np.zeros(10_000, dtype=bool)
    lost[5000:5200] = lost[4850:4860] = True
    found = pseudo_gaps(lost, 5000, 5200)
    assert len(found) == 3
    assert not any(lost[start:stop].any() or stop - start != 200 for start, stop in found)


def test_without_room_for_a_pseudo_gap_nothing_is_promised() -> None:
    ratio = pseudo_db(np.ones(300), np.zeros(300, dtype=bool), 0, 300, RATE, lambda window, gap: window)
    assert ratio == -np.inf


def test_expectations_grow_with_what_speaks_for_a_fill() -> None:
    none = -np.inf
    assert expected_db("retrieval", 0.5, 0, 20, none) > expected_db("retrieval", 0.5, 0, 5, none)
    assert expected_db("autoregressive", 0.05, 15, none, none) > expected_db("autoregressive", 0.05, 2, none, none)
    assert expected_db("autoregressive", 0.05, 5, 4, 12.0) > expected_db("autoregressive", 0.05, 5, 4, 3.0)


def test_every_method_says_what_it_expects_or_that_it_cannot() -> None:
    time = np.arange(2 * RATE) / RATE
    lost = np.zeros(2 * RATE, dtype=bool)
    lost[8000:8400] = lost[16_000:20_000] = True
    for method in METHODS:
        _, notes = fill_with_notes(
            np.sin(2 * np.pi * 440 * time), RATE, lost, method=method, restore_magnitudes=lambda x, _: x
        )
        expected = [note.expected_snr_db for note in notes]
        assert len(expected) == 2
        assert np.isnan(expected).all() == (method in ("linear", "griffin_lim"))
        assert (expected == [0, 0]) == (method == "silence")


def test_words() -> None:
    assert [in_a_word(value) for value in (12, 5, 0)] == ["sure", "likely", "guess"]


def test_the_table_covers_every_length_and_asks_more_where_pseudo_gaps_are() -> None:
    assert [row.longest_s for row in AUTO] == sorted(row.longest_s for row in AUTO)
    assert row_of(10.0) is AUTO[-1]
    assert not row_of(0.02).retrieval and row_of(0.05).retrieval
    assert row_of(0.2).trusts(4.0, 2.0) and not row_of(0.2).trusts(2.5, 2.0)
    assert not row_of(0.06).trusts(4.0, 2.0, 8.0)
    assert row_of(2.0).trusts(4.5, 0.0) and not row_of(2.0).trusts(3.5, 0.0)
