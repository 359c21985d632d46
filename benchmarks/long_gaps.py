"""Filling of gaps of 20 ms to seconds in whole recordings: waveform, spectrum, level and onsets by each method.

    python -m benchmarks.long_gaps --music FOLDER --half test --scores scores.csv --checkpoint pretrained
    python -m benchmarks.long_gaps --music FOLDER --half tune --lengths 200 500 --methods main auto --scores scores.csv
    python -m benchmarks.long_gaps --table scores.csv
    python -m benchmarks.long_gaps --music FOLDER --half test --sounds FOLDER --lengths 500 --checkpoint pretrained

Recordings belong to the tuning or to the test half by a hash of their names; rules and parameters are chosen on the
tuning half alone. In each recording the gaps of one length are lost at once, 5 s and more apart, so that none may be
filled from another. Without --music, synthesised instruments, whose seeds are split in the same way.
"""

import argparse
import csv
import hashlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gap_filling import MIN_POWER, fill_plainly
from benchmarks.gap_scores import Score, append_scores, judge, print_summary, print_tables, score_gap
from benchmarks.instruments import INSTRUMENTS, play
from inpaint_ray.audio.decode import decode
from inpaint_ray.audio.runs import find_runs
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.evaluate.audio.visqol import Visqol
from inpaint_ray.filling.auto import Known
from inpaint_ray.filling.autoregressive import fill_gaps
from inpaint_ray.filling.calls import restorer_of
from inpaint_ray.filling.waveform import Fill, fill, fill_with_notes
from inpaint_ray.pages.pictures import draw_spectrograms
from inpaint_ray.pages.sounds import to_flac

LENGTHS_MS = (20, 50, 100, 200, 500, 1000)
APART_S = 5.0  # at least, between the gaps of a recording
EDGE_S = 1.5  # of sound at either end of a recording that is never lost
MAIN_SOLVED_S, MAIN_AUTOREGRESSIVE_S = 0.1, 0.2  # as of 2026-11-27: solved up to here; beyond here by a network
LONGEST_JANSSEN_S = 0.2  # the plain one needs minutes above
HEARD_S = 2.0  # on either side of a gap that is rendered

Signal = NDArray[np.float64]
Lost = NDArray[np.bool_]
Noted = tuple[Signal, list[Fill]]
Filler = Callable[[Signal, int, Lost], Signal | Noted]


def half_of(name: str) -> str:
    """Return the half that a recording belongs to, `tune` or `test`."""
    return "tune" if hashlib.sha256(name.encode()).digest()[0] % 2 else "test"


def recordings_of(folders: list[Path], half: str, limit: int, seconds: float) -> Iterator[tuple[str, Signal, int]]:
    """Yield name, first channel, (n,), and rate of recordings of a half, up to a number a folder."""
    for folder in folders:
        named = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        chosen = [name for name in named if half_of(name) == half]
        given = 0
        for name in sorted(chosen, key=lambda name: hashlib.sha256(name.encode()).digest()):
            if given == limit:
                break
            try:
                samples, rate = decode(named[name].read_bytes(), longest_s=seconds)
            except AudioDecodeError:
                continue  # a list or a text beside the music
            given += 1
            yield name, samples[0].astype(np.float64), rate


def instruments_of(half: str, seconds: float) -> Iterator[tuple[str, Signal, int]]:
    """Yield synthesised instruments, of even seeds for tuning and odd ones for testing."""
    for name in INSTRUMENTS:
        for seed in range(0 if half == "tune" else 1, 10, 2):
            yield f"{name} {seed}", play(name, seconds, 44_100, seed), 44_100


def place_gaps(clean: Signal, sample_rate: int, length_ms: int, count: int) -> Lost:
    """Place evenly spread gaps where there is sound, as many as asked for or fit: (n,)."""
    length, edge = round(length_ms * sample_rate / 1000), round(EDGE_S * sample_rate)
    spare = len(clean) - 2 * edge - length
    lost = np.zeros(len(clean), dtype=bool)
    if spare < 0:
        return lost
    fitting = min(count, 1 + int(spare / (APART_S * sample_rate + length)))
    for start in np.linspace(edge, edge + spare, fitting + 2)[1:-1].astype(int):
        if np.mean(clean[start : start + length] ** 2) > MIN_POWER:
            lost[start : start + length] = True
    return lost


def fill_as_main(known: Signal, sample_rate: int, lost: Lost, *, model: Callable | None = None) -> Signal:
    """Fill by `auto` of 2026-11-27: autoregressive up to 0.2 s, above by the network if there is one."""
    starts, stops = find_runs(lost)
    if model is not None and (stops - starts).max() > MAIN_AUTOREGRESSIVE_S * sample_rate:
        return fill(known, sample_rate, lost, method="model", restore_magnitudes=model)
    return fill_gaps(known, lost, sample_rate, max_solved_s=MAIN_SOLVED_S)


def fill_as_janssen(known: Signal, sample_rate: int, lost: Lost) -> Signal:
    """Fill by plain Janssen; gaps that are too long for it stay lost."""
    starts, stops = find_runs(lost)
    if (stops - starts).max() > LONGEST_JANSSEN_S * sample_rate:
        return np.full_like(known, np.nan)
    return fill_plainly(known, sample_rate, lost)


def fillers_of(checkpoint: str | None) -> dict[str, Filler]:
    """Return the methods to compare."""
    fillers: dict[str, Filler] = {
        "silence": lambda known, sample_rate, lost: known,
        "janssen": fill_as_janssen,
        "main": fill_as_main,
        "autoregressive": partial(fill, method="autoregressive"),
        "auto": fill_with_notes,
        "best": partial(fill_with_notes, effort="best"),
    }
    if checkpoint:
        model = restorer_of(open_checkpoint(checkpoint))
        fillers["main + network"] = partial(fill_as_main, model=model)
        fillers["network"] = partial(fill_with_notes, method="model", restore_magnitudes=model)
        fillers["auto + network"] = partial(fill_with_notes, restore_magnitudes=model)
        fillers["best + network"] = partial(fill_with_notes, restore_magnitudes=model, effort="best")
    return fillers


def score_recording(
    half: str,
    name: str,
    clean: Signal,
    rate: int,
    length_ms: int,
    lost: Lost,
    fillers: dict[str, Filler],
    visqol: Visqol | None,
    sounds: Path | None = None,
) -> Iterator[Score]:
    """Score every gap of one length by every method."""
    known = np.where(lost, 0.0, clean)
    starts, stops = find_runs(lost)
    signals = {"clean": clean, "damaged": known}
    for method, filler in fillers.items():
        began = time.process_time()
        made = filler(known, rate, lost)
        seconds = (time.process_time() - began) / len(starts)
        filled, notes = made if isinstance(made, tuple) else (made, [])
        signals[method] = filled
        noted = {note.start: note for note in notes}
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            if not np.isfinite(filled[start:stop]).all():
                continue
            note = noted.get(start)
            yield Score(
                half=half,
                recording=name,
                start=start,
                length_ms=length_ms,
                method=method,
                used=note.method if note else method,
                expected_db=note.expected_snr_db if note else np.nan,
                told_by=_told_by(note.known) if note and note.known else "",
                visqol=judge(visqol, filled, clean, rate, start, stop),
                seconds=seconds,
                **score_gap(filled, clean, rate, start, stop),
            )
    if sounds:
        render(sounds, name, signals, rate, int(starts[0]), int(stops[0]))


def _told_by(known: Known) -> str:
    values = known.level_db, known.trust_db, known.pseudo_db
    return " ".join(f"{value:.3f}" for value in values)


def render(folder: Path, name: str, signals: dict[str, Signal], sample_rate: int, start: int, stop: int) -> None:
    """Write sound and spectrogram of a few seconds around a gap, clean, damaged and filled."""
    around = slice(max(start - round(HEARD_S * sample_rate), 0), stop + round(HEARD_S * sample_rate))
    lost = np.zeros(len(signals["clean"][around]), dtype=bool)
    lost[start - around.start : stop - around.start] = True
    parts = {label: signal[None, around].astype(np.float32) for label, signal in signals.items()}
    stem = f"{Path(name).stem}_{start}_{1000 * (stop - start) // sample_rate}ms"
    folder.mkdir(parents=True, exist_ok=True)
    for label, part in parts.items():
        (folder / f"{stem}_{label.replace(' + ', '_')}.flac").write_bytes(to_flac(part, sample_rate))
    (folder / f"{stem}.png").write_bytes(draw_spectrograms(parts, lost, sample_rate, reference="clean"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, nargs="+", help="folders of recordings; without, instruments are played")
    parser.add_argument("--half", choices=("tune", "test"), default="test")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS_MS, help="ms")
    parser.add_argument("--gaps", type=int, default=4, help="of each length in each recording, at most")
    parser.add_argument("--files", type=int, default=25, help="of each folder, at most")
    parser.add_argument("--seconds", type=float, default=240.0, help="of each recording, at most")
    parser.add_argument("--methods", nargs="+", help="only these")
    parser.add_argument("--checkpoint", help="checkpoint folder, or pretrained; adds the methods with a network")
    parser.add_argument("--visqol", action="store_true", help="needs pip install visqol-python; from 200 ms on")
    parser.add_argument("--scores", type=Path, help="CSV to which scores are added")
    parser.add_argument("--sounds", type=Path, help="folder for the first gap of each recording, as FLAC and PNG")
    parser.add_argument("--table", type=Path, nargs="+", help="print tables of such CSVs, and do nothing else")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.table:
        rows = [row for path in arguments.table for row in csv.DictReader(path.open())]
        print_tables(rows)
        print_summary(rows)
        return
    fillers = fillers_of(arguments.checkpoint)
    fillers = {name: fillers[name] for name in arguments.methods or fillers}
    visqol = Visqol() if arguments.visqol else None
    rows = []
    if arguments.music:
        recordings = recordings_of(arguments.music, arguments.half, arguments.files, arguments.seconds)
    else:
        recordings = instruments_of(arguments.half, min(arguments.seconds, 12.0))
    for name, clean, rate in recordings:
        for length_ms in arguments.lengths:
            lost = place_gaps(clean, rate, length_ms, arguments.gaps)
            if lost.any():
                judged_by = visqol if length_ms >= 200 else None
                scores = score_recording(
                    arguments.half, name, clean, rate, length_ms, lost, fillers, judged_by, arguments.sounds
                )
                made = [{key: str(value) for key, value in vars(score).items()} for score in scores]
                rows += made
                if arguments.scores:
                    append_scores(arguments.scores, made)
    print_tables(rows)


if __name__ == "__main__":
    main()
