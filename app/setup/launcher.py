"""Decides where a command runs: here and now, or in the checkout's `.venv` once that is ready.

Here and now: an installed copy, a frozen build, `.venv` itself, or a virtual environment of the
person's own that has the libraries. Otherwise the `.venv` of the checkout is brought up to date
and the process replaced by the same command in it. When nothing is to be done this costs a few
file reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from app.cli.output import ExitCode, print_error
from app.setup import failures
from app.setup.environment import Environment
from app.setup.failures import SetupError
from app.setup.kernels import KernelCache
from app.setup.words import split_command

CHECKOUT = Path(__file__).resolve().parents[2]

SETS = {"gui": ["base", "gui"], "test": ["base", "dev"]}
"""What a command needs beyond the base set. `infer` and `train` are for commands to come."""

KERNEL_COMMANDS = frozenset({"demo", "engine", "tui", "gui", "backtest", "bench"})
"""They run kernels, so they wait for them to be compiled; `test` sees to that beside its checks."""


def launch(argv: Sequence[str], *, installed: bool = False) -> int:
    """Run the command, here or in `.venv`; returns its exit code unless the process is replaced.

    `installed`: called as the console command that some installer has made.
    """
    environment = Environment(CHECKOUT)
    try:
        is_here = _is_at_home(environment, installed)
        _prepare(environment, argv, is_here)
    except SetupError as error:
        print_error(error)
    except OSError as error:
        print_error(failures.from_os_error(error, CHECKOUT))
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001  One line here, the rest in a file.
        print_error(failures.unforeseen(error, _keep_traceback()))
    else:
        return _run_here(argv) if is_here else _hand_over(environment, argv)
    return ExitCode.CONFIG


def _is_at_home(environment: Environment, installed: bool) -> bool:
    """Whether this very process can be the command line."""
    return (
        installed
        or getattr(sys, "frozen", False)
        or not environment.lock_file("base").is_file()  # No checkout: a copy some installer made.
        or environment.is_current()
        or _has_libraries()
    )


def _prepare(environment: Environment, argv: Sequence[str], is_here: bool) -> None:
    """Have what the command needs in `.venv`, or raise SetupError."""
    command, _ = split_command(argv)
    sets = SETS.get(command or "", ["base"])
    if not is_here:
        environment.ensure(sets)
        if command in KERNEL_COMMANDS and not (kernels := KernelCache(environment)).is_hot():
            kernels.warm()
    elif environment.is_current() and command != "warm" and environment.missing(sets):
        raise SetupError(
            ".venv: does not hold what packaging/locks asks for: "
            f"run python3 -m app {command or ''} in {CHECKOUT}, it sees to that"
        )


def _run_here(argv: Sequence[str]) -> int:
    command, rest = split_command(argv)
    if command == "test" and (CHECKOUT / "tests").is_dir():
        from app.setup import checks

        return checks.run(CHECKOUT, rest, while_checking=_warm_kernels)
    try:
        from app.cli import main
    except ModuleNotFoundError as error:  # Somebody took a library out of the environment.
        print_error(failures.missing_library(error.name))
        return ExitCode.CONFIG
    return main.main(argv)


def _warm_kernels() -> None:
    """In `.venv`. A person's own environment compiles when kernels are used."""
    environment = Environment(CHECKOUT)
    if environment.is_current() and not (kernels := KernelCache(environment)).is_hot():
        kernels.warm()


def _keep_traceback() -> str:
    """Write the traceback of the error at hand to a file of its own; returns its path."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="pilothouse-setup-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    return file.name


def _has_libraries() -> bool:
    """Whether this is a virtual environment of the person's own with our libraries in it."""
    return sys.prefix != sys.base_prefix and all(
        find_spec(name) is not None for name in ("ccxt", "msgspec", "numba", "textual", "typer")
    )


def _hand_over(environment: Environment, argv: Sequence[str]) -> int:
    """Become the same command in `.venv`."""
    # -P: a folder named app where the person happens to stand must not be taken for ours.
    command = [str(environment.python), "-P", "-m", "app", *argv]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(command[0], command)
