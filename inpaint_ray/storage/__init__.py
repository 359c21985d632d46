"""Files by URI: a local path, file://PATH or s3://BUCKET/PREFIX. The only folder that tells them apart.

Every URI and name is text that UTF-8 can hold, whatever bytes a local name has (see `names`). A file://
URI is unquoted, an s3:// key is taken as it is. Endpoint and credentials of S3 come from the standard AWS variables and
files (AWS_ENDPOINT_URL included), never flags.
"""

from inpaint_ray.folders import UNFINISHED
from inpaint_ray.names import safe_name
from inpaint_ray.storage.files import (
    delete_file,
    exists,
    local_file,
    move_file,
    open_input,
    open_output,
    output_path,
    put_file,
    read_bytes,
    read_tail,
    write_bytes,
)
from inpaint_ray.storage.listing import StoredFile, find_file, list_files, why_absent
from inpaint_ray.storage.prefixes import delete_files, delete_unfinished, local_copy, publish_folder
from inpaint_ray.storage.s3 import S3_ENVIRONMENT
from inpaint_ray.storage.uris import absolute, is_local, join, locate

__all__ = [
    "S3_ENVIRONMENT",
    "UNFINISHED",
    "StoredFile",
    "absolute",
    "delete_file",
    "delete_files",
    "delete_unfinished",
    "exists",
    "find_file",
    "is_local",
    "join",
    "list_files",
    "local_copy",
    "local_file",
    "locate",
    "move_file",
    "open_input",
    "open_output",
    "output_path",
    "publish_folder",
    "put_file",
    "read_bytes",
    "read_tail",
    "safe_name",
    "why_absent",
    "write_bytes",
]
