from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inpaint_ray import storage
from inpaint_ray.checkpoints import identify
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.blocks import deal
from inpaint_ray.ledger.items import Past, PastEntry
from inpaint_ray.models.checkpoint import Checkpoint
from inpaint_ray.restore.archive import list_archive, output_name, source_files
from inpaint_ray.restore.config import RestoreConfig
from inpaint_ray.storage import StoredFile

CONFIG = RestoreConfig(input="in", output="out")
FILE = StoredFile(uri="in/a.wav", name="a.wav", size=100, etag="1")


def fingerprint_of(file: StoredFile = FILE, config: RestoreConfig = CONFIG, model: str = "") -> str:
    (source,) = source_files(config, [file], model=model, marks=None)
    return source.fingerprint


FINISHED = PastEntry("first", 1, fingerprint_of(), failed=False, output="a.wav", output_size=90)


def names_to_do(
    known: PastEntry, present: dict[str, int], config: RestoreConfig = CONFIG, model: str = ""
) -> list[str]:
    past = Past({"a.wav": known}, Counter({known.record: 1}), present)
    sources = source_files(config, [FILE], model=model, marks=None)
    todo, done = past.split(sources, retry_failed=config.retry_failed)
    assert done == ({} if todo else {known.record: None})
    return [source.name for source in todo]


def test_a_finished_file_is_skipped() -> None:
    assert names_to_do(FINISHED, {"a.wav": 90}) == []


def test_the_same_bytes_do_not_fail_twice() -> None:
    assert names_to_do(replace(FINISHED, failed=True, output="", output_size=0), {}) == []


@pytest.mark.parametrize(
    ("known", "present"),
    [
        (replace(FINISHED, fingerprint=fingerprint_of(replace(FILE, size=101))), {"a.wav": 90}),
        (replace(FINISHED, fingerprint=fingerprint_of(replace(FILE, etag="2"))), {"a.wav": 90}),
        (FINISHED, {}),
        (FINISHED, {"a.wav": 89}),
        (replace(FINISHED, failed=True, output="", fingerprint=""), {}),
        (replace(FINISHED, fingerprint="other"), {"a.wav": 90}),
    ],
    ids=["source longer", "source changed", "output gone", "output cut off", "could not be read", "other settings"],
)
def test_a_file_is_done_again(known: PastEntry, present: dict[str, int]) -> None:
    assert names_to_do(known, present) == ["a.wav"]


def test_another_method_format_or_model_is_another_setting() -> None:
    for config in (
        replace(CONFIG, method="linear"),
        replace(CONFIG, effort="best"),
        replace(CONFIG, output_format="wav"),
        replace(CONFIG, min_gap_ms=2.0),
    ):
        assert names_to_do(FINISHED, {"a.wav": 90}, config) == ["a.wav"]
    assert names_to_do(FINISHED, {"a.wav": 90}, model="a digest") == ["a.wav"]


def test_a_model_is_known_by_its_weights() -> None:
    def checkpoint(weight: float) -> Checkpoint:
        model = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(model.weight, weight)
        return Checkpoint(model=model, architecture="UNet", scale=1.0)

    assert identify(checkpoint(1)) == identify(checkpoint(1)) != identify(checkpoint(2))
    assert identify(None) == ""


def test_large_files_come_first_and_know_which_names_are_taken() -> None:
    files = [
        StoredFile(uri="in/a.mp3", name="a.mp3", size=5),
        StoredFile(uri="in/a.mp3.flac", name="a.mp3.flac", size=50),
    ]
    blocks = list(deal(list(source_files(CONFIG, files, model="", marks=None)), lambda source: source.size))
    assert [[source.name for source in block] for block in blocks] == [["a.mp3.flac"], ["a.mp3"]]
    ((large,), (small,)) = blocks
    assert small.taken == ("a.mp3.flac",)
    with pytest.raises(ValueError, match="another file"):
        output_name(small, ".flac")
    assert output_name(large) == "a.mp3.flac"


def test_an_archive_is_its_audio_without_an_earlier_report(tmp_path: Path) -> None:
    for name in ("b/x.FLAC", "a.wav", "notes.txt", "_restore/y.flac"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in list_archive(replace(CONFIG, input=str(tmp_path)))] == ["a.wav", "b/x.FLAC"]


def test_an_archive_without_audio_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--input .*no audio file"):
        list_archive(replace(CONFIG, input=str(tmp_path)))


def test_the_input_may_be_one_file_or_a_list(tmp_path: Path) -> None:
    for name in ("a \u00e9.wav", "b/c.wav", "d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    single = list_archive(replace(CONFIG, input=str(tmp_path / "d.wav")))
    assert [(file.name, file.size) for file in single] == [("d.wav", 1)]
    (tmp_path / "list.txt").write_text(f"a \u00e9.wav\n\nb/c.wav\n{tmp_path}/d.wav\ngone.wav\nb/c.wav\n")
    files = list_archive(replace(CONFIG, input=str(tmp_path / "list.txt")))
    outside = f"{tmp_path}/d.wav".lstrip("/")
    assert [(file.name, file.size) for file in files] == [
        ("a \u00e9.wav", 1),
        ("b/c.wav", 1),
        (outside, 1),
        ("gone.wav", 0),
    ]
    (tmp_path / "list.csv").write_text('name,more\n"d.wav",1\n')
    assert [file.name for file in list_archive(replace(CONFIG, input=str(tmp_path / "list.csv")))] == ["d.wav"]
    with pytest.raises(UsageError, match="no such file"):
        list_archive(replace(CONFIG, input=str(tmp_path / "none.txt")))


def test_a_changed_file_of_the_same_size_has_another_etag(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"one")
    (before,) = storage.list_files(str(tmp_path))
    path.write_bytes(b"two")
    (after,) = storage.list_files(str(tmp_path))
    assert before.size == after.size and before.etag != after.etag
    assert storage.find_file(str(path), "a.wav") == after
