"""Work on rows over the cluster: Ray Data with one block a row, off the nodes reserved for GPU work."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from inpaint_ray.cluster import start_ray
from inpaint_ray.ledger.placement import place


def spread(rows: list[dict[str, Any]], work: Any, *, use_gpu: bool = False, **how: Any) -> Iterator[dict[str, Any]]:
    """Call `work` on each row, somewhere in the cluster, and yield the results as they come.

    Args:
        rows: of values that Arrow knows.
        work: a function, or a class whose instances are actors.
        use_gpu: each actor has a GPU.
        how: arguments of `Dataset.map`, such as those that `Actors.pool` gives.
    """
    if rows:
        start_ray()
        import ray.data

        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map(work, **how)
        del rows  # which may be large, and are in Ray's object store by now
        yield from place(done, use_gpu=use_gpu).iter_rows()


def spread_tables(rows: list[dict[str, Any]], work: Any) -> Iterator[pa.Table]:
    """Call `work` on tables of one row each, and yield the resulting tables in the order of the rows."""
    if rows:
        start_ray()
        import ray.data

        done = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            work, batch_format="pyarrow", batch_size=None, zero_copy_batch=True
        )
        done.context.execution_options.preserve_order = True
        yield from place(done).iter_batches(batch_format="pyarrow", batch_size=None)
