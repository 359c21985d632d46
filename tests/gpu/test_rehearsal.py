"""benchmarks/gpu.py from its packed music to its tables, on a CPU: no minute of a GPU is lost to a typing error."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.gpu_packing import pack_music

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_gpu_benchmark_runs_to_its_end_without_a_gpu(tmp_path: Path) -> None:
    rows = []
    for number, split in enumerate(["train"] * 3 + ["validation"] * 2):
        time = np.arange(16_000 * 12) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 90 * number) * time) * (1 + np.sin(2 * np.pi * 3 * time))
        soundfile.write(tmp_path / f"{number}.wav", tone, 16_000)
        rows.append([str(tmp_path / f"{number}.wav"), "Rock", split])
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with (tmp_path / "list.csv").open("w") as file:
        csv.writer(file).writerows([["uri", "genre", "split"], *rows, [str(tmp_path / "broken.wav"), "Rock", "train"]])
    (tmp_path / "packed").mkdir()
    pack_music(tmp_path / "list.csv", tmp_path / "packed", limit := 60_000)
    with zipfile.ZipFile(tmp_path / "packed" / "music.zip") as archive:
        sizes = [entry.file_size for entry in archive.infolist()]
    assert 0 < len(sizes) < 5 and limit - 40_000 < sum(sizes) <= limit  # as much as fits
    pack_music(tmp_path / "list.csv", tmp_path / "packed", 10_000_000)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "run", "--smoke"]
        + ["--folder", str(tmp_path / "packed"), "--output", str(tmp_path / "out")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert report["patches"] == {"train": 69, "validation": 46}
    assert "passed" in report["tests"] and "failed" not in report["tests"]
    assert report["failed"] == []
    assert len(report["throughput"]) == 8 and all(row["job"] > 0 for row in report["throughput"])
    for name in ("Wiener_Tower", "FastARCNN"):
        assert report[f"training of {name}"]["patches"] > 0
        assert (tmp_path / "out" / name / "model.safetensors").exists()
    table = (tmp_path / "out" / "gpu.md").read_text()
    assert "| Wiener_UNet" in table and "the paper's" in table


def test_what_runs_on_a_bare_machine_imports_nothing_that_it_lacks() -> None:
    lacking = ["scipy", "ray", "jinja2", "tyro", "matplotlib", "mutagen", "tensorboardX", "hypothesis", "moto"]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({lacking}))\n"
        "import benchmarks.clocked, benchmarks.gpu, tests.gpu.test_gpu, inpaint_ray.prepare.patching\n"
        "import numpy as np, io, soundfile\n"
        "target = io.BytesIO()\n"
        "soundfile.write(target, np.sin(np.arange(40_000) / 9), 16_000, format='OGG', subtype='OPUS')\n"
        "assert len(benchmarks.gpu._read_clip(target.getvalue())) == 40_000\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
