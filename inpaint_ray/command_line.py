"""The console script and the jobs: flags from a dataclass or the environment, errors as one line, exit codes.

The only file that parses flags. Exit codes: 0 done, 1 it failed, 2 wrong usage (a flag, a path, a checkpoint), 3 some
files failed (restore, repair, undo).
"""

import contextlib
import difflib
import io
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import MISSING, field, fields, make_dataclass
from typing import Annotated, Any, NoReturn, TypeVar, cast

import tyro

from inpaint_ray.commands import COMMANDS, Command
from inpaint_ray.errors import CheckpointError, DatasetError, InpaintError, UsageError
from inpaint_ray.terminal import Redirected, quiet
from inpaint_ray.version import VERSION

FAILED, WRONG_USAGE, STOPPED = 1, 2, 130
WRONG = (UsageError, DatasetError, CheckpointError)  # of what was asked for
HELP = {"-h", "--help"}

FRAME = re.compile(r"[\u2500-\u257f]+|-{3,}|^ *\| | \| *$")  # tyro's frames around its messages
TITLES = {"Parsing error", "Value error", "Invalid choice", "Missing argument", "Unrecognized options"}
SHELLS = ("bash", "zsh", "tcsh")

Config = TypeVar("Config")
Verbose = Annotated[bool, tyro.conf.arg(help="Show the lines of Ray and its libraries, too; a failure shows the last.")]


def main() -> NoReturn:
    """Run `inpaint-ray`."""
    arguments = sys.argv[1:]
    name = arguments[0] if arguments else ""
    if name in ("", *HELP):
        print(overview())
        sys.exit(0)
    if name == "--version":
        print(f"inpaint-ray {VERSION}")
        sys.exit(0)
    if name == "completion":
        print(completion(arguments[1:]), end="")
        sys.exit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "inpaint-ray repair FILE repairs a file;"
        _refuse(f"inpaint-ray: no command {name}; {hint} `inpaint-ray` alone lists all")
    _run(COMMANDS[name], arguments[1:], f"inpaint-ray {name}", COMMANDS[name].description)


def run(name: str, description: str | None) -> NoReturn:
    """Run a command as the script jobs/NAME.py, with the script's docstring above the flags in --help."""
    _run(COMMANDS[name], sys.argv[1:], os.path.splitext(os.path.basename(sys.argv[0]))[0], description)


def overview() -> str:
    """Return the list of commands that `inpaint-ray` alone prints, in fifteen lines."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.summary.split('; ')[0].rstrip('.')}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "inpaint-ray: music that has lost pieces, found and filled.",
            "",
            *lines,
            "",
            "Begin with `inpaint-ray repair FILE`; `inpaint-ray COMMAND --help` has the flags.",
            "Flags completed by the shell: inpaint-ray completion bash (or zsh, tcsh) prints the script.",
        ]
    )


def completion(arguments: list[str]) -> str:
    """Return the completion script of a shell; an unknown shell ends the program."""
    if len(arguments) != 1 or arguments[0] not in SHELLS:
        _refuse(f"inpaint-ray completion: give one of {', '.join(SHELLS)}")
    commands: dict[str, Callable[..., Any]] = {name: command.load_settings() for name, command in COMMANDS.items()}
    said = io.StringIO()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(said):
        tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="inpaint-ray",
            args=["--tyro-print-completion", arguments[0]],
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands),
        )
    return said.getvalue()


def parse(config_type: type[Config], arguments: list[str], description: str | None, prog: str | None = None) -> Config:
    """Parse flags and INPAINT_* variables into a configuration; a bad value prints one line and exits with 2."""
    arguments = arguments + _from_environment(config_type, arguments)
    if not HELP & set(arguments):
        _check_known(config_type, arguments)
        missing = [flag for flag in _required_flags(config_type) if not _is_given(flag, arguments)]
        if missing:
            variables = " and ".join(_variable(flag) for flag in missing)
            _refuse(f"{', '.join(missing)} missing: give it as a flag, or set {variables}; --help lists all")
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(
                config_type, args=arguments, description=description, prog=prog, config=(tyro.conf.OmitArgPrefixes,)
            )
    except SystemExit as error:
        if error.code == WRONG_USAGE:
            print(_one_line(said.getvalue()), file=sys.stderr)
        raise


def _run(command: Command, arguments: list[str], prog: str, description: str | None) -> NoReturn:
    """Parse the flags, run the call, and exit with its result if that is an int, else with 0."""
    for stream in (sys.stdout, sys.stderr):
        cast(io.TextIOWrapper, stream).reconfigure(errors="backslashreplace")  # names of files, whatever the terminal
    settings, verbose = command.load_settings(), False
    if command.on_ray:
        both = make_dataclass("Flags", [("job", settings), ("verbose", Verbose, field(default=False))])
        flags: Any = parse(both, arguments, description, prog)
        config, verbose = flags.job, flags.verbose
    else:
        config = parse(settings, arguments, description, prog)
    said = ""
    try:
        with _kept_back(verbose=verbose or not command.on_ray) as redirected:
            try:
                result = command.load_call()(config)
            finally:
                said = "" if redirected is None else redirected.last().strip()
    except KeyboardInterrupt:
        print(f"{prog}: stopped" + ("; the same command resumes" if command.on_ray else ""), file=sys.stderr)
        sys.exit(STOPPED)
    except Exception as error:
        _fail(prog, error, said)
    sys.exit(result if isinstance(result, int) else 0)


@contextlib.contextmanager
def _kept_back(*, verbose: bool) -> Iterator[Redirected | None]:
    """Keep Ray's output off the terminal, unless it is asked for."""
    if verbose:
        yield None
    else:
        with quiet() as redirected:
            yield redirected


def _fail(prog: str, error: Exception, said: str) -> NoReturn:
    """Print the error, in one line if it is one of ours, and end the program."""
    cause = _own_cause(error)
    if isinstance(cause, WRONG):
        _refuse(f"{prog}: {cause}")
    if said:
        print(f"The last output of Ray and its libraries:\n{said}\n", file=sys.stderr)
    if cause is not None:
        print(f"{prog}: {cause}", file=sys.stderr)
    elif isinstance(error, PermissionError):
        print(f"{prog}: {error}; check the permissions of the path, or the keys", file=sys.stderr)
    else:
        traceback.print_exception(error)
    sys.exit(FAILED)


def _own_cause(error: BaseException | None) -> InpaintError | None:
    """Return our own error inside the one that Ray raises for another process; None where there is none of ours."""
    while error is not None:
        of_ray = any(base.__module__.startswith("ray.") for base in type(error).__mro__)
        if isinstance(error, InpaintError) and not of_ray:
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


def _refuse(line: str) -> NoReturn:
    print(line, file=sys.stderr, flush=True)
    sys.exit(WRONG_USAGE)


def _one_line(said: str) -> str:
    """Join tyro's boxed error text into one line."""
    lines = [FRAME.sub(" ", line).strip() for line in said.splitlines()]
    kept = [line for line in lines if line not in TITLES and not line.startswith("For full helptext")]
    return re.sub("^Error parsing [A-Za-z]+: ", "", " ".join(" ".join(kept).split()))


def _check_known(config_type: type, arguments: list[str]) -> None:
    """End the program with an error at an unknown flag."""
    known = {*_flags(config_type), *HELP}
    for argument in arguments:
        flag = argument.split("=", 1)[0].replace("_", "-")
        if flag.startswith("--") and flag not in known:
            near = difflib.get_close_matches(flag, known, n=1, cutoff=0.5)
            _refuse(f"{flag}: no such flag{f'; did you mean {near[0]}?' if near else ''}; --help lists all")


def _flags(config_type: type) -> Iterator[str]:
    """Yield the flags of a dataclass and those within it."""
    for each in fields(config_type):
        of = each.type if isinstance(each.type, type) else None
        if of is not None and hasattr(of, "__dataclass_fields__"):
            yield from _flags(of)
        else:
            flag = each.name.replace("_", "-")
            yield from (f"--{flag}", f"--no-{flag}")


def _required_flags(config_type: type) -> list[str]:
    flags: list[str] = []
    for each in fields(config_type):
        if each.default is MISSING and each.default_factory is MISSING:
            inside = hasattr(each.type, "__dataclass_fields__")
            flags += _required_flags(cast(type, each.type)) if inside else ["--" + each.name.replace("_", "-")]
    return flags


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
