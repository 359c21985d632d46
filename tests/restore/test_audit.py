from itertools import count
from typing import Any

import pyarrow as pa

from inpaint_ray.restore.audit import COLUMNS, audit
from inpaint_ray.restore.gap_table import SCHEMA

PLACES = count(1000, 100)
PLAIN = {"name": "a.wav", "channel": 0, "kind": "zeros", "confidence": 1.0, "start_s": 0.0, "method": "autoregressive"}
PLAIN |= {"trust": "sure", "level_before_db": -20.0, "level_after_db": -20.0, "expected_snr_db": 12.0}


def table_of(*rows: dict[str, Any]) -> pa.Table:
    """Gaps of 10 samples at 1 kHz, each at a place of its own."""
    starts = [next(PLACES) for _ in rows]
    whole = [
        PLAIN | {"start": start, "stop": start + 10, "seconds": 0.01} | row
        for start, row in zip(starts, rows, strict=True)
    ]
    return pa.Table.from_pylist(whole, pa.schema([SCHEMA.field(name) for name in COLUMNS]))


def test_the_least_certain_come_first_and_an_unknown_snr_is_between_guesses_and_the_rest() -> None:
    rows = [{"expected_snr_db": value} for value in (12.0, None, 3.0, 5.0, -1.0)]
    found = audit([table_of(*rows[:2]), table_of(*rows[2:])], 10)
    assert [repair.expected_snr_db for repair in found.riskiest] == [-1.0, 3.0, None, 5.0, 12.0]


def test_of_equals_the_less_sure_damage_and_then_the_longer_one_comes_first() -> None:
    table = table_of({}, {"confidence": 0.5}, {"seconds": 0.5}, {"confidence": 0.5, "seconds": 0.2})
    found = audit([table], 10).riskiest
    assert [(repair.confidence, repair.seconds) for repair in found] == [
        (0.5, 0.2),
        (0.5, 0.01),
        (1.0, 0.5),
        (1.0, 0.01),
    ]


def test_only_so_many_rows_are_kept_and_all_are_counted() -> None:
    tables = [table_of(*({"expected_snr_db": float(20 - 3 * i + k)} for k in range(3))) for i in range(5)]
    found = audit(tables, 4)
    assert [repair.expected_snr_db for repair in found.riskiest] == [8.0, 9.0, 10.0, 11.0]
    assert found.repairs == 15 and abs(found.by_trust["sure"].seconds - 0.15) < 1e-9
    assert audit(tables, 0).riskiest == [] and audit([], 5).repairs == 0


def test_the_same_stretch_of_several_channels_is_one_repair_with_its_least_figures() -> None:
    same = {"start": 7, "stop": 17}
    table = table_of(
        same | {"channel": 1, "expected_snr_db": 3.0, "trust": "guess"},
        same | {"channel": 0, "confidence": 0.5, "kind": "held"},
        {"start": 7, "stop": 18},
    )
    repairs = audit([table], 10).riskiest
    assert [(each.channels, each.stop) for each in repairs] == [((0, 1), 17), ((0,), 18)]
    assert (repairs[0].expected_snr_db, repairs[0].trust, repairs[0].confidence) == (3.0, "guess", 0.5)


def test_kinds_and_words_are_counted_by_rows_and_seconds() -> None:
    found = audit([table_of({"kind": "click"}, {"trust": "", "expected_snr_db": None}, {"kind": "click"})], 10)
    assert {kind: share.repairs for kind, share in found.by_kind.items()} == {"click": 2, "zeros": 1}
    assert {word: share.repairs for word, share in found.by_trust.items()} == {"sure": 2, "unknown": 1}
