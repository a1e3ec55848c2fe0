"""The quick way into the terminal reads a call exactly as the parser of all commands does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from app.cli import shortcut, tree
from app.setup.words import hoist_home
from app.terminal import Call

WORDS = (
    *shortcut._VALUES,
    *shortcut._FLAGS,
    *(f"{name}=night" for name in shortcut._VALUES),
    "--profile=",
    "--profile=a=b",
    "--home",
    "--home=there",
    "--demo",
    "--help",
    "--",
    "-x",
    "night",
    "pi@attic",
    "",
)


def by_parser(argv: list[str]) -> tuple[str | None, dict[str, Any]]:
    """What the parser makes of `--home` and the options of `tui`."""
    root: Any = get_command(tree._root(argv))
    with root.make_context("pilothouse", list(argv)) as context:
        _, command, rest = root.resolve_command(context, [*context._protected_args, *context.args])
        options = command.make_context("tui", rest, parent=context).params
        return context.params["home"], dict(options)


@given(st.lists(st.sampled_from(WORDS), max_size=6))
def test_both_ways_read_alike(words: list[str]) -> None:
    argv = hoist_home(["tui", *words])
    found = shortcut.read(argv)
    if found is None:
        return
    home, options = found
    home_parsed, parsed = by_parser(argv)
    assert home == home_parsed
    assert parsed == {**Call(**options)._asdict(), "demo": False}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--profile", "night"], {"profile": "night"}),
        (["--profile=night", "--take-token"], {"profile": "night", "take_token": True}),
        (["--ssh", "pi@attic", "--start"], {"ssh": "pi@attic", "start": True}),
    ],
)
def test_plain_calls_are_quick(words: list[str], options: dict[str, Any]) -> None:
    assert shortcut.read(["--home=there", "tui", *words]) == ("there", options)


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["tui", "--help"],
        ["tui", "--profile"],
        ["tui", "--profile", "a", "--profile", "b"],
        ["tui", "--ssh", "a", "--ssh=b"],
        ["tui", "--ssh", ""],
        ["tui", "--ssh="],
        ["tui", "--ssh", " "],
        ["tui", "--demo"],
        ["tui", "night"],
        ["tui", "--take-token=1"],
        ["--version", "tui"],
    ],
)
def test_all_else_is_the_parsers(words: list[str]) -> None:
    assert shortcut.read(words) is None
