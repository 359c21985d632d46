from collections.abc import Iterator

import pytest
import torch

from inpaint_ray.audio.grid import Grid
from inpaint_ray.audio.metrics import snr
from inpaint_ray.audio.stft import spectrogram
from inpaint_ray.filling.griffin_lim import griffin_lim

GRID = Grid()
NUM_SAMPLES = 8000


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small transforms on several threads are a hundred times slower where the cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chirp() -> torch.Tensor:
    time = torch.arange(NUM_SAMPLES) / 16_000
    return 0.4 * torch.sin(2 * torch.pi * (300 + 400 * time) * time) + 0.2 * torch.sin(2 * torch.pi * 1200 * time)


def convergence(signal: torch.Tensor, magnitudes: torch.Tensor) -> float:
    """Spectral convergence in dB: how near the signal's magnitudes are to the wanted ones."""
    return snr(spectrogram(signal, GRID), magnitudes)


def test_more_iterations_come_nearer_to_the_magnitudes() -> None:
    magnitudes = spectrogram(chirp(), GRID)
    reached = [
        convergence(griffin_lim(magnitudes, GRID, NUM_SAMPLES, num_iterations=k), magnitudes) for k in (0, 5, 50)
    ]
    assert reached[0] + 3 < reached[1] < reached[2]


def test_momentum_comes_nearer_in_as_many_iterations() -> None:
    magnitudes = spectrogram(chirp(), GRID)
    plain = griffin_lim(magnitudes, GRID, NUM_SAMPLES, num_iterations=30)
    fast = griffin_lim(magnitudes, GRID, NUM_SAMPLES, num_iterations=30, momentum=0.99)
    assert convergence(fast, magnitudes) > convergence(plain, magnitudes) + 2


def test_known_samples_are_held_and_lost_ones_found() -> None:
    clean = chirp()
    lost = torch.zeros(NUM_SAMPLES, dtype=torch.bool)
    lost[4000:4400] = True
    start = clean.masked_fill(lost, 0.0)
    filled = griffin_lim(
        spectrogram(clean, GRID), GRID, NUM_SAMPLES, num_iterations=100, momentum=0.99, start=start, lost=lost
    )
    assert torch.equal(filled[~lost], clean[~lost])
    assert snr(filled[lost], clean[lost]) > 15


def test_a_batch_equals_its_members_one_by_one() -> None:
    magnitudes = torch.stack([spectrogram(chirp(), GRID), 2 * spectrogram(chirp().flip(0), GRID)])
    batched = griffin_lim(magnitudes, GRID, NUM_SAMPLES, num_iterations=3)
    torch.testing.assert_close(batched[1], griffin_lim(magnitudes[1], GRID, NUM_SAMPLES, num_iterations=3))


def test_a_wrong_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="8000 samples have 125 frames, got 10"):
        griffin_lim(torch.zeros(10, 128), GRID, NUM_SAMPLES)


def test_lost_without_a_start_is_refused() -> None:
    with pytest.raises(ValueError, match="lost needs start"):
        griffin_lim(torch.zeros(125, 128), GRID, NUM_SAMPLES, lost=torch.zeros(NUM_SAMPLES, dtype=torch.bool))
