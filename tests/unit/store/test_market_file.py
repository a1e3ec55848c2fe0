from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from engine.domain.errors import LedgerError
from engine.domain.snapshots import BarRow
from engine.store.market import MarketFile

MINUTE_NS = 60 * 10**9


def a_bar(minute: int, close: int = 105) -> BarRow:
    return BarRow(start_ns=minute * MINUTE_NS, open=100, high=110, low=90, close=close, volume=7)


def test_bars_come_back_by_range_and_the_newest_version_wins(tmp_path: Path) -> None:
    with closing(MarketFile(tmp_path / "market.db")) as market:
        market.insert_bars("test.BTCUSDT", MINUTE_NS, [a_bar(3), a_bar(1), a_bar(2)])
        market.insert_bars("test.ETHUSDT", MINUTE_NS, [a_bar(2, close=9)])
        market.insert_bars("test.BTCUSDT", MINUTE_NS, [a_bar(3, close=106)])
        found = market.read_bars("test.BTCUSDT", MINUTE_NS, 2 * MINUTE_NS, 4 * MINUTE_NS)
    assert found == [a_bar(2), a_bar(3, close=106)]


def test_bars_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    with closing(MarketFile(path)) as market:
        market.insert_bars("test.BTCUSDT", MINUTE_NS, [a_bar(1)])
    with closing(MarketFile(path)) as market:
        assert market.read_bars("test.BTCUSDT", MINUTE_NS, 0, 10 * MINUTE_NS) == [a_bar(1)]


def test_a_file_that_is_no_market_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "market.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(LedgerError, match=r"market file .*market\.db"):
        MarketFile(path)
