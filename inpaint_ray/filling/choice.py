"""The choices of `auto` by the length of a gap: one table, whose every row is measured in docs/filling.md.

A gap throughout which another channel is known is filled from there (`channels`). Else the first row that is long
enough holds: autoregression first; the same music elsewhere in the recording, if the row says so and it is trusted;
and where it is not, bands of another fill of the right level, at a cost of a share of the predicted error.
"""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Row:
    """The treatment of gaps up to a length."""

    longest_s: float
    retrieval: bool
    pseudo: bool  # fills of pseudo gaps tell the error of autoregression, too, for trust and budget
    model_share: float  # of the predicted error, that bands from the network's frames may add
    wiener_share: float  # the same of Wiener's frames, where there is no network
    least_trust_db: float = -inf  # of a source that is taken

    def trusts(self, trust_db: float, level_db: float, pseudo_db: float = -inf) -> bool:
        """Decide if the same music elsewhere is taken in place of the autoregressive fill.

        Args:
            trust_db: of the match.
            level_db: SNR that the power of the autoregressive fill suggests.
            pseudo_db: SNR of autoregressive fills of pseudo gaps, where the row asks for it and one could be placed.
        """
        least = max(level_db / 2 + 2, self.least_trust_db)
        return trust_db > (max(least, pseudo_db, LEAST_TRUST_DB) if pseudo_db > -inf else least)


LEAST_TRUST_DB = 3.0  # of a match, for rows that ask pseudo gaps
MOST_KNOWN_DB = 10.0  # of a level, or of pseudo gaps; above it the energy is true already
MAX_GAP_S = 1.0  # longest gap to predict; longer ones are silent unless found elsewhere
MAX_FOUND_S = 5.0  # longest gap to fill from the same music or another channel


AUTO = (
    Row(longest_s=0.0499, retrieval=False, pseudo=False, model_share=0.03, wiener_share=0.0),
    Row(longest_s=0.075, retrieval=True, pseudo=True, model_share=0.07, wiener_share=0.07),
    Row(longest_s=0.15, retrieval=True, pseudo=True, model_share=0.12, wiener_share=0.12),
    Row(longest_s=0.35, retrieval=True, pseudo=False, model_share=0.4, wiener_share=0.4),
    Row(longest_s=MAX_GAP_S, retrieval=True, pseudo=False, model_share=0.7, wiener_share=0.7),
    Row(longest_s=MAX_FOUND_S, retrieval=True, pseudo=False, model_share=0.0, wiener_share=0.0, least_trust_db=4.0),
)
SHORTEST_RETRIEVAL_S = next(before.longest_s for before, row in zip(AUTO, AUTO[1:], strict=False) if row.retrieval)

SHIPPED_ABOVE_S = 0.15  # the shipped network beats Wiener's frames by SNR and LSD: docs/filling.md


def row_of(seconds: float) -> Row:
    """Return the row for a gap of a length; beyond the last, the last."""
    return next((row for row in AUTO if seconds <= row.longest_s), AUTO[-1])
