"""The learner: a model with its optimiser, schedule and average of weights, and the training step. Plain torch.

Shapes: batches of (B, 1, T, F) patches (inpaint_ray.data.batches.Batch).
"""

import contextlib
import math
from collections.abc import Callable

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from inpaint_ray.data.batches import Batch
from inpaint_ray.errors import JobFailedError
from inpaint_ray.models.losses import LossName
from inpaint_ray.models.output import total_loss
from inpaint_ray.train.average import Average
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.losses import LOSSES, Loss
from inpaint_ray.train.muon import MuonAndAdamW

WEIGHT_DECAY = 0.01
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.SyncBatchNorm)


class Learner:
    """A model in training; `distribute` wraps it for several processes."""

    def __init__(
        self,
        model: nn.Module,
        optimisation: Optimisation,
        precision: Precision,
        loss: LossName,
        device: torch.device,
        *,
        total_steps: int,
        distribute: Callable[[nn.Module], nn.Module] = lambda model: model,
    ) -> None:
        if optimisation.batch_norm == "sync":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        if device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # all steps but an epoch's last have one shape
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision.tf32
        self.memory_format = torch.channels_last if precision.channels_last else torch.contiguous_format
        self.model = model.to(device).to(memory_format=self.memory_format)  # type: ignore[call-overload]  # torch's stub
        self.optimisation, self.precision, self.device = optimisation, precision, device
        self.loss: Loss = LOSSES[loss]
        self.optimizer = _make_optimizer(self.model, optimisation)
        self.schedule = LambdaLR(self.optimizer, learning_rate_of(optimisation, total_steps))
        self.average = None if optimisation.ema is None else Average(self.model, optimisation.ema)
        wrapped = distribute(self.model)
        self.without_averaging = (
            wrapped.no_sync if isinstance(wrapped, DistributedDataParallel) else contextlib.nullcontext
        )
        self.forward: nn.Module = torch.compile(wrapped) if precision.compile else wrapped  # type: ignore[assignment]

    @property
    def best_guess(self) -> nn.Module:
        """Return the model to validate and to keep: the average of weights, where there is one."""
        return self.model if self.average is None else self.average.model

    def train_mode(self) -> None:
        """Put layers into training mode; batch normalisation too, unless its statistics are fixed."""
        self.forward.train()
        if self.optimisation.batch_norm == "fixed":
            for module in self.model.modules():
                if isinstance(module, BATCH_NORMS):
                    module.eval()

    def share_statistics(self) -> None:
        """Copy the running statistics of batch normalisation from the first process, whose model is kept.

        Each process has its own after a step; what is validated would else not be what is published.
        """
        if torch.distributed.is_initialized():
            for buffer in self.best_guess.buffers():
                torch.distributed.broadcast(buffer, 0)

    def step(self, batch: Batch, weight: float = 1.0) -> Tensor:
        """Do one step of the optimiser.

        Args:
            batch: this process's patches, at least one.
            weight: of their mean in the mean over processes: their share of the step's patches times the processes.

        Returns:
            The mean loss over the batch, on the device: to read it is to wait for the step.

        Raises:
            JobFailedError: memory is short; the message says what would do.
        """
        try:
            return self._step(batch, weight)
        except torch.OutOfMemoryError:
            pass
        # Said here and not in the handler: the error that it holds keeps the tensors of the step in memory.
        raise JobFailedError(self._what_fits(batch))

    def _step(self, batch: Batch, weight: float) -> Tensor:
        batch = batch.to(self.device)
        self.optimizer.zero_grad(set_to_none=True)
        value = torch.zeros((), device=self.device)
        parts = batch.split(self.optimisation.accumulate)
        for number, part in enumerate(parts, 1):
            # Processes may have different numbers of parts: gradients are averaged once a step, with the last of each.
            with contextlib.nullcontext() if number == len(parts) else self.without_averaging():
                loss = self._loss(self.forward, part) * (len(part) / len(batch))
                (loss * weight).backward()
            value += loss.detach()
        if self.optimisation.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.optimisation.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.follow(self.model)
        return value

    def _loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the loss of a part of a batch, with the architecture's own terms, where it has some."""
        damaged = batch.damaged.to(memory_format=self.memory_format)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision.bf16):
            output = model(damaged)
        return total_loss(output, lambda restored: self.loss(restored.float(), batch.target, batch.lost))

    def _what_fits(self, batch: Batch) -> str:
        """Find the flag that would help, by trying steps in ever smaller parts; this spoils the weights."""
        problem = f"out of memory with {len(batch)} patches a worker"
        if self.optimisation.batch_norm == "sync":  # needs all processes, and they do not try along
            return f"{problem}; lower --batch-size, or take more --num-workers"
        for parts in (2**power for power in range(1, 11)):
            if self.optimisation.accumulate < parts < 2 * len(batch) and self._fits(batch.split(parts)[0]):
                return f"{problem}; they fit with --accumulate {parts}"
        return f"{problem}, and with a single one; take a smaller architecture"

    def _fits(self, part: Batch) -> bool:
        """Return True if memory suffices for steps of this part alone, by trying two outside of the process group.

        The second is beside what a first one leaves: gradients and the optimiser's moments.
        """
        self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.state.clear()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        try:
            part = part.to(self.device)
            for _ in range(2):
                # DDP's hooks are called by backward(), which counts the gradients of a step, and not by grad().
                gradients = torch.autograd.grad(self._loss(self.model, part), weights, allow_unused=True)
                for weight, gradient in zip(weights, gradients, strict=True):
                    weight.grad = gradient
                self.optimizer.step()
        except torch.OutOfMemoryError:
            return False
        return True


def learning_rate_of(optimisation: Optimisation, total_steps: int) -> Callable[[int], float]:
    """Return the factor of the learning rate by step: a linear rise, then constant or half a cosine."""

    def factor(step: int) -> float:
        if step < optimisation.warmup_steps:
            return (step + 1) / optimisation.warmup_steps
        if optimisation.schedule == "constant":
            return 1.0
        done = (step - optimisation.warmup_steps) / max(total_steps - optimisation.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return factor


def _make_optimizer(model: nn.Module, optimisation: Optimisation) -> Optimizer:
    rate, fused = optimisation.learning_rate, next(model.parameters()).device.type == "cuda"
    match optimisation.optimizer:
        case "adam":
            return Adam(model.parameters(), lr=rate, fused=fused)
        case "adamw":
            return AdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY, fused=fused)
        case "muon":
            return MuonAndAdamW(model.parameters(), lr=rate, weight_decay=WEIGHT_DECAY, fused=fused)
