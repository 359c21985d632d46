"""What a restoration is asked for."""

from dataclasses import dataclass
from typing import Literal

from inpaint_ray.inpainting.waveform import NEEDS_MODEL, Method

OutputFormat = Literal["same", "flac", "wav"]

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class RestoreConfig:
    """Fill the gaps of every recording in an archive; all other samples stay as they are, bit for bit."""

    input: str
    """Folder or bucket prefix of the damaged audio, nested folders included."""
    output: str
    """Folder or bucket prefix of the restored audio, under the same names, with _restore/report.html beside it."""
    checkpoint: str | None = None
    """Checkpoint folder of a model for longer gaps, such as runs/Gap_UNet/best; without one, none is used."""
    method: Method = "auto"
    """How gaps are filled; `auto` is autoregressive up to 200 ms, and the model, if there is one, above."""
    gaps: str = AUTO
    """`auto` finds abrupt digital silence; or a folder of Audacity label tracks: NAME.txt for each NAME.wav."""
    output_format: OutputFormat = "same"
    """`same` keeps lossless formats and makes NAME.mp3.flac of NAME.mp3; files without a gap are always copied."""
    dry_run: bool = False
    """Find and count the gaps of every file, and write nothing."""
    num_actors: int | None = None
    """Processes that restore; default: one for each CPU of the cluster but one, or one for each GPU."""
    use_gpu: bool = False
    """One GPU for each of them."""

    def __post_init__(self) -> None:
        for flag, value in (("--input", self.input), ("--output", self.output), ("--gaps", self.gaps)):
            if not value.strip():
                raise ValueError(f"{flag} is empty; give a folder or s3://BUCKET/PREFIX")
        if self.method in NEEDS_MODEL and self.checkpoint is None:
            raise ValueError(f"--method {self.method} needs --checkpoint; or use --method auto")
        if self.num_actors is not None and self.num_actors < 1:
            raise ValueError(f"--num-actors must be at least 1, got {self.num_actors}")
        if self.use_gpu and self.checkpoint is None:
            raise ValueError("--use-gpu needs --checkpoint: without a model nothing runs on a GPU")
