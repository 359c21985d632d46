"""The settings of a repair on this machine."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from inpaint_ray.filling.methods import Effort, Method
from inpaint_ray.finding.kinds import SENSITIVITY, Find
from inpaint_ray.restore.config import AUTO, OutputFormat, Proof, RestoreConfig


@dataclass(frozen=True, kw_only=True)
class RepairConfig:
    """Fill the gaps of files; all other samples stay as they are, bit for bit. Inputs are never written over."""

    files: tyro.conf.Positional[tuple[str, ...]] = ()
    """Audio files, or folders of them, which need --output."""
    output: Annotated[str | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for the repaired files, under the same names; files without damage are copied. Without it, NAME.EXT
    becomes NAME.repaired.EXT beside it, and nothing is written where nothing is found."""
    find: tuple[Find, ...] = ("dropouts",)
    """Damage to look for: `dropouts` (zeros, stuck values, dither, held and muted samples), `clicks` (crackle
    and scratches, too), `clipping`, or `all`; several may be named."""
    sensitivity: float = SENSITIVITY
    """The greatest chance that an event is false, from 0 (certain ones alone) to 1."""
    gaps: str = AUTO
    """`auto` finds them; or they are marked: in a label track of Audacity (.txt) or .json, for one file; `beside` for
    tracks beside the files; a folder of tracks; or one .csv of name,start,end[,channel] in seconds."""
    method: Method = "auto"
    """The filling of gaps; see docs/filling.md."""
    effort: Effort = "normal"
    """`best` weighs several autoregressive fills of each gap up to 0.1 s, at about twenty times the cost."""
    checkpoint: str | None = AUTO
    """A network for what is too quiet: `auto` takes the one that ships for gaps above 150 ms, where it measures better;
    `pretrained` for all; or a checkpoint folder; `None` takes none."""
    headroom_db: float = 0.0
    """Lower the whole of a file with clipping by so much, so that integers hold what is restored."""
    output_format: OutputFormat = "same"
    """`same` keeps lossless formats and makes NAME.mp3.flac of NAME.mp3."""
    difference: bool = False
    """Write NAME.removed.EXT, too, such that output + removed = input: docs/proof.md."""
    overwrite: bool = False
    """Replace repaired files that are there already."""
    processes: int | None = None
    """Files that are repaired at once; default: one for each core."""

    def __post_init__(self) -> None:
        if not self.files:
            raise ValueError("no file given: inpaint-ray repair FILE, or inpaint-ray repair FOLDER --output FOLDER")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"--processes must be at least 1, got {self.processes}")
        self.as_restoration("input")  # which checks what it shares

    def as_restoration(self, source: str) -> RestoreConfig:
        """Return the same settings as those of a restoration of a file or folder, whose output is still to be named."""
        return RestoreConfig(
            input=source,
            output="output",
            checkpoint=self.checkpoint,
            method=self.method,
            effort=self.effort,
            gaps=self.gaps,
            find=self.find,
            sensitivity=self.sensitivity,
            headroom_db=self.headroom_db,
            output_format=self.output_format,
            proof=Proof(difference=self.difference),
        )


@dataclass(frozen=True, kw_only=True)
class AppConfig:
    """Repair files in the browser, on a page that only this machine can reach."""

    port: int = 7860
    """Port on loopback."""
