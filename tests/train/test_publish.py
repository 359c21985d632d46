"""Checkpoints that are replaced: at every moment the former or the new one, whole."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from inpaint_ray import storage
from inpaint_ray.checkpoints import open_checkpoint
from inpaint_ray.errors import CheckpointError
from inpaint_ray.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model

WRITES = {"open", "os.rename", "os.remove", "shutil.copyfile"}  # audit events of Python


def write_checkpoint(folder: Path, scale: float) -> Path:
    """A checkpoint whose weights tell its scale."""
    model = build_model("Gap_UNet")
    torch.nn.init.constant_(model.last.weight, scale)
    save_checkpoint(Checkpoint(model=model, architecture="Gap_UNet", scale=scale), folder)
    (folder / "README.md").write_text(f"scale {scale}")
    return folder


def whole_scale(checkpoint: Checkpoint) -> float:
    """The scale, which the weights must tell, too."""
    assert checkpoint.model.last.weight.unique().tolist() == [checkpoint.scale]
    return checkpoint.scale


def _publish_and_die(folder: Path, uri: str, after: int) -> bool:
    """Publish in a process that dies before it has done so many writes more; whether it came to the end."""
    process = os.fork()
    if process == 0:
        left = after

        def count(event: str, arguments: object) -> None:
            nonlocal left
            if event in WRITES:
                left -= 1
                if left < 0:
                    os._exit(1)

        sys.addaudithook(count)
        storage.publish_folder(folder, uri)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_a_kill_at_any_write_leaves_the_former_or_the_new_checkpoint_and_nothing_beside(tmp_path: Path) -> None:
    former, new = write_checkpoint(tmp_path / "1", 1.0), write_checkpoint(tmp_path / "2", 2.0)
    best, seen = tmp_path / "run" / "best", []
    finished = False
    while not finished:
        storage.publish_folder(former, str(best))
        assert {path.name for path in best.iterdir()} == {"model.safetensors", "config.json", "README.md"}
        finished = _publish_and_die(new, str(best), len(seen))
        seen.append(whole_scale(load_checkpoint(best)))
        assert [path.name for path in best.parent.iterdir()] == ["best"]
    assert seen == sorted(seen) and seen[0] == 1.0 and seen[-1] == 2.0 and len(seen) > 10


def test_the_first_checkpoint_is_whole_as_soon_as_it_is_there(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path / "1", 1.0) / "model.safetensors"
    storage.put_file(weights, f"{tmp_path}/best/model.safetensors")
    assert whole_scale(load_checkpoint(tmp_path / "best")) == 1.0


def test_who_reads_while_checkpoints_are_replaced_gets_whole_ones(tmp_path: Path) -> None:
    folders = [write_checkpoint(tmp_path / str(scale), scale) for scale in (1.0, 2.0)]
    read_while_replaced(folders, str(tmp_path / "best"), times=40)


def read_while_replaced(folders: list[Path], uri: str, *, times: int) -> None:
    storage.publish_folder(folders[0], uri)

    def replace() -> None:
        for number in range(times):
            storage.publish_folder(folders[(number + 1) % 2], uri)

    writer = threading.Thread(target=replace)
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(whole_scale(open_checkpoint(uri)))
    writer.join()
    assert seen == {1.0, 2.0}


@pytest.mark.parametrize(
    "find_byte",
    [
        lambda data: len(data) - 1,
        lambda data: len(data) - 1_000_000,
        lambda data: data.index(b'scale\\": 1.0') + 9,  # the header: settings, then the table of tensors
        lambda data: data.index(b"last.weight"),
    ],
)
def test_damaged_weights_are_not_mistaken_for_new_ones(tmp_path: Path, find_byte: Callable[[bytes], int]) -> None:
    folder = write_checkpoint(tmp_path / "1", 1.0)
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[find_byte(data)] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match="model.safetensors is damaged"):
        load_checkpoint(folder)
