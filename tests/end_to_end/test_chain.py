"""The whole chain on a synthetic archive: tracks to shards, a trained network, restored recordings."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from inpaint_ray import inpaint
from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.metrics import snr
from inpaint_ray.data.schema import Dataset
from inpaint_ray.data.synthetic import write_damaged_copy
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.run import restore
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig
from inpaint_ray.train.trainer import train


@pytest.mark.ray
@pytest.mark.slow
def test_a_bucket_of_tracks_becomes_restored_audio(prepared: Dataset, archive: Path, tmp_path: Path) -> None:
    best = train(
        TrainConfig(
            data=prepared.uri,
            output=str(tmp_path / "runs"),
            architecture="Gap_UNet",
            optimisation=Optimisation(batch_size=5),
            budget=Budget(epochs=2),
        )
    )
    checkpoint = str(tmp_path / "runs" / "Gap_UNet" / "best")
    both = (checkpoint, "pretrained")
    rows = evaluate(EvaluateConfig(data=prepared.uri, checkpoint=both, output=str(tmp_path / "results")))
    assert best["gain"] > 0.8 * best["interpolation_gain"]
    assert rows[-1].gain("pretrained") > rows[-1].gain("wiener")
    assert rows[-1].gain("Gap_UNet") > 0.8 * rows[-1].gain("interpolation")

    write_damaged_copy(archive, tmp_path / "tapes")
    (tmp_path / "tapes/damaged/broken.wav").write_bytes(b"RIFF, it says")
    code = restore(
        RestoreConfig(input=str(tmp_path / "tapes/damaged"), output=str(tmp_path / "out"), checkpoint="pretrained")
    )
    assert code == 3  # one file failed, all others are done
    manifest = pq.read_table(tmp_path / "out/_restore/manifest.parquet").to_pylist()
    assert [row["name"] for row in manifest if row["status"] == "failed"] == ["broken.wav"]
    restored = [row for row in manifest if row["status"] == "restored"]
    assert len(restored) == 5
    for row in restored:
        clean, damaged, mended = (
            read_recording(path.joinpath(row["name"]).read_bytes()).to_float()
            for path in (tmp_path / "tapes/clean", tmp_path / "tapes/damaged", tmp_path / "out")
        )
        lost = clean != damaged
        assert np.array_equal(mended[mended == damaged], damaged[mended == damaged])
        assert not damaged[mended != damaged].any()  # only digital silence was replaced
        assert snr(torch.from_numpy(mended[lost]), torch.from_numpy(clean[lost])) > 0  # better than leaving it silent


@pytest.mark.music
def test_gaps_in_real_music_are_filled_better_than_with_silence(music: Path) -> None:
    recording = read_recording((music / "archive/ambient/valyriatear__shrine-oga-yd__0.flac").read_bytes())
    clean = recording.to_float()[:, : 4 * recording.sample_rate]
    lost = np.zeros(clean.shape[1], dtype=bool)
    for start_s in (1.0, 2.0, 3.0):
        lost[round(start_s * recording.sample_rate) :][: round(0.01 * recording.sample_rate)] = True
    filled = inpaint(np.where(lost, 0, clean).astype(np.float32), recording.sample_rate, lost)
    assert np.array_equal(filled[:, ~lost], clean[:, ~lost])
    assert snr(torch.from_numpy(filled[:, lost]), torch.from_numpy(clean[:, lost])) > 6


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_runs_as_a_submitted_job(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import demo

    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    monkeypatch.chdir(Path(demo.__file__).parents[1])
    with demo.ray_head() as ray:
        demo.submit(
            ray, "tune", "--data", prepared.uri, "--output", str(tmp_path), "--architectures", "Gap_UNet", "UNet_v2",
            "--epochs", "1", "--patches-per-epoch", "10", "--batch-size", "5", "--validation-patches", "5",
        )  # fmt: skip
    board = (tmp_path / "tune/leaderboard.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in board[1:]] == [["1", "Gap_UNet"], ["2", "UNet_v2"]]
    config = json.loads((tmp_path / "tune/best/config.json").read_text())
    assert config["architecture"] == "Gap_UNet"
    assert "use it: python jobs/restore.py" in (tmp_path / "logs/tune.log").read_text()
