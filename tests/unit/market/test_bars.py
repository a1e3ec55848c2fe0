from __future__ import annotations

import numpy as np
import pytest

from engine.kernels import layout as k
from engine.kernels.layout import BUY, ROW, ROW_DEPTH, ROW_TRADE, Rows
from engine.market.bars import bars_from_trades
from engine.market.view import MarketView
from tests.support.builders import linear

MINUTE_NS = 60_000_000_000


def rows_of(*trades: tuple[float, int, int], kind: int = ROW_TRADE) -> Rows:
    """Trades as (venue time in minutes, ticks, lots), in the order of receipt."""
    return np.array(
        [(int(minute * MINUTE_NS), 0, ticks, lots, kind, BUY) for minute, ticks, lots in trades],
        ROW,
    )


def test_trades_of_a_minute_make_a_bar() -> None:
    bars = bars_from_trades(rows_of((5.1, 10, 1), (5.2, 12, 2), (5.9, 9, 3)), MINUTE_NS)

    assert bars.tolist() == [(5 * MINUTE_NS, 10, 12, 9, 9, 6, 3)]


def test_a_minute_without_a_trade_has_no_bar() -> None:
    bars = bars_from_trades(rows_of((1, 10, 1), (3, 11, 1)), MINUTE_NS)

    assert bars["start_ns"].tolist() == [MINUTE_NS, 3 * MINUTE_NS]


def test_the_venues_time_decides_not_the_order_of_receipt() -> None:
    bars = bars_from_trades(rows_of((2.0, 20, 1), (1.9, 10, 1), (2.1, 21, 1)), MINUTE_NS)

    assert [bar[1:5] for bar in bars.tolist()] == [(10, 10, 10, 10), (20, 21, 20, 21)]


def test_only_trades_count() -> None:
    assert len(bars_from_trades(rows_of((1, 10, 1), kind=ROW_DEPTH), MINUTE_NS)) == 0
    assert len(bars_from_trades(rows_of(), MINUTE_NS)) == 0


@pytest.mark.parametrize("made", [0, 1, 7, k.BARS_LENGTH - 1, k.BARS_LENGTH, 3 * k.BARS_LENGTH + 5])
def test_closes_are_those_of_the_bars_wherever_the_ring_begins(made: int) -> None:
    state = k.new_market(1000, (MINUTE_NS,))
    state.bars[0, :, k.B_CLOSE] = 1000 + np.arange(k.BARS_LENGTH)
    state.bar_scalars[0, k.F_CLOSED] = made
    view = MarketView(linear(), state, {"1m": 0})
    for count in (0, 1, 30, k.BARS_LENGTH - 1, k.BARS_LENGTH + 10):
        assert view.closes("1m", count) == [bar.close for bar in view.bars("1m", count)]
