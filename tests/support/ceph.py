"""A real S3 server on loopback: Ceph's object gateway from Debian packages, unpacked into a folder, not installed.

    python -m tests.support.ceph FOLDER     start one, print its variables, end it with Ctrl-C

One monitor, one object store in memory, one gateway; ready in about 20 s after a first download of 75 MB.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd", "ceph-common", "ceph-base")
LIBRARIES = "usr/lib/x86_64-linux-gnu"
ACCESS_KEY, SECRET_KEY = "test-access", "test-secret"
READY_S = 120.0

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port},v1:127.0.0.1:{old_mon_port}]
public addr = 127.0.0.1
run dir = {data}/run
admin socket = {data}/run/$name.asok
log file = {data}/log/$name.log
pid file = {data}/run/$name.pid
keyring = {data}/keyring
plugin dir = {tree}/{libraries}/ceph
erasure code dir = {tree}/{libraries}/ceph/erasure-code
osd class dir = {tree}/{libraries}/rados-classes
mon data = {data}/mon
osd data = {data}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 2000
mon warn on pool no redundancy = false
setuser match path =
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{port}
rgw data = {data}/rgw
rgw dns name = localhost
"""


class CephMissing(Exception):
    """An error where the packages cannot be had here; the text says why."""


def unpack(folder: Path) -> Path:
    """The unpacked packages below a folder, downloaded at the first call.

    Raises:
        CephMissing: there is no apt here, or it cannot download them.
    """
    tree = folder / "tree"
    if (tree / "complete").exists():
        return tree
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise CephMissing("apt-get and dpkg are needed to fetch Ceph's packages")
    if os.uname().machine != "x86_64":
        raise CephMissing("written for x86_64")
    packages = folder / "packages"
    (packages / "partial").mkdir(parents=True, exist_ok=True)
    download = "apt-get -qq -y --download-only --no-install-recommends install".split()
    try:
        for command in (["apt-get", "-qq", "update"], [*download, "-o", f"Dir::Cache::archives={packages}", *PACKAGES]):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, tree], check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CephMissing(f"apt cannot download Ceph: {str(error.stderr or error).strip()[-300:]}") from error
    (tree / "complete").touch()
    return tree


class Ceph:
    """A running server; `stop` ends what it started."""

    def __init__(self, tree: Path, data: Path) -> None:
        self.tree, self.data = tree.resolve(), data.resolve()
        self.port, mon_port, old_mon_port = _free_ports(3)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.gateway: subprocess.Popen[bytes] | None = None
        for name in ("mon", "osd", "run", "log", "rgw"):
            (self.data / name).mkdir(parents=True)
        libraries = self.tree / LIBRARIES
        self.environment = {
            **os.environ,
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/ceph:{self.tree}/lib/x86_64-linux-gnu",
            "CEPH_CONF": f"{self.data}/ceph.conf",
            "PATH": f"{self.tree}/usr/bin:{self.tree}/usr/sbin:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.tree}/usr/lib/python3/dist-packages",
        }
        self._start(mon_port, old_mon_port)

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables of a client; none about checksums, which the project sets itself."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def stop(self) -> None:
        self.stop_gateway()
        for file in (self.data / "run").glob("*.pid"):
            number = int(file.read_text())
            os.kill(number, signal.SIGTERM)
            while Path(f"/proc/{number}").exists() and "Z" not in Path(f"/proc/{number}/stat").read_text().split()[2]:
                time.sleep(0.1)

    def stop_gateway(self) -> None:
        """Take the server away; its objects stay."""
        if self.gateway:
            self.gateway.kill()
            self.gateway.wait()
            self.gateway = None

    def start_gateway(self) -> None:
        with (self.data / "gateway.out").open("ab") as log:
            command = ["radosgw", "-n", "client.rgw.a", "-f"]
            self.gateway = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.endpoint, timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        raise CephMissing(f"the gateway did not answer in {READY_S:g} s; {self.data}/gateway.out says why")

    def _start(self, mon_port: int, old_mon_port: int) -> None:
        fsid, osd, keyring = str(uuid.uuid4()), str(uuid.uuid4()), f"{self.data}/keyring"
        (self.data / "ceph.conf").write_text(
            CONFIGURATION.format(
                fsid=fsid,
                mon_port=mon_port,
                old_mon_port=old_mon_port,
                port=self.port,
                data=self.data,
                tree=self.tree,
                libraries=LIBRARIES,
            )
        )
        everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *"]
        self._run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything)
        monmap = f"{self.data}/monmap"
        address = f"[v2:127.0.0.1:{mon_port},v1:127.0.0.1:{old_mon_port}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
        self._run("ceph-mon", "-i", "a")
        self._ceph("osd", "new", osd)
        rights = {
            "osd.0": ["mon", "allow profile osd", "osd", "allow *"],
            "client.rgw.a": ["mon", "allow rw", "osd", "allow rwx"],
        }
        for name, capabilities in rights.items():
            with Path(keyring).open("a") as file:
                file.write(self._ceph("auth", "get-or-create", name, *capabilities))
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._run("ceph-osd", "-i", "0")
        self.start_gateway()
        keys = [f"--access-key={ACCESS_KEY}", f"--secret-key={SECRET_KEY}"]
        self._run("radosgw-admin", "user", "create", "--uid=tests", "--display-name=tests", *keys)

    def _ceph(self, *arguments: str) -> str:
        return self._run("/usr/bin/python3", f"{self.tree}/usr/bin/ceph", *arguments)

    def _run(self, *command: str) -> str:
        try:
            run = subprocess.run(
                command, env=self.environment, check=True, capture_output=True, text=True, timeout=READY_S
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, FileNotFoundError) as error:
            text = str(getattr(error, "stderr", None) or error).strip()
            raise CephMissing(f"{command[0]} {command[1]}: {text[-300:]}") from error
        return run.stdout


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def main() -> None:
    folder = Path(sys.argv[1])
    server = Ceph(unpack(folder), folder / uuid.uuid4().hex)
    print(*(f"{name}={value}" for name, value in server.variables.items()), sep="\n", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
