"""Undoing of a restoration, whole or in part: the original samples are put back into its gaps."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from inpaint_ray import storage
from inpaint_ray.audio.checksums import SoundDigest, file_digest
from inpaint_ray.audio.decode import Recording, read_blocks
from inpaint_ray.audio.encode import Writer
from inpaint_ray.audio.tags import copy_tags
from inpaint_ray.errors import SOME_FAILED, AudioDecodeError, FileNameError, UnreadableError, UsageError
from inpaint_ray.ledger.claims import check_apart, claim, read_claim
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.names import one_line, printable
from inpaint_ray.restore.config import UndoConfig
from inpaint_ray.restore.decisions import Repair
from inpaint_ray.restore.difference import DifferenceWriter, Removed, removed_name
from inpaint_ray.restore.gap_table import TABLE_COLUMNS, TABLE_SCHEMA
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, ManifestRow, manifest_rows, read_manifest
from inpaint_ray.restore.replaced import put_back_some, read_replaced
from inpaint_ray.restore.selection import Selection, read_selection
from inpaint_ray.restore.undone import UNDONE, Undone
from inpaint_ray.terminal import say
from inpaint_ray.version import VERSION

FAILED = "failed: "  # begins what is said of a file that failed
NOTHING = "nothing"  # is said of a file in which nothing is chosen


def undo(config: UndoConfig) -> int:
    """Write the files, and return the exit code.

    A restored file that is a copy of its source, because no gap in it could be filled, comes back byte for byte. Of any
    other every sample is as the source has it, bit for bit; of a lossy source, as it decodes, to the 24 bits that its
    FLAC has, or exactly with `--output-format wav`. Container, tags and name are those of the restored file. Where
    repairs are chosen, all others stay as they are in the output, bit for bit.

    Raises:
        UsageError: there is no finished restoration, or no such file in it; or `--to` holds something else.
    """
    config = replace(config, output=storage.absolute(config.output), to=storage.absolute(config.to))
    check_apart("--to", config.to, "--output", config.output)
    selection = read_selection(config.only and storage.absolute(config.only), config.where, config.kind)
    found = read_manifest(config.output)
    if found is None:
        raise UsageError(f"--output {config.output}: no {MANIFEST} there; run the restoration again to make it")
    written = [row for row in manifest_rows(found[0]) if row.output]
    chosen = _choose(config, selection, written)
    check_apart("--to", config.to, "the restoration's input", read_claim(config.output, FOLDER)["input"])
    claim("--to", config.to, UNDONE, {"output": config.output})
    storage.delete_unfinished(config.to)  # of an undo that was killed
    num_failed = num_done = 0
    ledger = Ledger(config.output, FOLDER)
    names = {row.name for row in chosen}
    left = [row for row in written if row.name not in names]
    with Undone(config.to) as undone:
        for row in chosen:
            said = _try(partial(_undo_file, config, selection, ledger, row, undone))
            if said == NOTHING:
                left.append(row)
                continue
            num_failed += said.startswith(FAILED)
            num_done += not said.startswith(FAILED)
            say(f"  {printable(row.output)}" + (f": {said}" if said else ""))
        for row in left if config.all else ():
            if said := _try(partial(_copy, config, ledger, row, undone)):
                num_failed += 1
                say(f"  {printable(row.output)}: {said}")
    what = "as they came" if selection.is_all else "with the chosen repairs taken back"
    say(f"{num_done} files {what}, in {config.to}" + (f"; {num_failed} failed" if num_failed else ""))
    if left:
        say(_note_left(config, len(left)))
    return SOME_FAILED if num_failed else 0


def _choose(config: UndoConfig, selection: Selection, written: list[ManifestRow]) -> list[ManifestRow]:
    """Return the files in which any repair may be undone.

    Raises:
        UsageError: there is none, or decisions name a file that there is not.
    """
    unknown = set(selection.only or ()) - {row.name for row in written}
    if unknown:
        raise UsageError(f"--only {config.only}: no file named {printable(min(unknown))} in {config.output}")
    rows = [row for row in written if row.gaps and config.name in (None, row.name)]
    if not selection.is_all:
        rows = [row for row in rows if row.gap_rows and selection.may_choose(row.name)]
    if not rows:
        which = "nothing was filled" if config.name is None else f"nothing was filled in {config.name}"
        raise UsageError(f"--output {config.output}: {which}")
    return rows


def _note_left(config: UndoConfig, num_left: int) -> str:
    """Print notes on the files in which nothing was undone."""
    files = "1 other file" if num_left == 1 else f"{num_left} other files"
    if config.all:
        return f"{files}, in which nothing was taken back, copied from {config.output}"
    return f"{files}, in which nothing was taken back, not written here: see {config.output}; --all copies them, too"


def _try(act: Callable[[], str]) -> str:
    """Call a function on a file; returns its result, or the reason for which it failed."""
    try:
        return act()
    except FileNotFoundError:
        return f"{FAILED}is not in the output any more"
    except (AudioDecodeError, FileNameError, UnreadableError, PermissionError, ValueError) as error:
        return f"{FAILED}{one_line(str(error))}"


def _undo_file(config: UndoConfig, selection: Selection, ledger: Ledger, row: ManifestRow, undone: Undone) -> str:
    """Write one file with all repairs undone, or the chosen ones; returns NOTHING where that is none."""
    if row.headroom_db:
        raise ValueError(
            f"was lowered by {row.headroom_db:g} dB, which rounds its samples; restore it without --headroom-db"
        )
    gaps = pa.Table.from_pylist(list(read_replaced(ledger, row, TABLE_COLUMNS)) if row.gap_rows else [], TABLE_SCHEMA)
    chosen = None if selection.is_all else selection.choose(row.name, gaps)
    if chosen is not None and not chosen:
        return NOTHING
    target = storage.join(config.to, row.output)
    with _checked(config, row) as path, ExitStack() as stack:
        written = stack.enter_context(storage.output_path(target))
        if row.gap_rows == 0:
            shutil.copyfile(path, written)
            undone.add(_seal(row, written), gaps, None)
            return ""
        spool = None
        if chosen is not None and row.removed:
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inpaint-")), "removed")
        sound, removed = _write(path, written, ledger, row, chosen, spool)
        what = "all repairs" if chosen is None else f"{len(chosen)} of {row.gap_rows} repairs"
        copy_tags(path, written, treatment=f"inpaint_ray {VERSION}; {what} taken back")
        num_samples = sum(each.stop - each.start for each in chosen or ())
        new = replace(
            _seal(row, written),
            status="unchanged" if chosen is None else row.status,
            sound_sha256=sound,
            samples_replaced=row.samples_replaced - num_samples if chosen is not None else 0,
            undone=row.gap_rows if chosen is None else row.undone + len(chosen),
            removed="",
            removed_size=0,
            removed_sha256="",
        )
        if spool is not None and removed is not None:
            name = removed_name(f"{row.output}{removed.suffix}")
            new = replace(new, removed=name, removed_size=spool.stat().st_size, removed_sha256=file_digest(spool))
            storage.move_file(spool, storage.join(config.to, name))
    undone.add(new, gaps, chosen)
    return "" if chosen is None else f"{len(chosen)} of {row.gap_rows} repairs taken back"


def _write(
    path: Path, written: Path, ledger: Ledger, row: ManifestRow, chosen: set[Repair] | None, removed: Path | None
) -> tuple[str, Removed | None]:
    """Write a restored file with chosen repairs undone, and, on request, the difference that remains."""
    sound = SoundDigest()

    def pairs() -> Iterator[tuple[Recording, Recording]]:
        with closing(read_blocks(path)) as blocks:
            yield from put_back_some(blocks, read_replaced(ledger, row), chosen)

    with ExitStack() as stack:
        output = stack.enter_context(Writer(written))
        difference = None if removed is None else stack.enter_context(DifferenceWriter(removed))
        for some, whole in pairs():
            restored = some if difference is None else difference.add(whole, some)
            output.write(restored)
            sound.add(restored)
    if difference is None:
        return sound.hex(), None
    return sound.hex(), difference.finish((whole for _, whole in pairs()), read_blocks(written))


def _copy(config: UndoConfig, ledger: Ledger, row: ManifestRow, undone: Undone) -> str:
    """Copy a file of the output, and its difference."""
    with _checked(config, row) as path:
        storage.put_file(path, storage.join(config.to, row.output))
    if row.removed:
        with storage.local_file(storage.join(config.output, row.removed)) as path:
            storage.put_file(path, storage.join(config.to, row.removed))
    gaps = list(read_replaced(ledger, row, TABLE_COLUMNS)) if row.gap_rows else []
    undone.add(row, pa.Table.from_pylist(gaps, TABLE_SCHEMA), set())
    return ""


@contextmanager
def _checked(config: UndoConfig, row: ManifestRow) -> Iterator[Path]:
    """Give a local path of a file of the output, checked by its digest.

    Raises:
        ValueError: it differs from what the restoration wrote.
    """
    with storage.local_file(storage.join(config.output, row.output)) as path:
        if file_digest(path) != row.sha256:
            raise ValueError("differs from what the restoration wrote; run the restoration again first")
        yield path


def _seal(row: ManifestRow, written: Path) -> ManifestRow:
    return replace(row, output_size=written.stat().st_size, sha256=file_digest(written))
