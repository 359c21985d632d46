import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inpaint_ray.audio.draws import raw_draws

NUMBERS = st.integers(0, 2**63 - 1) | st.integers(0, 3) | st.integers(2**32 - 2, 2**32 + 2)


@given(st.integers(0, 2**64 - 1), st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=5))
def test_many_identities_draw_what_numpys_own_generator_draws_for_each(seed: int, rows: list[list[int]]) -> None:
    columns = np.array(rows, dtype=np.int64).T
    for length in range(1, 5):
        drawn = raw_draws(seed, *columns[:length], count=7)
        for row, words in zip(rows, drawn, strict=True):
            numpys = np.random.Philox(np.random.SeedSequence([seed, *row[:length]])).random_raw(7)
            assert np.array_equal(words, numpys)


def test_an_identity_of_numbers_draws_one_row() -> None:
    numpys = np.random.Philox(np.random.SeedSequence([1, 2, 3])).random_raw(5)
    assert np.array_equal(raw_draws(1, 2, 3, count=5), numpys)
    assert np.array_equal(raw_draws(1, np.array([2, 4]), 3, count=5)[0], numpys)
