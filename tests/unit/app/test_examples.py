"""What README, manual and messages tell people to type, the program knows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from app.cli.main import main
from tests.unit.app.small_checkout import ROOT

_EXAMPLE = re.compile(
    r"(?:^ {4}|`|: |run )(?:pilothouse|python3 -m app) ([^`\n\"{}]*)", re.MULTILINE
)
_SETUP = ("test",)
"""Belongs to the checkout, not to the program."""


def examples() -> list[str]:
    """The words after the program's name, without comments and what a shell does with them."""
    texts = [ROOT / "README.md", *(ROOT / "resources" / "docs").glob("*.md")]
    texts += [*(ROOT / "app").rglob("*.py"), *(ROOT / "engine").rglob("*.py")]
    found = set()
    for path in texts:
        for line in _EXAMPLE.findall(path.read_text("utf-8")):
            words = re.split(r"#| && |\||\\|\[", line)[0].strip().rstrip(".,;:")
            if words and words.split()[0] not in _SETUP:
                found.add(words)
    return sorted(found)


def test_there_are_examples() -> None:
    assert len(examples()) > 60
    assert "kill --level reduce-only" in examples()


@pytest.mark.parametrize("example", examples())
def test_an_example_is_known(
    example: str, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Command, subcommand and every option: the parser looks at all of them before it helps."""
    words = [word for word in shlex.split(example) if word != "..."]
    if "--" in words:
        words = words[: words.index("--")]
    assert main([*words, "--help"]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.startswith("Usage: pilothouse")
