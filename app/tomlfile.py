"""TOML files that people write, read with care: whatever lies there ends in one line, never in a
traceback, a process that waits for a pipe, or a gigabyte of memory."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path

FILE_BYTES_MAX = 1_000_000
DIGITS_MAX = 1000
"""Of a whole number: Python itself refuses to read some thousands."""

_LONG_NUMBER = re.compile(rf"[0-9_]{{{DIGITS_MAX},}}")


def is_there(file: Path) -> bool:
    """Whether something stands at this place, be it a link that leads nowhere: a person has put
    it there, so it must not count as no file at all. OSError where nobody may look."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_text(file: Path) -> str:
    """The text of a plain file. ValueError says what it is instead; OSError, why it is unread."""
    info = file.stat()
    if not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
        raise ValueError("no plain file")
    if info.st_size > FILE_BYTES_MAX:
        raise ValueError(f"{info.st_size} bytes")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start}: not UTF-8 text") from None


def parse(text: str) -> dict[str, object]:
    """The document, its fractions as the decimals they were written as. ValueError says what is
    wrong and on which line."""

    def decimal(written: str) -> Decimal:
        try:
            return Decimal(written)
        except InvalidOperation:
            raise ValueError(f"{written[:40]} is no number (at line {_line(written)})") from None

    def _line(written: str) -> int:
        return text.count("\n", 0, max(0, text.find(written))) + 1

    if long := _LONG_NUMBER.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise ValueError(f"a number of {len(long[0])} digits (at line {line})")
    try:
        return tomllib.loads(text, parse_float=decimal)
    except RecursionError:
        raise ValueError("brackets within brackets, too many of them") from None
