import base64
from pathlib import Path

import numpy as np
import pytest
import soundfile
from mutagen import id3
from mutagen.flac import FLAC, Picture
from mutagen.mp3 import MP3
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from inpaint_ray.audio.chunks import Chunk, append_chunks, read_chunks
from inpaint_ray.audio.tags import copy_tags, read_tags

TEXTS = {"title": ["Rain \u00e9"], "artist": ["One", "Two"], "tracknumber": ["3"], "mood": ["wet"]}
PNG = b"\x89PNG not really"


def write(path: Path, container: str, subtype: str | None = None) -> Path:
    soundfile.write(path, 0.1 * np.sin(np.arange(4000)), 8000, format=container, subtype=subtype)
    return path


def picture() -> Picture:
    made = Picture()
    made.type, made.mime, made.desc, made.data = 3, "image/png", "cover", PNG
    return made


def tag(path: Path, container: str) -> None:
    """TEXTS and a picture, as such files have them."""
    if container in ("MP3", "WAV"):
        file = MP3(path) if container == "MP3" else WAVE(path)
        file.add_tags()
        for frame, name in ((id3.TIT2, "title"), (id3.TPE1, "artist"), (id3.TRCK, "tracknumber")):
            file.tags.add(frame(encoding=3, text=TEXTS[name]))
        file.tags.add(id3.TXXX(encoding=3, desc="mood", text=TEXTS["mood"]))
        file.tags.add(id3.APIC(encoding=3, mime="image/png", type=3, desc="cover", data=PNG))
    elif container == "OGG":
        file = OggVorbis(path)
        file.update(TEXTS)
        file["metadata_block_picture"] = [base64.b64encode(picture().write()).decode()]
    else:
        file = FLAC(path)
        file.update(TEXTS)
        file.add_picture(picture())
    file.save()


@pytest.mark.parametrize("target", ["FLAC", "WAV"])
@pytest.mark.parametrize("container", ["MP3", "OGG", "FLAC", "WAV"])
def test_texts_and_pictures_go_from_any_kind_to_another(tmp_path: Path, container: str, target: str) -> None:
    source = write(tmp_path / "source", container)
    tag(source, container)
    written = write(tmp_path / "written", target)
    before, _ = soundfile.read(written)
    assert copy_tags(source, written) == ""
    tags = read_tags(written)
    assert {name: tags.texts[name] for name in TEXTS} == TEXTS
    assert [(each.type, each.mime, each.data) for each in tags.pictures] == [(3, "image/png", PNG)]
    np.testing.assert_array_equal(soundfile.read(written)[0], before)


def test_flac_keeps_every_block_and_no_old_seek_table(tmp_path: Path) -> None:
    source = write(tmp_path / "source", "FLAC")
    tag(source, "FLAC")
    written = write(tmp_path / "written", "FLAC")
    assert copy_tags(source, written) == ""
    blocks = [[type(block).__name__ for block in FLAC(path).metadata_blocks] for path in (source, written)]
    assert [name for name in blocks[1] if name not in ("Padding", "SeekTable")] == [
        name for name in blocks[0] if name not in ("Padding", "SeekTable")
    ]


def test_the_texts_of_a_wav_s_list_chunk_go_to_flac(tmp_path: Path) -> None:
    with soundfile.SoundFile(tmp_path / "a", "w", 8000, 1, format="WAV", subtype="PCM_16") as file:
        file.title, file.artist = "Rain", "One"
        file.write(np.zeros(100))
    written = write(tmp_path / "written", "FLAC")
    assert copy_tags(tmp_path / "a", written) == ""
    assert dict(FLAC(written).tags or {}) == {"title": ["Rain"], "artist": ["One"]}


def test_chunks_go_from_wav_to_rf64(tmp_path: Path) -> None:
    source, written = write(tmp_path / "source", "WAV"), write(tmp_path / "written", "RF64", "PCM_16")
    chunks = [Chunk(b"bext", bytes(700)), Chunk(b"iXML", b"<x/>"), Chunk(b"????", b"1")]
    with source.open("r+b") as file:
        append_chunks(file, chunks)
    assert copy_tags(source, written) == ""
    with written.open("rb") as file:
        found, note = read_chunks(file)
    assert (found[:-1], note) == (chunks, "") and found[-1].name == b"MD5 "  # which stands beside bext


def test_damaged_tags_are_told_and_stop_nothing(tmp_path: Path) -> None:
    source, written = write(tmp_path / "source", "OGG"), write(tmp_path / "written", "FLAC")
    file = OggVorbis(source)
    file["metadata_block_picture"] = ["no picture"]
    file.save()
    assert copy_tags(source, written).startswith("tags are not kept")
    assert soundfile.info(str(written)).frames == 4000


def test_a_file_without_tags_gives_none(tmp_path: Path) -> None:
    for container in ("MP3", "AU", "FLAC"):
        written = write(tmp_path / "written", "FLAC")
        assert copy_tags(write(tmp_path / "source", container), written) == ""
        assert not FLAC(written).tags


@pytest.mark.parametrize("first", [True, False])
def test_the_comments_of_programs_do_not_take_the_place_of_the_real_one(tmp_path: Path, first: bool) -> None:
    source, written = write(tmp_path / "source", "MP3"), write(tmp_path / "written", "FLAC")
    file = MP3(source)
    file.add_tags()
    frames = [
        id3.COMM(encoding=3, lang="eng", desc="", text="taped at the harbour"),
        id3.COMM(encoding=0, lang="eng", desc="iTunSMPB", text=" 00000000 00000210 00000A56"),
    ]
    for frame in frames if first else reversed(frames):
        file.tags.add(frame)
    file.save()
    assert copy_tags(source, written) == ""
    assert dict(FLAC(written).tags or {}) == {"comment": ["taped at the harbour"]}
