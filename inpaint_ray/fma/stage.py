"""Staging of FMA's zips: Ray Data spreads ranges of each zip over the cluster; a task writes the members of one.

Every member is checked by the CRC-32 of the zip's directory and by the SHA-1 of the `checksums` in the zip before it
appears. Files appear whole or not at all, so a run that was killed goes on where it was: what stands with the right
size is not read again.
"""

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from inpaint_ray import storage
from inpaint_ray.errors import JobFailedError, UsageError
from inpaint_ray.fma.config import StageConfig
from inpaint_ray.fma.remote_zip import (
    CHUNK,
    Member,
    MemberError,
    Source,
    is_web,
    list_members,
    open_range,
    open_source,
    read_member,
    redacted,
)
from inpaint_ray.ledger.spread import spread
from inpaint_ray.progress import Progress, failure_lines, format_duration
from inpaint_ray.terminal import say

MOST_BYTES = 64_000_000  # of a zip in a task; a member that is larger is a task of its own
MOST_MEMBERS = 200  # in a task
MB = 1_000_000

METADATA = "fma_metadata"
PUBLISHED_SHA1 = {  # of the whole zips, by FMA's README
    METADATA: "f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
    "fma_small": "ade154f733639d52e35e32f5593efe5be76c6d70",
    "fma_medium": "c67b69ea232021025fca9231fc1c7c1a063ab50b",
    "fma_large": "497109f4dd721066b5ce5e5f250ec604dc78939e",
    "fma_full": "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab",
}
OWN_NAMES = ("README.txt", "checksums")  # in every zip, and listed in no checksums
AUDIO_NAME = r"fma_(small|medium|large|full)/(README\.txt|checksums|(\d{3})/\3\d{3}\.mp3)"
LAYOUT = re.compile(rf"{AUDIO_NAME}|{METADATA}/\w[\w.-]*")


@dataclass(frozen=True)
class RemoteZip:
    """One of FMA's zips, with its directory."""

    root: str  # fma_small, fma_metadata, ...: the folder of all its names
    source: Source
    members: list[Member]  # in order of place
    missing: list[str]  # names that its checksums list and it does not hold


def stage(config: StageConfig) -> None:
    """Write every member that is not there yet; print progress, failures, and the command for the next step.

    Raises:
        UsageError: a zip cannot be read, or is none of FMA's.
        JobFailedError: a zip or members do not match their checksums; all other members are written.
    """
    started = time.monotonic()
    output = storage.absolute(config.output)  # workers run in other folders
    zips = [open_zip(uri if is_web(uri) else storage.absolute(uri)) for uri in config.zips]
    roots = [remote.root for remote in zips]
    if len(set(roots)) < len(roots):
        raise UsageError(f"--zips: two of them hold the same folder ({', '.join(sorted(roots))}); give each once")
    for remote in zips:
        _print_unchecked(remote)
        if config.check_zip:
            check_published(remote)
    todo = [replace(remote, members=_absent(remote, output)) for remote in zips]
    count, size = _totals(todo)
    standing = _totals(zips)[0] - count
    say(f"stage  {count} files, {size / MB:.1f} MB, to {output}; {standing} are there already")
    failed = _run(todo, output, config.max_readers)
    if failed:
        say(failure_lines(failed, len(failed), "run again to retry all of them"))
        raise JobFailedError(
            f"{len(failed)} of {count} files do not match the zip's checksums and were not written, such as "
            f"{failed[0][0]}; all others were; run again, or look at the zip with --check-zip"
        )
    wall_s = time.monotonic() - started
    rate = f"{size / MB:.1f} MB in {format_duration(wall_s)}, {size / MB / wall_s:.1f} MB/s"
    say(f"staged {count} files, {rate}; {standing} were there already: {output}")
    _print_next(output, roots)


def open_zip(uri: str) -> RemoteZip:
    """Read the directory of a zip, with the SHA-1 of each member that its checksums list.

    Raises:
        UsageError: it cannot be read, or is none of FMA's.
    """
    source = open_source(uri)
    members = list_members(source)
    root = _check_layout(uri, members)
    sums = {f"{root}/{name}": sha1 for name, sha1 in _read_checksums(source, members).items()}
    members = [replace(member, sha1=sums.get(member.name)) for member in members]
    return RemoteZip(root, source, members, missing=sorted(sums.keys() - {member.name for member in members}))


def check_published(remote: RemoteZip) -> None:
    """Read all of a zip, in one stream, and compare it with the published one.

    Raises:
        JobFailedError: its SHA-1 is not the published one.
    """
    progress = Progress(f"check {remote.root}", round(remote.source.size / MB), "MB")
    digest, done = hashlib.sha1(usedforsecurity=False), 0
    with open_range(remote.source) as part:
        while chunk := part.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress.add(round(done / MB) - progress.done)
    if digest.hexdigest() != PUBLISHED_SHA1[remote.root]:
        raise JobFailedError(
            f"{redacted(remote.source.uri)}: its SHA-1 is {digest.hexdigest()}, and {PUBLISHED_SHA1[remote.root]} is "
            f"published for {remote.root}.zip; nothing was written; take another copy of it"
        )


def plan_tasks(members: list[Member]) -> list[list[Member]]:
    """Group members, in order of position, into contiguous ranges of bounded size."""
    tasks: list[list[Member]] = []
    for member in members:
        task = tasks[-1] if tasks else []
        adjoins = bool(task) and task[-1].end == member.start
        if adjoins and len(task) < MOST_MEMBERS and member.end - task[0].start <= MOST_BYTES:
            task.append(member)
        else:
            tasks.append([member])
    return tasks


def stage_members(source: Source, members: list[Member], output: str) -> list[tuple[str, str]]:
    """Write adjoining members below the output.

    Returns:
        Name and reason of those that are damaged and were not written.
    """
    failed = []
    with open_range(source, members[0].start, members[-1].end) as part:
        for member in members:
            try:
                with storage.open_output(storage.join(output, storage.safe_name(member.name))) as target:
                    for chunk in read_member(part, member):
                        target.write(chunk)
            except MemberError as error:
                failed.append((member.name, str(error)))
    return failed


def _run(zips: list[RemoteZip], output: str, max_readers: int) -> list[tuple[str, str]]:
    """Stage all members over the cluster; returns name and reason of those that failed."""

    def make_row(row: dict[str, Any]) -> dict[str, Any]:
        members = [Member(**member) for member in json.loads(row["members"])]
        failed = stage_members(Source(**json.loads(row["source"])), members, output)
        return {"size": sum(member.size for member in members), "failed": json.dumps(failed)}

    rows = [
        {"source": json.dumps(asdict(remote.source)), "members": json.dumps([asdict(member) for member in task])}
        for remote in zips
        for task in plan_tasks(remote.members)
    ]
    if not rows:
        return []
    import ray.data  # here: flags are parsed without Ray

    strategy = ray.data.TaskPoolStrategy(size=min(max_readers, len(rows)))
    progress = Progress("stage", round(_totals(zips)[1] / MB), "MB")
    done, all_failed = 0, []
    for row in spread(rows, make_row, compute=strategy):
        done += row["size"]
        all_failed += [(name, reason) for name, reason in json.loads(row["failed"])]
        progress.add(round(done / MB) - progress.done, f"{len(all_failed)} files damaged" if all_failed else "")
    return all_failed


def _check_layout(uri: str, members: list[Member]) -> str:
    """Return the folder of all names, if they are those of one of FMA's zips."""
    if not members:
        raise UsageError(f"{redacted(uri)}: the zip is empty")
    foreign = next((member.name for member in members if not LAYOUT.fullmatch(member.name)), None)
    roots = {member.name.split("/")[0] for member in members}
    if foreign is not None or len(roots) > 1:
        raise UsageError(
            f"{redacted(uri)}: none of FMA's zips: it holds {foreign or ' and '.join(sorted(roots))!r}; "
            f"give {', '.join(f'{root}.zip' for root in PUBLISHED_SHA1)}"
        )
    return roots.pop()


def _read_checksums(source: Source, members: list[Member]) -> dict[str, str]:
    """Read the SHA-1 of each name below the zip's folder, from lines as sha1sum writes them."""
    listing = next((member for member in members if member.name.endswith("/checksums")), None)
    if listing is None:
        return {}
    try:
        with open_range(source, listing.start, listing.end) as part:
            lines = b"".join(read_member(part, listing)).decode(errors="replace").splitlines()
    except MemberError as error:
        raise UsageError(f"{redacted(source.uri)}: {listing.name}: {error}; take another copy of the zip") from error
    return {line[42:].removeprefix("./"): line[:40].lower() for line in lines if line}


def _absent(remote: RemoteZip, output: str) -> list[Member]:
    """Return the members still to be written, and delete unfinished files of a killed run."""
    names = {member.name for member in remote.members}
    standing = {}
    for file in storage.list_files(storage.join(output, remote.root)):
        name = f"{remote.root}/{file.name}"
        if storage.UNFINISHED.sub("", name) in names - {name}:
            storage.delete_file(file.uri)
        standing[name] = file.size
    return [member for member in remote.members if standing.get(member.name) != member.size]


def _totals(zips: list[RemoteZip]) -> tuple[int, int]:
    """Return count and unpacked bytes of all members."""
    sizes = [member.size for remote in zips for member in remote.members]
    return len(sizes), sum(sizes)


def _print_unchecked(remote: RemoteZip) -> None:
    own = {f"{remote.root}/{name}" for name in OWN_NAMES}
    unlisted = [member.name for member in remote.members if member.sha1 is None and member.name not in own]
    for names, what in (
        (unlisted, "that its checksums do not list (only the CRC-32 is compared)"),
        (remote.missing, "listed in its checksums and not in it"),
    ):
        if names:
            say(f"{redacted(remote.source.uri)}: {len(names)} files {what}, such as {names[0]}")


def _print_next(output: str, roots: list[str]) -> None:
    audio = [root for root in roots if root != METADATA] or ["fma_SIZE"]
    metadata = storage.join(output, METADATA, "tracks.csv")
    say(f"next: python jobs/prepare.py --source {storage.join(output, audio[0])} --metadata {metadata} --output SHARDS")
