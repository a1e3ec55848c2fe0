"""What a sweep has done, on disk, so that it can go on where it was stopped.

One JSON line a finished set, after a first line that says which sweep it is. Lines are durable
before they are counted as done; a half-written last one is cut off when the file is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from engine.domain.errors import BadInput, WorkFailed
from engine.research.sweep import SetResult

T = TypeVar("T")


class Header(msgspec.Struct, frozen=True, kw_only=True):
    digest: str
    """Of data, scenario, strategy and version: results of another are not ours."""
    about: str
    """The same in words."""


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    result: SetResult


class SweepFile:
    """`done` holds what earlier runs finished, by set key. Open it with `with`."""

    def __init__(self, path: Path, header: Header) -> None:
        """BadInput when the file belongs to another sweep, is none, or cannot be written."""
        self._path = path
        try:
            self._file = open(path, "a+b")  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            remedy = f"cannot be written: {error.strerror}; name another file"
            raise BadInput("--resume", str(path), remedy) from None
        try:
            self.done = self._read(header)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, results: Mapping[str, SetResult]) -> None:
        """Append finished sets by key; durable when it returns."""
        self._append(_Line(key=key, result=result) for key, result in results.items())

    def _append(self, lines: Iterable[msgspec.Struct]) -> None:
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        try:
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise WorkFailed(f"{self._path}: {error.strerror}: choose another file") from error

    def _read(self, header: Header) -> dict[str, SetResult]:
        self._file.seek(0)
        text = self._file.read()
        whole = text.rfind(b"\n") + 1
        if whole == 0 and text and not msgspec.json.encode(header).startswith(text[:64]):
            # Not even the beginning of a first line of ours: somebody else's file, left alone.
            raise self._foreign(1)
        lines = text[:whole].splitlines()
        if not lines:
            self._file.truncate(0)
            self._append([header])
            return {}
        found = self._decode(1, lines[0], Header)
        if found.digest != header.digest:
            remedy = f"belongs to another sweep ({found.about}); name another file"
            raise BadInput("--resume", str(self._path), remedy)
        entries = [self._decode(number, line, _Line) for number, line in enumerate(lines[1:], 2)]
        self._file.truncate(whole)
        return {entry.key: entry.result for entry in entries}

    def _decode(self, number: int, line: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._foreign(number) from None

    def _foreign(self, number: int) -> BadInput:
        remedy = f"line {number} is not a sweep's; name another file"
        return BadInput("--resume", str(self._path), remedy)
