"""The cost and size of the report page, beside the restoration that it reports on.

OMP_NUM_THREADS=1 python -m benchmarks.page --work FOLDER [--files 100] [--seconds 60] [--share 0.001]
"""

import argparse
import shutil
import time
from pathlib import Path

from benchmarks.restore import make_damaged
from inpaint_ray.audio.encode import write_blocks
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import write_record
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import write_gaps
from inpaint_ray.restore.manifest import FOLDER, rows_table
from inpaint_ray.restore.report import REPORT, write_report
from inpaint_ray.restore.restorer import Restorer

RECORD = "record"
WARM = 2  # files that are restored before the clock starts, so that nothing is loaded under it


def measure(work: Path, num_files: int, seconds: float, share: float) -> None:
    """Restore an archive in this process, write its views, and print the CPU seconds of both."""
    for folder in ("in", "out"):
        shutil.rmtree(work / folder, ignore_errors=True)
    (work / "in").mkdir(parents=True)
    names = [f"{number:04d}.{'flac' if number % 2 else 'wav'}" for number in range(num_files)]
    for number, name in enumerate(names):
        container = "FLAC" if number % 2 else "WAV"
        write_blocks(work / "in" / name, [make_damaged(seconds, share, container=container, seed=number)])
    config = RestoreConfig(input=str(work / "in"), output=str(work / "out"))
    ledger, restorer = Ledger(config.output, FOLDER), Restorer(config, "")

    def restore(chosen: list[str], record_name: str) -> None:
        with write_record(ledger.records, record_name, Restorer.schema) as record:
            for name in chosen:
                path = work / "in" / name
                source = SourceFile(uri=str(path), name=name, size=path.stat().st_size, fingerprint="")
                record.entries.append(restorer(source, None, record))

    restore(names[:WARM], "warm")
    started = time.process_time()
    restore(names, RECORD)
    restored = time.process_time()
    table = rows_table(entry.row for entry in ledger.entries(RECORD, None)).sort_by("name")
    write_gaps(ledger, table)
    before, wall = time.process_time(), time.monotonic()
    write_report(config, ledger, table, wall_s=0)
    spent, wall = time.process_time() - before, time.monotonic() - wall
    whole = restored - started
    page = (work / "out" / REPORT).read_text()
    print(
        f"{num_files} files of {seconds:g} s of 44.1 kHz stereo, {share:.2%} lost: restored in {whole:.1f} s of CPU; "
        f"the page in {spent:.2f} s ({spent / whole:.1%}; {wall:.2f} s on the wall), "
        f"{page.count('id=' + chr(34) + 'excerpt-')} excerpts, {len(page) / 2**20:.1f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for files and results")
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each")
    parser.add_argument("--share", type=float, default=0.001, help="of the samples that are lost")
    arguments = parser.parse_args()
    measure(arguments.work.resolve(), arguments.files, arguments.seconds, arguments.share)


if __name__ == "__main__":
    main()
