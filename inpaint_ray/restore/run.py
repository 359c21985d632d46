"""A whole restoration: files without a record are restored over the cluster; manifest and report follow.

A file's place and name in the output follow from its own alone, so work that a dying actor repeats changes nothing.
"""

import posixpath
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import pyarrow as pa

from inpaint_ray import storage
from inpaint_ray.checkpoints import absolute_checkpoint, identify, open_checkpoint
from inpaint_ray.errors import SOME_FAILED, UsageError
from inpaint_ray.filling.waveform import NEEDS_MODEL
from inpaint_ray.ledger.claims import check_apart, held, holds
from inpaint_ray.ledger.items import Chosen, digest
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.names import printable
from inpaint_ray.progress import format_duration
from inpaint_ray.restore import bag
from inpaint_ray.restore.archive import SourceFile, list_archive, source_files
from inpaint_ray.restore.config import AUTO, BESIDE, RestoreConfig
from inpaint_ray.restore.decisions import Decided, check_names, read_decisions
from inpaint_ray.restore.dry_run import dry_run
from inpaint_ray.restore.gap_table import GAPS, write_gaps
from inpaint_ray.restore.manifest import (
    FOLDER,
    ManifestRow,
    make_rows,
    manifest_rows,
    read_manifest,
    rows_table,
    write_manifest,
)
from inpaint_ray.restore.marks import Marks, read_marks
from inpaint_ray.restore.premis import PREMIS, to_premis
from inpaint_ray.restore.report import REPORT, write_report
from inpaint_ray.restore.restorer import Restorer
from inpaint_ray.restore.summary import SUMMARY, WOULD_BE, failures_to_text, summarise
from inpaint_ray.storage import StoredFile
from inpaint_ray.terminal import say

AddCopies = Callable[[Any, Iterator[SourceFile]], Iterable[SourceFile]]  # takes the configuration as it was given


def restore(config: RestoreConfig, *, work: type[Restorer] = Restorer, add_copies: AddCopies | None = None) -> int:
    """Restore the archive, write the manifest and the report, print a summary, and return the exit code.

    Args:
        config: of the run.
        work: of the actors.
        add_copies: adds to each file of the archive its other copies.

    Raises:
        UsageError: the input or output cannot be used.
        CheckpointError: the checkpoint cannot be read.
    """
    started = time.monotonic()
    config = _absolute(config)
    check_apart("--output", config.output, "--input", config.input)
    named = config.checkpoint if config.checkpoint != AUTO else None
    model = identify(open_checkpoint(named, tta=config.tta)) if named else config.checkpoint or ""
    files = list_archive(config)
    _check_files(config, files)
    marks = None if config.gaps == AUTO else read_marks(config, files)
    decided = _decisions(config, files)
    sources = source_files(config, files, model=model, marks=marks, decided=decided)
    if add_copies is not None and not config.dry_run:
        sources = iter(add_copies(config, sources))
    if config.dry_run:
        return _print_dry_run(config, dry_run(config, list(sources), model), marks, started)

    ledger = Ledger(config.output, FOLDER)
    ledger.claim("--output", {"input": config.input})
    past = ledger.read(_check_folders(config, storage.list_files(config.output)))
    todo, done = past.split(sources, retry_failed=config.retry_failed)
    proof, present = config.proof, past.outputs.keys()
    wanted = {GAPS, REPORT, SUMMARY, *((PREMIS,) if proof.premis else ()), *(bag.FILES if proof.bag else ())}
    views = wanted <= present
    if not proof.bag:
        bag.delete_bag(config.output, present)
    if not todo and views and (table := _standing(config, digest(done, _view_settings(config, marks)))) is not None:
        _print_summary(table)
        say(f"{config.output} is complete already; nothing to do")
        return _exit_code(table)
    del past, present  # of all files
    already = f", {len(files) - len(todo)} done already" if len(todo) < len(files) else ""
    say(f"restore  {len(todo)} of {len(files)} files{already}, method {config.method}, to {config.output}")
    fresh = ledger.run(
        todo,
        work,
        verb="restore",
        unit="files",
        actors=config.actors,
        memory_gib=work.memory_gib,
        config=config,
        model=model,
    )
    table = _make_views(config, ledger, done | fresh, marks, started)
    _print_summary(table)
    say(f"restored to {config.output} in {format_duration(time.monotonic() - started)}")
    say(f"report: {storage.join(config.output, REPORT)}")
    return _exit_code(table)


def _make_views(config: RestoreConfig, ledger: Ledger, chosen: Chosen, marks: Marks | None, started: float) -> pa.Table:
    """Write the gap table, the report, the summary and, last, the manifest; returns the manifest."""
    _withdraw(config.output)
    table = pa.concat_tables([*ledger.tables(chosen, make_rows), _unmatched(config, marks)]).sort_by("name")
    write_gaps(ledger, table)
    write_report(config, ledger, table, wall_s=time.monotonic() - started)
    if config.proof.premis:
        storage.write_bytes(storage.join(config.output, PREMIS), to_premis(config, manifest_rows(table)))
    if config.proof.bag:
        bag.write_bag(config.output, manifest_rows(table))
    write_manifest(config.output, table, digest(chosen, _view_settings(config, marks)))
    return table


def _view_settings(config: RestoreConfig, marks: Marks | None) -> object:
    """Return the settings of views that the records do not hold."""
    return [marks and marks.unmatched, config.report_excerpts, asdict(config.transfer)]


def _withdraw(output: str) -> None:
    """Remove the digest from the manifest, which undo may need, while the views are made anew."""
    with suppress(UsageError):  # a damaged one stands for nothing
        if (found := read_manifest(output)) is not None:
            write_manifest(output, found[0], "")


def _standing(config: RestoreConfig, state: str) -> pa.Table | None:
    """Return the manifest in the output if a new one would have the same digest."""
    found = read_manifest(config.output)
    return found[0] if found is not None and found[1] == state else None


def _print_dry_run(config: RestoreConfig, rows: pa.Table, marks: Marks | None, started: float) -> int:
    """Print the results of a dry run, and return the exit code."""
    table = pa.concat_tables([rows, _unmatched(config, marks)]).sort_by("name")
    files = manifest_rows(table)
    width = max(len(printable(row.name)) for row in files)
    for row in files:
        word = WOULD_BE[row.status]
        figures = f"{row.gaps:>6} gaps  {row.filled_s:>9.3f} s to fill  longest {row.longest_gap_s:.3f} s"
        say(f"  {printable(row.name):<{width}}  {word:<22}  {figures}  {row.error}".rstrip())
    _print_summary(table, dry=True)
    marked = sum(row.gaps > 0 for row in files)
    took = format_duration(time.monotonic() - started)
    say(f"dry run: {marked} label tracks in {config.output}, nothing restored; {took}")
    return _exit_code(table)


def _absolute(config: RestoreConfig) -> RestoreConfig:
    """Return the configuration with places that mean the same in every process of the cluster."""
    return replace(
        config,
        input=storage.absolute(config.input),
        output=storage.absolute(config.output),
        gaps=config.gaps if config.gaps in (AUTO, BESIDE) else storage.absolute(config.gaps),
        checkpoint=config.checkpoint if config.checkpoint == AUTO else absolute_checkpoint(config.checkpoint),
        proof=replace(config.proof, decisions=config.proof.decisions and storage.absolute(config.proof.decisions)),
    )


def _decisions(config: RestoreConfig, files: list[StoredFile]) -> dict[str, Decided]:
    """Read what people decided of repairs.

    Raises:
        UsageError: a file or method that is named cannot be used.
    """
    uri = config.proof.decisions
    if uri is None:
        return {}
    decided = read_decisions("--decisions", uri)
    check_names("--decisions", uri, decided, {file.name for file in files}, config.input)
    methods = {decision for each in decided.values() for decision in each.values()}
    needing = sorted(methods.intersection(NEEDS_MODEL))
    if needing and config.checkpoint is None:
        raise UsageError(f"--decisions {uri} names the method {needing[0]}, which needs --checkpoint")
    return decided


def _check_files(config: RestoreConfig, files: list[StoredFile]) -> None:
    """Check that no file of the archive lies in the output, by a list or a link: it could be overwritten.

    Raises:
        UsageError: one does.
    """
    inside = held(config.output, files)
    if inside is not None:
        raise UsageError(f"--output {config.output} holds {inside.name} of --input; give a separate output folder")


def _check_folders(config: RestoreConfig, files: Iterable[StoredFile]) -> Iterator[StoredFile]:
    """Yield the files of the output, none of a folder that is a link into the archive.

    Raises:
        UsageError: one is.
    """
    seen = set()
    for file in files:
        folder = posixpath.dirname(file.uri)
        if folder not in seen and holds(config.input, folder):
            raise UsageError(f"--output {config.output}: {folder} leads into --input {config.input}; remove that link")
        seen.add(folder)
        yield file


def _unmatched(config: RestoreConfig, marks: Marks | None) -> pa.Table:
    """Return a row for marks that belong to no file: named like failed files, and looked for again by the next run."""
    found = {} if marks is None else marks.unmatched
    rows = [
        ManifestRow(name=name, source_size=0, method=config.method, settings="", error=reason)
        for name, reason in found.items()
    ]
    return rows_table(map(asdict, rows))


def _print_summary(table: pa.Table, *, dry: bool = False) -> None:
    say(summarise(table).to_text(dry=dry))
    if not dry and (failures := failures_to_text(table)):  # a dry run has said them
        say(failures)


def _exit_code(table: pa.Table) -> int:
    return SOME_FAILED if summarise(table).counts["failed"] else 0
