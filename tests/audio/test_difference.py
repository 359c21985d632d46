import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from inpaint_ray.audio.decode import INTEGER_SUBTYPES
from inpaint_ray.audio.difference import settle, subtract_floats, subtract_integers, subtract_wide


@given(st.sampled_from(sorted(INTEGER_SUBTYPES)), st.data())
def test_integers_add_up_in_their_subtype_or_in_wider_floats(subtype: str, data: st.DataObject) -> None:
    bits = INTEGER_SUBTYPES[subtype]
    steps = st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    damaged, restored = (
        (data.draw(arrays.arrays(np.int64, (2, 8), elements=steps)) << (32 - bits)).astype(np.int32) for _ in range(2)
    )
    difference = subtract_integers(damaged, restored)
    if difference is not None:
        np.testing.assert_array_equal(restored + difference, damaged)
    wide, num_off = subtract_wide(damaged, restored, subtype)
    assert num_off == 0 and wide.dtype == (np.float32 if bits <= 24 else np.float64)
    added = (restored * 2.0**-31).astype(wide.dtype) + wide  # as an editor adds them, in the floats of the file
    np.testing.assert_array_equal(added, (damaged * 2.0**-31).astype(wide.dtype))


def test_a_difference_of_more_than_full_scale_does_not_fit() -> None:
    lowest, highest = np.array([[-(2**31)]], np.int32), np.array([[32767 << 16]], np.int32)
    assert subtract_integers(lowest, highest) is None
    wide, _ = subtract_wide(lowest, highest, "PCM_16")
    assert wide == -65535 / 32768


def floats(dtype: type, *, at_most: float = 8.0) -> st.SearchStrategy:
    width = 32 if dtype is np.float32 else 64
    elements = st.floats(-at_most, at_most, width=width)  # type: ignore[arg-type]
    return arrays.arrays(dtype, (2, 8), elements=elements)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_floats_that_are_no_larger_than_the_damaged_ones_add_up_to_the_bit(dtype: type, data: st.DataObject) -> None:
    damaged, other = data.draw(floats(dtype)), data.draw(floats(dtype))
    smaller = np.where(np.abs(other) <= np.abs(damaged), other, 0).astype(dtype)
    settled = settle(damaged, smaller)
    difference, num_off = subtract_floats(damaged, settled)
    assert num_off == 0 and settled.dtype == difference.dtype == dtype
    added = settled + difference
    np.testing.assert_array_equal(added, damaged)
    nonzero = damaged != 0  # minus zero comes back as zero
    assert added[nonzero].tobytes() == damaged[nonzero].tobytes()
    np.testing.assert_array_less(np.abs(settled - smaller), np.spacing(2 * np.abs(damaged)) + np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_digital_silence_and_what_is_not_finite_add_up_whatever_the_fill(dtype: type, data: st.DataObject) -> None:
    restored = settle(np.zeros((2, 8), dtype), data.draw(floats(dtype)))
    damaged = np.zeros((2, 8), dtype)
    damaged[0, :3] = np.nan, np.inf, -np.inf
    difference, num_off = subtract_floats(damaged, restored)
    assert num_off == 0
    np.testing.assert_array_equal(restored + difference, damaged)


@given(data=st.data())
def test_wider_floats_hold_every_difference_of_samples_that_are_less_than_174_db_apart(data: st.DataObject) -> None:
    damaged, restored = data.draw(floats(np.float32)), data.draw(floats(np.float32))
    least = np.abs(damaged) * 2.0**-29
    comparable = (np.abs(restored) >= least) & (np.abs(damaged) >= np.abs(restored) * 2.0**-29)
    damaged, restored = np.where(comparable, damaged, 0), np.where(comparable, restored, 0)
    difference, num_off = subtract_wide(damaged, restored, "FLOAT")
    assert num_off == 0 and difference.dtype == np.float64
    np.testing.assert_array_equal((restored + difference).astype(np.float32), damaged)


def test_what_no_float_can_hold_is_counted_and_off_by_a_rounding() -> None:
    damaged, restored = np.array([[1 / 3 * 2**-30, 0.1]]), np.array([[2 / 3, 0.3]])
    settled = settle(damaged, restored)
    np.testing.assert_array_equal(settled, restored)  # fills are never moved by more than a rounding
    difference, num_off = subtract_wide(damaged, settled, "DOUBLE")
    assert 1 <= num_off <= 2
    np.testing.assert_allclose(settled + difference, damaged, rtol=0, atol=2**-53)


@given(st.integers(-32768, 32767), st.floats(1.0, 4.0, width=32))
def test_clipped_integers_restored_beyond_full_scale_add_up(level: int, factor: float) -> None:
    damaged = np.array([[level / 32768]], np.float32)
    restored = (damaged * np.float32(factor)).astype(np.float32)
    difference, num_off = subtract_floats(damaged, settle(damaged, restored))
    assert num_off == 0
    np.testing.assert_array_equal(restored + difference, damaged)
