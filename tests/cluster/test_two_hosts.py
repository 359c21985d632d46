"""Two hosts, network namespaces of this machine, that form a cluster as cluster/README.md says, and who is kept out."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD, OTHER = "198.51.100.1", "198.51.100.2"  # TEST-NET-2
PORT, WORKER_PORT = 6380, 20000  # the defaults of local.sh
OF_HEAD, OF_EACH, LOOPBACK = {0, 7, 8, 9, 10}, {1, 2, 3, 4, 5, 6}, {7}  # above PORT

WHERE = """
import ray
ray.init()
here = ray.remote(scheduling_strategy="SPREAD")(ray.util.get_node_ip_address)
print("ran on", *sorted(set(ray.get([here.remote() for _ in range(8)]))))
"""


@dataclass
class Host:
    """A network namespace with an address and a home folder."""

    name: str
    address: str
    home: Path

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        return kept | {"HOME": str(self.home), "TMPDIR": str(self.home), "OMP_NUM_THREADS": "1"} | more

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*words)
        environment = self.environment(**more)
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)

    def listening(self) -> set[tuple[str, int]]:
        """List the addresses and ports on which processes listen."""
        lines = self.run("ss", "-ltnH").stdout.splitlines()
        pairs = (line.split()[3].rpartition(":") for line in lines)
        return {(address.strip("[]").removeprefix("::ffff:"), int(port)) for address, _, port in pairs}


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """Make two hosts that reach each other and nobody else."""
    if not (shutil.which("ip") and shutil.which("ss")) or os.geteuid():
        pytest.skip("needs root, ip and ss (Debian: iproute2)")
    names = [f"ir{os.getpid()}{letter}" for letter in "ab"]
    if subprocess.run(["ip", "netns", "add", names[0]], capture_output=True, check=False).returncode:
        pytest.skip("no right to make network namespaces")
    made = []
    try:
        subprocess.run(["ip", "netns", "add", names[1]], check=True)
        ends = [["name", name, "netns", name] for name in names]
        subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
        for name, address in zip(names, (HEAD, OTHER), strict=True):
            for words in (f"link set lo up|link set {name} up|addr add {address}/24 dev {name}").split("|"):
                subprocess.run(["ip", "-n", name, *words.split()], check=True)
            made.append(Host(name, address, Path(tempfile.mkdtemp(prefix="ir"))))  # short: for sockets' names
        yield made
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        for host in made:
            shutil.rmtree(host.home, ignore_errors=True)


def start(host: Host, *arguments: str) -> subprocess.Popen[str]:
    with (host.home / "log").open("w") as log:
        command = host.command("cluster/local.sh", *arguments)
        return subprocess.Popen(command, cwd=ROOT, env=host.environment(), stdout=log, stderr=log, text=True)


def wait_until(host: Host, ports: set[int]) -> None:
    deadline = time.monotonic() + 120
    while not ports <= {port - PORT for _, port in host.listening()}:
        assert time.monotonic() < deadline, (host.home / "log").read_text()
        time.sleep(0.5)


def submit(host: Host, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Submit a job as local.sh does, repeatedly while the job server has no agent yet."""
    words = ["ray", "job", "submit", "--working-dir", ".", "--runtime-env", "cluster/runtime_env.yaml", "--", *command]
    settings = {"RAY_AUTH_MODE": "token", "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{PORT + 7}"} | more
    for _ in range(20):
        done = host.run(*words, **settings)
        if "No available agent" not in done.stdout + done.stderr:
            break
        time.sleep(2)
    return done


@pytest.mark.ray
@pytest.mark.faults
def test_two_hosts_form_a_cluster_that_keeps_others_out(hosts: list[Host], collection: Path, tmp_path: Path) -> None:
    head, other = hosts
    refused = other.run("cluster/local.sh", OTHER, f"{HEAD}:{PORT}")
    assert refused.returncode == 1 and "no token in" in refused.stderr and "copy the head's" in refused.stderr

    first = start(head, HEAD)
    processes = [first]
    try:
        wait_until(head, OF_HEAD | OF_EACH)
        token = other.home / ".ray/auth_token"
        token.parent.mkdir()
        shutil.copy(head.home / ".ray/auth_token", token)
        token.chmod(0o600)
        processes.append(start(other, OTHER, f"{HEAD}:{PORT}"))
        wait_until(other, OF_EACH)

        where = submit(head, "python", "-c", WHERE)
        assert f"ran on {HEAD} {OTHER}" in where.stdout, where.stdout + where.stderr
        flags = ["--source", str(collection / "fma_music"), "--metadata", str(collection / "fma_metadata/tracks.csv")]
        prepared = submit(head, "python", "jobs/prepare.py", *flags, "--output", str(tmp_path / "shards"))
        assert prepared.returncode == 0, prepared.stdout + prepared.stderr
        assert (tmp_path / "shards/dataset.json").exists()

        check_ports(head, OF_HEAD | OF_EACH)
        check_ports(other, OF_EACH)
        check_refused(head, RAY_AUTH_MODE="disabled")
        check_refused(head, RAY_AUTH_TOKEN="0" * 64)  # not the cluster's
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


def check_ports(host: Host, documented: set[int]) -> None:
    """Check that nothing listens but what cluster/README.md names."""
    table = (ROOT / "cluster/README.md").read_text()
    listening = host.listening()
    others = {port for _, port in listening if not WORKER_PORT <= port < WORKER_PORT + 100}
    assert {port - PORT for port in others} == documented
    assert {address for address, port in listening if port - PORT in LOOPBACK} <= {"127.0.0.1"}
    named = {
        int(offset) for row in re.findall(r"\| PORT(?: \+|,)?[^|]*", table) for offset in re.findall(r"\+ (\d+)", row)
    }
    assert named | {0} == OF_HEAD | OF_EACH


def check_refused(host: Host, **wrong: str) -> None:
    """Check that a client without the cluster's token gets neither jobs nor tasks."""
    job = submit(host, "python", "-c", "print('inside')", **wrong)
    assert job.returncode != 0 and "inside" not in job.stdout
    script = f"import ray; ray.init('{HEAD}:{PORT}'); print('inside')"
    direct = host.run("python", "-c", script, **({"RAY_AUTH_MODE": "token"} | wrong))
    assert direct.returncode != 0 and "inside" not in direct.stdout
    ask = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:6387/api/jobs/')"
    assert "HTTP Error 401" in host.run("python", "-c", ask).stderr
