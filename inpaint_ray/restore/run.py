"""A whole restoration: Ray Data over the files of an archive with a pool of actors, then the manifest and the report.

A file's place and name in the output follow from its own alone, so work that a dying actor repeats changes nothing.
"""

import posixpath
import time
from dataclasses import asdict, replace
from typing import Any, cast

import ray.data

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint, open_checkpoint
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.placement import place
from inpaint_ray.names import printable
from inpaint_ray.progress import Progress, format_duration
from inpaint_ray.restore.archive import SourceFile, identify, list_archive, plan
from inpaint_ray.restore.config import AUTO, BESIDE, RestoreConfig
from inpaint_ray.restore.excerpts import drop_excerpts, keep_excerpts
from inpaint_ray.restore.gap_table import merge_gaps
from inpaint_ray.restore.manifest import RUN, ManifestRow, delete_rows, read_manifest, read_rows, write_manifest
from inpaint_ray.restore.marks import read_marks
from inpaint_ray.restore.places import check_apart, claim, holds
from inpaint_ray.restore.report import REPORT, STATUSES, most_repaired, write_report
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.storage import StoredFile

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
    check_apart("--output", config.output, "--input", config.input)
    model = identify(open_checkpoint(config.checkpoint) if config.checkpoint else None)
    files = list_archive(config)
    _check_files(config, files)
    marks = None if config.gaps == AUTO else read_marks(config, files)
    unmatched = [_unmatched_row(config, *each) for each in marks.unmatched.items()] if marks else []
    if config.dry_run:
        todo, _ = plan(config, files, model=model, marks=marks, earlier={}, present={})
        rows = _run(config, todo) + unmatched
        _print_gaps(rows)
        _print_summary(rows, dry=True)
        marked = sum(row.gaps > 0 for row in rows)
        print(f"nothing was restored; {marked} label tracks in {config.output}", end="")
        print(f"; {format_duration(time.monotonic() - started)}")
        return _exit_code(rows)

    claim("--output", config.output, RUN, "input", config.input)
    manifest, unmerged = read_manifest(config.output), read_rows(config.output)
    earlier = {row.name: row for row in [*(manifest or []), *unmerged]}
    storage.delete_unfinished(config.output)  # of a run that was killed
    listed = list(storage.list_files(config.output))
    _check_folders(config, listed)
    present = {file.name: file.size for file in listed}
    todo, done = plan(config, files, model=model, marks=marks, earlier=earlier, present=present)
    known = done + unmatched
    if not todo and not unmerged and manifest is not None and {*manifest} == {*known}:
        delete_rows(config.output)  # of a run that was killed while it did so
        _print_summary(known)
        print(f"{config.output} has all of this already; nothing to do")
        return _exit_code(known)
    already = f", {len(done)} done already" if done else ""
    print(
        f"restore  {len(todo)} of {len(files)} files{already}, method {config.method}, to {config.output}", flush=True
    )
    fresh = _run(config, todo, shown=most_repaired(done))
    storage.delete_unfinished(config.output)  # of nodes that died
    standing = {row.name: row for row in earlier.values() if present.get(row.output) == row.output_size}
    rows = known + [_keep_earlier(row, standing.get(row.name)) for row in fresh]
    written = {row.name for row in fresh if row.status != "failed"}
    merge_gaps(config.output, rows, {row.name for row in unmerged} | written)
    keep_excerpts(config.output, most_repaired(rows))
    write_report(config, rows, wall_s=time.monotonic() - started)
    write_manifest(config.output, rows)  # after all that it stands for
    delete_rows(config.output)
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
    for values in place(restored, use_gpu=config.actors.use_gpu).iter_rows():
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


def _check_files(config: RestoreConfig, files: list[StoredFile]) -> None:
    """Check that no file of the archive lies in the output, by a list or a link: it could be written over.

    Raises:
        UsageError: one does.
    """
    inside = next((file for file in files if holds(config.output, file.uri)), None)
    if inside is not None:
        raise UsageError(f"--output {config.output} holds {inside.name} of --input; give an output folder apart")


def _check_folders(config: RestoreConfig, files: list[StoredFile]) -> None:
    """Check that no folder of the output is a link into the archive.

    Raises:
        UsageError: one is.
    """
    for folder in sorted({posixpath.dirname(file.uri) for file in files}):
        if holds(config.input, folder):
            raise UsageError(f"--output {config.output}: {folder} leads into --input {config.input}; remove that link")


def _keep_earlier(row: ManifestRow, before: ManifestRow | None) -> ManifestRow:
    """The row of a file, with what an earlier run made of it where this one failed: that still stands."""
    if row.status != "failed" or before is None or not before.output:
        return row
    error = f"{row.error}; the earlier result still stands"
    source = {name: getattr(row, name) for name in ("source_size", "source_etag", "settings")}
    return replace(before, status="failed", error=error, **source)


def _unmatched_row(config: RestoreConfig, name: str, reason: str) -> ManifestRow:
    """The row of marks that belong to no file: named like failed files, and looked for again by the next run."""
    return ManifestRow(name=name, source_size=0, method=config.method, settings="", error=reason)


def _print_gaps(rows: list[ManifestRow]) -> None:
    width = max(len(printable(row.name)) for row in rows)
    for row in sorted(rows, key=lambda row: row.name):
        figures = f"{row.gaps:>6} gaps  {row.filled_s:>9.3f} s to fill  longest {row.longest_gap_s:.3f} s"
        print(f"  {printable(row.name):<{width}}  {row.status:<9}  {figures}  {row.error}".rstrip())


def _print_summary(rows: list[ManifestRow], *, dry: bool = False) -> None:
    counts = ", ".join(f"{sum(row.status == status for row in rows)} {status}" for status in STATUSES)
    gaps, filled_s = sum(row.gaps for row in rows), sum(row.filled_s for row in rows)
    print(f"{len(rows)} files{' would be' if dry else ''}: {counts}")
    whole = format_duration(sum(row.seconds for row in rows))
    print(f"{gaps} gaps, {filled_s:.2f}s {'to fill' if dry else 'filled'} in {whole} of audio")
    failed = sorted((row for row in rows if row.status == "failed"), key=lambda row: row.name)
    for row in failed[:MOST_LINES]:
        print(f"  failed  {printable(row.name)}: {row.error}")
    if len(failed) > MOST_LINES:
        print(f"  and {len(failed) - MOST_LINES} more; the manifest has all")


def _exit_code(rows: list[ManifestRow]) -> int:
    return SOME_FAILED if any(row.status == "failed" for row in rows) else 0
