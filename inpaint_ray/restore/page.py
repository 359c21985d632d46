"""The text of the report page: one self-contained file with data, sounds and script.

Names of files are hostile: Jinja escapes them in the page, its `tojson` in the data, and a policy lets no script run
but the page's own.
"""

import base64
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from inpaint_ray.filling.waveform import METHODS, NEEDS_MODEL
from inpaint_ray.names import printable
from inpaint_ray.pages.templates import render
from inpaint_ray.progress import format_duration
from inpaint_ray.restore.archive import fingerprint
from inpaint_ray.restore.audit import UNKNOWN, Audit, Repair
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.summary import STATUSES, WORDS, Summary, Verdicts, first_rows
from inpaint_ray.restore.verdict import Losses, judge

MOST_ROWS = 1_000  # of a table of files; manifest and summary have all
SCRIPTS = ("sounds", "player", "strips", "pictures", "decisions", "filters", "repairs", "main")
COLUMNS = ["file", "channels", "start", "stop", "kind", "confidence", "startS", "seconds", "method", "snrDb", "trust"]
COLUMNS += ["beforeDb", "afterDb", "excerpt"]  # as the script names them


def make_page(
    config: RestoreConfig,
    table: pa.Table,
    summary: Summary,
    audit: Audit,
    verdicts: Verdicts,
    excerpts: Mapping[int, Mapping[str, Any]],
    *,
    wall_s: float,
) -> str:
    """Return the page.

    Args:
        config: of the run.
        table: the manifest.
        summary: of it.
        audit: of the gap table.
        verdicts: on the files.
        excerpts: number of a repair in `audit.riskiest` -> what is played of it.
        wall_s: seconds that the run took.
    """
    script = "".join(["'use strict';\n", *(_asset(f"{name}.js") for name in SCRIPTS)])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    num_listed = sum(len(repair.channels) for repair in audit.riskiest)
    return render(
        "inpaint_ray.restore",
        "report.html.jinja",
        policy=f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'",
        style=Markup(_asset("page.css")),
        script=Markup(script),
        data=_data(config, audit.riskiest, excerpts) if audit.riskiest else None,
        excerpts=list(excerpts.values()),
        config=config,
        summary=summary,
        audit=audit,
        words=WORDS,
        verdicts=verdicts,
        rule=config.transfer.to_text(),
        failed=first_rows(table, ("failed",), MOST_ROWS),
        transfers=[
            {"row": row, "reasons": judge(row, config.transfer)[1], "losses": Losses.of(row)}
            for row in verdicts.worst[:MOST_ROWS]
        ],
        num_repairs_listed=num_listed,
        num_repairs_left=audit.repairs - num_listed,
        rows=first_rows(table, STATUSES, MOST_ROWS),
        num_left_out=max(summary.files - MOST_ROWS, 0),
        duration=format_duration,
        printable=printable,
        wall=format_duration(wall_s),
    )


def _asset(name: str) -> str:
    return files("inpaint_ray.restore").joinpath("assets", name).read_text(encoding="utf-8")


def _data(config: RestoreConfig, repairs: Sequence[Repair], excerpts: Mapping[int, object]) -> dict[str, Any]:
    """Return the data of the script: the repairs as rows, and the key under which decisions are stored."""
    names = {name: number for number, name in enumerate(sorted({repair.name for repair in repairs}))}
    places = {number: place for place, number in enumerate(excerpts)}
    identity = json.dumps([config.output, fingerprint(config, "")])
    return {
        "key": hashlib.sha256(identity.encode()).hexdigest()[:16],
        "methods": [
            each for each in METHODS if each != config.method and (config.checkpoint or each not in NEEDS_MODEL)
        ],
        "names": list(names),
        "shown": [printable(name) for name in names],
        "columns": COLUMNS,
        "repairs": [_row(repair, names, places.get(number, -1)) for number, repair in enumerate(repairs)],
    }


def _row(repair: Repair, names: Mapping[str, int], excerpt: int) -> list[object]:
    return [
        names[repair.name],
        repair.channels,
        repair.start,
        repair.stop,
        repair.kind,
        round(repair.confidence, 3),
        round(repair.start_s, 5),
        round(repair.seconds, 6),
        repair.method,
        None if repair.expected_snr_db is None else round(repair.expected_snr_db, 2),
        repair.trust or UNKNOWN,
        _finite(repair.level_before_db),
        _finite(repair.level_after_db),
        excerpt,
    ]


def _finite(level_db: float) -> float | None:
    """Return a level for JSON, None for infinity."""
    return round(level_db, 1) if math.isfinite(level_db) else None
