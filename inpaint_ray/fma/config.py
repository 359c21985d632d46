"""The settings of the staging job."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Unpack FMA's zips into files in storage."""

    zips: tuple[str, ...]
    """URLs (http or https) or paths of fma_small.zip, fma_metadata.zip, ...; every worker must see such a path."""
    output: str
    """Folder or bucket prefix; fma_small.zip becomes OUTPUT/fma_small, and so on."""
    check_zip: bool = False
    """First compare the SHA-1 of each zip with the published one: one more reading of all of it, in one stream."""
    max_readers: int = 16
    """Most connections at once to where the zips are."""

    def __post_init__(self) -> None:
        if not self.zips:
            raise ValueError("--zips needs at least one zip")
        if self.max_readers < 1:
            raise ValueError(f"--max-readers must be at least 1, got {self.max_readers}")
