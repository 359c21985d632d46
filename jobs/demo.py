"""Show the whole chain on a synthetic archive: prepare, train, evaluate and restore as jobs of a private Ray head.

    make demo

Everything goes to demo/; a second run reuses what the first one made. Logs of the jobs are in demo/logs/.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from ray.job_submission import JobStatus, JobSubmissionClient

from inpaint_ray.audio.decode import read_recording
from inpaint_ray.audio.metrics import snr
from inpaint_ray.data.synthetic import write_archive, write_damaged_copy
from inpaint_ray.progress import format_duration
from inpaint_ray.tables import markdown_table

FOLDER = Path("demo").resolve()
PORT, DASHBOARD_PORT = 26379, 28265  # not Ray's own, so that a cluster on this machine is left in peace
ARCHITECTURE, EPOCHS = "Gap_UNet", 4
OURS = re.compile(r"(prepare|epoch|evaluate|restore)\b|(prepared|best|trained|scored|restored) |  |\|")


def main() -> None:
    """Run the chain; Ctrl-C or an error ends the Ray head with all its processes."""
    started = time.monotonic()
    FOLDER.joinpath("logs").mkdir(parents=True, exist_ok=True)
    print(f"demo: synthesise a small archive in FMA's layout at {FOLDER}/archive", flush=True)
    write_archive(FOLDER / "archive")
    write_damaged_copy(FOLDER / "archive", FOLDER / "tapes")
    with ray_head() as client:
        submit(client, "prepare", "--source", "archive/fma_music", "--metadata", "archive/fma_metadata/tracks.csv",
               "--output", "shards")  # fmt: skip
        submit(client, "train", "--data", "shards", "--output", "runs", "--architecture", ARCHITECTURE,
               "--epochs", str(EPOCHS), "--num-workers", "2")  # fmt: skip
        best = f"runs/{ARCHITECTURE}/best"
        submit(client, "evaluate", "--data", "shards", "--checkpoint", best, "--output", "results")
        submit(client, "restore", "--input", "tapes/damaged", "--output", "restored", "--checkpoint", best)
    print(summary())
    print(f"listen to damaged beside restored:  {(FOLDER / 'restored/_restore/report.html').as_uri()}")
    print(f"scores by genre:                    {(FOLDER / 'results/results.html').as_uri()}")
    print(f"demo done in {format_duration(time.monotonic() - started)}")


@contextmanager
def ray_head() -> Iterator[JobSubmissionClient]:
    """A private Ray head on loopback, in a process group of its own, which ends with the block."""
    token = FOLDER / "logs" / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    python = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{python}:{os.environ['PATH']}"}
    environment.pop("RAY_ADDRESS", None)
    command = [
        str(python / "ray"), "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={PORT}",
        f"--dashboard-port={DASHBOARD_PORT}", "--dashboard-host=127.0.0.1", "--num-cpus=4", "--disable-usage-stats",
    ]  # fmt: skip
    with (FOLDER / "logs" / "ray.log").open("wb") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield wait_for_head(head)
    finally:
        end_group(head)


def wait_for_head(head: subprocess.Popen[bytes], timeout_s: float = 90) -> JobSubmissionClient:
    """The client of the head's jobs, once it answers.

    Raises:
        SystemExit: the head ended, or did not answer in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and head.poll() is None:
        try:
            client = JobSubmissionClient(f"http://127.0.0.1:{DASHBOARD_PORT}")
            client.list_jobs()
            return client
        except (ConnectionError, RuntimeError):
            time.sleep(1)
    sys.exit(f"demo: the Ray head does not answer; {FOLDER}/logs/ray.log says why")


def end_group(head: subprocess.Popen[bytes]) -> None:
    """Ask the head's process group to end, wait, and kill what is left."""
    head.terminate()
    try:
        head.wait(timeout=20)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(head.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def submit(client: JobSubmissionClient, name: str, *arguments: str) -> None:
    """Run jobs/NAME.py as `ray job submit` does, showing its own lines; URIs of the demo's folders are below demo/.

    Raises:
        SystemExit: the job failed.
    """
    paths = [str(FOLDER / a) if a.split("/")[0] in ("archive", "shards", "runs", "results", "tapes", "restored") else a
             for a in arguments]  # fmt: skip
    started = time.monotonic()
    print(f"\n$ ray job submit --working-dir . -- python jobs/{name}.py {' '.join(paths)}", flush=True)
    job = start_job(client, name, paths)
    log = FOLDER / "logs" / f"{name}.log"
    shown = 0
    while True:
        status = client.get_job_status(job)
        text = client.get_job_logs(job)
        whole = text[: text.rfind("\n") + 1]
        for line in whole[shown:].splitlines():
            clean = re.sub(r"\x1b\[[0-9;]*m|^\(\w+ pid=\d+\) ", "", re.sub(r"\x1b\[[0-9;]*m", "", line))
            if OURS.match(clean):
                print(clean, flush=True)
        shown = len(whole)
        if status.is_terminal():
            break
        time.sleep(1)
    log.write_text(text)
    if status != JobStatus.SUCCEEDED:
        sys.exit(f"demo: job {name} {status.lower()}: {text.strip().splitlines()[-1]}\nthe whole log: {log}")
    print(f"[{name} took {format_duration(time.monotonic() - started)}]", flush=True)


def start_job(client: JobSubmissionClient, name: str, arguments: list[str], timeout_s: float = 60) -> str:
    """Submit a job; a head that has just started has no agent yet and is asked again."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return client.submit_job(
                entrypoint=" ".join(["python", f"jobs/{name}.py", *arguments]),
                runtime_env={"working_dir": ".", "excludes": [".git", "demo", "runs", "tests", "benchmarks"]},
            )
        except RuntimeError as error:
            if "agent" not in str(error).lower() or time.monotonic() > deadline:
                raise
            time.sleep(1)


def summary() -> str:
    """The table of the whole chain: patches of the test split, and gaps of the restored recordings."""
    total = json.loads((FOLDER / "results" / "results.json").read_text())["rows"][-1]
    gains = total["gains"]
    rows = [["test patches, dB PSNR", *(f"{total['means']['damaged psnr'] + gain:.2f}"
             for gain in (0.0, gains["interpolation"], gains[ARCHITECTURE]))]]  # fmt: skip
    return "\n" + markdown_table(["score", "damaged", "interpolation", "model"], rows) + gap_summary()


def gap_summary() -> str:
    """One line: SNR in the gaps of the restored recordings, whose truth is known."""
    scores = []
    for clean_path in sorted((FOLDER / "tapes" / "clean").rglob("*.*")):
        name = clean_path.relative_to(FOLDER / "tapes" / "clean")
        clean, damaged, restored = (
            read_recording(path.read_bytes()).to_float()
            for path in (clean_path, FOLDER / "tapes" / "damaged" / name, FOLDER / "restored" / name)
        )
        lost = clean != damaged
        assert np.array_equal(damaged[~lost], restored[~lost]), f"{name}: samples outside the gaps were changed"
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
