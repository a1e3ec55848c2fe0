from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from app.cli.output import ExitCode, clean_line, fail, print_json, print_table


def test_exit_codes_are_the_contract() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 130]


@pytest.mark.parametrize(
    "foreign",
    [
        "\x1b[2Jgone",
        "title\x1b]0;owned\x07",
        "two\nlines\r\nand\ttabs",
        "right‮to left",
        "zero​width",
        "\x9b31m",
        "x" * 100_000,
    ],
)
def test_foreign_text_is_one_harmless_line(foreign: str) -> None:
    line = clean_line(foreign)
    assert line.isprintable()
    assert len(line) <= 1000


def test_fail_prints_one_line_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        fail(ExitCode.TIMEOUT, "bot: grid:\nno answer")
    assert leaving.value.code == 5
    out, err = capsys.readouterr()
    assert (out, err) == ("", "bot: grid: no answer\n")


class Sample(msgspec.Struct):
    price: Decimal
    name: str


def test_json_is_exact_ordered_and_alone(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    print_json({"b": Sample(price=Decimal("0.10"), name="é"), "a": 1})
    out, err = capsysbinary.readouterr()
    assert err == b""
    read = json.loads(out, parse_float=Decimal)
    assert read == {"b": {"price": Decimal("0.10"), "name": "é"}, "a": 1}
    assert b"0.10" in out
    assert out.index(b'"b"') < out.index(b'"a"')


def test_table_aligns_and_cleans(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("bot", "pnl"), [("grid\x1b[31m", "-1.5"), ("trend", "10")], right=("pnl",))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["BOT        PNL", "grid[31m  -1.5", "trend       10"]


def test_table_without_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("bot", "pnl"), [])
    assert capsys.readouterr().out == "BOT  PNL\n"
