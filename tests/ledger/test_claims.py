"""An output is one job's and of one input; whatever else lies there is left as it is."""

import json
from pathlib import Path

import pytest

from inpaint_ray import storage
from inpaint_ray.errors import UsageError
from inpaint_ray.ledger.claims import CLAIM, claim, holds, read_claim

JOB = "_job"
MADE_FROM = {"input": "tapes", "method": "linear"}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_or_empty_folder_is_claimed_once_and_for_all_runs_of_the_job(tmp_path: Path) -> None:
    for folder in (tmp_path / "new" / "deep", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        claim("--output", str(folder), JOB, MADE_FROM)
        before = files_of(folder)
        assert list(before) == [f"{JOB}/{CLAIM}"] and read_claim(str(folder), JOB) == MADE_FROM
        claim("--output", str(folder), JOB, MADE_FROM)
        assert files_of(folder) == before


def test_a_claimed_folder_may_hold_anything(tmp_path: Path) -> None:
    claim("--output", str(tmp_path), JOB, MADE_FROM)
    (tmp_path / "result.wav").write_bytes(b"x")
    claim("--output", str(tmp_path), JOB, MADE_FROM)


@pytest.mark.parametrize(
    "name", ["letter.txt", "_other/claim.json", "deep/er/a.wav", f"{JOB}/notes.txt", "results.json"]
)
def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    storage.write_bytes(f"{tmp_path}/{name}", b"dear")
    with pytest.raises(UsageError, match=rf"^--output .* holds something else \({name}\); give an empty or new folder"):
        claim("--output", str(tmp_path), JOB, MADE_FROM)
    assert files_of(tmp_path) == {name: b"dear"}


def test_what_is_there_is_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb.txt").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"\(a\\nb.txt\)"):
        claim("--output", str(tmp_path), JOB, MADE_FROM)


def test_results_of_other_settings_are_refused_by_what_differs(tmp_path: Path) -> None:
    claim("--output", str(tmp_path), JOB, MADE_FROM)
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match="^--output .* holds results of input tapes; give another folder"):
        claim("--output", str(tmp_path), JOB, MADE_FROM | {"input": "discs"})
    with pytest.raises(UsageError, match="holds results of input tapes, method linear;"):
        claim("--output", str(tmp_path), JOB, {"input": "discs", "method": "auto"})
    assert files_of(tmp_path) == before


@pytest.mark.parametrize(
    "damage",
    [b"", b'{"made_from": {"inp', b"[]", b"{}", b'{"made_from": 3}', b'{"made_from": {"input": "tapes"}}', b"\xff"],
)
def test_a_damaged_claim_is_refused_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    storage.write_bytes(f"{tmp_path}/{JOB}/{CLAIM}", damage)
    with pytest.raises(
        UsageError, match=f"{JOB}/{CLAIM}: damaged; give a new --output, or write into that file: "
    ) as raised:
        claim("--output", str(tmp_path), JOB, MADE_FROM)
    assert files_of(tmp_path) == {f"{JOB}/{CLAIM}": damage}
    write_as_told(tmp_path, raised.value)
    claim("--output", str(tmp_path), JOB, MADE_FROM)


def write_as_told(output: Path, error: UsageError) -> None:
    """Write the claim that a message, of one line, says the file must hold."""
    text = str(error)
    assert "\n" not in text
    storage.write_bytes(f"{output}/{JOB}/{CLAIM}", text[text.index("{") :].encode())


def test_a_lost_claim_beside_records_can_be_written_again(tmp_path: Path) -> None:
    for name in (f"{JOB}/records/a.parquet", "a.wav"):
        storage.write_bytes(f"{tmp_path}/{name}", b"of the job")
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match=f"^--output .* lacks {JOB}/{CLAIM}; .* or write into that file: ") as raised:
        claim("--output", str(tmp_path), JOB, MADE_FROM)
    assert files_of(tmp_path) == before
    write_as_told(tmp_path, raised.value)
    claim("--output", str(tmp_path), JOB, MADE_FROM)
    assert read_claim(str(tmp_path), JOB) == MADE_FROM


def test_records_of_another_job_are_something_else(tmp_path: Path) -> None:
    storage.write_bytes(f"{tmp_path}/_other/records/a.parquet", b"")
    with pytest.raises(UsageError, match="something else"):
        claim("--output", str(tmp_path), JOB, MADE_FROM)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"made_from": 3}'])
def test_a_claim_that_cannot_be_read_says_so(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(UsageError, match="missing or damaged; run the job again: it says what must stand there"):
        read_claim(str(tmp_path), JOB)
    storage.write_bytes(f"{tmp_path}/{JOB}/{CLAIM}", damage)
    with pytest.raises(UsageError, match="missing or damaged; run the job again: it says what must stand there"):
        read_claim(str(tmp_path), JOB)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("_restore", "_restore/run.json"), ("_undo", "_restore/undo.json"), ("_evaluate", "results.json")],
)
def test_a_folder_of_an_earlier_version_is_refused_as_that(tmp_path: Path, folder: str, name: str) -> None:
    for each in ("a.wav", name, "z.wav"):
        storage.write_bytes(f"{tmp_path}/{each}", b'{"input": "tapes"}')
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match=rf"holds results of an earlier version \({name}\), whose records"):
        claim("--output", str(tmp_path), folder, {"input": "tapes"})
    assert files_of(tmp_path) == before


def test_results_that_are_no_restoration_are_something_else(tmp_path: Path) -> None:
    storage.write_bytes(f"{tmp_path}/results.json", b"{}")
    with pytest.raises(UsageError, match=r"holds something else \(results.json\)"):
        claim("--output", str(tmp_path), "_restore", {"input": "tapes"})


def test_a_claim_that_a_killed_run_had_begun_does_not_count(tmp_path: Path) -> None:
    begun = f"{JOB}/{CLAIM}.{'0' * 32}.tmp"
    storage.write_bytes(f"{tmp_path}/{begun}", b'{"made')
    claim("--output", str(tmp_path), JOB, MADE_FROM)
    assert json.loads(files_of(tmp_path)[f"{JOB}/{CLAIM}"])["made_from"] == MADE_FROM


def test_an_unfinished_file_of_something_else_does(tmp_path: Path) -> None:
    storage.write_bytes(f"{tmp_path}/letter.txt.{'0' * 32}.tmp", b"dea")
    with pytest.raises(UsageError, match="something else"):
        claim("--output", str(tmp_path), JOB, MADE_FROM)


def test_a_folder_holds_itself_and_what_lies_below_it_and_no_neighbour(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    for uri in ("a", "a/", "a/b", "link/b", "link"):
        assert holds(f"{tmp_path}/a", f"{tmp_path}/{uri}")
    for uri in ("ab", "", "b/a"):
        assert not holds(f"{tmp_path}/a", f"{tmp_path}/{uri}")
    assert holds("s3://music/a", "s3://music/a/b") and not holds("s3://music/a", "s3://music/ab")
