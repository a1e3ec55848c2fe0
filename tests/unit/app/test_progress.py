from __future__ import annotations

import io
import re

import pytest

from app.progress import Step


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_the_beginning_and_the_end() -> None:
    stream = io.StringIO()
    with Step("importing", stream) as step:
        for number in range(100):
            step.show(f"{number} of 100")
    assert re.fullmatch(r"importing \.\.\.\nimporting: done in \d+\.\d s\n", stream.getvalue())


def test_a_terminal_gets_one_line_that_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Step("importing", stream) as step:
        for number in range(1000):
            step.show(f"{number} of 1000")
    told = stream.getvalue()
    assert told.startswith("\r\x1b[Kimporting  0 s")
    assert told.count("\n") == 1
    assert told.count("\r") < 100, "redrawn at a human pace"


def test_work_that_fails_is_not_called_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="x"), Step("importing", stream):
        raise ValueError("x")
    assert stream.getvalue() == "importing ...\n"
