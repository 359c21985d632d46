"""The folder of music and wheels that `benchmarks.gpu run` works on, where there is no network."""

import csv
import io
import subprocess
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

SAMPLE_RATE = 16_000
COMPRESSION = 0.94  # of libsndfile's Opus: some 23 kbit/s
MOST_BYTES = 60_000_000
WHEELS = (
    *("safetensors", "soundfile", "cffi", "pycparser", "boto3", "botocore", "s3transfer", "jmespath", "urllib3"),
    *("python-dateutil", "six", "pytest", "iniconfig", "pluggy", "packaging", "pygments"),
)


def pack(music: Path, folder: Path) -> None:
    """Pack music and wheels into a folder.

    Args:
        music: CSV with columns uri, genre, split.
        folder: made where it is absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder / "wheels")]
        + ["--only-binary=:all:", "--python-version", "3.12", "--platform", "manylinux2014_x86_64"]
        + ["--platform", "manylinux_2_28_x86_64", *WHEELS],
        check=True,
    )
    pack_music(music, folder, MOST_BYTES - sum(path.stat().st_size for path in (folder / "wheels").iterdir()))


def pack_music(music: Path, folder: Path, limit: int) -> None:
    """Pack as much music as fits into a number of bytes."""
    with music.open() as file:
        tracks = sorted(csv.DictReader(file), key=lambda row: row["split"], reverse=True)  # validation first
    total, seconds = 0, 0.0
    with zipfile.ZipFile(folder / "music.zip", "w") as zipped, ProcessPoolExecutor() as pool:
        encoded = pool.map(_encode, [track["uri"] for track in tracks])
        for number, (track, (data, length)) in enumerate(zip(tracks, encoded, strict=True)):
            if total + len(data) > limit:
                pool.shutdown(cancel_futures=True)
                break
            if data:
                zipped.writestr(f"{track['split']}/{track['genre']}/{number}.opus", data)
                total, seconds = total + len(data), seconds + length
    print(f"packed {seconds / 3600:.2f} hours of music in {total / 1e6:.1f} MB: {folder}")


def _encode(path: str) -> tuple[bytes, float]:
    import soundfile

    from inpaint_ray.audio.decode import decode
    from inpaint_ray.errors import AudioDecodeError

    try:
        samples, rate = decode(Path(path).read_bytes(), mono=True, sample_rate=SAMPLE_RATE, longest_s=600.0)
    except AudioDecodeError as error:
        print(f"{path}: {error}: left out", file=sys.stderr)
        return b"", 0.0
    target = io.BytesIO()
    soundfile.write(target, samples[0], rate, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
    return target.getvalue(), samples.shape[1] / rate
