import pyarrow as pa
import pytest

from inpaint_ray.errors import UsageError
from inpaint_ray.restore.gap_table import TABLE_SCHEMA
from inpaint_ray.restore.where import parse_condition

ROWS = [
    {"name": "a.wav", "channel": 0, "start": 10, "kind": "click", "confidence": 0.7, "expected_snr_db": 2.0},
    {"name": "a.wav", "channel": 1, "start": 20, "kind": "zeros", "confidence": 1.0, "expected_snr_db": 12.0},
    {"name": "b's.wav", "channel": 0, "start": 30, "kind": "clipped", "confidence": 0.9, "expected_snr_db": None},
]
TABLE = pa.Table.from_pylist(ROWS, TABLE_SCHEMA)


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("expected_snr_db < 3", [10]),
        ("expected_snr_db >= 2 and channel == 1", [20]),
        ("not expected_snr_db < 3", [20]),  # nothing is known of the third
        ("expected_snr_db is None", [30]),
        ("expected_snr_db is not None", [10, 20]),
        ("kind in ('click', 'clipped')", [10, 30]),
        ("kind not in ['click']", [20, 30]),
        ("kind == 'click' or confidence > 0.95", [10, 20]),
        ("(kind == 'click' or confidence > 0.95) and channel != 0", [20]),
        ("0.8 < confidence <= 0.9", [30]),
        ('name == "b\'s.wav"', [30]),
        ("level_after_db < -20", []),
        ("-5 < expected_snr_db < 5", [10]),
        (" 10 <= start", [10, 20, 30]),
    ],
)
def test_conditions_choose_rows(text: str, starts: list[int]) -> None:
    assert TABLE.filter(parse_condition("--where", text))["start"].to_pylist() == starts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("expected_snr_db = 3", "equality is written =="),
        ("snr < 3", "no column snr; there are name, channel"),
        ("replaced == 'x'", "no column replaced"),
        ("kind < 3", "kind"),
        ("kind == click", "no column click"),
        ("expected_snr_db", "neither true nor false"),
        ("", "example"),
        ("__import__('os').system('true') == 0", "neither a column"),
        ("[1 for _ in name] == 1", "neither a column"),
        ("channel + 1 == 2", "neither a column"),
        ("kind in name", "must be a list"),
        ("kind is True", "None alone"),
        ("channel == True", "neither a column"),
        ("(" * 400 + "channel == 1" + ")" * 400, "example"),
        ("channel == 1 and " * 100 + "channel == 1", "longer than"),
    ],
)
def test_what_is_no_condition_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match="^--where") as raised:
        parse_condition("--where", text)
    assert reason in str(raised.value) and "\n" not in str(raised.value)
