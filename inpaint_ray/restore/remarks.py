"""Remarks of the manifest on outputs."""

from dataclasses import replace

from inpaint_ray.audio.decode import INTEGER_SUBTYPES
from inpaint_ray.restore.formats import FLOAT_BYTES, LOSSLESS, Target
from inpaint_ray.restore.manifest import ManifestRow
from inpaint_ray.restore.repair import Outcome
from inpaint_ray.restore.survey import Survey

KEEPS_ALL = "--output-format wav"


def note_decisions(row: ManifestRow, outcome: Outcome) -> ManifestRow:
    """Return the row with a remark on repairs undone or redone by decisions."""
    silent = {(each.channel, each.start, each.stop) for each in outcome.silent}  # not counted as replaced
    num_samples = sum(each.stop - each.start for each in outcome.undone if each not in silent)
    return replace(
        row,
        undone=len(outcome.undone),
        redone=len(outcome.redone),
        samples_replaced=row.samples_replaced - num_samples,
    )


def note_rounded(num_rounded: int) -> str:
    """Return a remark on a difference that no float can hold exactly, or ""."""
    if not num_rounded:
        return ""
    return f"in {num_rounded} samples output + removed is off by a rounding; undo gives them to the bit"


def note_target(survey: Survey, target: Target, num_clamped: int) -> str:
    """Return a remark on the output's format or level where they differ from the source's, or ""."""
    if num_clamped:
        return f"{num_clamped} restored samples above full scale were cut off there; use --headroom-db or {KEEPS_ALL}"
    if target.headroom_db:
        return f"the whole file is {target.headroom_db:g} dB lower, as --headroom-db asks; it cannot be undone"
    if survey.sound.subtype in INTEGER_SUBTYPES and target.subtype in FLOAT_BYTES:
        return "clipped samples are restored above full scale: written as floats; --headroom-db keeps integers"
    if target.container == "RF64" and survey.sound.container != "RF64":
        return "longer than 4 GiB, which WAV cannot be: written as RF64"
    if survey.num_over and target.subtype in INTEGER_SUBTYPES and survey.sound.subtype not in LOSSLESS:
        return f"{survey.num_over} decoded samples above full scale were clipped; --output-format wav keeps them"
    return ""
