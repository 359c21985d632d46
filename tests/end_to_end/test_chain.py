"""The whole chain in a bucket: tracks to shards, a network that has learnt, restored recordings."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from inpaint_ray import inpaint, storage
from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.metrics import snr
from inpaint_ray.data.schema import SPLITS, Dataset
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.prepare.config import PrepareConfig
from inpaint_ray.prepare.run import prepare
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.restore.run import restore
from inpaint_ray.synthesis.damaged import write_damaged_copy
from inpaint_ray.train.config import Budget, Optimisation, TrainConfig
from inpaint_ray.train.trainer import train

LEARNT_DB = 0.1  # 0.26 to 0.34 after 20 steps with three seeds, 0.00 without learning


def _rain(seed: int) -> NDArray[np.float64]:
    """Three seconds of steady noise, 16 kHz: to interpolate between two of its frames is worse than to smooth many."""
    hertz = np.fft.rfftfreq(48_000, 1 / 16_000)
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(48_000)) * np.exp(-hertz / random.uniform(1_500, 4_000))
    samples = np.fft.irfft(spectrum)
    return 0.3 * samples / np.abs(samples).max()


def _upload_rain(uri: str) -> None:
    """Five tracks for each split, below URI/rain, and URI/list.csv, which names them."""
    names = [f"rain/{split}{number}.flac" for split in SPLITS for number in range(5)]
    for number, name in enumerate(names):
        data = io.BytesIO()
        soundfile.write(data, _rain(number), 16_000, format="FLAC", subtype="PCM_16")
        storage.write_bytes(f"{uri}/{name}", data.getvalue())
    rows = [f"{name},Rain,{re.split('[/0-9]', name)[1]}" for name in names]
    storage.write_bytes(f"{uri}/list.csv", "\n".join(["uri,genre,split", *rows]).encode())


@pytest.mark.ray
@pytest.mark.slow
def test_a_bucket_of_tracks_becomes_restored_audio(
    local_ray: None, bucket: str, collection: Path, tmp_path: Path
) -> None:
    """Untrained, Gap_UNet is the interpolation (test_ours.py): whatever it gains beyond that, it has learnt."""
    chain = f"{bucket}/chain"
    _upload_rain(chain)
    prepare(PrepareConfig(source=chain, metadata=f"{chain}/list.csv", protocol="manifest", output=f"{chain}/shards"))
    best = train(
        TrainConfig(
            data=f"{chain}/shards",
            output=f"{chain}/runs",
            architecture="Gap_UNet",
            optimisation=Optimisation(batch_size=5, learning_rate=3e-3),
            budget=Budget(epochs=4),
        )
    )
    checkpoint = f"{chain}/runs/Gap_UNet/best"
    both = (checkpoint, "pretrained")
    rows = evaluate(EvaluateConfig(data=f"{chain}/shards", checkpoint=both, output=f"{chain}/results"))
    assert best["gain"] > best["interpolation_gain"] + LEARNT_DB
    assert rows[-1].gain("Gap_UNet") > rows[-1].gain("interpolation") + LEARNT_DB
    assert rows[-1].gain("pretrained") > rows[-1].gain("wiener")  # by 1.5 dB

    write_damaged_copy(collection, tmp_path / "tapes")
    (tmp_path / "tapes/damaged/broken.wav").write_bytes(b"RIFF, it says")
    for file in storage.list_files(str(tmp_path / "tapes/damaged")):
        storage.put_file(Path(file.uri), f"{chain}/tapes/{file.name}")
    assert restore(RestoreConfig(input=f"{chain}/tapes", output=f"{chain}/restored", checkpoint=checkpoint)) == 3
    with storage.local_copy(f"{chain}/restored") as restored:
        _check_restored(restored, tmp_path / "tapes")


def _check_restored(output: Path, tapes: Path) -> None:
    """One file failed, all others are done: better than silence in their gaps, and the same elsewhere."""
    manifest = pq.read_table(output / "_restore/manifest.parquet").to_pylist()
    assert [row["name"] for row in manifest if row["status"] == "failed"] == ["broken.wav"]
    names = [row["name"] for row in manifest if row["status"] == "restored"]
    assert len(names) == 5
    for name in names:
        clean, damaged, mended = (
            read_recording(path.joinpath(name).read_bytes()).to_float()
            for path in (tapes / "clean", tapes / "damaged", output)
        )
        lost = clean != damaged
        known = damaged != 0  # only digital silence was replaced
        assert np.array_equal(mended[known], clean[known])
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
def test_a_search_runs_as_a_submitted_job_and_then_is_done(
    prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's sampler must choose the same trials again from their reported results."""
    from jobs import demo

    monkeypatch.setattr(demo, "FOLDER", tmp_path)
    monkeypatch.chdir(Path(demo.__file__).parents[1])
    flags = (
        "--data", prepared.uri, "--output", str(tmp_path), "--architectures", "Gap_UNet", "--sampler", "optuna",
        "--samples", "2", "--space", "learning-rate=1e-4..1e-2", "loss=gap_db,gap_l1", "--epochs", "1",
        "--patches-per-epoch", "10", "--batch-size", "5", "--validation-patches", "5",
    )  # fmt: skip
    boards = []
    with demo.ray_head() as ray:
        for _ in range(2):
            demo.submit(ray, "tune", *flags)
            boards.append((tmp_path / "tune/leaderboard.csv").read_text())
    assert boards[0] == boards[1]
    rows = list(csv.DictReader(io.StringIO(boards[0])))
    assert len({row["trial"] for row in rows}) == len(rows) == 2
    assert [row["stopped"] for row in rows] == ["finished"] * 2
    config = json.loads((tmp_path / "tune/best/config.json").read_text())
    assert config["architecture"] == "Gap_UNet"
    assert "use it: inpaint-ray restore" in (tmp_path / "logs/tune.log").read_text()
