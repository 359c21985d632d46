"""What the jobs share: flags from a dataclass or the environment, Ray, errors as one line, exit codes.

The only file that parses flags and calls ray.init. Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 some files
failed (restore).
"""

import contextlib
import io
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, NoReturn, TypeVar, cast

import ray
import ray.data
import tyro
from ray.exceptions import RayError

from inpaint_ray.errors import InpaintError, UsageError
from inpaint_ray.storage import S3_ENVIRONMENT

STARTS = 3  # of a private Ray
LEAST_CPUS = 4  # of Ray's accounting on a laptop, so that workers and what feeds them fit on two cores

PASSED_ON = ("MLFLOW_TRACKING_URI",)  # of the driver's environment, to workers on other machines

FRAME = re.compile(r"[\u2500-\u257f]+|-{3,}|^ *\| | \| *$")  # what tyro draws around its messages
TITLES = {"Parsing error", "Value error", "Invalid choice", "Missing argument", "Unrecognized options"}

Config = TypeVar("Config")


def run(
    config_type: type[Config], job: Callable[[Config], Any], description: str | None, *, with_ray: bool = True
) -> NoReturn:
    """Run a job from the command line and exit with its code; what the job returns is the code if it is an int."""
    for stream in (sys.stdout, sys.stderr):
        cast(io.TextIOWrapper, stream).reconfigure(errors="backslashreplace")  # names of files, whatever the terminal
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    config = parse(config_type, sys.argv[1:], description)
    try:
        if with_ray:
            start_ray()
        result = job(config)
    except (InpaintError, RayError) as error:
        cause = _own_cause(error)
        if cause is None:
            raise
        print(f"{name}: {cause}", file=sys.stderr, flush=True)
        sys.exit(2 if isinstance(cause, UsageError) else 1)
    except PermissionError as error:
        print(f"{name}: {error}; look at the rights of the path or the keys", file=sys.stderr, flush=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def _own_cause(error: BaseException | None) -> InpaintError | None:
    """The error of ours that Ray brings from another process, inside its own; None where it is not one of ours."""
    while error is not None:
        if isinstance(error, InpaintError) and not isinstance(error, RayError):
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


def parse(config_type: type[Config], arguments: list[str], description: str | None) -> Config:
    """The configuration that flags and INPAINT_* variables describe; a bad value prints one line and exits 2."""
    arguments = arguments + _from_environment(config_type, arguments)
    missing = [flag for flag in _required_flags(config_type) if not _is_given(flag, arguments)]
    if missing and not {"-h", "--help"} & set(arguments):
        variables = " and ".join(_variable(flag) for flag in missing)
        print(f"{', '.join(missing)} missing: give it as a flag, or set {variables}; --help lists all", file=sys.stderr)
        sys.exit(2)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(config_type, args=arguments, description=description, config=(tyro.conf.OmitArgPrefixes,))
    except SystemExit as error:
        if error.code == 2:
            print(_one_line(said.getvalue()), file=sys.stderr)
        raise


def _one_line(said: str) -> str:
    """What tyro says in a box, as a line."""
    lines = [FRAME.sub(" ", line).strip() for line in said.splitlines()]
    kept = [line for line in lines if line not in TITLES and not line.startswith("For full helptext")]
    return re.sub("^Error parsing [A-Z][A-Za-z]+: ", "", " ".join(" ".join(kept).split()))


def start_ray() -> None:
    """Join the cluster of RAY_ADDRESS or of the submitted job; without one, start a private Ray on this machine."""
    if ray.is_initialized():
        return
    variables = S3_ENVIRONMENT | {"RAY_TRAIN_ENABLE_PRINT_PATCH": "0"}  # else every line of a worker comes twice
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    runtime_env = {"env_vars": {name: os.environ.get(name, value) for name, value in variables.items()} | given}
    if os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")  # a submission may give the same variables
        ray.init(runtime_env=runtime_env)
    else:  # "local": never a cluster that happens to run on this machine
        _start_private_ray(runtime_env)
    ray.data.DataContext.get_current().enable_progress_bars = False


def _start_private_ray(runtime_env: dict[str, Any]) -> None:
    for left in reversed(range(STARTS)):
        try:
            ray.init("local", runtime_env=runtime_env, num_cpus=max(LEAST_CPUS, os.cpu_count() or 1))
            return
        except Exception as error:  # Ray has no class of its own for it
            if not left or "timed out during startup" not in str(error):
                raise
            print("Ray did not start within 30 s, as happens on a loaded machine; it is started again", flush=True)
            ray.shutdown()


def _required_flags(config_type: type) -> list[str]:
    required = [field for field in fields(config_type) if field.default is MISSING and field.default_factory is MISSING]
    return ["--" + field.name.replace("_", "-") for field in required]


def _from_environment(config_type: type, arguments: list[str]) -> list[str]:
    added = []
    for flag in _required_flags(config_type):
        value = os.environ.get(_variable(flag))
        if value and not _is_given(flag, arguments):
            added += [flag, *shlex.split(value)]
    return added


def _variable(flag: str) -> str:
    return "INPAINT_" + flag.removeprefix("--").replace("-", "_").upper()


def _is_given(flag: str, arguments: list[str]) -> bool:
    spellings = {flag, flag.replace("-", "_").replace("__", "--", 1)}
    return any(argument.split("=", 1)[0] in spellings for argument in arguments)
