"""`pilothouse data ...` from the shell's side: output, exit codes and the one line of an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import main
from tests.support.captures import small_capture


class Shell:
    """Runs commands in-process with a home of their own."""

    def __init__(self, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capfd = capfd

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)"""
        try:
            code = main(["--home", str(self.home), "data", *map(str, arguments)])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = self._capfd.readouterr()
        return int(code), out, err

    def json(self, *arguments: object, code: int = 0) -> Any:
        got, out, _ = self.run(*arguments, "--json")
        assert got == code
        return json.loads(out)


@pytest.fixture
def shell(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path / "home"))
    return Shell(tmp_path / "home", capfd)


def test_import_list_check(shell: Shell, tmp_path: Path) -> None:
    source = small_capture().write(tmp_path / "a.gz")

    document = shell.json("import", source)
    [recording] = document["recordings"]
    assert recording["instrument"]["instrument_id"] == "binance_usdm.BTCUSDT"
    assert recording["streams"]["trades"]["rows"] == 2
    assert Path(recording["path"]).is_relative_to(shell.home)

    assert shell.json("list") == document
    report = shell.json("check", recording["path"])
    assert report == shell.json("check", source)
    for stream in ("depth", "trades", "ticker"):
        assert {"rows", "gaps", "crossed", "backward", "repeated", "start_ns", "end_ns"} <= set(
            report["streams"][stream]
        )
    assert report["ticker_match"] == {"checked": 3, "equal": 3, "different": 0}


def test_tables_are_for_people(shell: Shell, tmp_path: Path) -> None:
    source = small_capture().write(tmp_path / "a.gz")

    assert "data import" in shell.run("list")[1]
    assert "binance_usdm.BTCUSDT" in shell.run("import", source)[1]
    code, out, err = shell.run("check", source)

    assert (code, err) == (0, "")
    assert "no defects" in out
    assert "3 of 3 diffs" in out


def test_defects_end_with_1(shell: Shell, tmp_path: Path) -> None:
    source = small_capture().diff(150, after=140, bids=[("60000.00", "1")]).write(tmp_path / "a.gz")

    report = shell.json("check", source, code=1)

    assert report["streams"]["depth"]["gaps"] == 1
    assert "DEFECT depth: 1 gaps" in shell.run("check", source)[1]


def test_bars(shell: Shell, tmp_path: Path) -> None:
    source = tmp_path / "XRPUSDT.csv"
    source.write_text(
        "timestamp_ms,open,high,low,close\n1704067200000,1,1,1,1\n1704067260000,2,2,2,2\n"
    )

    [bars] = shell.json("import", source)["bars"]

    assert (bars["timeframe"], bars["rows"], bars["tick"]) == ("1m", 2, "1")
    assert "bars.XRPUSDT" in shell.run("list")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "nothing.gz"),
        ("import", "."),
        ("import", "bad.gz"),
        ("import", "a.gz", "--tick", "NaN"),
        ("import", "a.gz", "--lot", "0"),
        ("import", "a.gz", "bars.csv"),
        ("import",),
        ("import", "a.gz", "--out", "a.gz"),
        ("list", "--out", "nothing"),
        ("check", "nothing"),
        ("check", "."),
        ("check", "bars.csv"),
        ("check", "a.gz", "--wrong"),
    ],
)
def test_bad_input_is_one_line_and_2(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    small_capture().write(tmp_path / "a.gz")
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8bnot really")

    code, out, err = shell.run(*arguments)

    assert code == 2
    assert out == ""
    assert len(err.splitlines()) == 1
