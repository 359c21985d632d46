"""Real failures of a machine: a full disk, folders without rights, little memory, few open files."""

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
REPOSITORY = Path(__file__).parents[2]


@contextmanager
def without_privileges() -> Iterator[Path]:
    """A new folder, and for as long as the block lasts no right but those of its owner, whom modes bind."""
    with tempfile.TemporaryDirectory(prefix="inpaint-test-") as folder:
        os.chmod(folder, 0o755)
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, NOBODY, NOBODY)
        try:
            os.seteuid(NOBODY)
            yield Path(folder)
        finally:
            os.seteuid(0)


def on_small_disk(program: str, folder: Path, *, size: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a tmpfs of this size over a folder, which no other process sees.

    The test is skipped where the machine mounts nothing: it needs root, or user namespaces.
    """
    private = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run([*private, *mount], capture_output=True).returncode:
        pytest.skip("this machine mounts no tmpfs for us")
    shell = 'folder=$1 size=$2; shift 2; mount -t tmpfs -o "size=$size" none "$folder" && exec "$@"'
    command = [*private, "sh", "-c", shell, "sh", str(folder), size, sys.executable, "-c", program, str(folder)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def with_limits(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python that sets limits of its own process."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Refuse to let any file of this process grow beyond a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def no_more_files() -> Iterator[None]:
    """Refuse to open any further file in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as next_one:
        first_free = next_one.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
