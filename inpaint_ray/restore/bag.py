"""BagIt bags (RFC 8493) of the output: the audio below data/, its SHA-256 in manifest-sha256.txt.

The manifest of the restoration has every digest already, so nothing is read again but the files below _restore, and a
bucket holds a bag as well as a folder does; the library bagit moves and reads files of a local folder, and checks ours
in the tests. Tag files are listed but for _restore/manifest.parquet, which is written after them and stands for all.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from inpaint_ray import storage
from inpaint_ray.audio.checksums import file_digest
from inpaint_ray.names import printable, to_path
from inpaint_ray.restore.manifest import FOLDER, MANIFEST, ManifestRow
from inpaint_ray.storage import StoredFile
from inpaint_ray.version import VERSION

PAYLOAD = "data"
DECLARATION, INFO, PAYLOAD_LIST, TAG_LIST = "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt"
FILES = (DECLARATION, INFO, PAYLOAD_LIST, TAG_LIST)
READERS = 8  # of tag files at a time


def payload_name(name: str) -> str:
    """Return the name in a bag of an output.

    Raises:
        ValueError: a bag cannot list the name: it is not UTF-8, or has a percent sign, which the RFC encodes and the
            library bagit reads as it is.
    """
    if to_path(name) != name or "%" in name:
        why = "has a percent sign" if "%" in name else "is not UTF-8"
        raise ValueError(f"name {name!r} {why}: not every reader of a bag finds such a file; rename it")
    return f"{PAYLOAD}/{name}"


def write_bag(output: str, rows: Iterable[ManifestRow]) -> None:
    """Write the tag files of a bag whose payload and _restore folder are whole.

    Args:
        output: of the restoration.
        rows: of the manifest.
    """
    payload: dict[str, str] = {}
    num_bytes = 0
    for row in rows:
        for name, digest, size in (
            (row.output, row.sha256, row.output_size),
            (row.removed, row.removed_sha256, row.removed_size),
        ):
            if name:
                payload[name] = digest
                num_bytes += size
    there = [f"{PAYLOAD}/{file.name}" for file in storage.list_files(storage.join(output, PAYLOAD))]
    if extra := sorted(set(there) - payload.keys()):
        named = f"{printable(extra[0])} and {len(extra) - 1} more" if extra[1:] else printable(extra[0])
        print(f"--bag: {named}: not of this restoration, so that the bag is not valid; delete it", flush=True)
    info = {
        "Bagging-Date": datetime.now(UTC).date().isoformat(),
        "Bag-Software-Agent": f"inpaint_ray {VERSION}",
        "Payload-Oxum": f"{num_bytes}.{len(payload)}",
    }
    texts = {
        DECLARATION: "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        INFO: "".join(f"{name}: {value}\n" for name, value in info.items()),
        PAYLOAD_LIST: _to_list(payload),
    }
    tags = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    with ThreadPoolExecutor(READERS) as pool:
        views = [
            file
            for file in storage.list_files(storage.join(output, FOLDER))
            if f"{FOLDER}/{file.name}" != MANIFEST and not storage.UNFINISHED.search(file.name)
        ]
        tags |= {f"{FOLDER}/{file.name}": each for file, each in zip(views, pool.map(_digest, views), strict=True)}
    texts[TAG_LIST] = _to_list(tags)
    for name, text in texts.items():
        storage.write_bytes(storage.join(output, name), text.encode())


def delete_bag(output: str, present: Iterable[str]) -> None:
    """Delete the tag files of a former bag.

    Args:
        output: of the restoration.
        present: names of files in it.
    """
    for name in sorted(set(FILES).intersection(present)):
        storage.delete_file(storage.join(output, name))


def _digest(file: StoredFile) -> str:
    with storage.local_file(file.uri) as path:
        return file_digest(path)


def _to_list(digests: dict[str, str]) -> str:
    """Return the lines of a list of files, by name."""
    return "".join(f"{digest}  {_encoded(name)}\n" for name, digest in sorted(digests.items()))


def _encoded(name: str) -> str:
    """Percent-encode characters of a name that a line cannot hold (section 2.1.3 of the RFC)."""
    return name.replace("\n", "%0A").replace("\r", "%0D")
