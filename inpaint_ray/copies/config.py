"""The settings of a merge."""

from dataclasses import dataclass

from inpaint_ray.restore.config import AUTO, RestoreConfig


@dataclass(frozen=True, kw_only=True)
class MergeConfig(RestoreConfig):
    """Take the lost samples of every recording from other copies of it, and fill what all have lost."""

    copies: tuple[str, ...]
    """Other copies: a folder with the same names, whatever their suffix; a pattern such as
    transfers/{stem}_b.*, in which {stem} is the name in the input without its suffix; or a .csv of name,copy, a line a
    copy, for the whole archive. Several may be given."""
    copy_gaps: str = AUTO
    """Gaps of the copies, as --gaps has those of the input: `auto` finds them, `beside` reads label tracks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.copies or not all(each.strip() for each in self.copies):
            raise ValueError("--copies is empty; give a folder, a pattern with {stem}, or a .csv of name,copy")
        for each in self.copies:
            if each.count("{stem}") > 1 or "*" in each.partition("{stem}")[0]:
                raise ValueError(f"--copies {each}: give {{stem}} once, and * only behind it")
