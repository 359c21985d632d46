"""Track lists of users: CSV or Parquet files with columns uri, genre, split and, optionally, track_id."""

import io

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from inpaint_ray.data.schema import SPLITS
from inpaint_ray.data.tracks import Listing, Track, is_audio, track_id_of
from inpaint_ray.errors import UsageError
from inpaint_ray.storage import absolute, join, list_files, read_bytes

COLUMNS = {"uri": pa.string(), "genre": pa.string(), "split": pa.string()}


def list_manifest(source: str, metadata: str) -> Listing:
    """Read the tracks of a list.

    Args:
        source: URI of the folder that relative URIs of the list are below.
        metadata: URI of the list, .csv or .parquet. A genre may be empty; without track_id, it is a hash of the URI.

    Raises:
        UsageError: the list is absent, lacks a column, names a split that is none, or names a file twice.
    """
    files = {absolute(file.uri): file for file in list_files(source)}
    folder = absolute(source) + "/"
    tracks: list[Track] = []
    absent: list[str] = []
    seen: set[str | int] = set()
    for number, row in enumerate(_read_table(metadata).to_pylist(), start=1):
        where, name = f"--metadata {metadata}, row {number}", row["uri"]
        if not name or row["split"] not in SPLITS:
            raise UsageError(f"{where}: a uri and a split of {', '.join(SPLITS)} are needed, got {row}")
        uri = absolute(name if "://" in name or name.startswith("/") else join(source, name))
        track_id = track_id_of(name) if row.get("track_id") is None else row["track_id"]
        for identity in (uri, track_id):
            if identity in seen:
                raise UsageError(f"{where}: {identity} is in the list twice")
            seen.add(identity)
        if uri.startswith(folder) and uri not in files:
            absent.append(name)
            continue
        size = files[uri].size if uri in files else 0  # of another place: reading will show whether it is there
        tracks.append(Track(uri, track_id, row["genre"] or "unknown", row["split"], size))
    return Listing(tracks, absent, [uri for uri in files if uri not in seen and is_audio(uri)])


def _read_table(uri: str) -> pa.Table:
    try:
        data = io.BytesIO(read_bytes(uri))
        if uri.endswith(".parquet"):
            table = pq.read_table(data)
        else:
            options = pa.csv.ConvertOptions(column_types=COLUMNS | {"track_id": pa.int64()}, strings_can_be_null=True)
            table = pa.csv.read_csv(data, convert_options=options)
    except FileNotFoundError as error:
        raise UsageError(f"--metadata {uri}: no such file; give a CSV or Parquet list of tracks") from error
    except pa.ArrowInvalid as error:
        text = " ".join(str(error).split())
        raise UsageError(f"--metadata {uri}: not a CSV or Parquet list of tracks: {text}") from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise UsageError(f"--metadata {uri}: column {', '.join(missing)} is missing; it needs {', '.join(COLUMNS)}")
    return table
