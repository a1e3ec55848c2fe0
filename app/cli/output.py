"""What every command prints with: exit codes, the one line of an error, JSON and tables.

People's output and JSON go to stdout, everything about the work itself (errors, progress) to
stderr. Importing this module costs milliseconds; keep it so.
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from engine.domain.text import clean

LINE_LIMIT = 1000
"""Longer than any sensible message, shorter than a screenful of foreign text."""


class ExitCode(enum.IntEnum):
    """The contract with scripts; see ARCHITECTURE.md."""

    DONE = 0
    FAILED = 1
    """The work was asked for properly, and did not succeed."""
    USAGE = 2
    """Bad usage or bad input."""
    NO_ENGINE = 3
    CONFIG = 4
    """Configuration, keys or the installation."""
    TIMEOUT = 5
    INTERRUPTED = 130
    """Ctrl+C, as a shell reports it."""


def clean_line(text: object) -> str:
    """`text` as one line that is safe to print, whoever wrote it."""
    return clean(" ".join(str(text).split()), LINE_LIMIT)


def print_error(line: object) -> None:
    """One line on stderr, without the secrets that this process knows."""
    words = str(line)
    # Who knows no secret has not loaded the logs; on a bare machine they cannot be loaded at all.
    logs = sys.modules.get("app.logs")
    if logs is not None:
        words = logs.hide_known(words)
    try:
        print(clean_line(words), file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)  # Nobody can be told; the exit code says it all the same.


def drop(stream: TextIO) -> None:
    """Write nowhere from now on: Python's own flush at exit must not complain, nor change the code
    to 120, about what could not be written."""
    with suppress(OSError, ValueError):  # It has no number, or none any more.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def fail(code: ExitCode, line: object) -> NoReturn:
    """End the command with `code` and one line: "field: value: remedy".

    Commands rarely need it: raising a `PilothouseError` does the same.
    """
    print_error(line)
    raise SystemExit(int(code))


def print_json(document: Any) -> None:
    """The one JSON document of a `--json` command, and nothing else, on stdout.

    Takes plain values, Decimals (written as numbers, every digit kept) and msgspec Structs, in
    the order given.
    Written as UTF-8 bytes whatever the locale says: the reader is a program.
    """
    import msgspec  # Here, since --help needs none of it.

    encode = msgspec.json.Encoder(decimal_format="number").encode
    text = msgspec.json.format(encode(document), indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.flush()


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """A readable table on stdout; the columns named in `right` are aligned to the right."""
    cells = [[clean_line(cell) for cell in row] for row in rows]
    widths = [
        max(len(title), *(len(row[index]) for row in cells), 0)
        for index, title in enumerate(columns)
    ]
    to_right = {index for index, title in enumerate(columns) if title in set(right)}
    for row in [[title.upper() for title in columns], *cells]:
        print(
            "  ".join(
                cell.rjust(widths[index]) if index in to_right else cell.ljust(widths[index])
                for index, cell in enumerate(row)
            ).rstrip()
        )
