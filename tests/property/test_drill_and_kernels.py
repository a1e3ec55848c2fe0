"""The drill exchange and the compiled kernels give the same fills, where both can say something.

The kernels fill an order whole once a quote or a trade goes through its price; the drill exchange,
where somebody has to have sold what was bought, only as far as the quantity goes. So the rows here
are large and the orders are small; and nobody's orders meet each other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import reports as r
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.drill.values import Kind, OrderAsked, Tif
from engine.kernels import layout as k
from engine.ports.venue import Submit
from engine.sim.exchange import SimExchange
from engine.sim.scenario import Scenario
from tests.support.drill import START_NS, FixedRows, small_exchange

MID, MS = 6_000_000, 1_000_000
INSTRUMENT = Instrument(
    instrument_id="binance_spot.BTCUSDT",
    venue="binance_spot",
    symbol="BTCUSDT",
    kind=InstrumentKind.SPOT,
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
)
BOOK = [
    (0, k.ROW_DEPTH, side, MID - side * away, 1000)
    for away in range(1, 4)
    for side in (k.BUY, k.SELL)
]
LAST_MS = 1000


class Sent(NamedTuple):
    at_ms: int
    side: Side
    away: int
    """Ticks from MID towards the other side: negative rests, positive takes."""
    lots: int
    kind: str


class Filled(NamedTuple):
    number: int
    ticks: int
    lots: int
    is_maker: bool


sent = st.builds(
    Sent,
    at_ms=st.integers(1, LAST_MS - 1).map(lambda ms: 2 * (ms // 2) + 1),
    side=st.just(Side.BUY),
    away=st.integers(-3, 1),
    lots=st.integers(20, 60),
    kind=st.sampled_from(("limit", "limit", "limit", "market", "ioc", "fok")),
)
row = st.tuples(
    st.integers(1, LAST_MS // 2).map(lambda ms: 2 * ms),
    st.sampled_from((k.ROW_DEPTH, k.ROW_TRADE)),
    st.sampled_from((k.BUY, k.SELL)),
    st.integers(1, 3),
    st.integers(100, 1500),
)


def _rows(
    drawn: list[tuple[int, int, int, int, int]],
) -> list[tuple[int, int, int, int, int]]:
    """Depth on its own side of MID; a trade hits the other one."""
    rows = []
    for at_ms, kind, side, away, lots in sorted(drawn):
        sign = 1 if kind == k.ROW_TRADE else -1
        rows.append((at_ms, kind, side, MID + sign * side * away, lots))
    # The kernels end with the last row, whatever is still under way.
    return [*BOOK, *rows, (2 * LAST_MS, k.ROW_DEPTH, k.BUY, MID - 50, 1)]


def _price(order: Sent) -> int:
    return MID + order.side.sign * order.away


def _drill(rows: list[tuple[int, int, int, int, int]], orders: list[Sent]) -> list[Filled]:
    rich = {"USDT": Decimal(10**6), "BTC": Decimal(100)}
    # An account for each, so that none meets its own.
    names = {f"a{number}": rich for number in range(len(orders))}
    exchange, clock = small_exchange(names, rows)
    numbers = {}
    for number, order in enumerate(orders):
        clock.advance_to(START_NS + order.at_ms * MS)
        exchange.step()
        is_market = order.kind == "market"
        tif = {"ioc": Tif.IOC, "fok": Tif.FOK}.get(order.kind, Tif.GTC)
        asked = OrderAsked(
            symbol="BTCUSDT",
            side=order.side,
            kind=Kind.MARKET if is_market else Kind.LIMIT,
            qty=order.lots * 1000,
            price=0 if is_market else _price(order) * MS,
            tif=tif,
            client_order_id=f"c{number}",
        )
        numbers[exchange.place(f"a{number}", asked).order_id] = number
    clock.advance_to(START_NS + (LAST_MS + 1) * MS)
    exchange.step()
    return [
        Filled(number, trade.price // MS, trade.qty // 1000, trade.is_maker)
        for order_id, number in numbers.items()
        for trade in exchange.orders[order_id].trades
    ]


def _advance(world: SimExchange, until_ns: int) -> None:
    while world.now_ns < until_ns:
        world.advance(until_ns, k.WAKE_REPORT)


def _kernels(rows: list[tuple[int, int, int, int, int]], orders: list[Sent]) -> list[Filled]:
    block = FixedRows(rows).next_block()
    assert block is not None
    scenario = Scenario(entry_latency_ns=0, response_latency_ns=0)
    world = SimExchange(INSTRUMENT, np.copy(block), scenario)
    for number, order in enumerate(orders):
        at_ns = START_NS + order.at_ms * MS
        _advance(world, at_ns)
        tif = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}.get(order.kind, TimeInForce.GTC)
        is_market = order.kind == "market"
        spec = OrderSpec(
            instrument_id=INSTRUMENT.instrument_id,
            side=order.side,
            type=OrderType.MARKET if is_market else OrderType.LIMIT,
            qty_lots=order.lots,
            price_ticks=0 if is_market else _price(order),
            tif=TimeInForce.GTC if is_market else tif,
        )
        world.submit([Submit(client_order_id=f"c{number}", bot_id=f"b{number}", spec=spec)], at_ns)
    _advance(world, START_NS + (LAST_MS + 1) * MS)
    fills: dict[int, list[Filled]] = {number: [] for number in range(len(orders))}
    for report in world.drain_reports():
        if isinstance(report, r.FillReport):
            number = int(report.client_order_id[1:])
            fill = report.fill
            fills[number].append(Filled(number, fill.price_ticks, fill.lots, fill.is_maker))
    return [fill for number in fills for fill in fills[number]]


@settings(max_examples=200)
@given(
    drawn=st.lists(row, min_size=15, max_size=40),
    orders=st.lists(sent, min_size=1, max_size=3),
    side=st.sampled_from((Side.BUY, Side.SELL)),
)
def test_the_same_fills(
    drawn: list[tuple[int, int, int, int, int]], orders: list[Sent], side: Side
) -> None:
    # Of one side, so that they do not meet each other.
    orders = sorted((order._replace(side=side) for order in orders), key=lambda each: each.at_ms)
    rows = _rows(drawn)
    assert _drill(rows, orders) == _kernels(rows, orders)
