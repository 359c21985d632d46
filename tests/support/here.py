"""Batch jobs without Ray: the same blocks, one after the other in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pyarrow as pa


def spread(
    rows: list[dict[str, Any]], work: Any, *, fn_constructor_kwargs: dict[str, Any] | None = None, **how: object
) -> Iterator[dict[str, Any]]:
    act = work(**(fn_constructor_kwargs or {})) if isinstance(work, type) else work
    for row in rows:
        yield _as_carried(act(_as_carried(row)))


def spread_tables(rows: list[dict[str, Any]], work: Any) -> Iterator[pa.Table]:
    for row in rows:
        yield work(pa.Table.from_pylist([row]))


@contextmanager
def here() -> Iterator[None]:
    """Let what is spread over a cluster run in this process."""
    with (
        patch("inpaint_ray.ledger.ledger.spread", spread),
        patch("inpaint_ray.ledger.ledger.spread_tables", spread_tables),
        patch("inpaint_ray.restore.dry_run.spread", spread),
        patch("inpaint_ray.restore.report.spread", spread),
        patch("inpaint_ray.evaluate.audio.run.spread", spread),
        patch("inpaint_ray.prepare.run.spread", spread),
        patch("inpaint_ray.prepare.run.spread_tables", spread_tables),
    ):
        yield


def _as_carried(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as Ray Data carries it."""
    return dict(pa.Table.from_pylist([row]).to_pylist()[0])
