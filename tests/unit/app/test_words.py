from __future__ import annotations

import pytest

from app.setup.words import hoist_home, split_command


@pytest.mark.parametrize(
    ("argv", "hoisted"),
    [
        ("demo --home /x --headless", "--home=/x demo --headless"),
        ("demo --home=/x", "--home=/x demo"),
        ("demo --headless --home", "--home= demo --headless"),
        ("demo -- --home /x", "demo -- --home /x"),
        ("--home /x demo", "--home=/x demo"),
        ("", ""),
    ],
)
def test_home_may_stand_anywhere(argv: str, hoisted: str) -> None:
    assert hoist_home(argv.split()) == hoisted.split()


@pytest.mark.parametrize(
    ("argv", "command", "rest"),
    [
        ("test -k x", "test", "-k x"),
        ("--home /x test -k x", "test", "-k x"),
        ("--home=/x gui", "gui", ""),
        ("--version", None, ""),
        ("--home", None, ""),
        ("", None, ""),
    ],
)
def test_the_command_is_the_first_word(argv: str, command: str | None, rest: str) -> None:
    assert split_command(argv.split()) == (command, rest.split())
