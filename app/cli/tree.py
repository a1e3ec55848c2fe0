"""The command line's parser and its commands as a tree. Loaded by `main` where it is needed: the
parser takes longer to load than a status line takes to print.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.main import get_command

from app import VERSION, paths
from app.cli.main import COMMANDS, PROGRAM, Row
from app.cli.output import ExitCode, print_error
from app.setup.words import HOME_OPTION, split_command
from engine.domain.errors import BadInput


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. Raises what the command raises, but for what the
    parser has to say."""
    try:
        return _run(list(argv))
    except typer.TyperException as error:
        print_error(_usage_line(error))
        return ExitCode.USAGE
    except typer.Abort:
        return ExitCode.INTERRUPTED


def _run(argv: list[str]) -> int:
    _refuse_empty(argv)
    command = get_command(_root(argv))
    _refuse_repeated(argv, _single(command) - {HOME_OPTION})
    try:
        with command.make_context(PROGRAM, argv) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    return ExitCode.DONE


def _refuse_empty(argv: Sequence[str]) -> None:
    """A word with nothing in it is a variable that a script forgot to fill, never a wish: to be
    without `--bot` means every bot, and `flatten --bot "$BOT"` must not become that."""
    for before, word in pairwise(argv):
        name, has_value, value = word.partition("=")
        if not word.strip():
            field = before if before.startswith("-") else "argument"
        elif has_value and name.startswith("--") and not value.strip():
            field = name
        else:
            continue
        raise BadInput(field, "", "is empty: fill it, or leave it out")


def _single(command: Any) -> set[str]:
    """The options of a command and of those below it that take one value."""
    below: dict[str, Any] = getattr(command, "commands", {})
    found = {
        option
        for param in command.params
        if param.param_type_name == "option" and not param.is_flag and not param.multiple
        for option in param.opts
    }
    return found.union(*map(_single, below.values()))


def _refuse_repeated(argv: Sequence[str], single: set[str]) -> None:
    """`flatten --bot a --bot b` would flatten the last alone, and look as if both were meant."""
    seen: set[str] = set()
    for word in argv:
        if word == "--":
            return
        name, has_value, value = word.partition("=")
        if name in seen:
            raise BadInput(name, value if has_value else "twice", "give it once")
        seen |= {name} & single


def _root(argv: Sequence[str]) -> typer.Typer:
    """The command tree for this call: the command asked for is real, the others only names."""
    root = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    root.callback()(_global_options)
    asked_for, _ = split_command(argv)
    for name, row in COMMANDS.items():
        if importlib.util.find_spec(row.module) is None:
            continue
        if name == asked_for:
            _add(root, name, row)
        else:
            root.command(name, help=row.help, hidden=row.hidden)(_not_loaded)
    return root


def _add(root: typer.Typer, name: str, row: Row) -> None:
    commands: typer.Typer = importlib.import_module(row.module).app
    if row.group:
        root.add_typer(commands, name=name, help=row.help, no_args_is_help=False)
        return
    for command in commands.registered_commands:
        if (command.name or getattr(command.callback, "__name__", "")) == name:
            command.name = name
            root.registered_commands.append(command)
            return
    raise AssertionError(f"{row.module}.app has no command named {name!r}")


def _not_loaded() -> None:
    raise AssertionError("the command asked for is always loaded")


def _global_options(
    context: typer.Context,
    home: Annotated[
        str | None,
        typer.Option(
            "--home",
            metavar="DIR",
            help="Keep settings, state and data below DIR. Also: PILOTHOUSE_HOME.",
        ),
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Watch the market, run bots, keep the helm."""
    if version:
        print(f"{PROGRAM} {VERSION}")
        raise typer.Exit
    if home is not None:
        paths.move_home(home)
    if context.invoked_subcommand is None:
        print(context.get_help())


def _usage_line(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else PROGRAM
    said = error.format_message().rstrip(".")
    return f"{path}: {said}{'' if said.endswith('?') else '.'} Try: {path} --help"
