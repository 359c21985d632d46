"""Documents beside the audio: a bag that the library of BagIt checks, and PREMIS."""

import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import bagit
import pytest

from inpaint_ray import storage
from inpaint_ray.restore.bag import FILES
from inpaint_ray.restore.config import Proof, RestoreConfig
from inpaint_ray.restore.premis import NAMESPACE, PREMIS
from inpaint_ray.restore.undo import UndoConfig, undo
from tests.support.restoring import read_rows, restore_here, write_damaged


@pytest.fixture
def config(tmp_path: Path) -> RestoreConfig:
    write_damaged(tmp_path / "in" / "a 1.wav", gaps=2)
    write_damaged(tmp_path / "in" / "sub" / "b\u00e9.flac")
    write_damaged(tmp_path / "in" / "whole.wav", gaps=0)
    proof = Proof(bag=True, premis=True, difference=True)
    return RestoreConfig(input=str(tmp_path / "in"), output=str(tmp_path / "out"), proof=proof)


def test_the_library_of_bagit_finds_the_bag_valid(tmp_path: Path, config: RestoreConfig) -> None:
    output = tmp_path / "out"
    assert restore_here(config) == 0
    bag = bagit.Bag(str(output))
    bag.validate()
    assert bag.info["Payload-Oxum"].endswith(".5") and PREMIS in bag.entries
    assert sorted(path.name for path in output.iterdir()) == sorted(["_restore", "data", *FILES])
    done: list[str] = []
    assert restore_here(config, done) == 0 and done == []
    (output / FILES[-1]).unlink()
    write_damaged(tmp_path / "in" / "whole.wav", gaps=1)
    assert restore_here(config, done) == 0 and done == ["whole.wav"]
    bagit.Bag(str(output)).validate()
    path = output / "data" / "whole.wav"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(output)).validate()


def test_a_bag_is_taken_back_and_may_become_a_folder_again(tmp_path: Path, config: RestoreConfig) -> None:
    output = tmp_path / "out"
    assert restore_here(config) == 0
    assert undo(UndoConfig(output=str(output), to=str(tmp_path / "undone"))) == 0
    assert (tmp_path / "undone/data/a 1.wav").read_bytes() == (tmp_path / "in/a 1.wav").read_bytes()
    assert restore_here(replace(config, proof=Proof())) == 0
    assert sorted(path.name for path in output.iterdir() if path.is_file()) == ["a 1.wav", "whole.wav"]
    assert not [path for path in (output / "data").rglob("*") if path.is_file()]


def test_a_strange_file_in_the_payload_is_named(
    tmp_path: Path, config: RestoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore_here(config) == 0
    (tmp_path / "out" / "data" / "notes.txt").write_text("mine")
    (tmp_path / "out" / FILES[0]).unlink()
    assert restore_here(config) == 0
    assert "data/notes.txt: not of this restoration" in capsys.readouterr().out


def test_a_name_that_no_bag_can_list_is_a_failed_file(tmp_path: Path, config: RestoreConfig) -> None:
    for name in ("plain.wav", "100%.wav", "two\nlines.wav"):
        write_damaged(tmp_path / "in" / name)
    os.rename(tmp_path / "in" / "plain.wav", bytes(tmp_path / "in") + b"/\xff.wav")
    assert restore_here(config) == 3
    failed = {row.name: row.error for row in read_rows(tmp_path / "out") if row.status == "failed"}
    assert "has a percent sign" in failed.pop("100%.wav")
    assert "is not UTF-8" in failed.pop("\\xff.wav") and not failed
    bagit.Bag(str(tmp_path / "out")).validate()


def test_a_bucket_holds_a_bag(tmp_path: Path, bucket: str, config: RestoreConfig) -> None:
    output = f"{bucket}/restored"
    assert restore_here(replace(config, output=output)) == 0
    for file in storage.list_files(output):
        path = tmp_path / "fetched" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(storage.read_bytes(file.uri))
    bagit.Bag(str(tmp_path / "fetched")).validate()


def test_premis_has_an_object_and_an_event_of_each_file(tmp_path: Path, config: RestoreConfig) -> None:
    assert restore_here(config) == 0
    root = ElementTree.parse(tmp_path / "out" / PREMIS).getroot()
    assert root.tag == f"{{{NAMESPACE}}}premis" and root.get("version") == "3.0"
    place = {"p": NAMESPACE}
    events = {
        each.findtext(".//p:linkingObjectIdentifierValue", None, place): each
        for each in root.iterfind("p:event", place)
    }
    rows = {row.output: row for row in read_rows(tmp_path / "out")}
    assert events.keys() == rows.keys() and len(root.findall("p:agent", place)) == 1
    for each in root.iterfind("p:object", place):
        row = rows[each.findtext(".//p:objectIdentifierValue", "", place)]
        assert each.findtext(".//p:messageDigest", None, place) == row.sha256
        assert each.findtext(".//p:originalName", None, place) == row.name
    note = events["data/a 1.wav"].findtext(".//p:eventOutcomeDetailNote", "", place)
    assert note.startswith("2 gaps; 2 repairs; ") and rows["data/a 1.wav"].source_sha256 in note
    assert events["data/whole.wav"].findtext("p:eventType", None, place) == "validation"
    assert [child.tag.split("}")[1] for child in events["data/whole.wav"]] == [  # in the order of the schema
        "eventIdentifier",
        "eventType",
        "eventDateTime",
        "eventDetailInformation",
        "eventOutcomeInformation",
        "linkingAgentIdentifier",
        "linkingObjectIdentifier",
    ]
