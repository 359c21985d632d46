"""The audit of an archive's repairs: their numbers, and the least certain of them; from the gap table."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inpaint_ray import storage
from inpaint_ray.filling.expectation import LIKELY_DB
from inpaint_ray.restore.gap_table import GAPS

COLUMNS = ["name", "channel", "start", "stop", "kind", "confidence", "start_s", "seconds", "method", "expected_snr_db"]
COLUMNS += ["trust", "level_before_db", "level_after_db"]
UNKNOWN_DB = LIKELY_DB  # in the order, where nothing tells the SNR of a fill: between the guesses and the rest
UNKNOWN = "unknown"  # in a word
ORDER = [("order_db", "ascending"), ("confidence", "ascending"), ("seconds", "descending")]
ORDER += [("name", "ascending"), ("start", "ascending"), ("channel", "ascending")]


@dataclass(frozen=True, kw_only=True)
class Repair:
    """A repaired stretch: a row of the gap table, or those of several channels with the same start and stop."""

    name: str
    channels: tuple[int, ...]
    start: int  # samples
    stop: int  # one past the last
    kind: str
    confidence: float  # the least
    start_s: float
    seconds: float
    method: str
    expected_snr_db: float | None  # the least
    trust: str
    level_before_db: float
    level_after_db: float


@dataclass
class Share:
    """The number and length of a part of all repairs."""

    repairs: int = 0  # rows of the gap table
    seconds: float = 0.0  # of single channels


@dataclass
class Audit:
    """The numbers of all repairs, and the least certain of them."""

    by_trust: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    by_kind: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    riskiest: list[Repair] = field(default_factory=list)

    @property
    def repairs(self) -> int:
        return sum(share.repairs for share in self.by_trust.values())


def read_audit(output: str, most: int) -> Audit:
    """Read the gap table of a restoration, a row group at a time.

    Args:
        output: of the restoration.
        most: rows of the table that `riskiest` is made of.
    """
    uri = storage.join(output, GAPS)
    filesystem, path = storage.locate(uri)
    with filesystem.open_input_file(path) as stream, pq.ParquetFile(stream) as file:
        return audit((file.read_row_group(group, COLUMNS) for group in range(file.num_row_groups)), most)


def audit(tables: Iterable[pa.Table], most: int) -> Audit:
    """Sum up tables of gaps, and keep the least certain rows.

    A fill is the less certain the lower its expected SNR; where nothing tells that, 4 dB stand in for it. Of equals,
    the damage that is the less surely real comes first, then the longer one.
    """
    result = Audit()
    kept = pa.schema([]).empty_table()
    for table in tables:
        table = table.select(COLUMNS)
        for column, shares in (("trust", result.by_trust), ("kind", result.by_kind)):
            for row in table.group_by(column).aggregate([("seconds", "sum"), ("seconds", "count")]).to_pylist():
                share = shares[row[column] or UNKNOWN]
                share.repairs += row["seconds_count"]
                share.seconds += row["seconds_sum"]
        table = table.append_column("order_db", pc.fill_null(table["expected_snr_db"], UNKNOWN_DB))
        if len(kept) == most and most:
            table = table.filter(pc.less_equal(table["order_db"], kept["order_db"][-1]))
        if len(table):
            joined = pa.concat_tables([kept, table]) if len(kept) else table
            kept = joined.sort_by(ORDER).slice(0, most)
    result.riskiest = list(_join_channels(kept))
    return result


def _join_channels(table: pa.Table) -> Iterator[Repair]:
    """Yield one repair of the rows that are the same stretch of several channels, in the place of the first."""
    stretches: dict[tuple[str, int, int], list[dict]] = defaultdict(list)
    for row in table.to_pylist():
        stretches[row["name"], row["start"], row["stop"]].append(row)
    for rows in stretches.values():
        first = {name: value for name, value in rows[0].items() if name not in ("channel", "order_db")}
        least = min(row["confidence"] for row in rows)
        yield Repair(**first | {"channels": tuple(sorted(row["channel"] for row in rows)), "confidence": least})
