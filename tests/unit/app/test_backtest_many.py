"""Several bots, and several instruments, in one backtest."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.paths import HOME_VARIABLE
from tests.support.bar_walks import walk, write_csv
from tests.support.shell import Shell, assert_refused

TREND = ("--param", "fast=3", "--param", "slow=9", "--param", "qty=0.5")


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("bars")
    return [
        write_csv(folder / "BTCUSDT_PERP.csv", walk(4, 250)),
        write_csv(folder / "ETHUSDT_PERP.csv", walk(5, 250)),
    ]


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return Shell(tmp_path, capsys)


def document(shell: Shell, *words: object) -> dict[str, Any]:
    said = shell("backtest", "run", "trend", *words, "--json")
    assert (said.code, said.err) == (0, "")
    found: dict[str, Any] = json.loads(said.out, parse_float=Decimal)
    return found


def test_a_bot_on_every_instrument_does_what_it_would_do_alone(
    shell: Shell, bars: list[Path]
) -> None:
    together = document(shell, "--data", bars[0], "--data", bars[1], *TREND)
    alone = [document(shell, "--data", path, *TREND) for path in bars]

    assert [bot["bot_id"] for bot in together["bots"]] == ["trend-1", "trend-2"]
    for bot, one in zip(together["bots"], alone, strict=True):
        for name in ("orders", "fills", "denied", "position", "cash", "fees", "equity", "params"):
            assert bot[name] == one[name], name
    for name in ("orders", "fills", "fees", "cash", "equity"):
        assert together[name] == sum(one[name] for one in alone), name
    assert together["rows"] == sum(one["rows"] for one in alone)
    assert together["position"] == {one["instrument"]: one["position"] for one in alone}


def test_further_bots_share_account_and_market(shell: Shell, bars: list[Path]) -> None:
    words = ("--data", bars[0], *TREND, "--bot", "trend@BTCUSDT_PERP fast=2 slow=5 qty=0.1")
    found, again = (document(shell, *words, "--no-save") for _ in range(2))

    assert found == again
    assert [bot["params"]["slow"] for bot in found["bots"]] == ["9", "5"]
    assert found["equity"] == sum(bot["equity"] for bot in found["bots"])
    assert found["metrics"]["max_drawdown"] > 0


def test_a_person_reads_bots_and_account_and_finds_them_kept(
    shell: Shell, bars: list[Path], tmp_path: Path
) -> None:
    fills = tmp_path / "fills.csv"
    said = shell(
        "backtest", "run", "trend", "--data", bars[0], "--data", bars[1], *TREND, "--trades", fills
    )

    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("2 bots on bars.BTCUSDT_PERP, bars.ETHUSDT_PERP\n")
    assert "buying and holding in equal parts" in said.out
    assert len(json.loads(shell("backtest", "list", "--json").out)) == 2
    for name in ("trend-1", "trend-2"):
        assert (tmp_path / f"fills.{name}.csv").read_text().startswith("ts_ns,side,price")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--bot", "trend@DOGE qty=1"), "DOGE: the data holds bars.BTCUSDT_PERP"),
        (("--bot", "qty=1"), "expected STRATEGY[@INSTRUMENT]"),
        (("--bot", "trend nonsense=1"), "nonsense"),
        (("--bot", "nobody"), "nobody"),
        (("--bot", "trend qty=0.1", "--report", "r.html"), "--report"),
    ],
)
def test_a_wrong_bot_is_one_line(
    shell: Shell, bars: list[Path], words: tuple[str, ...], told: str
) -> None:
    said = shell("backtest", "run", "trend", "--data", bars[0], *TREND, *words)

    assert_refused(said, told)
    assert shell("backtest", "list", "--json").out.strip() == "[]"
