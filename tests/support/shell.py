"""The command line as a person meets it, run in this process: words in, what it said out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from app.cli.main import main


class Said(NamedTuple):
    code: int
    out: str
    err: str


class Shell:
    """`shell(*words)` runs a command in a home of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self._capsys = capsys

    def __call__(self, *words: object) -> Said:
        try:
            code = main([str(word) for word in words])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Said(code, *self._capsys.readouterr())

    def files(self) -> set[Path]:
        return {path for path in self.folder.rglob("*") if path.is_file()}

    def ledger(self) -> Path:
        (found,) = self.home.rglob("ledger-*.db")
        return found


def assert_refused(said: Said, *parts: str, code: int = 2) -> None:
    assert said.code == code, said
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.endswith("\n")
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err, said.err
