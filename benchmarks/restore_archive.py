"""How much of an archive's gaps each method brings back: zero gaps cut into real music, SNR in the gaps by file.

    python benchmarks/restore_archive.py --music FOLDER --work FOLDER

WORK/clean and WORK/damaged have the music in its own lossless format (lossy files as FLAC), WORK/damaged with gaps in
all channels; both stay, to try jobs/restore.py on.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.detection import find_lost, find_runs
from inpaint_ray.audio.encode import encode
from inpaint_ray.audio.metrics import snr
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.inpainting.calls import restorer_of
from inpaint_ray.inpainting.waveform import Method, RestoreMagnitudes
from inpaint_ray.restore.restorer import convert, restore_recording

COMPARED: tuple[Method, ...] = ("silence", "linear", "autoregressive")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    sample_rate: int
    channels: int
    gaps: int
    found: float  # share of the lost samples that detection finds in the damaged file
    false: int  # samples that it takes for lost and that are not
    snr_db: list[float]  # in the gaps, by method


def damage(recording: Recording, *, seed: int, share: float, max_gap_s: float) -> tuple[Recording, NDArray[np.bool_]]:
    """The recording with zeros in the gaps, which are the same in all channels; and lost, (channels, n)."""
    lost = draw_gaps(recording.num_samples, recording.sample_rate, seed=seed, share=share, max_gap_s=max_gap_s)
    missing = np.broadcast_to(lost, recording.samples.shape)
    return replace(recording, samples=np.where(missing, 0, recording.samples).astype(recording.samples.dtype)), missing


def score(
    name: str,
    clean: Recording,
    damaged: Recording,
    lost: NDArray[np.bool_],
    methods: list[Method],
    model: RestoreMagnitudes | None,
) -> Row:
    """One file by every method, with the true gaps given to it."""
    truth = torch.from_numpy(clean.to_float()[lost])
    scores = []
    for method in methods:
        restored = restore_recording(damaged, lost, method=method, restore_magnitudes=model)
        assert np.array_equal(restored.samples[~lost], damaged.samples[~lost]), (
            f"{name}: {method} changed known samples"
        )
        scores.append(snr(torch.from_numpy(restored.to_float()[lost]), truth))
    detected = find_lost(damaged.to_float(), damaged.sample_rate)
    return Row(
        name=name,
        sample_rate=clean.sample_rate,
        channels=len(clean.samples),
        gaps=len(find_runs(lost[0])[0]),
        found=float(detected[lost].mean()),
        false=int(detected[~lost].sum()),
        snr_db=scores,
    )


def print_table(rows: list[Row], methods: list[Method]) -> None:
    """Aligned; a line for each file, mean and median last."""
    width = max(len(row.name) for row in rows)
    columns = [f"{method:>14}" for method in methods]
    print(f"SNR in the gaps in dB\n{'file':<{width}}    rate  ch  gaps  found  false", *columns, sep="  ")
    for row in rows:
        given = f"{row.name:<{width}}  {row.sample_rate:>6}  {row.channels:>2}  {row.gaps:>4}  {row.found:>5.1%}"
        print(f"{given}  {row.false:>5}", *(f"{value:>14.2f}" for value in row.snr_db), sep="  ")
    table = np.array([row.snr_db for row in rows])
    for word, values in (("mean", table.mean(axis=0)), ("median", np.median(table, axis=0))):
        print(f"{word:<{width + 33}}", *(f"{value:>14.2f}" for value in values), sep="  ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of undamaged audio")
    parser.add_argument("--work", type=Path, required=True, help="folder for the clean and damaged copies")
    parser.add_argument("--methods", nargs="+", choices=get_args(Method), default=list(COMPARED))
    parser.add_argument("--checkpoint", help="checkpoint folder; adds the method model")
    parser.add_argument("--share", type=float, default=0.01, help="of the samples that are lost")
    parser.add_argument("--max-gap-s", type=float, default=0.05, help="longest gap in seconds, from 0.005")
    parser.add_argument("--seed", type=int, default=0, help="of the gaps")
    arguments = parser.parse_args()
    methods: list[Method] = arguments.methods + (["model"] if arguments.checkpoint else [])
    model = restorer_of(open_checkpoint(arguments.checkpoint)) if arguments.checkpoint else None
    rows = []
    for path in sorted(path for path in arguments.music.rglob("*") if path.is_file()):
        try:
            original = read_recording(path.read_bytes())
        except AudioDecodeError:
            continue  # a list or a text beside the music
        clean = convert(original, "same")
        name = path.relative_to(arguments.music).as_posix() + ("" if clean is original else ".flac")
        damaged, lost = damage(clean, seed=arguments.seed, share=arguments.share, max_gap_s=arguments.max_gap_s)
        for folder, recording in (("clean", clean), ("damaged", damaged)):
            target = arguments.work / folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encode(recording))
        if lost.any():
            rows.append(score(name, clean, damaged, lost, methods, model))
            print(f"  {name}", flush=True)
    print_table(rows, methods)


if __name__ == "__main__":
    main()
