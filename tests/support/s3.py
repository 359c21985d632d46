"""An S3 server on loopback, moto's, for tests that need a bucket; Ceph's, slower and real, is in tests.support.ceph."""

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from moto.server import ThreadedMotoServer

from inpaint_ray.storage import s3

VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test-access",
    "AWS_SECRET_ACCESS_KEY": "test-secret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def forget_clients() -> None:
    """Make the storage module look at the environment again."""
    s3.client.cache_clear()
    s3.filesystem.cache_clear()


@contextmanager
def serve_bucket(name: str) -> Iterator[str]:
    """Give the URI of an empty bucket, to which the standard variables point within the context."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in (VARIABLES | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}).items():
            patch.setenv(variable, value)
        boto3.client("s3").create_bucket(Bucket=name)
        forget_clients()
        yield f"s3://{name}"
    forget_clients()
    server.stop()
