import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inpaint_ray.audio.decode import Recording
from inpaint_ray.audio.encode import to_integers
from inpaint_ray.audio.runs import Event, join_events, mark_gaps
from inpaint_ray.filling.waveform import fill
from inpaint_ray.restore.pieces import CONTEXT_S, MOST_SEARCHED, PIECE_S, SEARCH_S, Piece, fill_blocks, plan_pieces
from inpaint_ray.restore.repair import fill_piece

RATE = 100  # Hz: many seconds in few samples


def recording(samples: np.ndarray, rate: int = RATE) -> Recording:
    return Recording(samples=samples, sample_rate=rate, container="WAV", subtype="PCM_16")


def add_one(window: Recording, piece: Piece, searched: Recording) -> Recording:
    start = piece.window[0]
    lost = mark_gaps(piece.gaps, len(window.samples), start, start + window.num_samples)
    return recording(window.samples + lost)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 19_000), st.integers(1, 3000)), max_size=30),
    st.lists(st.integers(1, 19_999), max_size=8, unique=True),
)
@settings(deadline=None)
def test_every_lost_sample_is_filled_once_and_no_other(gaps: list[tuple[int, int, int]], cuts: list[int]) -> None:
    lost_gaps = join_events([Event(channel, start, min(start + length, 20_000)) for channel, start, length in gaps])
    samples = np.arange(40_000).reshape(2, -1)
    blocks = map(recording, np.split(samples, sorted(cuts), axis=1))
    pairs = list(fill_blocks(blocks, plan_pieces(lost_gaps, RATE), add_one))
    damaged, restored = (np.concatenate([pair[side].samples for pair in pairs], axis=1) for side in (0, 1))
    np.testing.assert_array_equal(damaged, samples)
    np.testing.assert_array_equal(restored - samples, mark_gaps(lost_gaps, 2, 0, 20_000))


def test_pieces_have_their_context_and_stay_short() -> None:
    gaps = [Event(0, 10_000 + 50 * number, 10_010 + 50 * number) for number in range(200)] + [Event(1, 50_000, 90_000)]
    pieces = plan_pieces(gaps, RATE)
    assert max(piece.stop - piece.start for piece in pieces) <= PIECE_S * RATE
    for piece in pieces:
        assert piece.start - piece.window[0] == piece.window[1] - piece.stop == CONTEXT_S * RATE
        assert {gap for gap in gaps if gap.start < piece.window[1] and gap.stop > piece.window[0]} == set(piece.gaps)


@pytest.mark.parametrize("method", ["auto", "linear"])
def test_filling_by_pieces_is_filling_the_whole(method: str) -> None:
    rate = 8000
    time = np.arange(8 * rate) / rate
    tones = [0.3 * np.sin(2 * np.pi * hz * time) + 0.1 * np.sin(2 * np.pi * 3 * hz * time + 1) for hz in (220, 247)]
    samples = to_integers(np.array(tones), "PCM_16")
    gaps = [
        Event(0, 8000, 8200),
        Event(0, 9000, 9100),
        Event(1, 9050, 9300),
        Event(0, 30_000, 45_000),
        Event(1, 63_900, 64_000),
    ]
    lost = mark_gaps(gaps, 2, 0, len(time))
    samples[lost] = 0

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        return fill_piece(window, piece, searched, method=method)[0]  # type: ignore[arg-type]

    blocks = (recording(part, rate) for part in np.split(samples, [1, 20_000, 20_001, 50_000], axis=1))
    pairs = fill_blocks(blocks, plan_pieces(gaps, rate), fill_window)
    restored = np.concatenate([pair[1].samples for pair in pairs], axis=1)
    whole = fill(recording(samples, rate).to_float(), rate, lost, method=method)  # type: ignore[arg-type]
    np.testing.assert_array_equal(restored[~lost], samples[~lost])
    steps = (restored[lost].astype(np.int64) - to_integers(whole[lost], "PCM_16")) >> 16
    assert np.abs(steps).max() <= 1


def test_a_long_gap_is_filled_from_the_same_music_far_from_its_window() -> None:
    rate = 8000
    bar = 0.1 * np.random.default_rng(0).standard_normal((1, 20 * rate))
    clean = to_integers(np.tile(bar, 4), "PCM_16")
    gaps = [Event(0, 12_000, 12_100), Event(0, 30 * rate, 30 * rate + 1600)]
    lost = mark_gaps(gaps, 1, 0, clean.shape[1])
    damaged = np.where(lost, 0, clean).astype(np.int32)
    noted, held = [], []

    def fill_window(window: Recording, piece: Piece, searched: Recording) -> Recording:
        held.append(searched.num_samples)
        filled, fills = fill_piece(window, piece, searched, method="auto")
        noted.extend(fills)
        return filled

    blocks = (recording(part, rate) for part in np.array_split(damaged, 9, axis=1))
    pairs = fill_blocks(blocks, plan_pieces(gaps, rate), fill_window)
    restored = np.concatenate([pair[1].samples for pair in pairs], axis=1)
    np.testing.assert_array_equal(restored[~lost], clean[~lost])
    assert [note.method for note in noted][-1] == "retrieval" and noted[-1].expected_snr_db > 10
    long = slice(gaps[1].start, gaps[1].stop)
    error = (restored - clean)[0, long].astype(float)
    assert np.sum(error**2) < 1e-3 * np.sum(clean[0, long].astype(float) ** 2)
    assert held[1] >= 2 * 30 * rate  # all that there is before, and more than the window behind


def test_only_what_a_long_gap_needs_is_held() -> None:
    rate = 44_100
    short = plan_pieces([Event(0, 10**7, 10**7 + 2000)], rate)
    assert short[0].searched == short[0].window
    several = plan_pieces([Event(0, 10**7, 10**7 + 2000), Event(0, 10**7 + 20 * rate, 10**7 + 20 * rate + 5000)], rate)
    assert several[0].searched[0] == several[1].searched[0] == several[1].start - round(SEARCH_S * rate)
    finer = plan_pieces([Event(0, 10**9, 10**9 + 50_000)], 192_000, 8)
    assert finer[0].searched[1] - finer[0].searched[0] == 2 * MOST_SEARCHED // 8 + 50_000
