"""Train the network that finds clicks, crackle and scratches, on music with damage that is drawn anew in every step.

    python -m benchmarks.train_clicks --music FOLDER --more FOLDER --output clicks.safetensors [--minutes 60]

A run goes on from what the output holds at `--first-step`; the learning rate follows that of `--steps`. `--more` is
further music, of which nothing is tested: game music, whose square waves and drums are what looks like clicks.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from benchmarks.local_music import list_music
from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.local_damage import add_hiss, damage_locally, round_to_16_bits
from inpaint_ray.finding.network import ClickNetwork
from inpaint_ray.finding.residuals import features

CROP = 16_384  # samples
BATCH = 6
NUM_CLIPS = 160  # of FMA that a run draws from
MORE_S, NUM_MORE = 15.0, 80  # seconds of each further recording, and how many
AUDIO = {".flac", ".ogg", ".opus", ".mp3", ".wav"}
LEARNING_RATE = 3e-3
Music = list[tuple[NDArray[np.float32], int]]


def load_music(folder: Path, more: Path | None, random: np.random.Generator) -> Music:
    paths = list_music(folder, "training")
    clips = [path for path in paths if "fma_music" in path.parts]
    others = [path for path in paths if path not in set(clips)]
    chosen = [clips[i] for i in random.choice(len(clips), NUM_CLIPS, replace=False)]
    music = []
    for path in [*chosen, *others]:
        recording = read_recording(path.read_bytes())
        music.append((recording.to_float().astype(np.float32), recording.sample_rate))
    further = [] if more is None else sorted(path for path in more.rglob("*") if path.suffix.lower() in AUDIO)
    for path in random.permutation(np.array(further, dtype=object))[:NUM_MORE]:
        recording = read_recording(path.read_bytes())
        length = round(MORE_S * recording.sample_rate)
        first = random.integers(max(recording.num_samples - length, 1))
        part = recording.cut(first, min(first + length, recording.num_samples))
        if part.num_samples > CROP:
            music.append((part.to_float().astype(np.float32), part.sample_rate))
    return music


def draw_crop(music: Music, random: np.random.Generator) -> tuple[NDArray[np.float64], int]:
    """A stretch of music, (1 or 2, CROP); a fifth from the recordings at 44.1 or 48 kHz, which are few."""
    fine = random.random() < 0.35
    pool = [each for each in music if (each[1] > 16_000) == fine]
    samples, rate = pool[random.integers(len(pool))]
    start = random.integers(samples.shape[1] - CROP)
    crop = samples[:, start : start + CROP].astype(np.float64)
    if not fine and random.random() < 0.4:  # two clips as one of stereo
        other = pool[random.integers(len(pool))][0]
        place = random.integers(other.shape[1] - CROP)
        two = np.concatenate([crop[:1], other[:1, place : place + CROP]])
        crop = np.array([[1, random.uniform(0, 1)], [random.uniform(0.3, 1), random.uniform(0, 1)]]) @ two / 2
    rate = int(random.choice([rate, 44_100])) if not fine else rate  # as if it were played faster
    return 10 ** (random.uniform(-25, 3) / 20) * crop, rate


def draw_example(music: Music, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features (c, 8, CROP), truth and weight (c, CROP)."""
    crop, rate = draw_crop(music, random)
    clean = round_to_16_bits(add_hiss(crop, random))
    damaged, lost = clean, np.zeros(clean.shape, dtype=bool)
    if random.random() > 0.2:
        for kind, share in (("clicks", 0.65), ("crackle", 0.35), ("scratches", 0.35)):
            if random.random() < share:
                density = {"clicks": (0.3, 1.2), "crackle": (-1, 0.2), "scratches": (0.2, 0.8)}[kind]
                damaged, more = damage_locally(damaged, rate, kind, random, density=10 ** random.uniform(*density))
                lost = lost | more
    change = np.abs(damaged - clean)
    level = np.sqrt(np.mean(clean**2, axis=1, keepdims=True)) + 1e-4
    weight = np.where(lost, 0.3 + np.minimum(change / (0.2 * level), 3.0), 1.0)
    return (
        torch.from_numpy(features(damaged, rate)),
        torch.from_numpy(lost.astype(np.float32)),
        torch.from_numpy(weight.astype(np.float32)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder with archive/, fma_music/, fma_metadata/")
    parser.add_argument("--more", type=Path, help="folder of further recordings, none of them tested")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--first-step", type=int, default=0)
    parser.add_argument("--steps", type=int, default=9000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(arguments.first_step)
    torch.manual_seed(arguments.first_step)
    music = load_music(arguments.music, arguments.more, random)
    network = ClickNetwork()
    if arguments.first_step:
        network.load_state_dict(load_file(arguments.output))
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    started, losses = time.monotonic(), []
    step = arguments.first_step
    while step < arguments.steps and time.monotonic() - started < 60 * arguments.minutes:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min((step - arguments.first_step + 1) / 30, 1) * (1 - step / arguments.steps)
        parts = [draw_example(music, random) for _ in range(BATCH)]
        inputs, truth, weight = (torch.cat([part[i] for part in parts]) for i in range(3))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(inputs), truth, weight)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % 50 == 0:
            print(f"step {step}  loss {np.mean(losses[-50:]):.4f}  {time.monotonic() - started:.0f} s", flush=True)
            save_file(network.state_dict(), arguments.output)
    save_file(network.state_dict(), arguments.output)
    print(f"stopped after step {step}")


if __name__ == "__main__":
    main()
