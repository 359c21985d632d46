"""Cost of the ledger: requests of the driver, merging of records among kills, a million files.

    python -m benchmarks.ledger requests --work FOLDER [--files 2000]
    python -m benchmarks.ledger merge --work FOLDER [--files 100000]
    python -m benchmarks.ledger files --work FOLDER [--files 1000000]

Each runs jobs/restore.py's own function with a stub in the place of what restores a file. `requests`: a bucket behind a
proxy that keeps each request for 20 ms; driver and actors have a proxy each, which counts. `merge`: as many records as
files, which become manifest and gap table, alone and killed at ten random moments. `files`: listed, claimed, dealt,
done, killed in the middle, resumed.
"""

import argparse
import json
import logging
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pyarrow.parquet as pq
import ray
import ray.data

from inpaint_ray import storage
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.items import Item
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import Entry, RecordWriter, write_record
from inpaint_ray.restore.archive import SourceFile, list_archive, source_files
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.gap_table import GAPS, SCHEMA, FilledGap
from inpaint_ray.restore.manifest import FOLDER, MANIFEST
from inpaint_ray.restore.restorer import start_row
from inpaint_ray.restore.run import restore
from inpaint_ray.tables import markdown_table

RATE, GAP = 44_100, 441
DELAY_S = 0.02  # of a request
FILL_S = 1.0  # of a file, asleep
FEW = 80  # files, for the speed of one actor and of four
KILLS = 10
FILE_BYTES = 100_000


class Stub:
    """A stub of the work: notes a file as restored, with a gap."""

    item: ClassVar[type[Item]] = SourceFile
    schema = SCHEMA

    def __init__(self, config: RestoreConfig, model: str, *, fill_s: float = 0.0, writes: str = "") -> None:
        self.config, self.fill_s, self.writes = config, fill_s, writes

    def __call__(self, source: SourceFile, earlier: Entry | None, record: RecordWriter) -> Entry:
        data = storage.read_bytes(source.uri) if self.writes == "copies" else b"1" if self.writes else b""
        time.sleep(self.fill_s)
        if self.writes:
            storage.write_bytes(storage.join(self.config.output, source.name), data)
        return note(source, self.config, record, len(data))


def note(source: SourceFile, config: RestoreConfig, record: RecordWriter, size: int) -> Entry:
    """Note a gap of 10 ms in a record; returns the entry."""
    row = asdict(start_row(source, config, "")) | {"status": "restored", "seconds": 1.0, "sample_rate": RATE}
    row |= {"channels": 1, "gaps": 1, "samples_replaced": GAP, "gap_rows": 1, "record": record.name}
    output = source.name if size else ""
    gap = FilledGap(
        source.name, 0, 0, GAP, "marked", 1.0, 0.0, GAP / RATE, "linear", -99.0, -20.0, "int32", bytes(4 * GAP)
    )
    record.add(asdict(gap))
    return source.entry(output=output, output_size=size, row=row | {"output": output, "output_size": size})


def run_stub(config: RestoreConfig, stub: Callable[..., Stub], cpus: int, **environment: str) -> dict[str, float]:
    """Restore by a stub on a Ray of its own; returns the seconds of each part, and the driver's peak of memory."""
    ray.init(
        "local", num_cpus=cpus, include_dashboard=False, runtime_env={"env_vars": environment}, log_to_driver=False
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    timed = {
        "list": ("inpaint_ray.restore.run", "list_archive"),
        "read": ("inpaint_ray.ledger.ledger.Ledger", "read"),
        "deal": ("inpaint_ray.ledger.ledger", "deal_rows"),
        "work": ("inpaint_ray.ledger.ledger.Ledger", "run"),
        "views": ("inpaint_ray.restore.run", "_make_views"),
    }
    seconds: dict[str, float] = {}
    private, ended = [0.0], threading.Event()
    watch = threading.Thread(target=watch_memory, args=(ended, private))
    watch.start()
    with ExitStack() as stack:
        stack.enter_context(patch("inpaint_ray.restore.run.Restorer", stub))
        for name, (place, function) in timed.items():
            stack.enter_context(patch(f"{place}.{function}", clocked(_find(place, function), seconds, name)))
        restore(config)
    ray.shutdown()
    ended.set()
    watch.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rounded = {name: round(value, 1) for name, value in seconds.items()}
    return rounded | {"GiB": round(max(private), 2), "GiB with Ray's object store": round(peak, 2)}


def watch_memory(ended: threading.Event, private: list[float]) -> None:
    """Watch this process's own memory, in GiB, until it ends."""
    while not ended.wait(0.2):
        status = Path("/proc/self/status").read_text()
        private.append(int(status.partition("RssAnon:")[2].split()[0]) / 2**20)


def clocked(act: Callable[..., Any], seconds: dict[str, float], name: str) -> Callable[..., Any]:
    def clock(*given: Any, **named: Any) -> Any:
        started = time.monotonic()
        try:
            return act(*given, **named)
        finally:
            seconds[name] = time.monotonic() - started

    return clock


def _find(place: str, function: str) -> Callable[..., Any]:
    module, _, owner = (place, "", "") if place.islower() else place.rpartition(".")
    found = sys.modules[module]
    return getattr(getattr(found, owner) if owner else found, function)


def in_process(*arguments: str) -> subprocess.Popen[str]:
    """Start this benchmark in another process group, with its own Ray."""
    command = [sys.executable, "-m", "benchmarks.ledger", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the benchmark's process; returns the JSON of its last line."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run failed:\n{said[-3000:]}")
    return dict(json.loads(said.splitlines()[-1]))


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def make_archive(folder: Path, count: int) -> None:
    """Make empty files, a thousand a folder, unless they are there."""
    if (folder / f"{(count - 1) // 1000:04d}" / f"{count - 1:07d}.wav").exists():
        return
    for number in range(count):
        path = folder / f"{number // 1000:04d}" / f"{number:07d}.wav"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def requests(work: Path, count: int) -> None:
    """Count requests and compare one actor with four."""
    from tests.support.faulty_proxy import FaultyProxy
    from tests.support.s3 import forget_clients, serve_bucket

    def late(number: int) -> str:
        time.sleep(DELAY_S)
        return "pass"

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # of moto, which names each request
    with serve_bucket("archive") as bucket:
        server = os.environ["AWS_ENDPOINT_URL"]
        for number in range(count):
            storage.write_bytes(f"{bucket}/in/{number:05d}.wav", bytes(FILE_BYTES))
        rows, rates = [], {}
        for name, files, actors, fill_s in (
            ("requests", count, 4, 0.0),
            ("requests, done already", count, 4, 0.0),
            ("speed", FEW, 1, FILL_S),
            ("speed", FEW, 4, FILL_S),
        ):
            proxies = [FaultyProxy(server, late) for _ in range(2)]  # type: ignore[arg-type]
            listed = work / "list.txt"
            listed.write_text("\n".join(f"{bucket}/in/{number:05d}.wav" for number in range(files)))
            given = f"{bucket}/in" if name != "speed" else str(listed)
            config = {"input": given, "output": f"{bucket}/{name.split(',')[0]}{actors}", "num_actors": actors}
            os.environ["AWS_ENDPOINT_URL"] = proxies[0].endpoint
            forget_clients()
            run = in_process(
                "run", json.dumps(config | {"fill_s": fill_s, "writes": "copies", "workers": proxies[1].endpoint})
            )
            seconds = finish(run)
            os.environ["AWS_ENDPOINT_URL"] = server
            for proxy in proxies:
                proxy.close()
            driver, workers = (len(proxy.fates) for proxy in proxies)
            rates[name, actors] = files / seconds.get("work", 1.0)
            rows.append([name, str(files), str(actors), str(driver), f"{driver / files:.3f}", f"{workers / files:.1f}"])
            rows[-1].append(f"{rates[name, actors]:.2f}")
    header = ["run", "files", "actors", "driver's requests", "per file", "actors' per file", "files/s"]
    print(markdown_table(header, rows))
    print(f"\nfour actors do {rates['speed', 4] / rates['speed', 1]:.2f} times one's work")


def write_records(config: RestoreConfig, sources: list[SourceFile]) -> None:
    ledger = Ledger(config.output, FOLDER)
    for source in sources:
        with write_record(ledger.records, source.name.replace("/", "-"), SCHEMA) as record:
            record.entries.append(note(source, config, record, 0))


def merge(work: Path, count: int) -> None:
    """Merge records to manifest and gap table, alone and among kills."""
    shutil.rmtree(work / "out", ignore_errors=True)
    make_archive(work / "in", count)
    config = RestoreConfig(input=str(work / "in"), output=str(work / "out"))
    Ledger(config.output, FOLDER).claim("--output", {"input": config.input})
    sources = list(source_files(config, list_archive(config), model="", marks=None))
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(write_records, config), [sources[first::64] for first in range(64)]))
    given = json.dumps({"input": config.input, "output": config.output, "num_actors": 2})
    alone = finish(in_process("run", given))
    expected = digest_of(work / "out")
    whole, chance, survived = alone["views"] + alone["read"], random.Random(0), 0
    for _ in range(KILLS):
        (work / "out" / MANIFEST).unlink(missing_ok=True)
        run = in_process("run", given)
        time.sleep(chance.uniform(0.2, 1.2) * whole + 5)  # Ray's start
        kill(run)
        survived += 1
    finish(in_process("run", given))
    print(f"{count} records: {alone}")
    same = digest_of(work / "out") == expected
    print(f"after {survived} kills manifest and gap table are {'the same' if same else 'DIFFERENT'}")


def digest_of(output: Path) -> tuple[int, int, str]:
    manifest, gaps = pq.read_table(output / MANIFEST), pq.read_table(output / GAPS)
    return (
        len(manifest),
        len(gaps),
        str(hash((tuple(manifest["name"].to_pylist()), tuple(sorted(gaps["name"].to_pylist()))))),
    )


def files(work: Path, count: int) -> None:
    """Restore very many files by a stub, kill it in the middle, and resume."""
    shutil.rmtree(work / "out", ignore_errors=True)
    started = time.monotonic()
    make_archive(work / "in", count)
    print(f"{count} files made in {time.monotonic() - started:.0f} s", flush=True)
    given = json.dumps({"input": str(work / "in"), "output": str(work / "out"), "num_actors": 2, "writes": "one byte"})
    records = work / "out" / FOLDER / "records"
    run = in_process("run", given)
    num_blocks = -(-count // 256)
    while run.poll() is None and not (records.exists() and len(os.listdir(records)) >= num_blocks // 2):
        time.sleep(1)
    kill(run)
    print(f"killed with {len(os.listdir(records))} records", flush=True)
    for name in ("resumed", "nothing left"):
        print(f"{name}: {finish(in_process('run', given))}", flush=True)
    manifest = pq.read_metadata(work / "out" / MANIFEST).num_rows
    print(f"manifest: {manifest} rows, {(work / 'out' / MANIFEST).stat().st_size / 2**20:.0f} MiB")


def run(given: str) -> None:
    """Restore by a stub, and print the cost."""
    config = json.loads(given)
    stub = partial(Stub, fill_s=config.get("fill_s", 0.0), writes=config.get("writes", ""))
    wanted = RestoreConfig(
        input=config["input"], output=config["output"], actors=Actors(num_actors=config["num_actors"])
    )
    environment = {"AWS_ENDPOINT_URL": config["workers"]} if "workers" in config else {}
    print(json.dumps(run_stub(wanted, stub, max(config["num_actors"], 2), **environment)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("requests", "merge", "files", "run"))
    parser.add_argument("given", nargs="?")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--files", type=int)
    flags = parser.parse_args()
    if flags.what == "run":
        run(flags.given)
        return
    flags.work.mkdir(parents=True, exist_ok=True)
    act, count = {"requests": (requests, 2000), "merge": (merge, 100_000), "files": (files, 1_000_000)}[flags.what]
    act(flags.work, flags.files or count)


if __name__ == "__main__":
    main()
