"""Reads the little of a command line that must be known before its parser can be loaded."""

from __future__ import annotations

from collections.abc import Sequence

HOME_OPTION = "--home"


def hoist_home(argv: Sequence[str]) -> list[str]:
    """`--home DIR` moved to the front, as `--home=DIR`: it may stand anywhere, being global."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == HOME_OPTION:
            front.append(f"{HOME_OPTION}={next(words, '')}")
        elif word.startswith(f"{HOME_OPTION}="):
            front.append(word)
        else:
            rest.append(word)
    return front + rest


def split_command(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The command and the words after it. Only options may stand before a command."""
    words = iter(argv)
    for word in words:
        if word == HOME_OPTION:
            next(words, None)
        elif not word.startswith("-"):
            return word, list(words)
    return None, []
