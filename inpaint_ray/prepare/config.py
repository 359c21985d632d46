"""The settings of the prepare job."""

from dataclasses import dataclass
from typing import Literal

from inpaint_ray.data.schema import Dtype

Protocol = Literal["official", "reference", "folders", "manifest"]


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Cut audio in storage into spectrogram patches, in Parquet shards."""

    source: str
    """Folder or bucket prefix of the audio: FMA's fma_SIZE, a folder per genre, or what a list's URIs are below."""
    output: str
    """Folder or bucket prefix of the shards."""
    metadata: str | None = None
    """FMA's tracks.csv, or a CSV or Parquet list with columns uri, genre, split; not needed for `folders`."""
    protocol: Protocol = "official"
    """Source of the splits: `official` tracks.csv, `reference` the paper, `manifest` a list of one's own, `folders` a
    hash of each name alone (a folder per genre), so that adding tracks moves none."""
    dtype: Dtype = "float32"
    """Number format of the magnitudes in the shards."""
    max_rejected: float = 0.05
    """Largest share of files that may give no patches before the job fails."""
    limit: int | None = None
    """Keep about so many tracks, with every split and genre represented."""
    whole_tracks: bool = False
    """All of each track (up to 4 h 39 min) in place of its first 30 s; for fma_full, whose lengths are then checked."""
    seed: int = 0
    """Seed of the order of patches, and of the tracks that the reference's protocol draws."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_rejected <= 1:
            raise ValueError(f"--max-rejected is a share from 0 to 1, got {self.max_rejected}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"--limit must be at least 1, got {self.limit}")
        if self.protocol != "folders" and self.metadata is None:
            raise ValueError(f"--protocol {self.protocol} needs --metadata URI of its list; or use --protocol folders")

    def identity(self) -> dict[str, str]:
        """Return the settings that no run into the same output may change."""
        names = ("source", "protocol", "dtype", "limit", "whole_tracks", "seed")
        return {name: str(getattr(self, name)) for name in names}
