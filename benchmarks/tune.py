"""The cost of a search over training the same networks one by one, and its survival of kills.

    OMP_NUM_THREADS=1 python -m benchmarks.tune --data SHARDS --work FOLDER
    OMP_NUM_THREADS=1 python -m benchmarks.tune --data SHARDS --work FOLDER --kills 3

The first trains small networks by jobs/tune.py's `search`, and by jobs/train.py's `train` in a loop; both in processes
of their own. The second kills a search and all its processes so often, at random moments, and compares it with one
that is left alone.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from inpaint_ray import storage
from inpaint_ray.cluster import start_ray
from inpaint_ray.train.config import Budget, Optimisation
from inpaint_ray.train.state import read_metrics
from inpaint_ray.train.trainer import train
from inpaint_ray.tune.config import TuneConfig
from inpaint_ray.tune.search import search

NETWORKS = ("Gap_UNet", "UNet_Sun", "Wiener_UNet")
SIGNS = ("first step", "epoch 1/2  loss", "epoch 2/2  loss")  # of a search's log, after which a kill may come
SAME = ("trial", "epochs", "patches", "gain", "stopped")


def config_of(data: str, folder: Path) -> TuneConfig:
    shutil.rmtree(folder, ignore_errors=True)
    return TuneConfig(
        data=storage.absolute(data),
        output=str(folder),
        architectures=NETWORKS,
        budget=Budget(epochs=2, patches_per_epoch=128, validation_patches=32),
        optimisation=Optimisation(batch_size=16),
    )


def config_from(text: str) -> TuneConfig:
    """Return the search that `asdict` turned into a dictionary; only budget and optimisation differ from defaults."""
    values = json.loads(text)
    kept = {name: values[name] for name in ("data", "output", "run_name", "seed")}
    return TuneConfig(
        **kept,
        architectures=tuple(values["architectures"]),
        budget=Budget(**values["budget"]),
        optimisation=Optimisation(**values["optimisation"]),
    )


def kill_family(pid: int) -> None:
    """Kill a process and all that descend from it: driver, head and every worker."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # gone meanwhile
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    for member in family:
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue


def run(config: TuneConfig, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.tune", f"--{how}", json.dumps(asdict(config))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a process; returns its output."""
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output


def overhead(data: str, work: Path, repeats: int) -> None:
    print("network seconds: from a start of Ray to the end, of which in epochs; ratio of search to loop")
    for _ in range(repeats):
        taken = {}
        for how in ("loop", "search"):
            config = config_of(data, work / how)
            seconds = float(finish(run(config, how)).splitlines()[-1])
            folder = work / how / "tune/trials"
            rows = [row for name in NETWORKS for row in read_metrics((folder / name / "metrics.csv").read_text())]
            taken[how] = seconds
            print(f"  {how:<8}{seconds:7.1f} s{sum(row['seconds'] for row in rows):8.1f} s in epochs", flush=True)
        count = len(NETWORKS)
        print(
            f"  ratio {taken['search'] / taken['loop']:.2f}, {(taken['search'] - taken['loop']) / count:+.1f} s a trial"
        )


def kills(data: str, work: Path, count: int) -> None:
    chance, moments = random.Random(0), []
    config = config_of(data, work / "killed")
    for _ in range(count):
        sign, wait = chance.choice(SIGNS), chance.uniform(0, 3)
        with run(config, "search") as process:
            assert process.stdout is not None
            assert any(sign in line for line in process.stdout), "the search ended before it was killed"
            time.sleep(wait)
            kill_family(process.pid)
        moments.append(f"{wait:.1f} s after '{sign}'")
    finish(run(config, "search"))
    finish(run(config_of(data, work / "alone"), "search"))
    print(f"killed {count} times: {', '.join(moments)}")
    boards = []
    for name in ("killed", "alone"):
        with (work / name / "tune/leaderboard.csv").open() as file:
            boards.append([{column: row[column] for column in SAME} for row in csv.DictReader(file)])
    for killed, alone in zip(*boards, strict=True):
        print(f"  killed {' '.join(killed.values())}\n  alone  {' '.join(alone.values())}")
    assert boards[0] == boards[1], "the two leaderboards differ"
    print("the two leaderboards are the same")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="prepared folder")
    parser.add_argument("--work", type=Path, help="folder for the searches")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0, help="kill so often in place of measuring")
    parser.add_argument("--search", help=argparse.SUPPRESS)
    parser.add_argument("--loop", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search or arguments.loop:
        config = config_from(arguments.search or arguments.loop)
        start_ray()
        started = time.monotonic()
        if arguments.search:
            search(config)
        else:
            for name in config.names:
                train(config.trial(name, {}))
        print(f"{time.monotonic() - started:.1f}")
    elif arguments.kills:
        kills(arguments.data, arguments.work.absolute(), arguments.kills)
    else:
        print(f"{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} load before the start")
        overhead(arguments.data, arguments.work.absolute(), arguments.repeats)


if __name__ == "__main__":
    main()
