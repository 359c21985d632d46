"""The cost of restoring beside decoding and encoding alone, its memory for hours of audio, and its survival of kills.

OMP_NUM_THREADS=1 python -m benchmarks.restore --work FOLDER [--checkpoint FOLDER] [--seconds 60] [--hours 3]
python -m benchmarks.restore --work FOLDER --kills [--files 300]
OMP_NUM_THREADS=1 python -m benchmarks.restore --work FOLDER --proof 100 --seconds 60
"""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.decode import Recording, read_blocks
from inpaint_ray.audio.encode import to_integers, write_blocks
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import read_entries, write_record
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.bag import write_bag
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.gap_table import GAPS
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, ManifestRow
from inpaint_ray.restore.restorer import Restorer

RATE = 44_100
SHARES = (0.0, 0.001, 0.01, 0.1)  # of the samples that are lost
MARK = "INPAINT_BENCHMARK"  # in the environment of a cluster's processes: which are this benchmark's


def make_sound(seconds: float, *, seed: int = 0) -> NDArray[np.float64]:
    """Synthesise chords that swell over noise, (2, n)."""
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    notes = sum(np.sin(2 * np.pi * hertz * times) / hertz**0.5 for hertz in random.uniform(80, 6_000, 24))
    swell = 0.5 + 0.4 * np.sin(2 * np.pi * random.uniform(0.2, 4) * times)
    sound = notes * swell + 0.02 * random.standard_normal((2, len(times)))
    return 0.5 * sound / np.abs(sound).max()


def make_damaged(seconds: float, share: float, *, container: str, seed: int = 0) -> Recording:
    """Encode the sound in 16 bits with zeros in both channels."""
    sound = make_sound(seconds, seed=seed)
    if share:
        sound[:, draw_gaps(sound.shape[1], RATE, seed=seed, share=share)] = 0
    return Recording(samples=to_integers(sound, "PCM_16"), sample_rate=RATE, container=container, subtype="PCM_16")


def cpu_seconds(act: Callable[[], object], repeats: int = 3) -> float:
    """Measure the least CPU seconds of some runs in this process."""
    laps = []
    for _ in range(repeats):
        started = time.process_time()
        act()
        laps.append(time.process_time() - started)
    return min(laps)


def restore_file(restorer: Restorer, path: Path) -> None:
    """Restore a file and write its record."""
    source = SourceFile(uri=str(path), name=path.name, size=path.stat().st_size, fingerprint="")
    with write_record(Ledger(restorer.config.output, FOLDER).records, path.name, Restorer.schema) as record:
        record.entries.append(restorer(source, None, record))
    row = record.entries[0].row
    assert row["status"] in ("restored", "unchanged"), row["error"]


def costs(work: Path, seconds: float, checkpoint: str | None) -> None:
    methods = ["autoregressive"] + (["model"] if checkpoint else [])
    print(
        f"{seconds:g} s of 44.1 kHz stereo, gaps of 5 to 50 ms; times real time on a core (decoding and encoding = 1)"
    )
    print(f"{'container':<10}{'method':<16}{'decode + encode':>16}", *(f"{share:>16.1%}" for share in SHARES), sep="")
    for container in ("FLAC", "WAV"):
        paths = {share: work / f"damaged{share}.{container.lower()}" for share in SHARES}
        for share, path in paths.items():
            write_blocks(path, [make_damaged(seconds, share, container=container)])
        bare = cpu_seconds(lambda paths=paths: write_blocks(work / "bare", read_blocks(paths[0.0])))
        for method in methods:
            config = RestoreConfig(
                input=str(work), output=str(work / "out"), checkpoint=checkpoint, method=method, gaps="auto"
            )
            restorer = Restorer(config, "")
            restore_file(restorer, paths[0.001])  # what is loaded at first use
            cells = []
            for share, path in paths.items():
                spent = cpu_seconds(
                    lambda path=path, restorer=restorer: restore_file(restorer, path), 3 if share < 0.1 else 1
                )
                cells.append(f"{f'{seconds / spent:.1f} ({spent / bare:.2f})':>16}")
            print(f"{container:<10}{method:<16}{seconds / bare:>16.1f}", *cells, sep="", flush=True)


def proof_costs(work: Path, num_files: int, seconds: float) -> None:
    """Print the CPU time of restoring many files at 0.1 % damage with --difference and --bag, over that without."""
    settings = {"plain": Proof(), "--difference": Proof(difference=True), "both": Proof(difference=True, bag=True)}
    print(f"{num_files} files of {seconds:g} s, 44.1 kHz stereo, 16 bits, 0.1 % lost; CPU s, median of 5 (over plain)")
    for container in ("FLAC", "WAV"):
        folder = work / f"proof_{container}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        paths = [folder / f"{number:03d}.{container.lower()}" for number in range(num_files)]
        for number, path in enumerate(paths):
            write_blocks(path, [make_damaged(seconds, 0.001, container=container, seed=number)])

        def act(name: str, folder: Path = folder, paths: list[Path] = paths) -> float:
            output = work / "proof_out"
            shutil.rmtree(output, ignore_errors=True)
            config = RestoreConfig(input=str(folder), output=str(output), proof=settings[name])
            restorer = Restorer(config, "")
            started = time.process_time()
            with write_record(Ledger(config.output, FOLDER).records, "all", Restorer.schema) as record:
                for path in paths:
                    size = path.stat().st_size
                    source = SourceFile(uri=str(path), name=path.name, size=size, fingerprint="")
                    record.entries.append(restorer(source, None, record))
            if settings[name].bag:
                write_bag(str(output), [ManifestRow(**entry.row) for entry in record.entries])
            spent = time.process_time() - started
            assert all(entry.row["status"] == "restored" for entry in record.entries), (
                "without gaps: give more --seconds"
            )
            return spent

        act("both")  # what is loaded at first use
        laps = {name: [] for name in settings}
        for _ in range(5):  # in turn, so that other work on the machine meets all alike
            for name in settings:
                laps[name].append(act(name))
        spent = {name: float(np.median(each)) for name, each in laps.items()}
        cells = [f"{name} {each:.2f} ({each / spent['plain']:.3f})" for name, each in spent.items()]
        print(f"{container:<6}", "   ".join(cells), flush=True)


def memory(work: Path, hours: float, share: float) -> None:
    """Print the peak of memory of a process that restores a long file, and of one that restores a short one."""
    minute = make_damaged(60.0, share, container="WAV")
    minute.samples[:, 30 * RATE : 30 * RATE + RATE // 2] = 0  # half a second, for which the same music is looked for
    for length_s in (60.0, 3600 * hours):
        path = work / "long.wav"
        write_blocks(path, (minute for _ in range(round(length_s / 60))))
        command = [sys.executable, "-m", "benchmarks.restore", "--work", str(work), "--peak-of", str(path)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        size = path.stat().st_size / 2**20
        peak = run.stdout.splitlines()[-1]
        print(f"{length_s / 3600:6.2f} hours, {size:8.0f} MiB of WAV, {share:.2%} lost: peak {peak}", flush=True)
        path.unlink()


def print_peak(work: Path, path: Path) -> None:
    """Print the last line: MiB of this process before and after it has restored the file."""
    config = RestoreConfig(input=str(path.parent), output=str(work / "out"))
    restorer = Restorer(config, "")
    before, started = _peak_mib(), time.monotonic()
    restore_file(restorer, path)
    print(f"{_peak_mib():.0f} MiB ({before:.0f} before the file), {time.monotonic() - started:.0f} s")


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return next(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def kills(work: Path, num_files: int) -> None:
    """Restore an archive on two nodes while an actor, a node and the driver are killed, and resume after that."""
    from ray.cluster_utils import Cluster

    source, output = work / "in", work / "out"
    for folder in (source, output):
        shutil.rmtree(folder, ignore_errors=True)
    for number in range(num_files):
        path = source / f"{number % 7}" / f"{number:04d}.{'flac' if number % 2 else 'wav'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_blocks(path, [make_damaged(3.0, 0.02, container=path.suffix[1:].upper(), seed=number % 10)])
    os.environ[MARK] = str(work)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    node = cluster.add_node(num_cpus=2)
    command = [sys.executable, "jobs/restore.py", "--input", str(source), "--output", str(output), "--num-actors", "3"]
    settings = {
        "env": os.environ | {"RAY_ADDRESS": cluster.address},
        "cwd": Path(__file__).parents[1],
        "stdout": subprocess.DEVNULL,
    }
    started = time.monotonic()
    log = []
    with subprocess.Popen(command, **settings) as driver:
        _wait_for(driver, output, num_files // 6)
        victims = _actors(work)
        os.kill(victims[0], signal.SIGKILL)
        log.append(f"an actor of {len(victims)}")
        _wait_for(driver, output, num_files // 3)
        cluster.remove_node(node, allow_graceful=False)
        log.append("a node of 2")
        _wait_for(driver, output, num_files // 2)
        driver.kill()
        log.append("the driver")
    done = {path: path.stat().st_mtime_ns for path in _outputs(output)}
    num_done = _num_done(output)
    print(f"killed {', '.join(log)}; {num_done} of {num_files} files done after {time.monotonic() - started:.0f} s")
    code = subprocess.run(command, **settings, check=False).returncode
    print(f"the same command again: exit code {code}, {time.monotonic() - started:.0f} s in all")
    cluster.shutdown()
    assert code == 0
    check(source, output, num_files)
    kept = sum(path.stat().st_mtime_ns == when for path, when in done.items())
    print(f"{num_files} files, each whole and once in the manifest; {kept} were not written again")
    assert kept >= num_done - 1  # records are written after the outputs; one may be of a block that was done again


def check(source: Path, output: Path, num_files: int) -> None:
    """Check that every output is whole, is once in the manifest, and has its gaps once in their table."""
    rows = pq.read_table(output / MANIFEST).to_pylist()
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    assert [row["name"] for row in rows] == names and len(names) == num_files
    assert {row["status"] for row in rows} == {"restored"}
    for row in rows:
        path = output / row["output"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"], path
        assert soundfile.info(str(path)).duration == row["seconds"]
    gaps = pq.read_table(output / GAPS, columns=["name", "channel", "start", "stop"]).to_pylist()
    replaced = Counter({name: 0 for name in names})
    for gap in gaps:
        replaced[gap["name"]] += gap["stop"] - gap["start"]
    assert dict(replaced) == {row["name"]: row["samples_replaced"] for row in rows}
    assert not list(output.rglob("*.tmp"))


def _outputs(output: Path) -> Iterator[Path]:
    return (path for path in output.rglob("*") if path.suffix in (".wav", ".flac") and "_restore" not in path.parts)


def _num_done(output: Path) -> int:
    """Count the files that the records have."""
    records = Ledger(str(output), FOLDER).records
    return sum(len(read_entries(records, path.stem)) for path in Path(records).glob("*.parquet"))


def _wait_for(driver: subprocess.Popen, output: Path, count: int) -> None:
    while _num_done(output) < count:
        assert driver.poll() is None, "it ended too early: more files are needed"
        time.sleep(0.05)


def _actors(work: Path) -> list[int]:
    """List the processes of this benchmark's cluster that restore, by their titles."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title, environment = ((entry / name).read_bytes() for name in ("cmdline", "environ"))
            except OSError:
                continue
            if title.startswith(b"ray::") and b"(Worker)" in title and f"{MARK}={work}".encode() in environment:
                found.append(int(entry.name))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for files and results")
    parser.add_argument("--checkpoint", help="checkpoint folder; adds the method model")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the file whose cost is measured; 0: none")
    parser.add_argument("--hours", type=float, default=3.0, help="of the file whose memory is measured; 0: none")
    parser.add_argument("--long-share", type=float, default=0.001, help="of its samples that are lost")
    parser.add_argument("--kills", action="store_true", help="kill processes in place of measuring")
    parser.add_argument("--files", type=int, default=300, help="to restore among kills")
    parser.add_argument("--proof", type=int, metavar="FILES", help="so many files with --difference and --bag instead")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    if arguments.kills:
        kills(work, arguments.files)
        return
    if arguments.proof:
        proof_costs(work, arguments.proof, arguments.seconds)
        return
    if arguments.peak_of:
        print_peak(work, arguments.peak_of)
        return
    if arguments.seconds:
        costs(work, arguments.seconds, arguments.checkpoint)
    if arguments.hours:
        memory(work, arguments.hours, arguments.long_share)


if __name__ == "__main__":
    main()
