"""Verdicts on files: one that has lost too much should be transferred again from its carrier."""

import math
from dataclasses import dataclass
from typing import Literal

from inpaint_ray.restore.manifest import ManifestRow

Verdict = Literal["good", "transfer again", "failed"]
VERDICTS: tuple[Verdict, ...] = ("failed", "transfer again", "good")
NOT_DROPOUTS = ("click", "clipped")  # of the disc, and of the level: another transfer has as many of them


@dataclass(frozen=True, kw_only=True)
class TransferRule:
    """Limits above any of which the page asks for another transfer of a file; `inf` is no limit."""

    transfer_lost_percent: float = 1.0
    """Filled samples of all samples of a file, in percent."""
    transfer_dropouts_per_minute: float = 10.0
    """Events in a minute of a channel; clicks and clipping, which another transfer hardly cures, do not count."""
    transfer_gap_s: float = 1.0
    """The longest gap, in seconds; longer ones than 1 s are left silent."""

    def __post_init__(self) -> None:
        for flag, value in (
            ("--transfer-lost-percent", self.transfer_lost_percent),
            ("--transfer-dropouts-per-minute", self.transfer_dropouts_per_minute),
            ("--transfer-gap-s", self.transfer_gap_s),
        ):
            if not value >= 0:
                raise ValueError(f"{flag} must not be negative, got {value:g}; inf is no limit")

    def to_text(self) -> str:
        """Format the rule as what follows "transfer again where"."""
        limits = (
            (self.transfer_lost_percent, "more than {:g} % of its samples were filled"),
            (
                self.transfer_dropouts_per_minute,
                "a channel has more than {:g} events a minute, clicks and clipping apart",
            ),
            (self.transfer_gap_s, "a gap is longer than {:g} s"),
        )
        return ", or ".join(text.format(limit) for limit, text in limits if math.isfinite(limit))


@dataclass(frozen=True)
class Losses:
    """The figures of a file that its verdict depends on."""

    lost_percent: float
    dropouts_per_minute: float  # mean over channels
    longest_gap_s: float

    @classmethod
    def of(cls, row: ManifestRow) -> "Losses":
        """Return the figures of a row of the manifest; zeros where nothing is known of its audio."""
        if not (row.seconds and row.channels):
            return cls(0.0, 0.0, 0.0)
        dropouts = sum(count for kind, count in row.kinds.items() if kind not in NOT_DROPOUTS)
        return cls(100 * row.filled_s / row.seconds, 60 * dropouts / (row.channels * row.seconds), row.longest_gap_s)


def judge(row: ManifestRow, rule: TransferRule) -> tuple[Verdict, list[str]]:
    """Return the verdict on a file, and its reasons.

    Args:
        row: of the manifest.
        rule: its limits.
    """
    if row.status == "failed":
        return "failed", [row.error]
    losses, reasons = Losses.of(row), []
    if losses.lost_percent > rule.transfer_lost_percent:
        reasons.append(f"{losses.lost_percent:.2g} % of the samples were filled")
    if losses.dropouts_per_minute > rule.transfer_dropouts_per_minute:
        reasons.append(f"{losses.dropouts_per_minute:.3g} events a minute of a channel")
    if losses.longest_gap_s > rule.transfer_gap_s:
        reasons.append(f"a gap of {losses.longest_gap_s:.3g} s")
    return ("transfer again", reasons) if reasons else ("good", [])


def severity(row: ManifestRow, rule: TransferRule) -> float:
    """Return the excess of a file over the rule: the largest ratio of a figure to its limit."""
    losses = Losses.of(row)
    figures = (
        (losses.lost_percent, rule.transfer_lost_percent),
        (losses.dropouts_per_minute, rule.transfer_dropouts_per_minute),
        (losses.longest_gap_s, rule.transfer_gap_s),
    )
    return max(figure / max(limit, 1e-9) for figure, limit in figures)
