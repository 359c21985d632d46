"""Tests and measurements on a GPU: throughput beside a loop over its own memory, two trainings of the same length.

    python -m benchmarks.gpu pack --music FOLDER/tracks.csv --folder runs/gpu        where there is a network
    python -m benchmarks.gpu run --folder runs/gpu --output OUT --minutes 9          on the machine with the GPU
    python -m benchmarks.gpu run --folder runs/gpu --output OUT --smoke              a rehearsal on a CPU, two minutes

`pack` makes a folder of at most 60 MB: music as 16 kHz Opus and the wheels that a bare machine with Python 3.12, torch,
torchaudio and pyarrow lacks. `run` needs no network. It runs tests/gpu; measures the loop of jobs/train.py (patches in
the device's memory or in a folder's) against steps on batches that lie ready; trains Wiener_Tower_large by our recipe
and UNet_v2 by the paper's for the same time, saving every minute. OUT has gpu.md, gpu.json, tests.txt and checkpoints.
"""

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.gpu_measuring import Plan, throughput, train
from benchmarks.gpu_packing import SAMPLE_RATE, pack

TRACKS_IN_SHARD = 32
SHARES = {"tests": 0.25, "throughput": 0.5}  # of the time, after which the next part begins; trainings get the rest


def _unpack_wheels(folder: Path) -> None:
    """Make packages that this Python lacks importable, here and in the processes that it starts."""
    if sys.version_info[:2] != (3, 12):
        return  # a rehearsal: the project's own environment has everything
    target = folder / "site"
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        name = wheel.name.split("-")[0].replace("python_dateutil", "dateutil")
        if not (target / name).exists():
            zipfile.ZipFile(wheel).extractall(target)
    sys.path.append(str(target))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", ""), str(target)])


def run(folder: Path, output: Path, plan: Plan) -> None:
    """Run everything, in order; each result is on disk before the next step begins."""
    began = time.monotonic()
    _unpack_wheels(folder)
    import torch

    from inpaint_ray.errors import InpaintError

    device = torch.device("cpu" if plan.smoke else "cuda")
    output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "device": "CPU" if plan.smoke else torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
    }

    def note(**found: Any) -> None:
        report.update(found, seconds=round(time.monotonic() - began, 1))
        (output / "gpu.json").write_text(json.dumps(report, indent=2) + "\n")
        (output / "gpu.md").write_text(_to_markdown(report))
        print(json.dumps(found), flush=True)

    dataset = prepare(folder, output / "work" if plan.smoke else Path("/tmp/inpaint-gpu"), plan.num_tracks, device)
    note(patches={split: dataset.num_patches(split) for split in ("train", "validation")})
    compiled = plan.smoke or _can_compile(device)
    note(compiles=compiled)

    def left(share: float) -> float:
        """Return the seconds until this share of the time is over."""
        return share * 60 * plan.minutes - (time.monotonic() - began)

    note(tests=_run_tests(output, plan, max(left(SHARES["tests"]), 60.0)))
    note(throughput=[], failed=[])
    for architecture, batch_size in itertools.product(plan.architectures, plan.batch_sizes):
        try:
            if left(SHARES["throughput"]) < 0 and not plan.smoke:
                raise InpaintError("no time left")
            rows = throughput(dataset, architecture, batch_size, plan.measure_s, device, compiled=compiled)
            note(throughput=[*report["throughput"], *rows])
        except (RuntimeError, InpaintError) as error:  # too little memory for one of them ends no other
            note(failed=[*report["failed"], f"{architecture}, batches of {batch_size}: {error}"])
    each = 10.0 if plan.smoke else max(0.47 * left(1.0), 60.0)
    for role, name in (("ours", plan.ours), ("the paper's", plan.papers)):
        trained = train(dataset, name, role, plan, each, output / name, device, compiled=compiled)
        note(**{f"training of {name}": trained})
    print(f"done in {time.monotonic() - began:.0f} s: {output / 'gpu.md'}")


def prepare(folder: Path, work: Path, num_tracks: int | None, device: Any) -> Any:
    """Make shards of float16 patches of the packed music."""
    import numpy as np

    from inpaint_ray.data.schema import Dataset
    from inpaint_ray.prepare.shard_file import ShardMetadata, TrackPatches, write_shard

    with zipfile.ZipFile(folder / "music.zip") as zipped:
        names = [name for name in zipped.namelist() if name.endswith(".opus")]
        if num_tracks:
            of_validation = [name for name in names if name.startswith("validation")]
            names = of_validation[: num_tracks // 2] + [n for n in names if n not in of_validation][: num_tracks // 2]
        data = [zipped.read(name) for name in names]
    with ProcessPoolExecutor() as pool:
        clips = list(pool.map(_read_clip, data, chunksize=4))
    largest, patches, shards = 0.0, {}, {}
    jobs = []
    for split in ("train", "validation"):
        chosen = [number for number, name in enumerate(names) if name.startswith(split)]
        patches[split], shards[split] = {}, {}
        for start in range(0, len(chosen), TRACKS_IN_SHARD):
            pieces = []
            for number in chosen[start : start + TRACKS_IN_SHARD]:
                genre, magnitudes = names[number].split("/")[1], _patches_of(clips[number], device)
                if len(magnitudes):
                    pieces.append(TrackPatches(number, genre, 0, magnitudes))
                    patches[split][genre] = patches[split].get(genre, 0) + len(magnitudes)
                    if split == "train":
                        largest = max(largest, float(magnitudes.max()))
            name = f"{split}/{start // TRACKS_IN_SHARD:05d}.parquet"
            shards[split][name] = sum(len(piece.magnitudes) for piece in pieces)
            jobs.append((str(work / name), pieces, ShardMetadata(plan="gpu", split=split)))
    with ThreadPoolExecutor() as pool:
        for written in [
            pool.submit(write_shard, uri, pieces, dtype="float16", seed=0, metadata=metadata)
            for uri, pieces, metadata in jobs
        ]:
            written.result()
    return Dataset(
        source=str(folder), protocol="manifest", dtype="float16", scale=largest, tracks={}, patches=patches,
        shards=shards, seconds=float(sum(map(len, clips))) / SAMPLE_RATE, rejected=0, absent=0, unlisted=0,
        grid={}, versions={}, fingerprint=str(np.uint64(len(data))), wall_s=0.0, uri=str(work),
    )  # fmt: skip


def _read_clip(data: bytes) -> Any:
    from inpaint_ray.prepare.patching import read_clip

    return read_clip(data, whole=True)[0]


def _patches_of(clip: Any, device: Any) -> Any:
    """Compute patches of a clip on the device: (P, 128, 128) float16."""
    import torch

    from inpaint_ray.audio.patches import to_patches
    from inpaint_ray.audio.stft import spectrogram
    from inpaint_ray.prepare.patching import GRID

    return to_patches(spectrogram(torch.from_numpy(clip).to(device), GRID)).half().cpu().numpy()


def _can_compile(device: Any) -> bool:
    """Try torch.compile, which needs a C compiler beside Triton."""
    import torch

    try:
        torch.compile(torch.nn.Linear(4, 4).to(device))(torch.zeros(2, 4, device=device)).sum().backward()
    except Exception as error:  # of any of its parts; the report says that nothing was compiled
        print(f"torch.compile does not work here: {type(error).__name__}: {str(error)[:300]}", flush=True)
        return False
    return True


def _run_tests(output: Path, plan: Plan, seconds: float) -> str:
    """Run tests/gpu; returns the last line, and writes all lines to tests.txt."""
    environment = os.environ | ({"INPAINT_GPU_TESTS_ON": "cpu"} if plan.smoke else {})
    command = [sys.executable, "-m", "pytest", "tests/gpu/test_gpu.py", "--noconftest", "-c", os.devnull, "-v", "-rA"]
    chosen = ["-k", "sources or restoration"] if plan.smoke else []
    with (output / "tests.txt").open("w") as file:
        tests = subprocess.Popen(
            [*command, "-p", "no:cacheprovider", "--durations=10", *chosen],
            env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            tests.wait(600.0 if plan.smoke else seconds)
        except subprocess.TimeoutExpired:
            os.killpg(tests.pid, signal.SIGKILL)  # with the processes that a test started
            tests.wait()
    lines = (output / "tests.txt").read_text().strip().splitlines() or ["nothing"]
    done = [sum(f" {result}" in line for line in lines if "::" in line) for result in ("PASSED", "FAILED")]
    return lines[-1].strip("= ") if "=" in lines[-1] else f"NOT FINISHED: {done[0]} passed, {done[1]} failed"


def _to_markdown(report: dict[str, Any]) -> str:
    from inpaint_ray.tables import markdown_table

    rows = [
        [row["architecture"], f"{row['batch']}", row["cache"], f"{row['bare']:,.0f}", f"{row['job']:,.0f}"]
        + [f"{row['share']:.2f}", f"{row['waiting']:.1%}"]
        for row in report.get("throughput", [])
    ]
    header = ["architecture", "batch", "cache", "steps alone, patches/s", "job, patches/s", "share", "waiting"]
    trained = [
        [name.removeprefix("training of "), row["role"], f"{row['seconds']:.0f}", f"{row['patches']:,}"]
        + [f"{row['gain']:.2f}", f"{row['interpolation']:.2f}"]
        for name, row in report.items()
        if name.startswith("training of ")
    ]
    return (
        f"# {report['device']}, {report['cores']} cores, torch {report['torch']}\n\n"
        f"`python -m benchmarks.gpu run`; {report.get('patches')} patches\n\n"
        f"Tests: {report.get('tests', 'not run')}; compiled: {report.get('compiles')}\n\n"
        + "".join(f"- FAILED: {line}\n" for line in report.get("failed", []))
        + f"{markdown_table(header, rows, num_left=1)}\n"
        f"{markdown_table(['network', 'recipe', 's', 'patches', 'gain, dB', 'lines, dB'], trained, num_left=2)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing, running = commands.add_parser("pack"), commands.add_parser("run")
    for each in (packing, running):
        each.add_argument("--folder", type=Path, required=True, help="of the packed music and wheels")
    packing.add_argument("--music", type=Path, required=True, help="CSV with columns uri, genre, split")
    running.add_argument("--output", type=Path, required=True, help="folder of the tables and checkpoints")
    running.add_argument("--minutes", type=float, default=9.0, help="for all of it")
    running.add_argument("--smoke", action="store_true", help="little of everything, on a CPU")
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.music, arguments.folder)
    else:
        run(arguments.folder, arguments.output, Plan.of(arguments.minutes, arguments.smoke))


if __name__ == "__main__":
    main()
