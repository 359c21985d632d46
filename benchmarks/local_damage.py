"""Seven kinds of local damage, made in music, found and filled: gain, recall, precision, and harm to clean music.

    python -m benchmarks.local_damage --music FOLDER --results FILE.jsonl [--part test] [--kinds clicks held ...]
        [--rivals clean] [--grooveclean BIN]
    python -m benchmarks.local_damage --results FILE.jsonl --table

Each run adds lines to the results: a kind may be run by itself. Gain is SNR over the file above that of the damaged
file, in dB. Rivals are run at several settings, of which the table takes the best mean of each kind: ffmpeg's adeclick
and adeclip (`apt install ffmpeg`) and grooveclean (`pip install grooveclean`, of PyPI); without them their rows are
left out, and that is said. A real event counts as found when a claimed one overlaps it, and a claimed one as right when
it overlaps a real one.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from benchmarks.local_music import list_music, read_clean
from inpaint_ray.audio.local_damage import KINDS, damage_locally
from inpaint_ray.audio.runs import Event, find_runs, mark_gaps
from inpaint_ray.finding.kinds import SENSITIVITY
from inpaint_ray.repairing import fill_events, find

Signal = NDArray[np.float64]
ADECLICK = ("adeclick", "adeclick=a=25:t=4", "adeclick=a=25:t=10", "adeclick=a=25:t=25")
ADECLIP = ("adeclip", "adeclip=a=25:t=4", "adeclip=w=100:a=25")
GROOVECLEAN = ("0.5", "0.3", "0.7")
FIND = {kind: ["clicks"] for kind in ("clicks", "crackle", "scratches")}  # what is looked for
FIND |= {kind: ["dropouts"] for kind in ("held", "interpolated", "muted")} | {
    "clipping": ["clipping"],
    "clean": ["all"],
}


def snr(clean: Signal, other: Signal) -> float:
    error = float(np.sum((clean - other) ** 2))
    return 10 * np.log10(float(np.sum(clean**2)) / error) if error else np.inf


def run_ffmpeg(samples: Signal, rate: int, setting: str) -> Signal:
    with tempfile.TemporaryDirectory() as folder:
        soundfile.write(f"{folder}/a.wav", samples.T, rate, "PCM_16")
        arguments = ["-v", "error", "-threads", "1", "-i", f"{folder}/a.wav", "-af", setting, "-c:a", "pcm_f32le"]
        subprocess.run(["ffmpeg", *arguments, f"{folder}/b.wav"], check=True)
        cleaned = soundfile.read(f"{folder}/b.wav", always_2d=True)[0].T
    return _fit(cleaned, samples)


def run_grooveclean(samples: Signal, rate: int, setting: str, binary: str) -> Signal:
    with tempfile.TemporaryDirectory() as folder:
        soundfile.write(f"{folder}/a.wav", samples.T, rate, "PCM_16")
        command = [binary, "clean", f"{folder}/a.wav", "-o", f"{folder}/b.wav", "--sensitivity", setting]
        subprocess.run([*command, "--device", "cpu"], check=True, capture_output=True)
        cleaned = soundfile.read(f"{folder}/b.wav", always_2d=True)[0].T
    return _fit(cleaned, samples)


def _fit(cleaned: Signal, samples: Signal) -> Signal:
    """Bring a filter's output to the input's length, with the input's samples where it gave none."""
    fitted = samples.copy()
    length = min(cleaned.shape[1], samples.shape[1])
    fitted[:, :length] = cleaned[:, :length]
    return fitted


def count_events(lost: NDArray[np.bool_], events: list[Event]) -> dict[str, int]:
    marked = mark_gaps(events, len(lost), 0, lost.shape[1])
    real = [(channel, *run) for channel in range(len(lost)) for run in zip(*find_runs(lost[channel]), strict=True)]
    return {
        "events": len(real),
        "found": sum(bool(marked[channel, start:stop].any()) for channel, start, stop in real),
        "claimed": len(events),
        "right": sum(bool(lost[event.channel, event.start : event.stop].any()) for event in events),
    }


def restorations(
    damaged: Signal, lost: NDArray[np.bool_], rate: int, kind: str, arguments: argparse.Namespace
) -> Iterator[tuple[str, Signal, dict[str, Any]]]:
    """Yield name, samples and further figures of each way to restore."""
    rivals = arguments.rivals if "rivals" in arguments.ways else []
    if "ours" in arguments.ways:
        yield _ours(damaged, lost, rate, arguments.find or FIND[kind])
    if "truth" in arguments.ways and kind != "clean":
        name = "clipped" if kind == "clipping" else "click"
        truth = [
            Event(channel, *run, name)
            for channel in range(len(lost))
            for run in zip(*(edges.tolist() for edges in find_runs(lost[channel])), strict=True)
        ]
        yield "truth", fill_events(damaged, rate, truth)[0], {}
    if kind in rivals and shutil.which("ffmpeg"):
        for setting in ADECLIP if kind == "clipping" else ADECLICK:
            cleaned = run_ffmpeg(damaged, rate, setting)
            yield setting, cleaned, {}
            if kind == "clipping":
                yield f"{setting}, clipped samples", np.where(lost, cleaned, damaged), {}
    if kind in rivals and kind != "clipping" and shutil.which(arguments.grooveclean):
        for setting in GROOVECLEAN:
            yield f"grooveclean {setting}", run_grooveclean(damaged, rate, setting, arguments.grooveclean), {}


def _ours(damaged: Signal, lost: NDArray[np.bool_], rate: int, kinds: list[str]) -> tuple[str, Signal, dict[str, Any]]:
    """Restore by ours, with the default sensitivity; returns the confidence of every possible event, too."""
    begun = time.process_time()
    events = find(damaged, rate, kinds, SENSITIVITY)
    found = time.process_time()
    restored, _ = fill_events(damaged, rate, events)
    seconds = {"find_s": found - begun, "fill_s": time.process_time() - found}
    confidences = [
        [event.kind, round(event.confidence, 4), bool(lost[event.channel, event.start : event.stop].any())]
        for event in find(damaged, rate, kinds, 0.95)
    ]
    return "ours", restored, {**count_events(lost, events), **seconds, "confidences": confidences}


def run(arguments: argparse.Namespace) -> None:
    paths = list_music(arguments.music, arguments.part)
    for binary in ("ffmpeg", arguments.grooveclean):
        if "rivals" in arguments.ways and not shutil.which(binary):
            print(f"{binary} is not there: its rows are left out")
    for kind in arguments.kinds:
        for path in paths[arguments.first :: arguments.step]:
            clean, rate = read_clean(path, hiss=kind != "clean")
            damaged, lost = clean, np.zeros(clean.shape, dtype=bool)
            if kind != "clean":
                random = np.random.default_rng([1, KINDS.index(kind), sum(path.name.encode())])
                damaged, lost = damage_locally(clean, rate, kind, random)
            before = snr(clean, damaged)
            ways = restorations(damaged, lost, rate, kind, arguments)
            for name, restored, more in ways:
                line = {
                    "part": arguments.part,
                    "kind": kind,
                    "file": path.name,
                    "seconds": clean.shape[1] / rate,
                    "channels": len(clean),
                    "rate": rate,
                    "method": name,
                    "snr": snr(clean, restored),
                    "gain": snr(clean, restored) - before if kind != "clean" else None,
                    "changed": float(np.mean(restored != damaged)),
                    **more,
                }
                with arguments.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                gain = "" if line["gain"] is None else f"{line['gain']:+6.2f} dB"
                print(f"{kind:<13}{path.name[:32]:<34}{name:<36}{gain} {line['changed']:.4%}", flush=True)


def print_table(lines: list[dict[str, Any]]) -> None:
    """Print a line a kind and method: of several settings of a rival that with the best mean."""
    for kind in (*KINDS, "clean"):
        of = [line for line in lines if line["kind"] == kind]
        if not of:
            continue
        names = list(dict.fromkeys(line["method"] for line in of))
        print(f"\n{kind}: {len({line['file'] for line in of})} files of {of[0]['part']}")
        for name in names:
            rows = [line for line in of if line["method"] == name]
            changed = [row["changed"] for row in rows]
            if kind == "clean":
                worst = min(row["snr"] for row in rows)
                text = f"changed {np.mean(changed):.4%}, at most {max(changed):.4%}; worst SNR {worst:.1f} dB"
            else:
                gains = [row["gain"] for row in rows]
                text = f"gain {np.mean(gains):+.2f} dB, worst file {min(gains):+.2f}"
            if name == "ours":
                sums = {key: sum(row[key] for row in rows) for key in ("events", "found", "claimed", "right")}
                audio = sum(row["seconds"] * row["channels"] / 2 for row in rows)  # as seconds of stereo
                share = [sum(row[key] for row in rows) / audio for key in ("find_s", "fill_s")]
                recall, precision = sums["found"] / max(sums["events"], 1), sums["right"] / max(sums["claimed"], 1)
                text += f"; {sums['events']} events, recall {recall:.2f}, precision {precision:.2f}"
                text += f"; CPU a second of stereo: find {share[0]:.2f} s, fill {share[1]:.2f} s"
            print(f"  {name:<36}{text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="folder with archive/, fma_music/, fma_metadata/")
    parser.add_argument("--results", type=Path, required=True, help="lines are added to it")
    parser.add_argument("--part", choices=("tuning", "test"), default="test")
    parser.add_argument("--kinds", nargs="+", default=[*KINDS, "clean"], choices=[*KINDS, "clean"])
    parser.add_argument("--rivals", nargs="*", default=[*KINDS, "clean"], help="kinds that rivals are run on")
    parser.add_argument("--find", nargs="+", help="dropouts, clicks, clipping, all; by default that of each kind")
    parser.add_argument("--ways", nargs="+", default=["ours", "truth", "rivals"], help="ours, truth, rivals")
    parser.add_argument("--grooveclean", default="grooveclean", help="its binary")
    parser.add_argument("--first", type=int, default=0, help="file of the part to begin with")
    parser.add_argument("--step", type=int, default=1, help="take every so many files")
    parser.add_argument("--table", action="store_true", help="print the table of the results and run nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.table:
        run(arguments)
    print_table([json.loads(line) for line in arguments.results.read_text().splitlines()])


if __name__ == "__main__":
    main()
