"""Runs of the ledger: records decide what is done again; earlier outputs are neither trusted wrongly nor lost."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import pyarrow as pa
import pytest

from inpaint_ray import storage
from inpaint_ray.errors import StorageError, UnreadableError
from inpaint_ray.ledger import records
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.ledger.items import Chosen, Item, Past, PastEntry, digest
from inpaint_ray.ledger.ledger import Ledger
from inpaint_ray.ledger.records import DamagedRecord, Entry, RecordWriter
from inpaint_ray.ledger.worker import deal_rows, items_of
from tests.support.here import here
from tests.support.interrupted import Killed

FOLDER = "_job"


class Shout:
    """A stub of the work: writes a file's text in capitals, and a row for each of its letters."""

    item: ClassVar[type[Item]] = Item
    schema: ClassVar[pa.Schema] = pa.schema({"name": pa.string(), "letter": pa.string()})

    def __init__(self, output: str, suffix: str, done: list[str], killed_in: str = "") -> None:
        self.output, self.suffix, self.done, self.killed_in = output, suffix, done, killed_in

    def __call__(self, item: Item, earlier: Entry | None, record: RecordWriter) -> Entry:
        if item.name == self.killed_in:
            raise Killed
        self.done.append(item.name)
        try:
            text = storage.read_bytes(item.uri).decode()
        except FileNotFoundError:
            kept = earlier or Entry(name=item.name, fingerprint="")
            return replace(kept, fingerprint="", attempt=item.attempt, failed=True)
        for letter in text:
            record.add({"name": item.name, "letter": letter})
        if text == "bad":
            return item.entry(failed=True, row={"record": record.name})
        name = f"{item.name}{self.suffix}"
        storage.write_bytes(storage.join(self.output, name), text.upper().encode())
        return item.entry(output=name, output_size=len(text), row={"record": record.name})


class Job:
    """Runs of one job on the files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.source, self.output = folder / "in", folder / "out"
        self.ledger = Ledger(str(self.output), FOLDER)
        self.done: list[str] = []  # by the last run
        self.chosen: Chosen = {}
        self.names: list[str] = []

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            storage.write_bytes(f"{self.source}/{name}", text.encode())
            self.names = sorted({*self.names, name})

    def items(self, settings: str = "") -> list[Item]:
        """Make items of all files that were ever written; one that is gone has a fingerprint of its own."""
        files = {file.name: file for file in storage.list_files(str(self.source))}
        texts = {name: storage.read_bytes(file.uri).decode() for name, file in files.items()}
        return [
            Item(
                uri=f"{self.source}/{name}",
                name=name,
                size=len(texts.get(name, "")),
                fingerprint=f"{settings} {texts.get(name)}",
            )
            for name in self.names
        ]

    def run(
        self, settings: str = "", *, suffix: str = "", retry_failed: bool = False, killed_in: str = ""
    ) -> list[str]:
        """Do what is left, and tell which items were worked on."""
        self.done = []
        self.chosen = self.ledger.complete(
            self.items(f"{settings}{suffix}"),
            Shout,
            retry_failed=retry_failed,
            verb="shout",
            unit="files",
            actors=Actors(),
            memory_gib=0.1,
            output=str(self.output),
            suffix=suffix,
            done=self.done,
            killed_in=killed_in,
        )
        return sorted(self.done)

    def begin(self, settings: str = "", *, suffix: str = "") -> Callable[[], None]:
        """Begin a run whose driver is killed when it has dealt its blocks, and return what its actor does of them."""
        dealt = []

        def deal(rows: list[dict[str, Any]], work: Any, *, fn_constructor_kwargs: dict[str, Any], **how: Any) -> None:
            worker = work(**fn_constructor_kwargs)
            dealt.extend(partial(worker, row) for row in rows)
            raise Killed

        with patch("inpaint_ray.ledger.ledger.spread", deal), suppress(Killed):
            self.run(settings, suffix=suffix)

        def act() -> None:
            for do in dealt:
                do()

        return act

    def results(self) -> dict[str, str]:
        """Return the contents of the output by name."""
        files = {file.name: file.uri for file in storage.list_files(str(self.output))}
        return {
            name: storage.read_bytes(uri).decode() for name, uri in files.items() if not name.startswith(f"{FOLDER}/")
        }

    def entries(self) -> dict[str, Entry]:
        """Name of each item -> the entry of it that counts."""
        found = [entry for each in self.chosen.items() for entry in self.ledger.entries(*each)]
        assert len(found) == len({entry.name for entry in found})
        return {entry.name: entry for entry in found}

    def letters(self) -> dict[str, str]:
        """Name of each item -> its rows that count."""
        rows = [row for table in self.ledger.rows(self.chosen) for row in table.to_pylist()]
        return {name: "".join(row["letter"] for row in rows if row["name"] == name) for name in self.names}

    def records(self) -> list[Path]:
        return sorted((self.output / FOLDER / "records").iterdir())


@pytest.fixture(params=["each in a block", "all in one block"])
def job(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job with two files, each of which it has done."""
    if request.param == "all in one block":
        monkeypatch.setattr("inpaint_ray.ledger.blocks.MANY_BLOCKS", 1)
    with here():
        made = Job(tmp_path)
        made.write(a="one", b="two")
        assert made.run() == ["a", "b"]
        yield made


def test_nothing_is_done_twice(job: Job) -> None:
    before, chosen = job.records(), job.chosen
    assert job.results() == {"a": "ONE", "b": "TWO"} and job.letters() == {"a": "one", "b": "two"}
    assert job.run() == [] and job.records() == before
    assert job.chosen == chosen and digest(job.chosen) == digest(chosen)


def test_new_and_changed_items_alone_are_done(job: Job) -> None:
    job.write(b="four", c="three")
    assert job.run() == ["b", "c"]
    assert job.results() == {"a": "ONE", "b": "FOUR", "c": "THREE"}
    assert job.letters() == {"a": "one", "b": "four", "c": "three"}
    assert job.run() == []


def test_records_are_never_changed(job: Job) -> None:
    before = {path: path.read_bytes() for path in job.records()}
    job.write(a="four")
    job.run()
    job.run("other")
    assert len(job.records()) > len(before)
    assert {path: path.read_bytes() for path in before} == before


def test_the_entry_of_the_latest_attempt_counts(job: Job) -> None:
    for text in ("four", "five", "six"):
        job.write(a=text)
        assert job.run() == ["a"]
        assert job.entries()["a"].row["record"] in job.chosen
        assert job.letters() == {"a": text, "b": "two"}
    assert job.entries()["a"].attempt > job.entries()["b"].attempt


def test_items_that_left_the_archive_do_not_count_and_their_outputs_stay(job: Job) -> None:
    job.names = ["b"]
    assert job.run() == [] and set(job.entries()) == {"b"}
    assert job.results() == {"a": "ONE", "b": "TWO"}
    job.names = ["a", "b"]
    assert job.run() == [] and set(job.entries()) == {"a", "b"}


def test_an_output_that_is_gone_or_of_another_size_is_made_again(job: Job) -> None:
    (job.output / "a").unlink()
    assert job.run() == ["a"] and job.results() == {"a": "ONE", "b": "TWO"}
    (job.output / "b").write_text("tw")
    assert job.run() == ["b"] and job.results() == {"a": "ONE", "b": "TWO"}
    assert job.run() == []


def test_a_failed_item_is_tried_again_only_on_demand_or_when_it_has_changed(job: Job) -> None:
    job.write(a="bad")
    assert job.run() == ["a"] and job.entries()["a"].failed
    assert job.run() == []
    assert job.run(retry_failed=True) == ["a"] and job.run() == []
    job.write(a="good")
    assert job.run() == ["a"] and not job.entries()["a"].failed


def test_an_item_that_no_later_run_may_rely_on_is_tried_again(job: Job) -> None:
    (job.source / "a").unlink()
    assert job.run() == ["a"] and job.run() == ["a"]
    job.write(a="one")
    assert job.run() == ["a"] and job.run() == []


def test_settings_there_and_back_do_not_trust_the_first_records(job: Job) -> None:
    """Outputs of both settings have the same names and sizes."""
    assert job.run("other") == ["a", "b"]
    first = digest(job.chosen)
    assert job.run() == ["a", "b"] and job.run() == []
    assert digest(job.chosen) != first


def test_a_killed_run_of_other_settings_is_not_trusted_where_it_had_begun(job: Job) -> None:
    with suppress(Killed):
        job.run("other", killed_in="b")
    assert job.done == ["a"]
    assert set(job.run()) == {"a", "b"} and job.results() == {"a": "ONE", "b": "TWO"}


def test_a_killed_run_is_finished(tmp_path: Path) -> None:
    with here():
        job = Job(tmp_path)
        job.write(a="long", b="two")
        with suppress(Killed):
            job.run(killed_in="b")
        assert job.done == ["a"]
        assert job.run() == ["b"] and job.run() == []
        assert job.letters() == {"a": "long", "b": "two"}


def test_what_was_replaced_under_another_name_is_deleted(job: Job) -> None:
    assert job.run(suffix=".txt") == ["a", "b"]
    assert job.results() == {"a.txt": "ONE", "b.txt": "TWO"}
    assert job.run(suffix=".txt") == []


def test_what_another_item_writes_under_the_name_of_what_was_replaced_stays(job: Job) -> None:
    assert job.run(suffix=".txt") == ["a", "b"]
    job.write(**{"a.txt": "another"})
    assert job.run() == ["a", "a.txt", "b"]
    assert job.results() == {"a": "ONE", "a.txt": "ANOTHER", "b": "TWO"}


def test_it_is_deleted_although_the_run_was_killed_between_record_and_deletion(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(uri: str) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(storage, "delete_file", killed)
        job.run(suffix=".txt")
    assert {"a", "b"} < set(job.results())
    job.run(suffix=".txt")
    assert job.results() == {"a.txt": "ONE", "b.txt": "TWO"}


def test_an_item_that_fails_keeps_its_earlier_result_and_its_rows(job: Job) -> None:
    (first,) = {job.entries()["a"].row["record"]}
    (job.source / "a").unlink()
    assert job.run() == ["a"]
    entry = job.entries()["a"]
    assert entry.failed and (entry.output, entry.output_size, entry.row) == ("a", 3, {"record": first})
    assert job.results()["a"] == "ONE"
    kept = [row["letter"] for table in job.ledger.rows({first: ["a"]}) for row in table.to_pylist()]
    assert kept == list("one")
    job.write(a="four")
    assert job.run(suffix=".txt") == ["a", "b"]
    assert job.results() == {"a.txt": "FOUR", "b.txt": "TWO"}


def test_the_rows_of_an_attempt_that_was_begun_and_killed_are_still_known(job: Job) -> None:
    first = job.entries()["a"].row["record"]
    for _ in range(2):  # killed twice: what was begun began from what was begun
        with suppress(Killed):
            job.run("other", killed_in="a")
    (job.source / "a").unlink()
    assert "a" in job.run("other")
    entry = job.entries()["a"]
    assert entry.failed and (entry.output, entry.row) == ("a", {"record": first})
    assert job.results()["a"] == "ONE"


def test_what_was_begun_is_noted_before_an_output_is_replaced(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    replace_file = records.storage.put_file

    def noted(path: Path, uri: str) -> None:
        order.append(("record", [entry.name for entry in records.read_entries(str(path.parent), path.stem)]))
        replace_file(path, uri)

    monkeypatch.setattr(storage, "put_file", noted)
    write_bytes = storage.write_bytes
    monkeypatch.setattr(storage, "write_bytes", lambda uri, data: (order.append(uri), write_bytes(uri, data))[1])
    job.run("other")
    for name in ("a", "b"):
        kinds = [
            "record" if each[0] == "record" else "output"
            for each in order
            if name in each[1] or each == f"{job.output}/{name}"
        ]
        assert kinds == ["record", "output", "record"]


def test_a_file_of_ones_own_under_a_superseded_name_stays(job: Job) -> None:
    assert job.run(suffix=".txt") == ["a", "b"] and set(job.results()) == {"a.txt", "b.txt"}
    (job.output / "a").write_text("a person's own")
    assert job.run(suffix=".txt") == [] and job.run(suffix=".txt") == []
    assert job.results() == {"a": "a person's own", "a.txt": "ONE", "b.txt": "TWO"}


def test_a_superseded_output_stays_while_the_latest_attempt_failed(job: Job) -> None:
    job.write(a="bad")
    for _ in range(3):
        job.run(suffix=".txt")
        assert job.entries()["a"].failed and job.results() == {"a": "ONE", "b.txt": "TWO"}


def test_a_superseded_output_stays_while_what_superseded_it_does_not_stand(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(storage, "delete_file", die)
        job.run(suffix=".txt")  # does the first block, or the only one
    (done, *_) = job.done
    (job.output / f"{done}.txt").unlink()
    (job.source / done).unlink()
    for _ in range(2):
        job.run(suffix=".txt")
        assert job.entries()[done].failed and done in job.results()


def test_of_several_superseded_outputs_under_one_name_the_last_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with here():
        job = Job(tmp_path)
        for text in ("one", "three", "fourteen"):
            job.write(**{f"n{number}": text for number in range(8)})
            job.run()
        act = job.begin(suffix=".txt")
        with monkeypatch.context() as patched:
            patched.setattr(storage, "delete_file", lambda uri: None)  # each actor is killed before it
            act()
        job.run(suffix=".txt")
        assert set(job.results()) == {f"n{number}.txt" for number in range(8)}


def test_a_file_of_ones_own_in_place_of_what_is_superseded_stays(job: Job) -> None:
    (job.output / "a").write_text("a person's own")
    assert job.run(suffix=".txt") == ["a", "b"]
    assert job.results() == {"a": "a person's own", "a.txt": "ONE", "b.txt": "TWO"}


def die(uri: str) -> None:
    raise Killed


SEVERAL = {f"n{number}": "text" for number in range(8)}  # of two records of an item either may have the later name


def test_of_two_entries_of_one_attempt_that_with_an_output_counts(tmp_path: Path) -> None:
    """An actor of a killed driver, which read the sources before they went, writes its results after the next run."""
    with here():
        job = Job(tmp_path)
        job.write(**SEVERAL)
        act = job.begin()
        for name in SEVERAL:
            (job.source / name).unlink()
        assert job.run() == sorted(SEVERAL) and job.results() == {}
        job.write(**SEVERAL)
        act()
        for name in SEVERAL:
            (job.source / name).unlink()
        for _ in range(2):
            assert job.run() == sorted(SEVERAL)
            assert set(job.results()) == set(SEVERAL)
            assert {name: entry.output for name, entry in job.entries().items()} == {name: name for name in SEVERAL}


@pytest.mark.parametrize("earlier", [False, True], ids=["a first attempt", "a later attempt"])
def test_two_entries_of_one_attempt_with_different_settings_are_both_done_again(tmp_path: Path, earlier: bool) -> None:
    with here():
        job = Job(tmp_path)
        job.write(**SEVERAL)
        if earlier:
            job.run("earlier")
        act = job.begin("other")
        assert job.run() == sorted(SEVERAL)
        act()
        assert job.run() == sorted(SEVERAL) and job.run() == []
        assert {entry.fingerprint for entry in job.entries().values()} == {" text"}
        assert job.run("other") == sorted(SEVERAL)


def test_two_entries_of_one_attempt_under_two_names_leave_one_output(tmp_path: Path) -> None:
    with here():
        job = Job(tmp_path)
        job.write(**SEVERAL)
        act = job.begin(suffix=".txt")
        job.run()
        act()
        assert job.run() == sorted(SEVERAL) and job.run() == []
        assert set(job.results()) == set(SEVERAL)


@pytest.mark.parametrize("error", [StorageError, UnreadableError])
def test_a_record_that_cannot_be_reached_stops_the_run(
    job: Job, monkeypatch: pytest.MonkeyPatch, error: type[StorageError]
) -> None:
    before = {path: path.read_bytes() for path in job.records()}
    (path, *_) = before
    with refusing(path, error, monkeypatch), pytest.raises(error, match=f"{path}: refused"):
        job.run("other")
    assert job.done == [] and {path: path.read_bytes() for path in job.records()} == before
    assert job.run() == []


@contextmanager
def refusing(path: Path, error: type[StorageError], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let storage give no footer of a record, for a while."""
    read_tail = storage.read_tail

    def refused(uri: str, num_bytes: int) -> bytes:
        if uri == str(path):
            raise error(f"{uri}: refused")
        return read_tail(uri, num_bytes)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "read_tail", refused)
        yield


def test_a_record_that_another_actor_has_left_is_not_overwritten_while_it_cannot_be_reached(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    act = job.begin("other")
    before = set(job.records())
    act()
    ends = [path for path in job.records() if path not in before and not path.stem.endswith("-begun")]
    data = {path: path.read_bytes() for path in ends}
    job.done.clear()
    for path in ends:
        with refusing(path, StorageError, monkeypatch), pytest.raises(StorageError, match="refused"):
            act()
    assert job.done == [] and {path: path.read_bytes() for path in ends} == data


def test_a_damaged_record_that_another_actor_has_left_is_made_again(job: Job) -> None:
    act = job.begin("other")
    before = set(job.records())
    act()
    job.done.clear()
    for path in set(job.records()) - before:
        path.write_bytes(b"PAR1")
    act()
    assert sorted(job.done) == ["a", "b"] and job.run("other") == []


def test_damaged_rows_are_told_with_their_record_and_done_again_without_it(job: Job) -> None:
    (path, *_) = job.records()
    lost = [entry.name for entry in job.ledger.entries(path.stem, None)]
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\xff" * 60 + data[64:])
    assert job.run() == []
    with pytest.raises(DamagedRecord, match=f"{path}: damaged; delete it and run the job again"):
        job.letters()
    path.unlink()
    assert job.run() == lost and job.letters() == {"a": "one", "b": "two"}


def test_a_damaged_record_is_done_again(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    (path, *_) = job.records()
    lost = [entry.name for entry in job.ledger.entries(path.stem, None)]
    path.write_bytes(path.read_bytes()[:-3])
    assert job.run() == lost and job.letters() == {"a": "one", "b": "two"}
    assert f"{path}: damaged" in capfd.readouterr().out
    assert job.run() == []


def test_other_files_among_the_records_are_none(job: Job) -> None:
    for name in (".DS_Store", "notes.txt"):
        (job.output / FOLDER / "records" / name).write_text("x")
    assert job.run() == []


def test_what_killed_processes_had_begun_to_write_is_deleted(job: Job) -> None:
    for name in ("a", f"{FOLDER}/records/x.parquet"):
        (job.output / f"{name}.{'0' * 32}.tmp").write_bytes(b"half")
    assert job.run() == [] and not list(job.output.rglob("*.tmp"))


def test_an_empty_output_has_no_past(tmp_path: Path) -> None:
    with here():
        assert Ledger(str(tmp_path / "new"), FOLDER).read() == Past()


def test_a_record_of_which_a_part_counts_gives_that_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inpaint_ray.ledger.blocks.MANY_BLOCKS", 1)
    with here():
        job = Job(tmp_path)
        job.write(a="one", b="two", c="three")
        job.run()
        (first,) = job.chosen
        assert job.chosen == {first: None}
        job.write(b="four")
        assert job.run() == ["b"]
        assert job.chosen[first] == ["a", "c"] and job.letters() == {"a": "one", "b": "four", "c": "three"}


def test_many_records_are_read_in_many_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    with here():
        job = Job(tmp_path)
        job.write(**{f"n{number:03d}": "x" for number in range(100)})
        assert len(job.run()) == 100 and len(job.records()) == 100
        tables = list(job.ledger.tables(job.chosen, lambda ledger, record, counting: pa.table({"record": [record]})))
        sizes = [len(table) for table in tables]
        assert [name for table in tables for name in table["record"].to_pylist()] == sorted(job.chosen)
    assert len(sizes) >= 16 and max(sizes) <= 7
    assert job.chosen == dict.fromkeys(job.chosen)


def test_items_go_to_the_actors_and_back_as_they_are() -> None:
    item = Item(uri="in/a", name="a\n\u2028\\xff", size=3, etag="e", fingerprint="f", attempt=5, earlier="r")
    bare = Item(uri="in/b", name="b", size=3, fingerprint="f")
    rows = deal_rows([item, bare])
    carried: list[Any] = [pa.Table.from_pylist([row]).to_pylist()[0] for row in rows]
    assert [each for row in carried for each in items_of(row, Item)] == [item, bare]


def test_a_record_is_named_by_what_is_done_in_it() -> None:
    item = Item(uri="in/a", name="a", size=3, fingerprint="f")
    names = {row["record"] for other in (item, replace(item, uri="elsewhere")) for row in deal_rows([other])}
    assert len(names) == 1
    for other in (replace(item, name="b"), replace(item, fingerprint="g"), replace(item, attempt=2)):
        assert deal_rows([other])[0]["record"] not in names


def test_a_digest_is_of_what_counts_and_not_of_its_order() -> None:
    assert digest({"a": ["x", "y"], "b": None}) == digest({"b": None, "a": ["y", "x"]})
    different = [
        digest({"a": None}),
        digest({"a": ["x"]}),
        digest({"b": None}),
        digest({}),
        digest({"a": None}, {"c": ""}),
    ]
    assert len(set(different)) == 5


@pytest.mark.timeout(60)
def test_a_hundred_thousand_items_are_split_though_one_replaces_an_output() -> None:
    """A copy of a set of all names, for each item, takes minutes."""
    names = [f"folder/{number}.mp3" for number in range(100_000)]
    known = PastEntry("r", 1, "old", False, f"{names[0]}.flac", 10)
    past = Past({names[0]: known}, Counter({"r": 1}), {known.output: known.output_size})
    items = [Item(uri=f"in/{name}", name=name, size=10, fingerprint="new") for name in names]
    todo, done = past.split(items, retry_failed=False)
    assert [item.name for item in todo] == names and done == {}
    assert todo[0] == replace(items[0], attempt=3, earlier="r", replaces=f"{names[0]}.flac") and todo[1:] == items[1:]
