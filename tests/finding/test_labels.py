import pytest

from inpaint_ray.audio.runs import Event
from inpaint_ray.finding.labels import Label, LabelError, place_labels, read_gap_list, read_labels, write_labels


def test_labels_are_read_in_order_without_frequencies_and_points() -> None:
    text = "\ufeff2.5\t2.75\tclick\n\\\t100.0\t200.0\n\n1.0\t1.5\tdropout\n3.0\t3.0\tpoint\n"
    assert [label[:4] for label in read_labels(text)] == [(1.0, 1.5, None, "line 4"), (2.5, 2.75, None, "line 1")]


@pytest.mark.parametrize("text", ["1.0 1.5 name", "a\tb\tc", "2.0\t1.0\tback", "-1\t2\tx", "nan\tnan\tx", "1\tinf\tx"])
def test_a_line_that_is_no_label_is_refused_by_number(text: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_labels("0.0\t1.0\tgood\n" + text)


def test_labels_cover_at_least_a_sample_of_their_channels_and_stop_at_the_end() -> None:
    labels = [Label(0.1, 0.3), Label(0.5, 0.501, 1), Label(0.9, 1.05, 0)]
    gaps = place_labels(labels, num_channels=2, num_samples=10, sample_rate=10)
    assert gaps == [Event(0, 1, 3), Event(1, 1, 3), Event(1, 5, 6), Event(0, 9, 10)]
    with pytest.raises(LabelError, match="line 7 names channel 2; there are 2"):
        place_labels([Label(0, 1, 2, "line 7")], num_channels=2, num_samples=10, sample_rate=10)


@pytest.mark.parametrize("times", [(7.0, 8.0), (0.0, 500.0), (1.0, 1.05), (0.9, 1.2)])
def test_times_past_the_end_are_refused_with_a_hint_at_their_unit(times: tuple[float, float]) -> None:
    with pytest.raises(LabelError, match=r"^line 3 marks .* s of a recording of 1.00 s; are these milliseconds\?"):
        place_labels([Label(*times, None, "line 3")], num_channels=1, num_samples=10, sample_rate=10)


def test_a_decimal_comma_is_told_as_one() -> None:
    with pytest.raises(LabelError, match="line 1 is not START<tab>STOP<tab>NAME; a decimal comma?"):
        read_labels("1,5\t2,5\tdropout\n")
    with pytest.raises(LabelError, match="line 2: more fields than the first line names; a decimal comma?"):
        read_gap_list("name,start,end,channel\na.wav,1,5,2,5\n")
    with pytest.raises(LabelError, match="line 2: start, end or channel is no number; a decimal comma?"):
        read_gap_list('name,start,end\na.wav,"1,5","2,5"\n')


def test_gaps_come_back_from_the_label_track_that_they_are_written_to() -> None:
    gaps = [Event(0, 5, 9), Event(1, 5, 9), Event(1, 44_101, 44_144), Event(0, 1_000_000_007, 1_000_000_009)]
    text = write_labels(gaps, 2, 44_100)
    assert text.splitlines()[:2] == ["0.000113\t0.000204\tgap", "1.000023\t1.000998\tchannel 1"]
    assert place_labels(read_labels(text), 2, 2_000_000_000, 44_100) == gaps


def test_kinds_and_confidences_come_back_from_the_label_track() -> None:
    events = [
        Event(0, 5, 9, "click", 0.93),
        Event(1, 5, 9, "click", 0.93),
        Event(1, 50, 60, "clipped", 1.0),
        Event(0, 70, 75),
    ]
    text = write_labels(events, 2, 44_100)
    assert [line.split("\t")[2] for line in text.splitlines()] == ["click 0.93", "channel 1 clipped 1.00", "channel 0"]
    assert place_labels(read_labels(text), 2, 100, 44_100) == events


def test_json_is_a_list_of_stretches() -> None:
    labels = read_labels('[{"start": 2, "end": 3}, {"start": 0.5, "end": 1, "channel": 1}]')
    assert [label[:4] for label in labels] == [
        (0.5, 1, 1, "gap 1"),
        (2, 3, None, "gap 0"),
    ]
    for text in ('{"start": 1}', '[{"start": 1}]', "[1]", "[", '[{"start": 2, "end": 1}]'):
        with pytest.raises(ValueError):
            read_labels(text)


def test_a_list_of_an_archive_has_the_gaps_of_each_file() -> None:
    text = "name,start,end,channel\na b.wav,1,2,\nc.wav,0.5,0.75,1\na b.wav,4,5,0\n"
    listed = read_gap_list(text)
    assert listed["a b.wav"].lines == [2, 4]
    assert {name: [label[:4] for label in read_labels(gaps.labels)] for name, gaps in listed.items()} == {
        "a b.wav": [(1, 2, None, "line 2"), (4, 5, 0, "line 4")],
        "c.wav": [(0.5, 0.75, 1, "line 3")],
    }
    with pytest.raises(ValueError, match="no column end"):
        read_gap_list("name,start\na,1\n")
    with pytest.raises(ValueError, match="line 2"):
        read_gap_list("name,start,end\na,one,2\n")
