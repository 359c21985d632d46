"""The settings of restoring, undoing and showing."""

from dataclasses import dataclass, field
from typing import Literal

from inpaint_ray.filling.choice import MAX_GAP_S
from inpaint_ray.filling.methods import NEEDS_MODEL, Effort, Method
from inpaint_ray.finding.kinds import SENSITIVITY, Find, chosen_groups
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.restore.verdict import TransferRule

OutputFormat = Literal["same", "flac", "wav"]

AUTO = "auto"  # gaps are found
BESIDE = "beside"  # gaps are marked in label tracks beside the files
GPU_SHARE = 1 / 8  # of an actor: a minute of FLAC costs its core 155 ms without a gap, a long gap the GPU about 1 ms
MOST_HEADROOM_DB = 40.0


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Files beside the restored audio for checking it, and decisions on single repairs."""

    difference: bool = False
    """Write NAME.removed.EXT beside each file that is changed: output + removed = input, exactly: docs/proof.md."""
    md5: bool = False
    """Write the MD5 of the sound, as BWF MetaEdit does, into every WAV file that is changed; it is always written where
    one was, or a bext chunk is."""
    bag: bool = False
    """Write the output as a BagIt bag: the audio below data/, its SHA-256 in manifest-sha256.txt."""
    premis: bool = False
    """Write _restore/premis.xml, with an object and an event of PREMIS 3.0 for each file."""
    decisions: str | None = None
    """A .csv of name,channel,start,stop,decision, as the report saves it: repairs to keep, to undo, or to do again by
    another method, which is named; all others are done as they were."""


@dataclass(frozen=True, kw_only=True)
class RestoreConfig:
    """Fill the gaps of every recording in an archive; all other samples stay as they are, bit for bit."""

    input: str
    """Folder or bucket prefix of the damaged audio, one file, or a .txt or .csv list of files, one a line."""
    output: str
    """Folder or bucket prefix of the restored audio, under the same names, with _restore/report.html beside it."""
    checkpoint: str | None = AUTO
    """A network for what is too quiet: `auto` takes the one that ships for gaps above 150 ms, where it measures better;
    `pretrained` for all; or a checkpoint folder; `None` takes none."""
    tta: bool = False
    """Take the model's mean over both directions of time, at twice the cost."""
    method: Method = "auto"
    """The filling of gaps; `auto` is autoregressive, from 50 ms on the same music elsewhere in the recording where that
    is trusted, and brings what is too quiet to its level by the model, if there is one: docs/filling.md."""
    effort: Effort = "normal"
    """`best` weighs several autoregressive fills of each gap up to 0.1 s, at about twenty times the cost."""
    gaps: str = AUTO
    """`auto` finds them; `beside` reads label tracks beside the files, NAME.txt (Audacity) or NAME.json; or a folder of
    such tracks; or one .csv of name,start,end[,channel] in seconds for the whole archive."""
    find: tuple[Find, ...] = ("dropouts",)
    """Damage that `auto` looks for: `dropouts` (zeros, stuck values, dither, held and muted samples), `clicks` (crackle
    and scratches, too), `clipping`, or `all`; several may be named."""
    sensitivity: float = SENSITIVITY
    """The greatest chance that an event is false, from 0 (certain ones alone) to 1; of all kinds."""
    min_gap_ms: float = 1.0
    """The shortest gap of zeros, stuck values or dither that `auto` looks for, in milliseconds."""
    headroom_db: float = 0.0
    """Lower the whole of a file with clipping by so much, so that integers hold what is restored; such a file cannot be
    undone. At 0 it becomes WAV of floats where it must, and every other sample stays as it is."""
    output_format: OutputFormat = "same"
    """`same` keeps lossless formats and makes NAME.mp3.flac of NAME.mp3; files without a gap are always copied."""
    retry_failed: bool = False
    """Try files again that failed in an earlier run although neither they nor the settings have changed."""
    dry_run: bool = False
    """Restore nothing; write the gaps of every file as Audacity label tracks to the output, a separate folder."""
    report_excerpts: int = 300
    """Repairs that the page plays, the least certain of the archive; about 0.1 MB each, 32 MiB of all at the most."""
    transfer: TransferRule = field(default_factory=TransferRule)
    proof: Proof = field(default_factory=Proof)
    actors: Actors = field(default_factory=lambda: Actors(gpu_share=GPU_SHARE))

    def __post_init__(self) -> None:
        for flag, value in (("--input", self.input), ("--output", self.output), ("--gaps", self.gaps)):
            if not value.strip():
                raise ValueError(f"{flag} is empty; give a folder or s3://BUCKET/PREFIX")
        if self.method in NEEDS_MODEL and self.checkpoint in (None, AUTO):
            raise ValueError(f"--method {self.method} needs --checkpoint; or use --method auto")
        if self.tta and self.checkpoint in (None, AUTO):
            raise ValueError("--tta needs --checkpoint: it is the mean of what a model makes of both directions")
        if not 0 < self.min_gap_ms <= 1000 * MAX_GAP_S:
            raise ValueError(f"--min-gap-ms must be above 0 and at most {1000 * MAX_GAP_S:g}, got {self.min_gap_ms:g}")
        chosen_groups(self.find)
        if not 0 <= self.sensitivity <= 1:
            raise ValueError(f"--sensitivity must be from 0 to 1, got {self.sensitivity:g}")
        if not 0 <= self.headroom_db <= MOST_HEADROOM_DB:
            raise ValueError(f"--headroom-db must be from 0 to {MOST_HEADROOM_DB:g}, got {self.headroom_db:g}")
        if self.headroom_db and self.proof.difference:
            raise ValueError("--headroom-db lowers whole files: no --difference adds up to the input; leave one out")
        if self.report_excerpts < 0:
            raise ValueError(f"--report-excerpts must not be negative, got {self.report_excerpts}")
        if self.actors.use_gpu and self.checkpoint in (None, AUTO):
            raise ValueError("--use-gpu needs --checkpoint: without a model nothing runs on a GPU")


@dataclass(frozen=True, kw_only=True)
class UndoConfig:
    """Put the original samples back into the gaps of restored files: into all, or into chosen ones."""

    output: str
    """Folder or bucket prefix that a restoration was written to."""
    to: str
    """Folder or bucket prefix for the files, under their names in the output: a new or empty one, apart from the output
    and its input, or one that an earlier undo of the same output wrote to."""
    name: str | None = None
    """One file's name in the input, such as 1968/tape.wav; default: every file that has gaps."""
    only: str | None = None
    """A .csv of name,channel,start,stop,decision, as the report saves it: repairs whose decision is `undo` are taken
    back, and all others stay."""
    where: str | None = None
    """Take back the repairs that this holds of, such as "expected_snr_db < 3 and seconds > 0.1", with the columns of
    gaps.parquet (docs/proof.md); all others stay."""
    kind: str | None = None
    """Take back the repairs of this kind of damage, such as click; all others stay."""
    all: bool = False
    """Copy all other files of the output, too, so that the archive is whole."""


@dataclass(frozen=True, kw_only=True)
class ShowConfig:
    """List the least certain repairs of a restoration, and write the sound before and after each."""

    output: str
    """Folder or bucket prefix that a restoration was written to."""
    file: str | None = None
    """One file's name in the manifest, such as 1968/tape.wav; default: all."""
    count: int = 20
    """The number of repairs."""
    to: str = "excerpts"
    """Folder or bucket prefix for the excerpts, two WAV files a repair: a second of sound on either side of it."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"--count must be at least 1, got {self.count}")
