"""Leftovers in an output folder: the work of a killed run, told from files of others."""

import re
from concurrent.futures import ThreadPoolExecutor

from inpaint_ray import storage
from inpaint_ray.data.schema import DATASET, REJECTED, REJECTED_SCHEMA, SPLITS, UNMATCHED, UNMATCHED_COLUMNS
from inpaint_ray.data.shards import FOOTER_KEY, read_schema
from inpaint_ray.errors import UsageError

READERS = 32  # footers at a time: a bucket takes some 50 ms for each
SHARD_NAME = rf"({'|'.join((*SPLITS, REJECTED))})/\d{{5,}}(-[0-9a-f]{{16}}-\d{{3,}})?\.parquet"
OWN_NAME = re.compile(rf"{SHARD_NAME}|{re.escape(UNMATCHED)}|{re.escape(DATASET)}")


def clear_leftovers(output: str, wanted: dict[str, str]) -> None:
    """Delete what a killed run with other settings left; its shards of the same settings stay.

    Args:
        output: URI of the folder; no dataset.json is in it.
        wanted: names of the shards that are to be, and the fingerprint of the plan of each.

    Raises:
        UsageError: the folder holds a file that no run of ours wrote; nothing was deleted.
    """
    files = list(storage.list_files(output))
    with ThreadPoolExecutor(READERS) as pool:
        for file, ours in zip(files, pool.map(_is_ours, files), strict=True):
            if not ours:
                raise UsageError(f"--output {output} holds something else ({file.name}); give an empty or new folder")
    for file in files:
        if not _is_wanted(file.name, wanted):
            storage.delete_file(file.uri)


def _is_ours(file: storage.StoredFile) -> bool:
    """Tell by the content: others, too, name a file train/00000.parquet."""
    name = storage.UNFINISHED.sub("", file.name)
    if not OWN_NAME.fullmatch(name):
        return False
    if not file.size and not storage.exists(file.uri):  # a dead link, such as to a disk that is not mounted
        return False
    if name != file.name or not file.size:  # half a file, by its random name; or what a power cut left of one
        return True
    if name == UNMATCHED:
        return storage.read_bytes(file.uri).splitlines()[0] == ",".join(UNMATCHED_COLUMNS).encode()
    schema = read_schema(file.uri)
    if schema is None:
        return False
    if name.startswith(f"{REJECTED}/") and schema.equals(REJECTED_SCHEMA, check_metadata=True):
        return True  # of an earlier version, without our entry in the footer
    return FOOTER_KEY in (schema.metadata or {})


def _is_wanted(name: str, wanted: dict[str, str]) -> bool:
    """Tell by its name if a file is one of the planned shards, or a further file of one."""
    if storage.UNFINISHED.search(name):
        return False
    shard, _, further = name.removesuffix(".parquet").partition("-")
    fingerprint = wanted.get(f"{shard}.parquet")
    return fingerprint is not None and (not further or further.startswith(fingerprint))
