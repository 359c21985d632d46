from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from inpaint_ray.audio.decode import read_recording
from inpaint_ray.errors import UsageError
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import TABLE_SCHEMA
from inpaint_ray.restore.show import ShowConfig, riskiest, show, to_table
from tests.support.restoring import RATE, restore_here, write_damaged


def row(name: str, start: int, expected: float | None, *, channel: int = 0, method: str = "autoregressive") -> dict:
    return {
        "name": name,
        "channel": channel,
        "start": start,
        "stop": start + 80,
        "kind": "zeros",
        "confidence": 0.9,
        "start_s": start / RATE,
        "seconds": 0.01,
        "method": method,
        "expected_snr_db": expected,
        "trust": "" if expected is None else "guess",
        "level_before_db": -np.inf,
        "level_after_db": -12.0,
        "decision": "",
    }


def test_the_least_certain_come_first_and_channels_together() -> None:
    rows = [
        row("a", 0, 9.0),
        row("a", 500, 2.0),
        row("a", 500, 3.0, channel=1),
        row("b", 100, None),
        row("b", 900, 1.0, method="silence"),
        row("b", 950, 1.0, method=""),
        row("b", 300, -1.0),
    ]
    found = riskiest(pa.Table.from_pylist(rows, TABLE_SCHEMA), 20)
    assert [(each["name"], each["start"], each["channels"]) for each in found] == [
        ("b", 300, [0]),
        ("a", 500, [0, 1]),
        ("a", 0, [0]),
        ("b", 100, [0]),
    ]
    assert len(riskiest(pa.Table.from_pylist(rows, TABLE_SCHEMA), 2)) == 2


def test_the_table_is_aligned() -> None:
    lines = to_table([row("a\nb.wav", 500, 2.0) | {"channels": [1, 0]}, row("b", 9000, None) | {"channels": [0]}])
    heading, units, first, second = lines.split("\n")
    assert heading.split() == ["expected", "length", "kind", "before", "after", "at", "channel", "file"]
    assert first.split() == ["1", "2.0", "guess", "10.0", "zeros", "-inf", "-12.0", "0.062", "0+1", "a\\nb.wav"]
    assert second.split() == ["2", "unknown", "10.0", "zeros", "-inf", "-12.0", "1.125", "0", "b"]
    assert first.index("zeros") == second.index("zeros") == heading.index("kind")


def test_what_was_before_and_after_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_damaged(tmp_path / "in" / "sub" / "a.flac", gaps=2, first=12_000, seconds=3.0)
    write_damaged(tmp_path / "in" / "b.wav")
    output, to = tmp_path / "out", tmp_path / "listen"
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(output))) == 0
    capsys.readouterr()
    assert show(ShowConfig(output=str(output), to=str(to), file="sub/a.flac", count=1)) == 0
    said = capsys.readouterr().out
    assert "sub/a.flac" in said and "b.wav" not in said and str(to) in said
    before, after = (
        read_recording(next(to.glob(f"01 * {what}.wav")).read_bytes()).samples for what in ("before", "after")
    )
    whole = [read_recording((place / "sub" / "a.flac").read_bytes()).samples for place in (tmp_path / "in", output)]
    number = int(float(next(to.glob("01 *before.wav")).name.split()[-2].removesuffix("s")) * RATE)
    first = number - RATE
    np.testing.assert_array_equal(after, whole[1][:, first : first + after.shape[1]])
    np.testing.assert_array_equal(before, whole[0][:, first : first + before.shape[1]])
    assert before.shape == after.shape and (before != after).any()
    assert show(ShowConfig(output=str(output), to=str(to))) == 0
    assert len(list(to.glob("* before.wav"))) == len(list(to.glob("* after.wav"))) == 3


def test_where_there_is_nothing_to_show_says_so(tmp_path: Path) -> None:
    config = ShowConfig(output=str(tmp_path / "out"), to=str(tmp_path / "listen"))
    with pytest.raises(UsageError, match="no restoration there"):
        show(config)
    write_damaged(tmp_path / "in" / "a.wav", gaps=0)
    assert restore_here(RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"))) == 0
    with pytest.raises(UsageError, match="nothing was filled"):
        show(config)
    with pytest.raises(UsageError, match="no such file in the manifest"):
        show(ShowConfig(output=str(tmp_path / "out"), file="x.wav"))
    with pytest.raises(ValueError, match="--count"):
        ShowConfig(output="out", count=0)
