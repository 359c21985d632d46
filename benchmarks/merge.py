"""Lost samples taken from simulated transfers, beside the best fill of a single copy.

    python -m benchmarks.merge gaps --music FOLDER... --half test --recordings 6 --scores scores.csv
    python -m benchmarks.merge refuse --music FOLDER... --half test
    python -m benchmarks.merge long --music FOLDER... --work FOLDER --minutes 15
    python -m benchmarks.merge table --scores scores.csv
    python -m benchmarks.merge calibrate --scores scores.csv

Recordings belong to the tuning or to the test half by a hash of their names. In 24 s of a recording two gaps of 100 ms
and two of 20 ms are lost, 1 %, and as much independently in each copy.
"""

import argparse
import csv
import resource
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.transfers import Transfer, list_recordings, other_key, other_take, play, rounded, transfers
from inpaint_ray import merge
from inpaint_ray.aligning.alignment import THRESHOLD, align
from inpaint_ray.audio.runs import Event
from inpaint_ray.copies.config import MergeConfig
from inpaint_ray.copies.listing import CopyFile, MergedFile
from inpaint_ray.copies.merger import Merger
from inpaint_ray.filling.expectation import MOST_EXPECTED_DB
from inpaint_ray.filling.waveform import fill_with_notes
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import write_record
from inpaint_ray.merging.calls import Transfer as Given
from inpaint_ray.merging.offers import Taken
from inpaint_ray.restore.manifest import FOLDER

LENGTHS_MS = (100, 20, 100, 20)
EDGE_S = 1.5
LEAST_GAIN_DB, MOST_WORSE_DB = 15.0, 0.5  # the aims: of gaps of 100 ms, and of the mean of any condition
BLOCK = 2**18
FIELDS = (
    "half",
    "recording",
    "condition",
    "ms",
    "merged_db",
    "filled_db",
    "expected_db",
    "trust_db",
    "time_error",
    "taken",
    "exact",
    "score",
)

Signal = NDArray[np.float64]


def place_gaps(num_samples: int, rate: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Gaps at random in equal parts of the recording, so that none touches another."""
    part = (num_samples - 2 * EDGE_S * rate) / len(LENGTHS_MS)
    gaps = []
    for number, ms in enumerate(LENGTHS_MS):
        length = round(ms * rate / 1000)
        start = round(EDGE_S * rate + number * part + random.uniform(0, part - length - 0.2 * rate))
        gaps.append((start, start + length))
    return gaps


def events_of(gaps: list[tuple[int, int]], num_channels: int) -> list[Event]:
    """Gaps of all channels."""
    return [Event(channel, start, stop) for start, stop in gaps for channel in range(num_channels)]


def snr_db(truth: Signal, made: Signal) -> float:
    """SNR in a gap, at most 120 dB."""
    return float(
        10 * np.log10((np.sum(truth**2) + 1e-20) / (np.sum((truth - made) ** 2) + 1e-12 * np.sum(truth**2) + 1e-20))
    )


def score_recording(name: str, clean: Signal, rate: int, half: str) -> Iterator[dict[str, object]]:
    """A row for each gap and condition."""
    random = np.random.default_rng([len(name), sum(name.encode())])
    truth = rounded(clean, 16)
    gaps = place_gaps(truth.shape[1], rate, random)
    lost = np.zeros(truth.shape, dtype=bool)
    for start, stop in gaps:
        lost[:, start:stop] = True
    damaged = np.where(lost, 0.0, truth)
    filled, _ = fill_with_notes(damaged, rate, lost)
    for condition, transfer in transfers(clean, rate, random):
        other = place_gaps(transfer.samples.shape[1], transfer.sample_rate, random)
        copy = transfer.samples.copy()
        for start, stop in other:
            copy[:, start:stop] = 0
        given = Given(copy, transfer.sample_rate, events_of(other, len(copy)), "copy")
        merged = merge(damaged, rate, [given], events=events_of(gaps, len(truth)))
        assert np.array_equal(merged.samples[~lost], truth[~lost])
        for start, stop in gaps:
            part = (slice(None), slice(start, stop))
            notes = [note for note in merged.notes if note.channel == 0 and start <= note.start < stop]
            taken = [note for note in notes if isinstance(note, Taken)]
            yield {
                "half": half,
                "recording": name,
                "condition": condition,
                "ms": round(1000 * (stop - start) / rate),
                "merged_db": snr_db(truth[part], merged.samples[part]),
                "filled_db": snr_db(truth[part], filled[part]),
                "expected_db": taken[0].expected_snr_db if taken else np.nan,
                "trust_db": taken[0].trust_db if taken else np.nan,
                "time_error": _time_error(taken, transfer),
                "taken": sum(note.stop - note.start for note in taken) / (stop - start),
                "exact": bool(np.array_equal(merged.samples[part], truth[part])),
                "score": merged.alignments["copy"].score,
            }


def _time_error(taken: list[Taken], transfer: Transfer) -> float:
    """Error of the place of a gap in the copy, in samples of the copy."""
    if not taken:
        return np.nan
    truth = float(transfer.to_copy(np.array([float(taken[0].start)]))[0])
    return abs(taken[0].copy_start_s * transfer.sample_rate - truth)


def print_table(rows: list[dict[str, str]]) -> None:
    """A line a condition and length, and whether its aim is met."""
    errors = "time error, samples: median, 95 %, most"
    heads = ("condition", "ms", "gaps", "taken over", "merged, dB", "best fill, dB", "gain, dB", errors, "exact")
    print(f"| {' | '.join(heads)} |\n| :-- |{' --: |' * (len(heads) - 1)}")
    groups = defaultdict(list)
    for row in rows:
        rates = row["condition"].endswith(("kHz against 48", "kHz against 44.1"))
        groups["44.1 against 48 kHz" if rates else row["condition"], int(row["ms"])].append(row)
    for (condition, ms), found in groups.items():
        merged, filled, taken, error = (
            np.array([float(row[name]) for row in found]) for name in ("merged_db", "filled_db", "taken", "time_error")
        )
        gain, aim = merged.mean() - filled.mean(), LEAST_GAIN_DB if ms >= 100 else -MOST_WORSE_DB
        error = error[np.isfinite(error)]
        spread = (np.median(error), np.percentile(error, 95), error.max()) if len(error) else ()
        cells = (
            condition,
            str(ms),
            str(len(found)),
            f"{100 * taken.mean():.0f} %",
            f"{merged.mean():.1f}",
            f"{filled.mean():.1f}",
            f"{gain:+.1f}" + ("" if gain >= aim else " **missed**"),
            ", ".join(f"{each:.3f}" for each in spread),
            str(sum(row["exact"] == "True" for row in found)),
        )
        print(f"| {' | '.join(cells)} |")


def calibrate(rows: list[dict[str, str]]) -> None:
    """Fit the line of COEFFICIENTS for copies to gaps that were wholly taken, and print how far it is off."""
    whole = [row for row in rows if float(row["taken"]) > 0.999 and row["exact"] == "False"]
    trust, expected, truth = (
        np.array([float(row[name]) for row in whole]) for name in ("trust_db", "expected_db", "merged_db")
    )
    truth = np.clip(truth, -20, MOST_EXPECTED_DB)  # no more is ever expected
    length = np.log2(np.minimum(np.array([float(row["ms"]) for row in whole]) / 1000, 0.3) / 0.1)
    matrix = np.stack([np.ones_like(trust), length, np.minimum(trust, MOST_EXPECTED_DB)], axis=1)
    fitted, *_ = np.linalg.lstsq(matrix, truth, rcond=None)
    print("constant, a doubling of 0.1 s, a dB of trust:", np.round(fitted, 2))
    for label, values in (("as it stands", expected), ("fitted", np.clip(matrix @ fitted, -3, MOST_EXPECTED_DB))):
        error = values - truth
        print(f"{label}: mean error {error.mean():+.1f} dB, absolute {np.abs(error).mean():.1f} dB, {len(whole)} gaps")


def refuse(folders: list[Path], half: str, limit: int, count: int) -> None:
    """Scores of wrong copies, and of right ones beside them."""
    recordings = list(list_recordings(folders, half, limit))
    wrong: dict[str, list[float]] = defaultdict(list)
    for number in range(count):
        _, clean, rate = recordings[number % len(recordings)]
        kind = ("another piece", "another key", "another take")[number % 3]
        random = np.random.default_rng(number)
        if kind == "another piece":
            step = 1 + number // len(recordings)
            same_rate = [each for each in recordings if each[1] is not clean]
            _, copy, copy_rate = same_rate[(number + step) % len(same_rate)]
        else:
            copy_rate = rate
            copy = (
                other_key(clean, rate, int(random.choice([-2, -1, 1, 2])))
                if kind == "another key"
                else other_take(clean, rate, random)
            )
        wrong[kind].append(align(partial(blocks_of, clean), rate, partial(blocks_of, copy), copy_rate).score)
        print(f"{number + 1} {kind}: {wrong[kind][-1]:.3f}", flush=True)
    for kind, scores in wrong.items():
        refused = sum(score < THRESHOLD for score in scores)
        print(f"{kind}: {refused} of {len(scores)} refused; highest score {max(scores):.3f}, threshold {THRESHOLD:g}")


def blocks_of(samples: Signal) -> Iterator[NDArray]:
    """A recording in blocks."""
    return (samples[:, first : first + BLOCK] for first in range(0, samples.shape[1], BLOCK))


def run_long(folders: list[Path], work: Path, minutes: float) -> None:
    """Merge one long stereo recording with a copy 0.3 % faster in this process; CPU time and memory."""
    work.mkdir(parents=True, exist_ok=True)
    source, copy = work / "long.flac", work / "copy.flac"
    random = np.random.default_rng(0)
    rate = 44_100
    with (
        soundfile.SoundFile(source, "w", rate, 2, "PCM_16") as one,
        soundfile.SoundFile(copy, "w", rate, 2, "PCM_16") as other,
    ):
        while one.frames < minutes * 60 * rate:
            for _, clean, own_rate in list_recordings(folders, "tune", 40):
                if own_rate != rate:
                    continue
                for target, sound in ((one, clean), (other, play(clean, rate, speed=0.003).samples)):
                    damaged = sound.copy()
                    for start, stop in place_gaps(sound.shape[1], rate, random):
                        damaged[:, start:stop] = 0
                    target.write(damaged.T)
                if one.frames >= minutes * 60 * rate:
                    break
    seconds = soundfile.info(source).duration
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.process_time()
    config = MergeConfig(input=str(work), output=str(work / "out"), copies=("copy",))
    item = MergedFile(
        uri=str(source),
        name="long.flac",
        size=source.stat().st_size,
        fingerprint="f",
        copies=(CopyFile("copy.flac", str(copy), None),),
    )
    with write_record(Ledger(config.output, FOLDER).records, "record", Merger.schema) as record:
        entry = Merger(config, "")(item, None, record)
    cpu = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row = entry.row
    print(f"{seconds / 60:.1f} min: {row['status']}, {row['gaps']} gaps, copies {row['copies']}, {row['error']}")
    print(f"CPU {cpu:.0f} s, {seconds / cpu:.1f} times real time; peak {peak:.0f} MiB, {before:.0f} before it began")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("gaps", "table", "calibrate", "refuse", "long"))
    parser.add_argument("--music", type=Path, nargs="+", default=[])
    parser.add_argument("--half", choices=("tune", "test"), default="test")
    parser.add_argument("--recordings", type=int, default=6)
    parser.add_argument("--wrong", type=int, default=50, help="copies that must be refused")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--minutes", type=float, default=120.0)
    arguments = parser.parse_args()
    if arguments.what == "refuse":
        refuse(arguments.music, arguments.half, arguments.recordings, arguments.wrong)
    elif arguments.what == "long":
        run_long(arguments.music, arguments.work, arguments.minutes)
    elif arguments.what == "gaps":
        with arguments.scores.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if not file.tell():
                writer.writeheader()
            for recording in list_recordings(arguments.music, arguments.half, arguments.recordings):
                for row in score_recording(*recording, arguments.half):
                    writer.writerow(row)
                    file.flush()
                print(recording[0], flush=True)
    else:
        with arguments.scores.open(newline="") as file:
            rows = list(csv.DictReader(file))
        (print_table if arguments.what == "table" else calibrate)(rows)


if __name__ == "__main__":
    main()
