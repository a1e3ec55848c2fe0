"""`pilothouse tui` without the parser of all commands, which takes longer to load than the first
frame takes to paint.

Only plain calls go this way. Whatever looks unusual (help, an unknown or incomplete option) is
left to the parser, which has the right words for it; `tests/unit/app/test_shortcut.py` holds the
two to the same reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

COMMAND = "tui"
_HOME = "--home="
_VALUES = {"--profile": "profile", "--ssh": "ssh", "--remote": "remote"}
_FLAGS = {"--take-token": "take_token", "--start": "start"}


def run(argv: Sequence[str]) -> bool:
    """Whether the call was one of these. It is over then: the person has left the terminal."""
    found = read(argv)
    if found is None:
        return False
    home, options = found
    from app import paths, terminal

    if home is not None:
        paths.move_home(home)
    print(terminal.attach(terminal.Call(**options)))
    return True


def _is_value(word: str) -> bool:
    """Empty ones are refused by the parser: `--ssh ""` must not mean this machine."""
    return bool(word.strip()) and not word.startswith("-")


def read(argv: Sequence[str]) -> tuple[str | None, dict[str, Any]] | None:
    """`--home` and the options of a plain call, `--home=DIR` in front (`app.setup.words`); None
    for any other call."""
    words = list(argv)
    home = None
    while words and words[0].startswith(_HOME):
        home = words.pop(0).removeprefix(_HOME)
    if not words or words.pop(0) != COMMAND:
        return None
    options: dict[str, Any] = {}
    while words:
        name, equals, value = words.pop(0).partition("=")
        if _VALUES.get(name) in options:
            return None  # Twice: the parser says so.
        if name in _FLAGS and not equals:
            options[_FLAGS[name]] = True
        elif name in _VALUES and value.strip():
            options[_VALUES[name]] = value
        elif name in _VALUES and not equals and words and _is_value(words[0]):
            options[_VALUES[name]] = words.pop(0)
        else:
            return None
    return home, options
