"""What a person types that nobody else may see: at a prompt without echo, or through a pipe."""

from __future__ import annotations

import contextlib
import getpass
import sys
import warnings
from pathlib import Path

from app.secrets.formats import PEM_END, PEM_START, parse_lines
from engine.domain.errors import BadInput

STDIN_BYTES_MAX = 64 * 1024


def has_terminal() -> bool:
    """Whether somebody could be asked: a prompt goes to the terminal even when stdin is a pipe."""
    if sys.platform == "win32":
        return sys.stdin.isatty()
    try:
        Path("/dev/tty").open("rb").close()
    except OSError:
        return sys.stdin.isatty()
    return True


def hidden(prompt: str, instead: str) -> str:
    """A line typed without echo. BadInput where there is no terminal, with what to do instead."""
    if not has_terminal():
        raise BadInput(prompt, "no terminal to ask at", instead)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        # Outside of `with`, since what was typed must not ride on an error's context.
        with contextlib.suppress(getpass.GetPassWarning, EOFError, OSError):
            return getpass.getpass(f"{prompt}: ").strip()
    raise BadInput(prompt, "this terminal cannot hide what is typed", instead)


def hidden_block(prompt: str, instead: str) -> str:
    """Like `hidden`; a private key that is pasted with all its lines is read to its end."""
    lines = [hidden(prompt, instead)]
    if lines[0].startswith(PEM_START):
        while not lines[-1].startswith(PEM_END):
            lines.append(hidden("  ...", instead))
            if len(lines) > 100:
                raise BadInput(prompt, f"{len(lines)} lines", "the private key has no END line")
    return "\n".join(lines)


def new_passphrase(what: str, instead: str) -> str:
    """Typed twice."""
    first = hidden(f"{what} (nobody can recover it)", instead)
    if first != hidden("once more", instead):
        raise BadInput("passphrase", "typed twice", "the two differ: type it again")
    return first


class Stdin:
    """The lines of a pipe, read once; each reader takes what is its own from the top."""

    def __init__(self) -> None:
        if sys.stdin.isatty():
            raise BadInput("stdin", "a terminal", "leave --password-stdin out and be asked")
        raw = sys.stdin.buffer.read(STDIN_BYTES_MAX + 1)
        if len(raw) > STDIN_BYTES_MAX:
            raise BadInput("stdin", f"more than {STDIN_BYTES_MAX} bytes", "two or three lines do")
        text = None
        try:
            text = raw.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            where = error.start
        if text is None:  # Outside of the except: the bytes must not ride on an error's context.
            raise BadInput("stdin", f"byte {where}", "is not UTF-8 text")
        self._lines = text.splitlines()

    def line(self, what: str) -> str:
        if not self._lines or not self._lines[0].strip():
            raise BadInput("stdin", "nothing there", f"write {what} on its first line")
        return self._lines.pop(0).strip()

    def key_parts(self) -> tuple[str, str, str]:
        return parse_lines(self._lines)
