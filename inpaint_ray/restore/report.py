"""The report of a restoration, OUTPUT/_restore/report.html and summary.json, with the least certain repairs."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray import storage
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord
from inpaint_ray.ledger.spread import spread
from inpaint_ray.restore.audit import Repair, read_audit
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import cut_excerpts
from inpaint_ray.restore.manifest import FOLDER
from inpaint_ray.restore.page import make_page
from inpaint_ray.restore.summary import SUMMARY, judge_files, summarise, to_json

REPORT = f"{FOLDER}/report.html"
MOST_REPAIRS = 10_000  # rows of the gap table on the page
MOST_BYTES = 2**25  # of excerpts on the page
CANNOT_CUT = (FileNotFoundError, PermissionError, UnreadableError, AudioDecodeError, DamagedRecord)


def write_report(config: RestoreConfig, ledger: Ledger, table: pa.Table, *, wall_s: float) -> None:
    """Write the page and the summary.

    Args:
        config: of the run.
        ledger: of the restoration, whose gap table is there.
        table: the manifest.
        wall_s: seconds that this run took.
    """
    audit = read_audit(config.output, MOST_REPAIRS)
    summary, verdicts = summarise(table), judge_files(table, config.transfer)
    excerpts = _cut_excerpts(ledger, table, audit.riskiest[: config.report_excerpts])
    page = make_page(config, table, summary, audit, verdicts, excerpts, wall_s=wall_s)
    storage.write_bytes(storage.join(config.output, REPORT), page.encode("utf-8", "replace"))
    storage.write_bytes(storage.join(config.output, SUMMARY), to_json(config, summary, audit, verdicts).encode())


def _cut_excerpts(ledger: Ledger, table: pa.Table, repairs: Sequence[Repair]) -> dict[int, dict[str, Any]]:
    """Cut the excerpts of repairs, over the cluster where the output is in a bucket: number -> the page's JSON."""
    numbers: dict[str, list[int]] = defaultdict(list)  # name of a file -> its repairs
    for number, repair in enumerate(repairs):
        numbers[repair.name].append(number)
    chosen = table.select(["name", "output", "record"]).filter(pc.is_in(table["name"], pa.array(numbers, pa.string())))
    wanted = []
    for row in chosen.to_pylist():
        of_file = [repairs[number] for number in numbers[row["name"]]]
        wanted.append(row | {"places": json.dumps([[each.channels, each.start, each.stop] for each in of_file])})
    cut = partial(_cut_file, ledger)
    made: dict[int, dict[str, Any]] = {}
    for each in map(cut, wanted) if storage.is_local(ledger.output) else spread(wanted, cut):
        made |= dict(zip(numbers[each["name"]], map(json.loads, each["excerpts"]), strict=False))
    kept, num_bytes = {}, 0
    for number, excerpt in sorted(made.items()):
        num_bytes += len(excerpt["flac"]) + sum(len(patch[2]) for patch in excerpt["patches"])
        if num_bytes > MOST_BYTES:
            break
        kept[number] = excerpt
    return kept


def _cut_file(ledger: Ledger, wanted: dict[str, str]) -> dict[str, Any]:
    """Cut the excerpts of a file, each as JSON; none where the file cannot be read; runs in a task."""
    try:
        made = cut_excerpts(ledger, wanted["name"], wanted["output"], wanted["record"], json.loads(wanted["places"]))
    except CANNOT_CUT:
        made = []
    return {"name": wanted["name"], "excerpts": [json.dumps(asdict(each)) for each in made]}
