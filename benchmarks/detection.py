"""Detection of dropouts cut into real music, and false alarms in undamaged music.

    python -m benchmarks.detection --music FOLDER [--hours 1]

Everything is rounded to 16 bits, as an archive holds it. A gap counts as found when a found one overlaps it.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.runs import Event, find_runs, mark_gaps
from inpaint_ray.errors import AudioDecodeError
from inpaint_ray.finding.detection import find_gaps

FULL_SCALE = 2**15
FLOOR = 4 / FULL_SCALE
AUDIBLE = 1e-3  # RMS of what was lost, -60 dB; of silence nothing can be found missing
RAMP_S = 0.004  # of sound that dies away into a gap
KINDS = ("zeros", "stuck", "dither", "worn")


@dataclass
class Count:
    """Counts of one kind of damage over all files."""

    gaps: int = 0
    found: int = 0
    audible: int = 0
    audible_found: int = 0
    claimed: int = 0
    right: int = 0
    lost: int = 0
    lost_found: int = 0


def read_music(folder: Path) -> Iterator[tuple[str, Recording]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            recording = read_recording(path.read_bytes())
        except AudioDecodeError:
            continue  # a list or a text beside the music
        yield path.relative_to(folder).as_posix(), recording


def round_to_16_bits(samples: NDArray) -> NDArray[np.float32]:
    return (np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE).astype(np.float32)


def damage(channel: NDArray[np.float32], lost: NDArray[np.bool_], kind: str, rate: int) -> NDArray[np.float32]:
    """Damage one channel, (n,), with dropouts of a kind."""
    damaged = channel.copy()
    random = np.random.default_rng(0)
    for start, stop in zip(*find_runs(lost), strict=True):
        if kind == "stuck":
            damaged[start:stop] = channel[start - 1]
        elif kind == "dither":
            damaged[start:stop] = random.integers(-1, 2, stop - start) / FULL_SCALE
        else:
            damaged[start:stop] = 0
        if kind == "worn":
            length = min(round(RAMP_S * rate), (stop - start) // 3)
            ramp = np.linspace(1, 0, length) ** 2
            damaged[start : start + length] = channel[start : start + length] * ramp
            damaged[stop - length : stop] = channel[stop - length : stop] * ramp[::-1]
    return round_to_16_bits(damaged)


def compare(clean: NDArray[np.float32], lost: NDArray[np.bool_], found: list[Event], count: Count) -> None:
    """Add one channel to the counts."""
    marked = mark_gaps(found, 1, 0, len(clean))[0]
    for start, stop in zip(*find_runs(lost), strict=True):
        hit = bool(marked[start:stop].any())
        audible = float(np.sqrt(np.mean(clean[start:stop].astype(np.float64) ** 2))) > AUDIBLE
        count.gaps, count.found = count.gaps + 1, count.found + hit
        count.audible, count.audible_found = count.audible + audible, count.audible_found + (hit and audible)
    count.claimed += len(found)
    count.right += sum(bool(lost[gap.start : gap.stop].any()) for gap in found)
    count.lost += int(lost.sum())
    count.lost_found += int((lost & marked).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of undamaged audio")
    parser.add_argument("--hours", type=float, default=np.inf, help="of it, counted over channels")
    parser.add_argument("--share", type=float, default=0.01, help="of the samples that are lost")
    parser.add_argument("--shortest-ms", type=float, default=2.0)
    parser.add_argument("--longest-ms", type=float, default=100.0)
    arguments = parser.parse_args()
    counts = {kind: Count() for kind in KINDS}
    hours = search_s = 0.0
    alarms: list[str] = []
    for name, recording in read_music(arguments.music):
        if hours >= arguments.hours:
            break
        rate = recording.sample_rate
        clean = round_to_16_bits(recording.to_float())
        started = time.process_time()
        found = find_gaps([clean], rate, floor=FLOOR)
        search_s += time.process_time() - started
        hours += clean.size / rate / 3600
        alarms += [f"{name} channel {gap.channel}: {gap.start / rate:.4f} to {gap.stop / rate:.4f} s" for gap in found]
        for number, channel in enumerate(clean):
            lost = draw_gaps(
                len(channel),
                rate,
                seed=number,
                share=arguments.share,
                min_gap_s=arguments.shortest_ms / 1000,
                max_gap_s=arguments.longest_ms / 1000,
            )
            for kind in KINDS:
                compare(
                    channel, lost, find_gaps([damage(channel, lost, kind, rate)[None]], rate, floor=FLOOR), counts[kind]
                )
    print(
        f"{hours:.2f} hours of channels without damage: {len(alarms)} false alarms, {len(alarms) / hours:.2f} an hour"
    )
    for alarm in alarms[:20]:
        print(f"  {alarm}")
    print(f"searched {hours * 3600 / search_s:.0f} times faster than real time on a core, a channel\n")
    lengths = f"{arguments.shortest_ms:g} to {arguments.longest_ms:g} ms"
    print(f"dropouts of {lengths}, {arguments.share:.1%} of the samples; audible: what was lost is above -60 dB")
    print(f"{'kind':<8}{'gaps':>8}{'recall':>9}{'audible':>9}{'recall':>9}{'precision':>11}{'lost samples found':>20}")
    for kind, count in counts.items():
        recalls = f"{count.found / count.gaps:>9.2%}{count.audible:>9}{count.audible_found / count.audible:>9.2%}"
        rest = f"{count.right / max(count.claimed, 1):>11.2%}{count.lost_found / count.lost:>20.2%}"
        print(f"{kind:<8}{count.gaps:>8}{recalls}{rest}")


if __name__ == "__main__":
    main()
