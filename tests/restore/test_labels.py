import numpy as np
import pytest

from inpaint_ray.audio.labels import mark_labels, read_labels


def test_labels_are_read_in_order_without_frequencies_and_points() -> None:
    text = "\ufeff2.5\t2.75\tclick\n\\\t100.0\t200.0\n\n1.0\t1.5\tdropout\n3.0\t3.0\tpoint\n"
    assert read_labels(text) == [(1.0, 1.5), (2.5, 2.75)]


@pytest.mark.parametrize("text", ["1.0 1.5 name", "a\tb\tc", "2.0\t1.0\tback", "-1\t2\tx", "nan\tnan\tx", "1\tinf\tx"])
def test_a_line_that_is_no_label_is_refused_by_number(text: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_labels("0.0\t1.0\tgood\n" + text)


def test_marks_cover_the_labels_and_stop_at_the_end() -> None:
    lost = mark_labels([(0.1, 0.3), (0.5, 0.501), (0.9, 5.0)], num_samples=10, sample_rate=10)
    np.testing.assert_array_equal(np.flatnonzero(lost), [1, 2, 5, 9])
