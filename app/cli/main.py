"""The root of the command line: finds commands, loads one, and turns what goes wrong into a line.

Adding a command
----------------
1. Write `app/cli/NAME.py` with `app = typer.Typer()` and functions under `@app.command("...")`.
2. Add a row to `COMMANDS`. A *group* (`data import`, `data list`) is the whole Typer; a plain
   command (`demo`, `pause`) is the function registered in it under the row's name, so several
   plain commands may share one module.

The help line of a row stands here because a module is imported only when its command runs:
`pilothouse --help` must not wait for numba. A row whose module does not exist is left out.

Commands raise `PilothouseError`s (or use `output.fail`); none of them prints a traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from app.cli import shortcut
from app.cli.output import ExitCode, drop, print_error
from app.setup.failures import missing_library
from app.setup.words import hoist_home
from engine.domain.errors import PilothouseError, shorten

PROGRAM = "pilothouse"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a full disk says, a limit of the shell, or a terminal that has gone."""
_NO_WAY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
"""What a folder says that is closed, or no folder."""


class Row(NamedTuple):
    module: str
    help: str
    group: bool = False
    hidden: bool = False


COMMANDS: dict[str, Row] = {
    "demo": Row("app.cli.demo", "A generated or recorded market, two bots, the terminal on top."),
    "replay": Row("app.cli.replay", "A recording on the screens, with time in your hands."),
    "drill": Row("app.cli.drill", "An exchange on this machine, with faults, for real clients."),
    "engine": Row(
        "app.cli.engine", "The engine in the foreground; faces attach to it.", group=True
    ),
    "tui": Row("app.cli.tui", "The terminal on a running engine, here or over ssh."),
    "status": Row("app.cli.look", "Mode, money, kill switch, bots and who looks on."),
    "bots": Row("app.cli.bots", "List the bots, add one, remove one.", group=True),
    "orders": Row("app.cli.look", "The working orders."),
    "algos": Row("app.cli.order", "The working algos, and where each of their legs is."),
    "order": Row("app.cli.order", "Place an order of any type."),
    "amend": Row("app.cli.order", "Change the figures of a working algo."),
    "cancel": Row("app.cli.order", "Cancel one order or algo."),
    "positions": Row("app.cli.look", "What every book holds."),
    "incidents": Row(
        "app.cli.incidents", "What needs a person's eye now; adopt, ignore, flatten.", group=True
    ),
    "logs": Row("app.cli.look", "What has happened, newest last; -f waits for more."),
    "why": Row("app.cli.look", "The story of an order or a bot, from the ledger."),
    "pause": Row("app.cli.helm", "Pause a bot, or all of them."),
    "resume": Row("app.cli.helm", "Let a paused or stopped bot steer again."),
    "take": Row("app.cli.helm", "Take a bot's helm."),
    "give": Row("app.cli.helm", "Give a bot its helm back."),
    "flatten": Row("app.cli.helm", "Pause, cancel and close: one bot, or everything."),
    "cancel-all": Row("app.cli.helm", "Cancel working orders."),
    "kill": Row("app.cli.helm", "The kill switch."),
    "act": Row("app.cli.act", "Any action of the screens, by its id; without one, the list."),
    "reset": Row("app.cli.helm", "Leave the kill state by a typed word."),
    "stop": Row("app.cli.engine", "Stop the engine; orders and positions stay as they are."),
    "keys": Row(
        "app.cli.keys", "Venue keys: add, list, check, remove; unlock an engine.", group=True
    ),
    "data": Row("app.cli.data", "Import, list and check recorded market data.", group=True),
    "backtest": Row("app.cli.backtest", "Run a strategy over recorded data.", group=True),
    "strategies": Row("app.cli.strategies", "The shipped strategies and their parameters."),
    "config": Row("app.cli.config", "Show and check the settings.", group=True),
    "doctor": Row("app.cli.doctor", "Look this machine over and say what could hurt."),
    "bench": Row("app.cli.bench", "Measure the speed that this machine gives."),
    "bridge": Row("app.cli.engine", "The engine's protocol over stdio, for ssh.", hidden=True),
    "warm": Row("app.cli.warm", "Compile the kernels ahead of time.", hidden=True),
}


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. Nothing escapes but SystemExit."""
    os.umask(0o077)  # Before any file is made: ledgers, logs and settings are nobody else's.
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape, never a UnicodeEncodeError.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _run(hoist_home(argv))
        sys.stdout.flush()
    except PilothouseError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        drop(sys.stdout)  # The reader (`| head`) has seen enough.
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001  The last guard: one line here, the rest in the log.
        return _give_up(error)
    return code


def _give_up(error: Exception) -> int:
    """Say what no command has foreseen. What the system refuses is no fault of ours."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, OSError) and number in _NO_ROOM:
        drop(sys.stdout)
        print_error(f"output: {error.strerror}: what was done stands; write it elsewhere")
        return ExitCode.FAILED
    if isinstance(error, OSError) and number in _NO_WAY and error.filename:
        why = f"{error.strerror}: open it to you, or choose another --home DIR"
        print_error(f"{shorten(str(error.filename))}: {why}")
        return ExitCode.CONFIG
    print_error(_crash_line(error))
    return ExitCode.FAILED


def _open_closed_streams() -> None:
    """Where a shell has closed one (`>&-`), Python has None: what is written there is for nobody,
    and an error's line must not land among the output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The file keeps the number: what is opened later must not be written into instead.
            handle = os.open(os.devnull, os.O_RDWR)
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def _run(argv: Sequence[str]) -> int:
    if shortcut.run(argv):
        return ExitCode.DONE
    try:
        from app.cli import tree
    except ModuleNotFoundError as error:  # Somebody took a library out of the environment.
        print_error(missing_library(error.name))
        return ExitCode.CONFIG
    return tree.run(argv)


def _crash_line(error: Exception) -> str:
    """An error nobody foresaw: what it is in one line, its traceback in the log file."""
    from app import logs

    what = logs.redact(f"internal error: {type(error).__name__}: {error}")
    try:
        return f"{what}. Please report it with the log at {logs.record_crash(error)}"
    except (OSError, PilothouseError) as log_error:
        return f"{what}. It could not be logged: {log_error}"
