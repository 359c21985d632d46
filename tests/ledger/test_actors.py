"""The device of actors: what the flag says, whatever torch can see."""

from pathlib import Path

import pytest
import ray
import torch

from inpaint_ray.audio.damage import FRAMES
from inpaint_ray.checkpoints import choose_device
from inpaint_ray.errors import UsageError
from inpaint_ray.evaluate.audio.score import AudioScorer
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.shards.score import ShardScorer
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.models.checkpoint import PRETRAINED
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.restorer import Restorer


def test_the_device_follows_the_flag_also_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(use_gpu=False) == torch.device("cpu")
    assert choose_device(use_gpu=True) == torch.device("cuda")
    scorer = ShardScorer({"A": PRETRAINED}, 1.0, FRAMES)
    assert scorer.device == next(scorer.checkpoints["A"].model.parameters()).device == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_every_actor_that_is_to_use_a_gpu_says_that_there_is_none(tmp_path: Path) -> None:
    actors, folder = Actors(use_gpu=True), str(tmp_path)
    with pytest.raises(UsageError, match="--use-gpu: torch can use no GPU on this node"):
        ShardScorer({"A": PRETRAINED}, 1.0, FRAMES, use_gpu=True)
    with pytest.raises(UsageError, match="--use-gpu"):
        AudioScorer(EvaluateConfig(data=folder, output=folder, checkpoint=(PRETRAINED,), actors=actors))
    with pytest.raises(UsageError, match="--use-gpu"):
        Restorer(RestoreConfig(input=folder, output=folder, checkpoint=PRETRAINED, actors=actors), "")


@pytest.mark.ray
def test_a_private_ray_without_a_gpu_is_refused_and_not_waited_for(local_ray: None) -> None:
    if ray.cluster_resources().get("GPU"):
        pytest.skip("a GPU is here")
    with pytest.raises(UsageError, match="--use-gpu: Ray finds no GPU on this machine"):
        Actors(use_gpu=True).pool(1, memory_gib=1.0)
    assert Actors().pool(3, memory_gib=1.0)["num_gpus"] is None
