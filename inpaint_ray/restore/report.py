"""OUTPUT/_restore/report.html: what became of the archive, and a few files to look at and listen to."""

import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pyarrow as pa

from inpaint_ray import storage
from inpaint_ray.audio.decode import decode
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord
from inpaint_ray.ledger.spread import spread
from inpaint_ray.pages.pictures import draw_spectrograms
from inpaint_ray.pages.sounds import to_flac
from inpaint_ray.pages.templates import data_uri, render
from inpaint_ray.progress import format_duration
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.excerpts import cut_excerpts
from inpaint_ray.restore.manifest import FOLDER, ManifestRow
from inpaint_ray.restore.summary import STATUSES, first_rows, most_repaired, summarise
from inpaint_ray.storage import StoredFile

REPORT = f"{FOLDER}/report.html"
NUM_EXAMPLES = 5
MOST_ROWS = 1000  # on the page; the manifest has all


def write_report(
    config: RestoreConfig, ledger: Ledger, table: pa.Table, files: list[StoredFile], *, wall_s: float
) -> None:
    """Write the page.

    Args:
        config: of the run.
        ledger: of the restoration.
        table: the manifest.
        files: of the archive.
        wall_s: seconds that this run took.
    """
    repaired = {row.name: row for row in most_repaired(table, NUM_EXAMPLES)}
    wanted = [
        {"row": json.dumps(asdict(repaired[file.name])), "source": file.uri} for file in files if file.name in repaired
    ]
    places = [ledger.output, *(each["source"] for each in wanted)]
    near = all(map(storage.is_local, places))  # else whole files would come here
    make = partial(_make_example, ledger)
    made = {each["name"]: each for each in (map(make, wanted) if near else spread(wanted, make)) if each["picture"]}
    summary = summarise(table)
    page = render(
        "inpaint_ray.restore",
        "report.html.jinja",
        config=config,
        counts=summary.counts,
        rows=first_rows(table, STATUSES, MOST_ROWS),
        num_left_out=max(summary.files - MOST_ROWS, 0),
        gaps=summary.gaps,
        seconds=format_duration(summary.seconds),
        filled_s=summary.filled_s,
        kinds=summary.kinds_text,
        examples=[made[name] for name in repaired if name in made],
        duration=format_duration,
        wall=format_duration(wall_s),
    )
    storage.write_bytes(storage.join(config.output, REPORT), page.encode("utf-8", "replace"))


def _make_example(ledger: Ledger, wanted: dict[str, str]) -> dict[str, str]:
    """Cut what the page plays of a file, and draw it, as data URIs; runs in a task. Empty ones where a file is gone."""
    row = ManifestRow(**json.loads(wanted["row"]))
    try:
        damaged, restored = cut_excerpts(ledger, row, wanted["source"])
    except (FileNotFoundError, PermissionError, UnreadableError, AudioDecodeError, DamagedRecord):
        return {"name": row.name, "damaged": "", "restored": "", "picture": ""}
    sounds = [to_flac(each.to_float().astype(np.float32), each.sample_rate) for each in (damaged, restored)]
    (before, sample_rate), (after, _) = (decode(sound) for sound in sounds)
    filled = np.logical_or.reduce(before != after)
    picture = draw_spectrograms({"damaged": before, "restored": after}, filled, sample_rate)
    return {
        "name": row.name,
        "damaged": data_uri("audio/flac", sounds[0]),
        "restored": data_uri("audio/flac", sounds[1]),
        "picture": data_uri("image/png", picture),
    }
