"""Lost samples taken from simulated transfers, beside the best fill of a single copy.

    python -m benchmarks.merge gaps --music FOLDER... --half test --recordings 6 --scores scores.csv
    python -m benchmarks.merge refuse --music FOLDER... --half test --recordings 10
    python -m benchmarks.merge mono --music FOLDER... --half test
    python -m benchmarks.merge long --music FOLDER... --work FOLDER --minutes 15
    python -m benchmarks.merge table --scores scores.csv
    python -m benchmarks.merge calibrate --scores scores.csv

Recordings belong to the tuning or to the test half by a hash of their names. In 24 s of a recording two gaps of 100 ms
and two of 20 ms are lost, 1 %, and as much independently in each copy. Scores are appended, and what is there is not
computed again, so that `gaps` goes on where it was stopped.
"""

import argparse
import csv
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.long_merge import run_long
from benchmarks.mono_bound import bound
from benchmarks.transfers import Transfer, conditions, list_recordings, rounded
from benchmarks.wrong_copies import refuse
from inpaint_ray import merge
from inpaint_ray.audio.runs import Event
from inpaint_ray.filling.expectation import MOST_EXPECTED_DB
from inpaint_ray.filling.waveform import fill_with_notes
from inpaint_ray.merging.calls import Transfer as Given
from inpaint_ray.merging.offers import Taken

LENGTHS_MS = (100, 20, 100, 20)
EDGE_S = 1.5
LEAST_GAIN_DB, MOST_WORSE_DB = 15.0, 0.5  # the aims: of gaps of 100 ms, and of the mean of any condition
RESAMPLES = 2000  # of recordings, for intervals of 95 %
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
    "had",
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


@dataclass(frozen=True)
class Damaged:
    """A recording with gaps, and the best fill of a single copy."""

    name: str
    clean: Signal  # (c, n) of 24 bits
    rate: int
    truth: Signal  # of 16 bits
    gaps: list[tuple[int, int]]
    lost: NDArray[np.bool_]
    samples: Signal
    filled: Signal


def damage(name: str, clean: Signal, rate: int) -> Damaged:
    """Lose 1 % of a recording, and fill it."""
    truth = rounded(clean, 16)
    gaps = place_gaps(truth.shape[1], rate, np.random.default_rng(zlib.crc32(name.encode())))
    lost = mark(gaps, truth.shape)
    samples = np.where(lost, 0.0, truth)
    return Damaged(name, clean, rate, truth, gaps, lost, samples, fill_with_notes(samples, rate, lost)[0])


def score_condition(recording: Damaged, condition: str) -> Iterator[dict[str, object]]:
    """A row for each gap."""
    name, rate, truth, gaps = recording.name, recording.rate, recording.truth, recording.gaps
    random = np.random.default_rng(zlib.crc32(f"{name} {condition}".encode()))
    transfer = conditions(rate)[condition](recording.clean, rate, random)
    other = place_gaps(transfer.samples.shape[1], transfer.sample_rate, random)
    other_lost = mark(other, transfer.samples.shape)
    copy = np.where(other_lost, 0.0, transfer.samples)
    given = Given(copy, transfer.sample_rate, events_of(other, len(copy)), "copy")
    merged = merge(recording.samples, rate, [given], events=events_of(gaps, len(truth)))
    assert np.array_equal(merged.samples[~recording.lost], truth[~recording.lost])
    for start, stop in gaps:
        part = (slice(None), slice(start, stop))
        notes = [note for note in merged.notes if note.channel == 0 and start <= note.start < stop]
        taken = [note for note in notes if isinstance(note, Taken)]
        yield {
            "recording": name,
            "condition": condition,
            "ms": round(1000 * (stop - start) / rate),
            "merged_db": snr_db(truth[part], merged.samples[part]),
            "filled_db": snr_db(truth[part], recording.filled[part]),
            "expected_db": taken[0].expected_snr_db if taken else np.nan,
            "trust_db": taken[0].trust_db if taken else np.nan,
            "time_error": _time_error(taken, transfer),
            "had": _had(transfer, other_lost, start, stop),
            "taken": sum(note.stop - note.start for note in taken) / (stop - start),
            "exact": bool(np.array_equal(merged.samples[part], truth[part])),
            "score": merged.alignments["copy"].score,
        }


def mark(gaps: list[tuple[int, int]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The samples that are lost."""
    lost = np.zeros(shape, dtype=bool)
    for start, stop in gaps:
        lost[:, start:stop] = True
    return lost


def _had(transfer: Transfer, lost: NDArray[np.bool_], start: int, stop: int) -> float:
    """The share of a gap that the copy has."""
    place = np.nan_to_num(transfer.to_copy(np.arange(start, stop, dtype=np.float64)), nan=-1.0)
    nearest = np.rint(place).astype(np.int64)
    inside = (nearest >= 0) & (nearest < lost.shape[1])
    return float(np.mean(inside & ~lost[0, np.clip(nearest, 0, lost.shape[1] - 1)]))


def _time_error(taken: list[Taken], transfer: Transfer) -> float:
    """Error of the place of a gap in the copy, in samples of the copy."""
    if not taken:
        return np.nan
    truth = float(transfer.to_copy(np.array([float(taken[0].start)]))[0])
    return abs(taken[0].copy_start_s * transfer.sample_rate - truth)


def print_table(rows: list[dict[str, str]]) -> None:
    """A line a condition and length, and whether its aim is met."""
    errors = "time error, samples: median, 95 %, most"
    heads = ("condition", "ms", "gaps", "had / taken over", "merged, dB", "best fill, dB", "gain, dB", errors, "exact")
    print(f"| {' | '.join(heads)} |\n| :-- |{' --: |' * (len(heads) - 1)}")
    groups = defaultdict(list)
    for row in rows:
        rates = row["condition"].endswith(("kHz against 48", "kHz against 44.1"))
        groups["44.1 against 48 kHz" if rates else row["condition"], int(row["ms"])].append(row)
    for (condition, ms), found in groups.items():
        merged, filled, had, taken, error = (
            np.array([float(row[name]) for row in found])
            for name in ("merged_db", "filled_db", "had", "taken", "time_error")
        )
        gain, aim = float(np.mean(merged - filled)), LEAST_GAIN_DB if ms >= 100 else -MOST_WORSE_DB
        low, high = interval(merged - filled, [row["recording"] for row in found])
        error = error[np.isfinite(error)]
        spread = (np.median(error), np.percentile(error, 95), error.max()) if len(error) else ()
        cells = (
            condition,
            str(ms),
            str(len(found)),
            f"{100 * had.mean():.0f} / {100 * taken.mean():.0f} %",
            f"{merged.mean():.1f}",
            f"{filled.mean():.1f}",
            f"{gain:+.1f}" + (f" ({low:+.1f} to {high:+.1f})" if high > low else "") + " **missed**" * (gain < aim),
            ", ".join(f"{each:.3f}" for each in spread),
            str(sum(row["exact"] == "True" for row in found)),
        )
        print(f"| {' | '.join(cells)} |")


def interval(values: Signal, recordings: list[str]) -> tuple[float, float]:
    """The interval of a mean: recordings, not gaps, are drawn anew."""
    names, number = np.unique(recordings, return_inverse=True)
    sums, counts = np.bincount(number, values), np.bincount(number)
    drawn = np.random.default_rng(0).integers(0, len(names), (RESAMPLES, len(names)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (2.5, 97.5))
    return float(low), float(high)


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


def score(folders: list[Path], half: str, limit: int, path: Path) -> None:
    """Append the scores that are missing, of other conditions of each recording in turn."""
    done = defaultdict(set)
    if path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                done[row["recording"]].add(row["condition"])
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not file.tell():
            writer.writeheader()
        recordings = [damage(*each) for each in list_recordings(folders, half, limit)]
        for turn in range(len(conditions(recordings[0].rate))):
            for number, recording in enumerate(recordings):
                names = list(conditions(recording.rate))
                condition = names[(number + turn) % len(names)]
                if condition not in done[recording.name]:
                    for row in score_condition(recording, condition):
                        writer.writerow({"half": half, **row})
                    file.flush()
                    print(recording.name, condition, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("gaps", "table", "calibrate", "refuse", "mono", "long"))
    parser.add_argument("--music", type=Path, nargs="+", default=[])
    parser.add_argument("--half", choices=("tune", "test"), default="test")
    parser.add_argument("--recordings", type=int, default=6)
    parser.add_argument("--wrong", type=int, default=50, help="copies that must be refused")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--profile", action="store_true", help="print the functions that take the time")
    arguments = parser.parse_args()
    if arguments.what == "refuse":
        refuse(arguments.music, arguments.half, arguments.recordings, arguments.wrong)
    elif arguments.what == "mono":
        bound(arguments.music, arguments.half, arguments.recordings)
    elif arguments.what == "long":
        run_long(arguments.music, arguments.work, arguments.minutes, profiled=arguments.profile)
    elif arguments.what == "gaps":
        score(arguments.music, arguments.half, arguments.recordings, arguments.scores)
    else:
        with arguments.scores.open(newline="") as file:
            rows = list(csv.DictReader(file))
        (print_table if arguments.what == "table" else calibrate)(rows)


if __name__ == "__main__":
    main()
