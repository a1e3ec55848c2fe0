"""Bars as a market: the path, the touch, the rules for resting orders, gaps, long jumps."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from engine.domain import reports as r
from engine.domain.errors import BadInput
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.market.view import MarketView
from engine.ports.venue import Submit
from engine.sim.bar_feed import POINTS, BarColumns, BarFeed, BarPath, path_points
from engine.sim.exchange import SimExchange
from engine.sim.scenario import Scenario
from engine.strategy.runner import NEVER_NS
from tests.support.bar_walks import MINUTE_NS, START_NS, walk
from tests.support.builders import a_spec, linear

NOW = Scenario(entry_latency_ns=0, response_latency_ns=0)


def bars_of(*rows: tuple[int, int, int, int, int], minutes: tuple[int, ...] = ()) -> BarColumns:
    """From (open, high, low, close, volume) rows."""
    starts = START_NS + np.array(minutes or range(len(rows)), np.int64) * MINUTE_NS
    return BarColumns(MINUTE_NS, starts, *np.array(rows, np.int64).T)


def world_of(bars: BarColumns) -> SimExchange:
    return SimExchange(linear(), BarFeed(bars), NOW, periods_ns=(MINUTE_NS,))


def all_rows(bars: BarColumns, path: BarPath = BarPath.WORST_FIRST) -> k.Rows:
    feed, blocks = BarFeed(bars, path), []
    while (block := feed.next_block()) is not None:
        blocks.append(block)
    return np.concatenate(blocks)


# -- path ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "close", "turns"),
    [
        (BarPath.WORST_FIRST, 1010, [1000, 960, 1040, 1010]),
        (BarPath.WORST_FIRST, 990, [1000, 1040, 960, 990]),
        (BarPath.WORST_FIRST, 1000, [1000, 960, 1040, 1000]),
        (BarPath.LOW_FIRST, 990, [1000, 960, 1040, 990]),
        (BarPath.HIGH_FIRST, 1010, [1000, 1040, 960, 1010]),
    ],
)
def test_the_path_visits_the_extreme_against_the_bar_first(
    path: BarPath, close: int, turns: list[int]
) -> None:
    points = path_points(bars_of((1000, 1040, 960, close, 0)), path)[0]
    assert points[::4].tolist() == turns
    assert len(points) == POINTS
    for first in range(0, 12, 4):
        leg = np.diff(points[first : first + 5])
        assert (leg >= 0).all() or (leg <= 0).all()


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_engine_sees_the_bars_it_was_given(gaps: float) -> None:
    bars = walk(1, 300, gaps=gaps)
    world = world_of(bars)
    world.advance(NEVER_NS, 0)
    seen = MarketView(linear(), world.markets["test.BTCUSDT"], {"1m": 0}).bars("1m", 2000)
    wanted = {row[0]: row for row in zip(*(c.tolist() for c in bars[1:]), strict=True)}
    held = [tuple(bar) for bar in seen if bar.start_ns in wanted]
    assert held == list(wanted.values())[:-1]  # The last one has not closed.
    # What lies in a gap is what a market without trades looks like.
    assert all(bar.volume == 0 for bar in seen if bar.start_ns not in wanted)


def test_no_row_lies_in_a_gap() -> None:
    rows = all_rows(bars_of((500, 501, 499, 500, 26), (500, 501, 499, 500, 26), minutes=(0, 7)))
    minutes = (rows["ts_exch_ns"] - START_NS) // MINUTE_NS
    assert set(minutes.tolist()) == {0, 7}
    assert (rows["ts_local_ns"] == rows["ts_exch_ns"]).all()


def test_volume_is_kept_and_shared() -> None:
    rows = all_rows(bars_of((500, 520, 480, 510, 135), (510, 510, 510, 510, 3)))
    trades = rows[rows["kind"] == k.ROW_TRADE]
    assert trades["qty_lots"][:13].tolist() == [10] * 12 + [15]
    assert trades["qty_lots"][13:].sum() == 3
    depths = rows[(rows["kind"] == k.ROW_DEPTH) & (rows["qty_lots"] > 0)]
    assert set(depths["qty_lots"].tolist()) == {10, 1}


def test_unknown_volume_is_deep_enough() -> None:
    rows = all_rows(bars_of((500, 520, 480, 510, -1)))
    assert rows["qty_lots"].max() == 1_000_000_000
    assert rows[rows["kind"] == k.ROW_TRADE]["qty_lots"].sum() == 0


def test_blocks_are_small_and_in_order() -> None:
    feed = BarFeed(walk(2, 5000))
    last_ns, count = 0, 0
    while (block := feed.next_block()) is not None:
        assert block["ts_exch_ns"][0] > last_ns
        assert (np.diff(block["ts_exch_ns"]) >= 0).all()
        last_ns = int(block["ts_exch_ns"][-1])
        assert block.nbytes < 16 << 20
        count += 1
    assert count == 3


def test_the_book_follows_long_jumps() -> None:
    """A price that multiplies within a bar: every quote lies in the exchange's window."""
    bars = bars_of((10_000, 90_000, 5_000, 80_000, 26), (900_000, 900_100, 2_000, 2_100, 26))
    world = world_of(bars)
    market = world.markets["test.BTCUSDT"]
    for slot in range(32):
        world.advance(START_NS + slot * MINUTE_NS // 16, 0)
        price = path_points(bars, BarPath.WORST_FIRST)[slot // 16][min(slot % 16, 12)]
        view = MarketView(linear(), market, {"1m": 0})
        assert (view.best_bid, view.best_ask) == (price - 1, price + 1)
    assert market.scalars[k.M_FAR] == 0


@pytest.mark.parametrize(
    ("row", "field"), [((1, 2, 1, 2, 5), "low"), ((1 << 41, 1 << 41, 5, 9, 5), "high")]
)
def test_prices_without_room_are_refused(row: tuple[int, int, int, int, int], field: str) -> None:
    with pytest.raises(BadInput, match=field):
        BarFeed(bars_of(row))


# -- orders ----------------------------------------------------------------------------------------


def fills_of(bars: BarColumns, spec: OrderSpec) -> list[tuple[int, int]]:
    """(ticks, lots) filled of an order that arrives with the first bar's open."""
    world = world_of(bars)
    world.advance(START_NS, 0)
    world.submit([Submit(client_order_id="q1", bot_id="b", spec=spec)], START_NS)
    world.advance(START_NS + 1, 0)
    while not world.advance(NEVER_NS, 0).reasons & k.WAKE_END:
        pass
    reports = world.drain_reports()
    return [(x.fill.price_ticks, x.fill.lots) for x in reports if isinstance(x, r.FillReport)]


UP_BAR = (1000, 1040, 960, 1010, 130)


@pytest.mark.parametrize(
    ("side", "limit", "filled"),
    [
        (Side.BUY, 960, False),  # Touched: somebody else was first.
        (Side.BUY, 961, True),  # Passed by a tick.
        (Side.SELL, 1040, False),
        (Side.SELL, 1039, True),
    ],
)
def test_a_touch_does_not_fill_a_resting_order(side: Side, limit: int, filled: bool) -> None:
    spec = a_spec(side=side, qty_lots=5, price_ticks=limit, tif=TimeInForce.POST_ONLY)
    assert fills_of(bars_of(UP_BAR), spec) == ([(limit, 5)] if filled else [])


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_pays_the_tick_and_gets_the_touch(side: Side) -> None:
    spec = a_spec(side=side, qty_lots=50, price_ticks=0, type=OrderType.MARKET, tif=TimeInForce.IOC)
    assert fills_of(bars_of(UP_BAR), spec) == [(1000 + side.sign, 10)]


@pytest.mark.parametrize("side", list(Side))
def test_a_stop_fires_at_the_touch_and_fills_beyond_it(side: Side) -> None:
    trigger = {Side.SELL: 960, Side.BUY: 1040}[side]
    spec = a_spec(side=side, qty_lots=5, price_ticks=0, type=OrderType.STOP, trigger_ticks=trigger)
    assert fills_of(bars_of(UP_BAR), spec) == [(trigger + side.sign, 5)]


def test_the_side_that_a_bar_pays_meets_its_stop_first() -> None:
    """A rising bar: the long's stop is hit before the price at which it would have gained."""
    world = world_of(bars_of(UP_BAR))
    world.advance(START_NS, 0)
    buy = a_spec(side=Side.BUY, qty_lots=5, price_ticks=0, type=OrderType.MARKET)
    stop = a_spec(
        side=Side.SELL,
        qty_lots=5,
        price_ticks=0,
        type=OrderType.STOP,
        trigger_ticks=970,
        reduce_only=True,
    )
    target = a_spec(side=Side.SELL, qty_lots=5, price_ticks=1030, reduce_only=True)
    orders = [
        Submit(client_order_id=name, bot_id="b", spec=spec)
        for name, spec in (("buy", buy), ("stop", stop), ("target", target))
    ]
    world.submit(orders, START_NS)
    while not world.advance(NEVER_NS, 0).reasons & k.WAKE_END:
        pass
    fills = [x for x in world.drain_reports() if isinstance(x, r.FillReport)]
    assert [fill.client_order_id for fill in fills] == ["buy", "stop"]
    assert fills[1].fill.price_ticks <= 970
    assert fills[1].fill.fee == Decimal("0.0005") * fills[1].fill.price_ticks * 5 * Decimal(
        "0.0001"
    )
