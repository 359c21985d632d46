"""`inpaint-ray`: what there is, help without heavy imports, and wrong usage answered before Ray starts."""

import subprocess
import sys
from pathlib import Path

import pytest

from inpaint_ray.command_line import main, overview
from inpaint_ray.commands import COMMANDS

JOBS = Path(__file__).resolve().parents[1] / "jobs"
HEAVY = ("torch", "ray", "scipy", "matplotlib", "soundfile")
AFTER = f"""
import sys
from inpaint_ray.command_line import main
try:
    main()
except SystemExit as error:
    print("loaded", *[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
    raise
"""


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AFTER, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_wrong_usage_load_nothing_heavy(name: str) -> None:
    shown, refused = call(name, "--help"), call(name, "--no-such-flag")
    assert shown.returncode == 0 and "--help" in shown.stdout and f"inpaint-ray {name}" in shown.stdout
    assert shown.stderr == "loaded\n"
    assert refused.returncode == 2
    assert refused.stderr.startswith("--no-such-flag: no such flag") and refused.stderr.endswith("\nloaded\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("restore", "--input", "absent", "--output", "out"),
        ("prepare", "--source", "absent", "--output", "out", "--protocol", "folders"),
        ("train", "--data", "absent", "--output", "out", "--architecture", "UNet"),
        ("tune", "--data", "absent", "--output", "out", "--architectures", "UNet"),
        ("evaluate", "--data", "absent", "--output", "out"),
        ("undo", "--output", "absent", "--to", "out"),
        ("stage-fma", "--zips", "absent.zip", "--output", "out"),
        ("repair", "absent.wav"),
    ],
)
def test_a_wrong_path_is_answered_with_2_before_ray_starts(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def init(*args: object, **settings: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("ray.init", init)
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["inpaint-ray", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    said = capsys.readouterr().err
    assert exit_info.value.code == 2
    assert "absent" in said and len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_alone_it_says_in_fifteen_lines_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inpaint-ray"])
    with pytest.raises(SystemExit) as exit_info:
        main()
    said = capsys.readouterr().out
    assert exit_info.value.code == 0 and said == overview() + "\n"
    assert len(said.splitlines()) <= 16 and all(f"  {name} " in said for name in COMMANDS)


def test_an_unknown_command_is_answered_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inpaint-ray", "repiar"])
    with pytest.raises(SystemExit) as exit_info:
        main()
    assert exit_info.value.code == 2 and "did you mean repair?" in capsys.readouterr().err


def test_completion_knows_commands_and_flags() -> None:
    script = call("completion", "bash")
    assert script.returncode == 0 and "stage-fma" in script.stdout and "--sensitivity" in script.stdout
    assert call("completion", "csh").returncode == 2


def test_every_job_file_is_a_command() -> None:
    names = {path.stem.replace("_", "-") for path in JOBS.glob("*.py")} - {"demo"}
    assert names <= set(COMMANDS)
