import math

import pyarrow as pa
import pytest

from inpaint_ray.restore.manifest import ManifestRow, rows_table
from inpaint_ray.restore.summary import judge_files
from inpaint_ray.restore.verdict import Losses, TransferRule, judge, severity

RULE = TransferRule(transfer_lost_percent=1.0, transfer_dropouts_per_minute=10.0, transfer_gap_s=0.5)


def row_of(**values: object) -> ManifestRow:
    """The row of a minute of stereo at 1 kHz with one gap."""
    known = {"name": "a.wav", "source_size": 1, "method": "auto", "settings": "s", "status": "restored", "gaps": 1}
    return ManifestRow(**known | {"seconds": 60.0, "sample_rate": 1000, "channels": 2} | values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({}, []),
        ({"samples_replaced": 1200}, []),  # 1 % of 2 x 60,000: at the limit
        ({"samples_replaced": 1320}, ["1.1 % of the samples were filled"]),
        ({"kinds": {"zeros": 20}}, []),  # ten a minute of each of two channels
        ({"kinds": {"zeros": 15, "held": 6}}, ["10.5 events a minute of a channel"]),
        ({"kinds": {"click": 5000, "clipped": 5000}}, []),
        ({"longest_gap_s": 0.6, "samples_replaced": 12_000}, ["10 % of the samples were filled", "a gap of 0.6 s"]),
    ],
)
def test_a_file_is_to_be_transferred_again_above_any_limit(values: dict, reasons: list[str]) -> None:
    assert judge(row_of(**values), RULE) == ("transfer again" if reasons else "good", reasons)


def test_a_failed_file_says_why_and_nothing_is_judged_of_what_is_not_known() -> None:
    row = row_of(status="failed", error="empty file", seconds=0.0, sample_rate=0, channels=0)
    assert judge(row, RULE) == ("failed", ["empty file"]) and Losses.of(row) == Losses(0.0, 0.0, 0.0)


def test_an_infinite_limit_is_none_and_leaves_the_rule_s_text() -> None:
    rule = TransferRule(transfer_lost_percent=math.inf, transfer_dropouts_per_minute=math.inf, transfer_gap_s=2)
    assert rule.to_text() == "a gap is longer than 2 s"
    row = row_of(samples_replaced=100_000, kinds={"zeros": 999})
    assert judge(row, rule) == ("good", []) and severity(row, rule) == 0


@pytest.mark.parametrize("value", [-1.0, math.nan])
@pytest.mark.parametrize("name", ["transfer_lost_percent", "transfer_dropouts_per_minute", "transfer_gap_s"])
def test_a_limit_that_cannot_be_names_its_flag(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')}"):
        TransferRule(**{name: value})


def table_of(rows: list[ManifestRow]) -> pa.Table:
    return rows_table([vars(row) for row in rows])


def test_every_file_is_judged_and_the_worst_are_listed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaint_ray.restore.summary.ROWS_AT_ONCE", 2)
    rows = [row_of(name=f"{number}.wav", longest_gap_s=0.1 * number) for number in range(10)]
    rows += [row_of(name="f.wav", status="failed", gaps=0), row_of(name="u.wav", status="unchanged", gaps=0)]
    verdicts = judge_files(table_of(rows), RULE, most=3)
    assert verdicts.counts == {"failed": 1, "transfer again": 4, "good": 7}
    assert [row.name for row in verdicts.worst] == ["9.wav", "8.wav", "7.wav"]
