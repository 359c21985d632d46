"""A whole restoration: Ray Data over the files of an archive with a pool of actors, then the manifest and the report.

A file's place and name in the output follow from its own alone, so work that a dying actor repeats changes nothing.
"""

import json
import os
import time
from dataclasses import asdict, replace
from typing import Any, cast

import ray.data

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint, open_checkpoint
from inpaint_ray.errors import UsageError
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.restore.archive import SourceFile, identify, list_archive, plan
from inpaint_ray.restore.config import AUTO, BESIDE, RestoreConfig
from inpaint_ray.restore.excerpts import drop_excerpts, keep_excerpts
from inpaint_ray.restore.gap_table import merge_gaps
from inpaint_ray.restore.manifest import FOLDER, ManifestRow, read_manifest, read_rows, write_manifest
from inpaint_ray.restore.report import REPORT, STATUSES, most_repaired, write_report
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.storage import StoredFile
from inpaint_ray.version import VERSION

RUN = f"{FOLDER}/run.json"  # whose archive it is; written before any output
MOST_BLOCKS = 2000  # of the data set; one file each up to that many
MEMORY_GIB = 0.5  # of an actor: benchmarks.restore
MOST_LINES = 20  # of failed files, printed
SOME_FAILED = 3  # exit code


def restore(config: RestoreConfig) -> int:
    """Restore the archive, write the manifest and the report, print what became of it, and give the exit code.

    Raises:
        UsageError: the input or output cannot be used.
        CheckpointError: the checkpoint cannot be read.
    """
    started = time.monotonic()
    config = _absolute(config)
    _check_places(config)
    model = identify(open_checkpoint(config.checkpoint) if config.checkpoint else None)
    files = list_archive(config)
    _check_files(config, files)
    if config.dry_run:
        todo, _ = plan(config, files, model=model, earlier={}, present={})
        rows = _run(config, todo)
        _print_gaps(rows)
        _print_summary(rows, dry=True)
        marked = sum(row.gaps > 0 for row in rows)
        print(f"nothing was restored; {marked} label tracks in {config.output}", end="")
        print(f"; {format_duration(time.monotonic() - started)}")
        return _exit_code(rows)

    _claim_output(config)
    manifest, unmerged = read_manifest(config.output), read_rows(config.output)
    earlier = {row.name: row for row in [*(manifest or []), *unmerged]}
    storage.delete_unfinished(config.output)  # of a run that was killed
    present = {file.name: file.size for file in storage.list_files(config.output)}
    todo, done = plan(config, files, model=model, earlier=earlier, present=present)
    if not todo and not unmerged and manifest is not None and len(manifest) == len(done):
        _print_summary(done)
        print(f"{config.output} has all of this already; nothing to do")
        return _exit_code(done)
    already = f", {len(done)} done already" if done else ""
    print(
        f"restore  {len(todo)} of {len(files)} files{already}, method {config.method}, to {config.output}", flush=True
    )
    fresh = _run(config, todo, shown=most_repaired(done))
    storage.delete_unfinished(config.output)  # of nodes that died
    rows = done + fresh
    merge_gaps(config.output, rows, {row.name for row in [*unmerged, *fresh]})
    write_manifest(config.output, rows)
    keep_excerpts(config.output, most_repaired(rows))
    write_report(config, rows, wall_s=time.monotonic() - started)
    _print_summary(rows)
    print(f"restored to {config.output} in {format_duration(time.monotonic() - started)}")
    print(f"report: {storage.join(config.output, REPORT)}")
    return _exit_code(rows)


def _run(config: RestoreConfig, todo: list[SourceFile], shown: list[ManifestRow] | None = None) -> list[ManifestRow]:
    """All files that are left, over the cluster; excerpts that the report will not show go as soon as that is known."""
    if not todo:
        return []
    num_blocks = min(len(todo), MOST_BLOCKS)
    dealt = [source for first in range(num_blocks) for source in todo[first::num_blocks]]  # large files to all blocks
    rows = ray.data.from_items([asdict(source) for source in dealt], override_num_blocks=num_blocks)
    restored = rows.map(
        cast(Any, Restorer),
        fn_constructor_kwargs={"config": config},
        **config.actors.pool(len(todo), memory_gib=MEMORY_GIB),
    )
    progress = Progress("look" if config.dry_run else "restore", len(todo), "files")
    result: list[ManifestRow] = []
    shown, num_failed = shown or [], 0
    for values in restored.iter_rows():
        row = ManifestRow(**values)
        result.append(row)
        if row.samples_replaced and not config.dry_run:
            candidates, shown = [*shown, row], most_repaired([*shown, row])
            drop_excerpts(config.output, [other for other in candidates if other not in shown])
        num_failed += row.status == "failed"
        progress.add(1, f"{num_failed} failed" if num_failed else "")
    return result


def _absolute(config: RestoreConfig) -> RestoreConfig:
    """The same in every process of the cluster."""
    return replace(
        config,
        input=storage.absolute(config.input),
        output=storage.absolute(config.output),
        gaps=config.gaps if config.gaps in (AUTO, BESIDE) else storage.absolute(config.gaps),
        checkpoint=absolute_checkpoint(config.checkpoint),
    )


def _check_places(config: RestoreConfig) -> None:
    """Neither folder may hold the other: a restoration must never write over its source.

    Raises:
        UsageError: it could.
    """
    source, target = (
        (os.path.realpath(uri) if storage.is_local(uri) else uri).rstrip("/") + "/"
        for uri in (config.input, config.output)
    )
    if target.startswith(source) or source.startswith(target):
        raise UsageError(
            f"--output {config.output} and --input {config.input} lie in each other; give an output folder apart"
        )


def _check_files(config: RestoreConfig, files: list[StoredFile]) -> None:
    """No file of a list may lie in the output: it could be written over.

    Raises:
        UsageError: one does.
    """
    inside = next((file for file in files if file.uri.startswith(f"{config.output}/")), None)
    if inside is not None:
        raise UsageError(f"--output {config.output} holds {inside.name} of --input; give an output folder apart")


def _claim_output(config: RestoreConfig) -> None:
    """Mark the output as this archive's.

    Raises:
        UsageError: it holds another archive's restoration, or something else.
    """
    uri = storage.join(config.output, RUN)
    try:
        claimed = json.loads(storage.read_bytes(uri))["input"]
    except FileNotFoundError:
        foreign = next((file.name for file in storage.list_files(config.output)), None)
        if foreign is not None:
            raise UsageError(
                f"--output {config.output} holds something else ({foreign}); give an empty or new folder"
            ) from None
        record = {"input": config.input, "inpaint_ray": VERSION}
        storage.write_bytes(uri, (json.dumps(record, indent=2) + "\n").encode())
        return
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{uri}: damaged; give a new --output, or delete that folder") from error
    if claimed != config.input:
        raise UsageError(f"--output {config.output} holds the restoration of {claimed}; give another folder")


def _print_gaps(rows: list[ManifestRow]) -> None:
    width = max(len(row.name) for row in rows)
    for row in sorted(rows, key=lambda row: row.name):
        figures = f"{row.gaps:>6} gaps  {row.filled_s:>9.3f} s to fill  longest {row.longest_gap_s:.3f} s"
        print(f"  {row.name:<{width}}  {row.status:<9}  {figures}  {row.error}".rstrip())


def _print_summary(rows: list[ManifestRow], *, dry: bool = False) -> None:
    counts = ", ".join(f"{sum(row.status == status for row in rows)} {status}" for status in STATUSES)
    gaps, filled_s = sum(row.gaps for row in rows), sum(row.filled_s for row in rows)
    print(f"{len(rows)} files{' would be' if dry else ''}: {counts}")
    whole = format_duration(sum(row.seconds for row in rows))
    print(f"{gaps} gaps, {filled_s:.2f}s {'to fill' if dry else 'filled'} in {whole} of audio")
    failed = sorted((row for row in rows if row.status == "failed"), key=lambda row: row.name)
    for row in failed[:MOST_LINES]:
        print(f"  failed  {row.name}: {row.error}")
    if len(failed) > MOST_LINES:
        print(f"  and {len(failed) - MOST_LINES} more; the manifest has all")


def _exit_code(rows: list[ManifestRow]) -> int:
    return SOME_FAILED if any(row.status == "failed" for row in rows) else 0
