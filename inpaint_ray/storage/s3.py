"""Clients of S3: boto3's, and pyarrow's filesystem with the same endpoint and region."""

import functools
import os
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from pyarrow import fs

from inpaint_ray.errors import UsageError

# Servers such as Ceph refuse the checksum trailers that AWS clients send by default (411 MissingContentLength).
S3_ENVIRONMENT = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
os.environ.update({name: os.environ.get(name, value) for name, value in S3_ENVIRONMENT.items()})

# Attempts of a request, with pauses that grow: a server that throttles or is away for half a minute is waited for.
READ_ATTEMPTS, WRITE_ATTEMPTS = 10, 14  # pyarrow's pauses are longer than boto3's


@functools.cache
def client() -> Any:
    """Return boto3's client, patient with a server that throttles (503 SlowDown) or is away for half a minute."""
    patience = Config(retries={"mode": "standard", "total_max_attempts": WRITE_ATTEMPTS}, connect_timeout=10)
    try:
        return boto3.client("s3", config=patience)
    except (BotoCoreError, ValueError) as error:
        raise UsageError(
            f"S3 settings cannot be used: {error}; look at the AWS_* variables and ~/.aws/config"
        ) from error


@functools.cache
def filesystem() -> fs.S3FileSystem:
    """Return pyarrow's filesystem, with the endpoint and region that boto3 resolves from AWS variables and files."""
    meta = client().meta
    endpoint = urlsplit(meta.endpoint_url)
    custom = not (endpoint.hostname or "").endswith("amazonaws.com")
    return fs.S3FileSystem(
        region=meta.region_name if meta.region_name != "aws-global" else None,
        endpoint_override=endpoint.netloc if custom else None,
        scheme=endpoint.scheme if custom else "https",
        request_timeout=60,
        connect_timeout=10,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=READ_ATTEMPTS),
    )


def bucket_and_key(path: str) -> tuple[str, str]:
    """Split a path of the filesystem."""
    bucket, _, key = path.partition("/")
    return bucket, key


def code_of(error: Exception) -> str:
    """Return S3's code of a failure, such as NoSuchKey, or the HTTP status of an answer without a body."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
