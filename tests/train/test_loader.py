"""The data loader: patches and masks of every step, for any number of workers, from any step and any source."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inpaint_ray.audio.damage import parse_damage
from inpaint_ray.audio.metrics import normalise
from inpaint_ray.data.batches import Batch
from inpaint_ray.data.cache import PatchCache
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.shards import read_row_group, shard_rows
from inpaint_ray.errors import JobFailedError
from inpaint_ray.train import loader, sources
from inpaint_ray.train.loader import BatchMaker, Prefetch, Step, training_steps, validation_steps
from inpaint_ray.train.order import Order, count_lanes
from inpaint_ray.train.sources import DeviceSource, HostSource, Source, read_requests

CPU = torch.device("cpu")
EPOCHS = 2


def _order(dataset: Dataset, batch_size: int = 6) -> Order:
    shards = shard_rows(dataset, "train")
    total = sum(shards.values())
    return Order(shards, 3, batch_size, count_lanes(batch_size, 3, total), total - 2)


def _maker(dataset: Dataset, *damage: str, reverse: bool = False) -> BatchMaker:
    damages = parse_damage(damage or ("frames", "packets:20", "bursts:20", "gap:5-400"))
    return BatchMaker(scale=dataset.scale, seed=4, damage=damages, reverse=reverse, device=CPU)


def _source(dataset: Dataset, kind: str, folder: Path) -> Source:
    shards = shard_rows(dataset, "train")
    host = HostSource(shards, PatchCache(str(folder), dataset, "train") if kind == "folder" else None, CPU)
    return DeviceSource(shards, host, CPU) if kind == "device" else host


def _steps(
    dataset: Dataset, source: Source, maker: BatchMaker, workers: int = 1, first_step: int = 0
) -> list[list[list[Step]]]:
    """Load batches by epoch, step and worker."""
    order = _order(dataset)
    starts = [(epoch, first_step if epoch == 0 else 0) for epoch in range(EPOCHS)]
    by_worker = []
    for worker in range(workers):
        lanes = list(range(order.num_lanes))[worker::workers]
        with Prefetch(training_steps(order, lanes, workers, source, maker, starts), CPU) as ahead:
            by_worker.append([list(ahead) for _ in range(EPOCHS)])
    return [list(map(list, zip(*epoch, strict=True))) for epoch in zip(*by_worker, strict=True)]


def _digest(batches: list[Batch]) -> str:
    """Digest the patches and masks of a step, in the order of their identity."""
    rows = []
    for batch in batches:
        for number in range(len(batch)):
            parts = [tensor[number].numpy().tobytes() for tensor in (batch.target, batch.damaged, batch.lost)]
            who = (int(batch.track_id[number]), int(batch.patch[number]))
            rows.append((who, hashlib.sha256(b"".join(parts)).hexdigest()))
    return str(sorted(rows))


def _digests(steps: list[list[list[Step]]]) -> list[list[str]]:
    return [[_digest([step.batch for step in of_step]) for of_step in epoch] for epoch in steps]


def _plainly(dataset: Dataset, maker: BatchMaker) -> list[list[str]]:
    """Return the same digests, read and damaged patch by patch with numpy's own generator: no cache, no thread."""
    from inpaint_ray.audio.damage import draw_lost_frames

    order = _order(dataset)
    digests = []
    for epoch in range(EPOCHS):
        lanes = []
        for lane in range(order.num_lanes):
            patches = []
            for request in order.requests(lane, epoch):
                rows = read_row_group(request.span.uri, request.span.row_group)
                for row in request.order:
                    who = int(rows.track_id[row]), int(rows.patch[row])
                    lost = torch.from_numpy(draw_lost_frames(maker.seed, *who, epoch, damage=maker.damage))
                    target = normalise(torch.from_numpy(rows.magnitudes[row].astype(np.float32)), dataset.scale)
                    silenced = torch.from_numpy(rows.magnitudes[row].astype(np.float32)).masked_fill(lost[:, None], 0)
                    patches.append((who, target, normalise(silenced, dataset.scale), lost))
            lanes.append(patches)
        of_epoch = []
        for step in range(order.num_steps):
            taken = []
            for lane, patches in enumerate(lanes):
                taken += patches[: order.step_size(lane, step)]
                lanes[lane] = patches[order.step_size(lane, step) :]
            who, target, damaged, lost = zip(*taken, strict=True)
            ids = torch.tensor(who)
            batch = Batch(
                torch.stack(target)[:, None], torch.stack(damaged)[:, None], torch.stack(lost), ids[:, 0], ids[:, 1]
            )
            of_epoch.append(_digest([batch]))
        digests.append(of_epoch)
    return digests


@pytest.mark.parametrize("kind", ["shards", "folder", "device"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_steps_have_the_same_patches_and_masks_to_the_bit_for_any_source_and_number_of_workers(
    prepared: Dataset, tmp_path: Path, kind: str, workers: int
) -> None:
    maker = _maker(prepared)
    steps = _steps(prepared, _source(prepared, kind, tmp_path), maker, workers)
    assert _digests(steps) == _plainly(prepared, maker)
    for epoch in steps:
        for of_step in epoch:
            sizes = [len(step.batch) for step in of_step]
            assert [step.weight for step in of_step] == pytest.approx([size * workers / sum(sizes) for size in sizes])


def test_a_run_that_is_taken_up_at_a_step_goes_on_as_it_would_have(prepared: Dataset, tmp_path: Path) -> None:
    source, maker = _source(prepared, "folder", tmp_path), _maker(prepared)
    whole = _digests(_steps(prepared, source, maker))
    for first_step in range(1, len(whole[0])):
        resumed = _digests(_steps(prepared, source, maker, 2, first_step))
        assert resumed == [whole[0][first_step:], whole[1]]


def test_each_patch_is_turned_around_in_every_second_epoch(prepared: Dataset, tmp_path: Path) -> None:
    source = _source(prepared, "shards", tmp_path)
    seen: dict[tuple[int, int], dict[int, bool]] = {}
    backwards, forwards = (_steps(prepared, source, _maker(prepared, reverse=reverse)) for reverse in (True, False))
    for epoch, (turned, straight) in enumerate(zip(backwards, forwards, strict=True)):
        for (step,), (other,) in zip(turned, straight, strict=True):
            for number, who in enumerate(zip(step.batch.track_id.tolist(), step.batch.patch.tolist(), strict=True)):
                patch, original = step.batch.damaged[number], other.batch.damaged[number]
                is_turned = torch.equal(patch, original.flip(1))
                assert is_turned or torch.equal(patch, original)
                seen.setdefault(who, {})[epoch] = is_turned
    twice = [list(by_epoch.values()) for by_epoch in seen.values() if len(by_epoch) == EPOCHS]
    assert len(twice) > 10 and all(sorted(turned) == [False, True] for turned in twice)


def test_validation_has_each_patch_once_with_its_genre_whatever_the_size_of_batches(prepared: Dataset) -> None:
    shards = shard_rows(prepared, "validation")
    seen = []
    for at_once in (1, 3, 1_000):
        requests = (request for uri, rows in shards.items() for request in read_requests(uri, rows))
        steps = validation_steps(HostSource(shards, None, CPU), _maker(prepared, "frames"), requests, at_once)
        *batches, end = [step and step.batch for step in steps]
        assert end is None and all(len(batch) == at_once for batch in batches[:-1])
        assert sum(len(batch.genre) for batch in batches) == prepared.num_patches("validation")
        seen.append(_digest(batches))
    assert seen[0] == seen[1] == seen[2]


def test_an_error_of_the_thread_is_raised_where_its_steps_are_taken(prepared: Dataset, tmp_path: Path) -> None:
    shards = shard_rows(prepared, "train")
    gone = {f"{uri}.gone": rows for uri, rows in shards.items()}
    order = replace(_order(prepared), shards=gone)
    steps = training_steps(order, [0], 1, HostSource(gone, None, CPU), _maker(prepared), [(0, 0)])
    with Prefetch(steps, CPU) as ahead, pytest.raises(FileNotFoundError, match="gone"):
        list(ahead)


def test_no_more_is_made_ahead_than_is_kept(prepared: Dataset, tmp_path: Path) -> None:
    made = []

    def endless() -> object:
        while True:
            made.append(1)
            yield Step(batch)

    ((first, *_), *_), *_ = _steps(prepared, _source(prepared, "shards", tmp_path), _maker(prepared))
    batch = first.batch
    with Prefetch(endless(), CPU) as ahead:
        for _ in zip(range(5), ahead, strict=False):
            assert len(made) <= 6 + loader.DEPTH + 1


def test_a_device_that_is_too_small_is_refused_before_it_is_filled(
    prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_free_memory", lambda: 1_000_000)
    with pytest.raises(JobFailedError, match=r"--cache device: the training patches take .* GB; give|GB free"):
        _source(prepared, "device", tmp_path)
