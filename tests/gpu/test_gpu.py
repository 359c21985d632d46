"""All that a GPU could break: families, precisions, compilers; sources, resuming, memory, two ranks.

Neither Ray nor the other tests' fixtures are needed, so that it runs on a bare machine:

    python -m pytest tests/gpu --noconftest -c /dev/null -m gpu

INPAINT_GPU_TESTS_ON=cpu runs it on a CPU, as a rehearsal.
"""

import copy
import multiprocessing
import os
import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.data.batches import Batch, damage_rows
from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import PatchRows, shard_rows
from inpaint_ray.errors import JobFailedError
from inpaint_ray.filling.spectrogram import restore_magnitudes
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.models.gaps import draw_last_weights
from inpaint_ray.models.registry import ARCHITECTURES, build_model, find_architecture
from inpaint_ray.prepare.shard_file import ShardMetadata, TrackPatches, write_shard
from inpaint_ray.train.config import Optimisation, Precision
from inpaint_ray.train.epoch import TrainingSums, mean_scores, train_epoch, validate
from inpaint_ray.train.learner import Learner
from inpaint_ray.train.loader import BatchMaker, Prefetch, Step, training_steps
from inpaint_ray.train.order import Order, count_lanes
from inpaint_ray.train.sources import DeviceSource, HostSource
from inpaint_ray.train.state import RunState, load_state, save_state

REHEARSAL = os.environ.get("INPAINT_GPU_TESTS_ON") == "cpu"
DEVICE, CPU = torch.device("cpu" if REHEARSAL else "cuda"), torch.device("cpu")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not REHEARSAL and not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
only_on_a_gpu = pytest.mark.skipif(REHEARSAL, reason="a CPU's memory does not run out politely")

OF_FAMILIES = (  # of each family one
    *("UNet_v2", "VAE_UNet_v2", "Dual_Res_UNet_v2", "FPN", "ResNet", "FastARCNN", "UNet_Sun", "Efficient_UNet_v2"),
    *("Wiener_UNet", "Wiener_Tower"),
)
TRIED = ("FastARCNN", "Wiener_Tower") if REHEARSAL else OF_FAMILIES
GENRES = ["Jazz", "Rock"]
STEPS = 3


def _magnitudes(count: int) -> np.ndarray:
    """Decaying, beating partials, (count, 128, 128)."""
    frames, bins = np.arange(128)[None, :, None], np.arange(128)[None, None, :]
    speed = np.linspace(0.2, 0.6, count)[:, None, None]
    return ((1 + np.sin(speed * frames + bins / 9)) * np.exp(-bins / 30) * 10).astype(np.float32)


def _batch(count: int = 4, *, cut: bool = False) -> Batch:
    genres = [GENRES[number % 2] for number in range(count)]
    rows = PatchRows(np.arange(count), genres, np.zeros(count, np.int16), _magnitudes(count))
    batch = damage_rows(rows, scale=20.0, seed=0)
    if cut:  # where size is free, small patches keep the CPU's half of a test short
        batch = Batch(
            *(batch.target[:, :, :64, :64], batch.damaged[:, :, :64, :64], batch.lost[:, :64]),
            *(batch.track_id, batch.patch, batch.genre),
        )
    return batch


def _model(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = build_model(name)
    draw_last_weights(model)
    return model


def _learner(name: str, device: torch.device, precision: Precision, **settings: object) -> Learner:
    rate = 1e-4 if name.startswith("VAE") else 1e-3
    optimisation = Optimisation(**{"learning_rate": rate, "batch_norm": "fixed", **settings})
    loss = find_architecture(name).loss
    return Learner(_model(name), optimisation, precision, loss, device, total_steps=9)


def _losses(learner: Learner, batch: Batch) -> list[float]:
    losses = []
    for _ in range(STEPS):
        sums = TrainingSums()
        torch.manual_seed(1)  # of what VAEs draw; a GPU draws other numbers
        train_epoch(learner, [Step(batch)], sums)
        losses.append(sums.loss_sum / sums.num_patches)
    return losses


def test_every_family_is_here() -> None:
    of_ours = {find_architecture(name).family for name in OF_FAMILIES}
    assert of_ours == {entry.family for entry in ARCHITECTURES.values()}


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", TRIED)
def test_training_agrees_with_the_cpu(name: str, bf16: bool, compiled: bool = False) -> None:
    """Equal losses to 1 % in float32 without TF32, to 10 % in bfloat16: three steps amplify what rounding begins."""
    draws = name.startswith("VAE")
    batch = _batch(2, cut=not draws)
    expected = _losses(_learner(name, CPU, Precision()), batch)
    precision = Precision(bf16=bf16, compile=compiled, tf32=False, channels_last=compiled)
    given = _losses(_learner(name, DEVICE, precision), batch)
    tolerance = 0.2 if draws else 0.1 if bf16 else 0.01
    offset = 120 if find_architecture(name).loss == "gap_db" else 0  # decibels have no zero that a ratio could be of
    assert np.array(given) + offset == pytest.approx(np.array(expected) + offset, rel=tolerance)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "muon"])
def test_optimisers_agree_with_the_cpu(optimizer: str) -> None:
    batch = _batch(cut=True)
    settings = {"optimizer": optimizer, "learning_rate": 2e-2 if optimizer == "muon" else 1e-3, "ema": 0.9}
    expected, given = (
        _losses(_learner("Wiener_Tower", device, Precision(tf32=False), **settings), batch) for device in (CPU, DEVICE)
    )
    assert given == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("name", "optimizer"), [(name, "adam") for name in TRIED] + [("Wiener_Tower", "muon")])
def test_a_run_goes_on_from_a_saved_state(tmp_path: Path, name: str, optimizer: str) -> None:
    batch = _batch(2, cut=not name.startswith("VAE"))
    learner = _learner(name, DEVICE, Precision(bf16=True), optimizer=optimizer, ema=0.9)
    _losses(learner, batch)
    state = RunState([{"epoch": 1.0, "psnr": 1.0}], TrainingSums(steps=3, num_patches=12), num_lanes=2)
    save_state(tmp_path, state, learner, Checkpoint(model=learner.best_guess, architecture=name, scale=1.0))
    resumed = _learner(name, DEVICE, Precision(bf16=True), optimizer=optimizer, ema=0.9)
    assert load_state(tmp_path, resumed) == state
    assert _losses(resumed, batch) == pytest.approx(_losses(learner, batch), rel=1e-3)


@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", TRIED)
def test_validation_agrees_with_the_cpu(name: str, bf16: bool) -> None:
    model, batch = _model(name).eval(), _batch(4)
    expected = mean_scores(validate(model, [batch], GENRES, CPU))
    given = mean_scores(validate(copy.deepcopy(model).to(DEVICE), [batch], GENRES, DEVICE, bf16=bf16))
    for score in ("damaged_psnr", "interpolation_psnr", "psnr", "network_psnr"):
        assert given[score] == pytest.approx(expected[score], abs=1.0 if bf16 else 0.05), score


@pytest.mark.parametrize("name", TRIED)
def test_restoration_agrees_with_the_cpu(name: str) -> None:
    model = _model(name).eval()
    magnitudes, lost = torch.from_numpy(_magnitudes(1)[:, :100, :77]), torch.zeros(1, 100, dtype=torch.bool)
    lost[:, 40:55] = True
    expected = restore_magnitudes(magnitudes, lost, model=model, scale=20.0)
    there = copy.deepcopy(model).to(DEVICE)
    given = restore_magnitudes(magnitudes.to(DEVICE), lost.to(DEVICE), model=there, scale=20.0).cpu()
    assert torch.equal(given[~lost], magnitudes[~lost])
    torch.testing.assert_close(given, expected, rtol=1e-2, atol=1e-2)


@only_on_a_gpu
def test_memory_that_is_short_is_answered_with_a_flag_and_given_back() -> None:
    learner = _learner("Wiener_Tower", DEVICE, Precision())
    _losses(learner, _batch(2))
    before = torch.cuda.memory_allocated()
    free = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - before
    hog = torch.empty(int(0.97 * free), dtype=torch.uint8, device=DEVICE)
    try:
        with pytest.raises(JobFailedError, match=r"out of memory with 256 patches a worker"):
            learner.step(_batch(256))
    finally:
        del hog
    learner.optimizer.zero_grad(set_to_none=True)
    assert torch.cuda.memory_allocated() < before + 50e6
    assert np.isfinite(_losses(_learner("Wiener_Tower", DEVICE, Precision()), _batch(2))).all()


def _dataset(folder: Path, num_patches: int = 300) -> Dataset:
    """Shards on a disk, written as a preparation writes them."""
    magnitudes = np.random.default_rng(0).random((num_patches, 128, 128), dtype=np.float32)
    name = "train/00000.parquet"
    write_shard(
        str(folder / name),
        [TrackPatches(2**40 + 1, "Rock", 0, magnitudes)],
        dtype="float16",
        seed=0,
        metadata=ShardMetadata(plan="p", split="train"),
    )
    return Dataset(
        source="", protocol="manifest", dtype="float16", scale=1.0, tracks={"train": {"Rock": 1}},
        patches={"train": {"Rock": num_patches}}, shards={"train": {name: num_patches}}, seconds=1.0, rejected=0,
        absent=0, unlisted=0, grid={}, versions={}, fingerprint="f", wall_s=0.0, uri=str(folder),
    )  # fmt: skip


def test_all_sources_give_the_cpus_patches_and_masks_to_the_bit(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path)
    shards = shard_rows(dataset, "train")
    order = Order(shards, 0, 32, count_lanes(32, 1, 300), 300)
    cache = PatchCache(str(tmp_path / "cache"), dataset, "train")
    damage = parse_damage(("frames", "packets:20", "gap:5-400"))

    def steps(device: torch.device, kind: str) -> list[Batch]:
        source = HostSource(shards, cache if kind == "folder" else None, device)
        maker = BatchMaker(scale=1.0, seed=1, damage=damage, reverse=True, device=device)
        from_where = DeviceSource(shards, source, device) if kind == "device" else source
        made = training_steps(order, list(range(order.num_lanes)), 1, from_where, maker, [(0, 0), (1, 0)])
        with Prefetch(made, device) as ahead:
            taken = []
            for _ in range(2):
                for batch, _ in ahead:
                    if device.type == "cuda":
                        _ = (batch.target @ batch.target).sum()  # work that the next copies run beside
                        torch.cuda.synchronize()  # before a copy that nobody waits for
                    taken.append(batch.to(CPU))
        if device.type == "cuda":
            torch.cuda.synchronize()
        return taken

    expected = steps(CPU, "shards")
    assert len(expected) == 2 * order.num_steps
    for kind in ("shards", "folder", "device"):
        for batch, other in zip(steps(DEVICE, kind), expected, strict=True):
            for name in ("target", "damaged", "lost", "track_id", "patch"):
                one, two = getattr(batch, name), getattr(other, name)
                assert torch.equal(one, two) or (one - two).abs().max() < 1e-7, name  # a GPU may fuse division and sum


def _rank(rank: int, folder: Path, batch_norm: str) -> None:
    """One of two processes that share the device."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"file://{folder}/meeting", timedelta(seconds=60), rank=rank, world_size=2
    )
    learner = Learner(
        _model("ResNet"), Optimisation(batch_norm=batch_norm), Precision(tf32=False), "mse", DEVICE, total_steps=9,
        distribute=lambda model: DistributedDataParallel(model, gradient_as_bucket_view=True),
    )  # fmt: skip
    _descend(learner)
    train_epoch(learner, [Step(_batch(4, cut=True).split(2)[rank])] * 2, TrainingSums())
    learner.share_statistics()
    torch.save(_weights(learner.model), folder / f"{rank}.pt")


def _descend(learner: Learner) -> None:
    """Plain gradient descent: Adam would hide a gradient of another size."""
    learner.optimizer = torch.optim.SGD(learner.model.parameters(), lr=0.1)
    learner.schedule = torch.optim.lr_scheduler.LambdaLR(learner.optimizer, lambda _: 1.0)


def _weights(model: nn.Module) -> Tensor:
    return torch.cat([tensor.detach().double().cpu().flatten() for tensor in model.state_dict().values()])


@pytest.mark.parametrize("batch_norm", ["fixed", pytest.param("sync", marks=only_on_a_gpu)])
def test_two_processes_learn_as_one(tmp_path: Path, batch_norm: str) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_rank, args=(rank, tmp_path, batch_norm)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=120)
    assert [process.exitcode for process in processes] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert torch.equal(first, second)
    alone = Learner(
        _model("ResNet"),
        Optimisation(batch_norm="batch" if batch_norm == "sync" else batch_norm),
        Precision(tf32=False),
        "mse",
        DEVICE,
        total_steps=9,
    )
    before = _weights(alone.model)
    _descend(alone)
    train_epoch(alone, [Step(_batch(4, cut=True))] * 2, TrainingSums())
    moved = _weights(alone.model) - before
    torch.testing.assert_close(first - before, moved, rtol=0, atol=0.01 * float(moved.abs().max()))


@only_on_a_gpu
def test_the_feed_is_ahead_of_the_device(tmp_path: Path) -> None:
    """The wait for the first batch of a later epoch is below 0.2 s, as on a CPU."""
    dataset = _dataset(tmp_path)
    shards = shard_rows(dataset, "train")
    order = Order(shards, 0, 32, count_lanes(32, 1, 300), 300)
    maker = BatchMaker(scale=1.0, seed=1, damage=parse_damage(("frames",)), reverse=False, device=DEVICE)
    source = DeviceSource(shards, HostSource(shards, None, DEVICE), DEVICE)
    made = training_steps(order, list(range(order.num_lanes)), 1, source, maker, [(0, 0), (1, 0)])
    with Prefetch(made, DEVICE) as ahead:
        list(ahead)
        time.sleep(0.1)  # a validation
        started = time.monotonic()
        next(iter(ahead))
        assert time.monotonic() - started < 0.2


@only_on_a_gpu
@pytest.mark.parametrize("bf16", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", OF_FAMILIES)
def test_compiled_training_agrees_with_the_cpu(name: str, bf16: bool) -> None:
    """The last of all, for compilers take their time."""
    torch._dynamo.reset()
    test_training_agrees_with_the_cpu(name, bf16, compiled=True)
