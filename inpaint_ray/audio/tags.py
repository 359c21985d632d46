"""Tags and metadata chunks, copied from a file to the one that replaces it.

Between files of one kind everything is kept: the chunks of WAV and AIFF as they are, the comments, pictures and other
blocks of FLAC. From one kind to another, common text tags and pictures are.
"""

import base64
import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mutagen
import soundfile
from mutagen import id3
from mutagen.flac import FLAC, Picture, SeekTable, StreamInfo
from mutagen.wave import WAVE

from inpaint_ray.audio.broadcast import BEXT, MD5, continue_history, history_line, with_digest
from inpaint_ray.audio.chunks import append_chunks, channel_mask, chunk_names, read_chunks

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WAV_KINDS = ("WAV", "WAVEX", "RF64")
TEXT_CHUNKS = {"LIST", "id3 ", "ID3 ", "NAME", "AUTH", "ANNO", "(c) ", "info"}  # copied as tags of FLAC and WAV
FILLERS = {"JUNK", "junk", "PAD ", "FLLR", "MD5 "}
TEXT_FRAMES = {  # of ID3, and the names of the same in Vorbis comments
    "TIT2": "title",
    "TPE1": "artist",
    "TALB": "album",
    "TPE2": "albumartist",
    "TCOM": "composer",
    "TDRC": "date",
    "TRCK": "tracknumber",
    "TPOS": "discnumber",
    "TCON": "genre",
    "TCOP": "copyright",
    "TSRC": "isrc",
    "TPUB": "organization",
    "TBPM": "bpm",
}
FRAME_OF = {name: frame for frame, name in TEXT_FRAMES.items()}


@dataclass
class Tags:
    """Text tags and pictures of a file of any format."""

    texts: dict[str, list[str]] = field(default_factory=dict)  # by lower-case names of Vorbis comments
    pictures: list[Picture] = field(default_factory=list)


def copy_tags(source: Path, target: Path, *, treatment: str = "", md5: bool = False) -> str:
    """Copy all tags that a newly written file can hold from another; return a note on those it cannot, or "".

    Args:
        source: the other file.
        target: the new one.
        treatment: what was done, for the coding history of bext, where there is one.
        md5: write the MD5 of the sound into every WAV; one is always written where the source has one, or bext.

    Raises:
        OSError: the target cannot be written.
    """
    kind, new_kind = (soundfile.info(os.fsencode(path)).format for path in (source, target))
    try:
        if kind in WAV_KINDS and new_kind in WAV_KINDS:
            _copy_mask(source, target)
            return _copy_chunks(source, target, treatment=treatment, md5=md5)
        if kind == new_kind == "AIFF":
            return _copy_chunks(source, target)
        if kind == new_kind == "FLAC":
            _copy_blocks(source, target)
        elif new_kind == "FLAC":
            _write_flac(target, read_tags(source))
        elif new_kind == "WAV":
            _write_id3(target, read_tags(source))
            if md5:
                with target.open("r+b") as file:
                    append_chunks(file, with_digest([], target))
        return _note_lost(source, kind, new_kind)
    except (mutagen.MutagenError, ValueError) as error:
        cause = error.args[0] if error.args else None  # mutagen wraps what the system says
        if isinstance(cause, OSError) and cause.errno in DISK_FULL:
            raise cause from error
        return f"tags are not kept: {' '.join(str(error).split()) or type(error).__name__}"


def _note_lost(source: Path, kind: str, new_kind: str) -> str:
    """Return a note on the chunks of a file that the written container, or our writer of the same one, drops."""
    with source.open("rb") as file:
        names = chunk_names(file)
        mask = channel_mask(file)
    carried = TEXT_CHUNKS if new_kind in ("FLAC", "WAV") else set()
    lost = sorted(names - carried - FILLERS)
    if mask is not None and mask[1] and new_kind == "FLAC":
        lost.append(f"the channel mask {mask[1]:#x}")
    return f"of {kind}, {', '.join(lost)} not kept in {new_kind}" if lost else ""


def _copy_mask(source: Path, target: Path) -> None:
    """Copy the speaker mask of a WAV file to another, where both have one."""
    with source.open("rb") as given, target.open("r+b") as file:
        found, place = channel_mask(given), channel_mask(file)
        if found is not None and place is not None:
            file.seek(place[0])
            file.write(struct.pack("<I", found[1]))


def read_tags(path: Path) -> Tags:
    """Read the tags of a file of any format; empty where it has none.

    Raises:
        mutagen.MutagenError: they are damaged.
        ValueError: a picture is.
    """
    tags = Tags({name: [text] for name, text in _sndfile_texts(path).items()})
    file = mutagen.File(path)
    if file is None or not file.tags:
        return tags
    if isinstance(file.tags, id3.ID3):
        _read_id3(file.tags, tags)
        return tags
    for name, values in dict(file.tags).items():
        if name.lower() == "metadata_block_picture":
            tags.pictures += [Picture(base64.b64decode(value)) for value in values]
        else:
            tags.texts[name.lower()] = list(values)
    tags.pictures += getattr(file, "pictures", [])
    return tags


def _sndfile_texts(path: Path) -> dict[str, str]:
    with soundfile.SoundFile(os.fsencode(path)) as file:
        texts = file.copy_metadata()
    return {name: text for name, text in texts.items() if text.strip() and name != "software"}


def _read_id3(frames: id3.ID3, tags: Tags) -> None:
    for frame in frames.values():
        if frame.FrameID in TEXT_FRAMES:
            tags.texts[TEXT_FRAMES[frame.FrameID]] = [str(text) for text in frame.text]
        elif frame.FrameID == "TXXX" and frame.desc.isascii() and frame.desc and "=" not in frame.desc:
            tags.texts[frame.desc.lower()] = [str(text) for text in frame.text]
        elif frame.FrameID == "COMM" and not frame.desc:  # others are programs' own, such as iTunes' iTunSMPB
            tags.texts["comment"] = [str(text) for text in frame.text]
        elif frame.FrameID == "APIC":
            picture = Picture()
            picture.type, picture.mime, picture.desc, picture.data = frame.type, frame.mime, frame.desc, frame.data
            tags.pictures.append(picture)


def _copy_chunks(source: Path, target: Path, *, treatment: str = "", md5: bool = False) -> str:
    with source.open("rb") as file:
        chunks, note = read_chunks(file)
    if treatment:
        chunks = continue_history(chunks, history_line(target, treatment))
    if md5 or {BEXT, MD5} & {chunk.name for chunk in chunks}:
        chunks = with_digest(chunks, target)
    if chunks:
        with target.open("r+b") as file:
            append_chunks(file, chunks)
    return note


def _copy_blocks(source: Path, target: Path) -> None:
    given, written = FLAC(source), FLAC(target)
    made = [block for block in written.metadata_blocks if isinstance(block, StreamInfo)]
    kept = [block for block in given.metadata_blocks if not isinstance(block, StreamInfo | SeekTable)]
    if kept:
        written.metadata_blocks = made + kept
        written.save()


def _write_flac(target: Path, tags: Tags) -> None:
    if not tags.texts and not tags.pictures:
        return
    file = FLAC(target)
    if file.tags is None:
        file.add_tags()
    for name, values in tags.texts.items():
        file[name] = values
    for picture in tags.pictures:
        file.add_picture(picture)
    file.save()


def _write_id3(target: Path, tags: Tags) -> None:
    if not tags.texts and not tags.pictures:
        return
    file = WAVE(target)
    file.add_tags()
    frames: Any = file.tags
    for name, values in tags.texts.items():
        if name in FRAME_OF:
            frames.add(getattr(id3, FRAME_OF[name])(encoding=3, text=values))
        elif name == "comment":
            frames.add(id3.COMM(encoding=3, lang="und", desc="", text=values))
        else:
            frames.add(id3.TXXX(encoding=3, desc=name, text=values))
    for picture in tags.pictures:
        frames.add(id3.APIC(encoding=3, mime=picture.mime, type=picture.type, desc=picture.desc, data=picture.data))
    file.save()
