"""The work of a merge: a restorer that looks into other copies of its file."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from numpy.typing import NDArray

from inpaint_ray import storage
from inpaint_ray.aligning.alignment import MOST_SPEED, THRESHOLD, Alignment, align
from inpaint_ray.audio.decode import INTEGER_SUBTYPES, Recording, read_blocks
from inpaint_ray.copies.listing import CopyFile, MergedFile
from inpaint_ray.errors import AudioDecodeError, UnreadableError
from inpaint_ray.finding.labels import LabelError
from inpaint_ray.ledger.items import Item
from inpaint_ray.merging.calls import spans_of
from inpaint_ray.merging.copies import Copy
from inpaint_ray.merging.offers import Offer
from inpaint_ray.merging.taking import OfferFinder
from inpaint_ray.names import one_line
from inpaint_ray.restore.archive import SourceFile
from inpaint_ray.restore.pieces import Piece
from inpaint_ray.restore.restorer import OtherCopies, Restorer
from inpaint_ray.restore.survey import Survey, survey_file


class Merger(Restorer):
    """Restores files with the help of other copies."""

    item: ClassVar[type[Item]] = MergedFile
    memory_gib: ClassVar[float] = 1.4  # of an actor: benchmarks.merge long, two hours

    @contextmanager
    def _open_copies(self, path: Path, source: SourceFile, survey: Survey) -> Iterator[OtherCopies]:
        """Align the other copies of a file; those that cannot be used are notes."""
        assert isinstance(source, MergedFile)
        accepted: list[Copy] = []
        scores: dict[str, float] = {}
        notes: list[str] = []
        with ExitStack() as stack:
            for each in source.copies:
                file = CopyFile(*each)
                try:
                    place = stack.enter_context(storage.local_file(file.uri))
                    copy = self._align(path, survey, file, place)
                except PermissionError:
                    raise UnreadableError(f"copy {file.name}: no permission to read it") from None
                except FileNotFoundError:
                    notes.append(f"copy {file.name}: not there")
                    continue
                except (AudioDecodeError, LabelError, ValueError) as error:
                    notes.append(f"copy {file.name}: {one_line(str(error))}")
                    continue
                scores[file.name] = round(copy.alignment.score, 3)
                if copy.alignment.accepted:
                    accepted.append(copy)
                else:
                    notes.append(_refusal(file, copy.alignment))
            bits = INTEGER_SUBTYPES.get(survey.sound.subtype)
            finder = OfferFinder(accepted, survey.sound.sample_rate, step=2.0 ** (1 - bits) if bits else None)

            def find_offers(window: Recording, piece: Piece) -> list[Offer]:
                return finder.offers(window.to_float(), piece.gaps, piece.window[0], piece.start, piece.stop)

            yield OtherCopies(find_offers if accepted else None, scores, notes)

    def _align(self, path: Path, survey: Survey, file: CopyFile, place: Path) -> Copy:
        """Look for the damage of a copy, and for its place in time."""
        other = survey_file(place, file.labels, self.config)
        alignment = align(
            partial(_read, path),
            survey.sound.sample_rate,
            partial(_read, place),
            other.sound.sample_rate,
            reference_lost=spans_of(survey.gaps),
            copy_lost=spans_of(other.gaps),
        )
        return Copy(file.name, partial(_read, place), other.sound.sample_rate, other.gaps, alignment)


def _read(path: Path) -> Iterator[NDArray]:
    with closing(read_blocks(path)) as blocks:
        for block in blocks:
            yield block.to_float()


def _refusal(file: CopyFile, alignment: Alignment) -> str:
    return (
        f"copy {file.name} is refused: score {alignment.score:.2f}, of {THRESHOLD:g} that are needed: another "
        f"performance, or more than {100 * MOST_SPEED:g} % faster or slower"
    )
