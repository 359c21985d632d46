"""Show the whole chain on a synthetic collection: prepare, train, evaluate and restore as jobs of a private Ray head.

At its end are the shipped network's scores beside interpolation's, and a recording repaired by `inpaint-ray repair`.

    make demo

Everything goes to demo/; a second run reuses what the first one made. Logs of the jobs are in demo/logs/.
"""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.metrics import snr
from inpaint_ray.progress import format_duration
from inpaint_ray.synthesis.collection import write_collection
from inpaint_ray.synthesis.damaged import write_damaged_copy
from inpaint_ray.tables import markdown_table

FOLDER = Path("demo").resolve()
ARCHITECTURE, EPOCHS = "Gap_UNet", 4
SHIPPED = "pretrained"
EXAMPLE = "docs/example/before.flac"
EXCLUDES = [".git", ".venv", "demo", "runs", "tests", "benchmarks"]
BIN = Path(sys.executable).parent
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RAYS_PREFIX = re.compile(r"^\(\w+ pid=[^)]*\) ")
OURS = re.compile(  # the first words of the jobs' own lines
    r"(prepare|epoch|evaluate|restore)\b|(prepared|best|trained|scored|restored) |  (train|validation|test|\d+) |\|"
)


def main() -> None:
    """Run the chain; Ctrl-C or an error ends the Ray head with all its processes."""
    started = time.monotonic()
    FOLDER.joinpath("logs").mkdir(parents=True, exist_ok=True)
    print(f"demo: synthesise a small collection in FMA's layout at {FOLDER}/collection", flush=True)
    write_collection(FOLDER / "collection")
    write_damaged_copy(FOLDER / "collection", FOLDER / "tapes")
    with ray_head() as ray:
        submit(ray, "prepare", "--source", at("collection/fma_music"),
               "--metadata", at("collection/fma_metadata/tracks.csv"), "--output", at("shards"))  # fmt: skip
        submit(ray, "train", "--data", at("shards"), "--output", at("runs"), "--architecture", ARCHITECTURE,
               "--epochs", str(EPOCHS), "--num-workers", "2")  # fmt: skip
        best = at(f"runs/{ARCHITECTURE}/best")
        submit(ray, "evaluate", "--data", at("shards"), "--checkpoint", SHIPPED, best, "--output", at("results"))
        submit(ray, "restore", "--input", at("tapes/damaged"), "--output", at("restored"), "--checkpoint", SHIPPED)
    print(f"\n$ inpaint-ray repair {EXAMPLE} -o {at('repaired')} --overwrite", flush=True)
    subprocess.run(
        [sys.executable, "-m", "inpaint_ray", "repair", EXAMPLE, "-o", at("repaired"), "--overwrite"], check=True
    )
    print(summary())
    print(f"hear a recording with its gaps:     {Path(EXAMPLE).resolve().as_uri()}")
    print(f"and repaired a moment ago:          {(FOLDER / 'repaired' / Path(EXAMPLE).name).as_uri()}")
    print(f"the restored tapes, in the browser: {(FOLDER / 'restored/_restore/report.html').as_uri()}")
    print(f"scores by genre:                    {(FOLDER / 'results/results.html').as_uri()}")
    print(f"demo done in {format_duration(time.monotonic() - started)}")


def at(name: str) -> str:
    """Return the path of a file of the demo."""
    return str(FOLDER / name)


@contextlib.contextmanager
def ray_head() -> Iterator[dict[str, str]]:
    """Run a private Ray head on loopback while the context lasts; yields the environment of its clients."""
    port, dashboard_port, agent_port = free_ports(3)
    token = FOLDER / "logs" / "token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    environment = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",  # so that `python` of the jobs is this one
        "RAY_AUTH_MODE": "token",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # nobody waits for this node to drain
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard_port}",
    }
    environment.pop("RAY_ADDRESS", None)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # not where others look
        command = [
            "ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=4",
            f"--dashboard-port={dashboard_port}", "--dashboard-host=127.0.0.1", "--disable-usage-stats",
            f"--dashboard-agent-listen-port={agent_port}", f"--temp-dir={folder}",
        ]  # fmt: skip
        with (FOLDER / "logs" / "ray.log").open("wb") as log:
            head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for_head(head, dashboard_port)
            yield environment
        finally:
            end_group(head)


def free_ports(count: int) -> list[int]:
    """Find unused ports, so that another Ray on this machine is not disturbed."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


def wait_for_head(head: subprocess.Popen[bytes], port: int, timeout_s: float = 180) -> None:
    """Wait until the head answers.

    Raises:
        SystemExit: the head ended, or did not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and head.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    sys.exit(f"demo: the Ray head does not answer; {FOLDER}/logs/ray.log says why")


def end_group(head: subprocess.Popen[bytes]) -> None:
    """Ask the head's process group to end, wait, and kill what is left."""
    head.terminate()
    try:
        head.wait(timeout=30)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(head.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def submit(environment: dict[str, str], name: str, *arguments: str, timeout_s: float = 180) -> None:
    """Submit jobs/NAME.py by `ray job submit`, showing the job's own lines; the whole log goes to logs/NAME.log.

    A head that has just started has no agent for jobs yet, and is asked again. A job that is interrupted is stopped.

    Raises:
        SystemExit: the job failed.
    """
    started = time.monotonic()
    print(f"\n$ ray job submit --working-dir . -- python jobs/{name}.py {' '.join(arguments)}", flush=True)
    log = FOLDER / "logs" / f"{name}.log"
    while True:
        submission = f"{name}-{secrets.token_hex(4)}"
        command = ["ray", "job", "submit", "--submission-id", submission, "--working-dir", ".", "--runtime-env-json"]
        command += [json.dumps({"excludes": EXCLUDES}), "--", "python", f"jobs/{name}.py", *arguments]
        try:
            return_code, said = run_showing(command, environment)
        except BaseException:
            subprocess.run(["ray", "job", "stop", submission], env=environment, capture_output=True, check=False)
            raise
        log.write_text(said)
        if return_code == 0:
            print(f"[{name} took {format_duration(time.monotonic() - started)}]", flush=True)
            return
        if "No available agent" not in said or time.monotonic() - started > timeout_s:
            last_lines = "\n".join(said.splitlines()[-15:])
            sys.exit(f"demo: job {name} failed; the whole log: {log}\n{last_lines}")
        time.sleep(1)


def run_showing(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Run a command, printing the lines of jobs alone; returns its exit code and whole output."""
    lines = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            own = RAYS_PREFIX.sub("", COLOUR.sub("", line.rstrip()))
            if OURS.match(own):
                print(own, flush=True)
    return process.returncode, "".join(lines)


def summary() -> str:
    """Format the results of the whole chain: patches of the test split, and gaps of the restored recordings."""
    total = json.loads((FOLDER / "results" / "results.json").read_text())["rows"][-1]
    gains = total["gains"]
    damaged, names = total["means"]["damaged psnr"], ("interpolation", "wiener", ARCHITECTURE, SHIPPED)
    means = {name: damaged + gains[name]["mean"] for name in names}
    rows = [["test patches, dB PSNR", f"{damaged:.2f}", *(f"{means[name]:.2f}" for name in names)]]
    trained = f"{ARCHITECTURE}, trained for a minute"
    header = ["score", "damaged", "interpolation", "Wiener interpolation", trained, "the network that ships"]
    return "\n" + markdown_table(header, rows) + gap_summary()


def gap_summary() -> str:
    """Format the SNR in the gaps of the restored recordings, whose truth is known, in one line."""
    scores = []
    for clean_path in sorted((FOLDER / "tapes" / "clean").rglob("*.*")):
        name = clean_path.relative_to(FOLDER / "tapes" / "clean")
        clean, damaged, restored = (
            read_recording(path.read_bytes()).to_float()
            for path in (clean_path, FOLDER / "tapes" / "damaged" / name, FOLDER / "restored" / name)
        )
        changed = restored != damaged
        assert not damaged[changed].any(), f"{name}: samples that were not lost were changed"
        lost = changed | (clean != damaged)
        scores.append(snr(torch.from_numpy(restored[lost]), torch.from_numpy(clean[lost])))
    return (
        f"{len(scores)} recordings restored: SNR in their gaps {np.median(scores):.1f} dB (median; damaged 0.0 dB), "
        "every other sample bit for bit as it was"
    )


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the head is ended then too
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("demo: stopped; run it again to go on")
