"""Steps shared by two processes that average gradients as training does (gloo, DDP), without Ray."""

import multiprocessing
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.parallel import DistributedDataParallel

from inpaint_ray.data.batches import Batch
from inpaint_ray.errors import JobFailedError
from inpaint_ray.models.output import Criterion
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.learner import Learner

CPU = torch.device("cpu")
STEPS = [(8, 6), (5, 4), (1, 1), (2, 7), (8, 6)]  # patches of each rank; the fourth as at the end of an epoch
PARTS = [1, 2, 3, 4, 5]

Ranks = list[tuple[dict[str, tuple[Tensor, Tensor]], str]]


class Output(NamedTuple):
    restored: Tensor
    latent: Tensor

    def loss(self, criterion: Criterion) -> Tensor:
        return criterion(self.restored) + self.latent.square().mean()


class Small(nn.Module):
    """Two convolutions, with batch normalisation or without, and a loss with a part of its own, as VAEs have."""

    def __init__(self, normalise: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4) if normalise else nn.Identity())
        self.last = nn.Conv2d(4, 1, 3, padding=1)

    def forward(self, magnitudes: Tensor) -> Output:
        hidden = self.inner(magnitudes)
        return Output(magnitudes + self.last(hidden.tanh()), hidden.mean(dim=(2, 3)))


class ShortOfMemory(Function):
    """Memory that is too small for the gradients of more than two patches."""

    @staticmethod
    def forward(context: Any, given: Tensor) -> Tensor:
        return given.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        if len(gradient) > 2:
            raise torch.OutOfMemoryError
        return gradient


class Hungry(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

    def forward(self, magnitudes: Tensor) -> Tensor:
        return self.last(ShortOfMemory.apply(self.first(magnitudes)))


def _batches(step: int) -> list[Batch]:
    """The patches of each rank in a step."""
    generator = torch.Generator().manual_seed(step)
    total = sum(STEPS[step])
    target = torch.rand(total, 1, 16, 8, generator=generator, dtype=torch.float64)
    lost = torch.rand(total, 16, generator=generator) < 0.3
    damaged = target.masked_fill(lost[:, None, :, None], 0.0)
    whole = Batch(target, damaged, lost, torch.arange(total), torch.zeros(total))
    first = STEPS[step][0]
    return [_cut(whole, slice(first)), _cut(whole, slice(first, None)), whole]


def _cut(batch: Batch, patches: slice) -> Batch:
    return Batch(*(getattr(batch, name)[patches] for name in ("target", "damaged", "lost", "track_id", "patch")))


def _learner(accumulate: int, *, model: nn.Module, distribute: Callable[[nn.Module], nn.Module]) -> Learner:
    of = Optimisation(accumulate=accumulate, learning_rate=1e-2)
    return Learner(model, of, Precision(), "gap_mse", CPU, total_steps=9, distribute=distribute)


def _small(normalise: bool) -> nn.Module:
    torch.manual_seed(0)
    return Small(normalise).double()


def _weights(model: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def _train(rank: int) -> dict[str, tuple[Tensor, Tensor]]:
    """A rank's weights and gradient after every step, by parts, batch normalisation and step."""
    seen = {}
    for parts in PARTS:
        for normalise in (False, True):
            learner = _learner(parts, model=_small(normalise), distribute=DistributedDataParallel)
            learner.train_mode()
            for step, shares in enumerate(STEPS):
                batch = _batches(step)[rank]
                learner.step(batch, len(batch) * 2 / sum(shares))
                gradient = torch.cat([weight.grad.flatten() for weight in learner.model.parameters()])
                seen[f"{parts} {normalise} {step}"] = (_weights(learner.model), gradient)
            learner.share_statistics()
            buffers = [buffer.double().flatten() for buffer in learner.model.buffers()]
            seen[f"{parts} {normalise}"] = (torch.cat(buffers or [torch.zeros(0)]), torch.zeros(0))
    return seen


def _run_short_of_memory(rank: int) -> str:
    """Return the error of the first rank, which has six patches; the other waits for it until its connection ends."""
    learner = _learner(1, model=Hungry().double(), distribute=DistributedDataParallel)
    learner.train_mode()
    batch = _cut(_batches(0)[2], slice(6 if rank == 0 else 2))
    try:
        learner.step(batch, 2 * len(batch) / 8)
    except (JobFailedError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "went well"


def _rank(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    patience = timedelta(seconds=60)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", patience, rank=rank, world_size=2)
    torch.save((_train(rank), _run_short_of_memory(rank)), folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """Return each rank's weights after its steps and its error of memory, from two processes joined by a file."""
    folder = tmp_path_factory.mktemp("ranks")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_rank, args=(rank, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    try:
        for process in processes:
            process.join(timeout=150)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("parts", PARTS)
def test_ranks_have_the_same_weights_to_the_bit_after_every_step(ranks: Ranks, parts: int, normalise: bool) -> None:
    for step in range(len(STEPS)):
        first, second = (seen[f"{parts} {normalise} {step}"][0] for seen, _ in ranks)
        assert torch.equal(first, second), f"step {step}"


@pytest.mark.parametrize("parts", PARTS)
def test_ranks_validate_with_the_same_statistics(ranks: Ranks, parts: int) -> None:
    first, second = (seen[f"{parts} True"][0] for seen, _ in ranks)
    assert len(first) == 9 and torch.equal(first, second)  # mean and variance of four channels, and a count


@pytest.mark.parametrize("parts", PARTS)
def test_parts_and_ranks_sum_up_to_the_gradient_of_the_whole_batch(ranks: Ranks, parts: int) -> None:
    model = _small(False)
    for step in range(len(STEPS)):
        learner = _learner(1, model=model, distribute=lambda model: model)
        learner.step(_batches(step)[2])
        expected = torch.cat([weight.grad.flatten() for weight in model.parameters()])
        weights, gradient = ranks[0][0][f"{parts} False {step}"]
        torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-6)
        nn.utils.vector_to_parameters(weights, model.parameters())  # for the next step


def test_memory_that_is_short_in_the_backward_pass_is_answered_with_the_flag_that_helps(ranks: Ranks) -> None:
    (_, first), (_, second) = ranks
    assert first == "JobFailedError: out of memory with 6 patches a worker; they fit with --accumulate 4"
    assert second.startswith("RuntimeError") and "out of memory" not in second  # the connection to the first ends
