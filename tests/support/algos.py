"""Short words for tests of algos: specs with defaults, and what of them is out there."""

from __future__ import annotations

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import Order, Side
from engine.trading.algos.state import AlgoState
from engine.trading.state import MANUAL
from tests.support.desk import Desk

MID = 600_000
BUY, SELL = Side.BUY, Side.SELL


def a_desk(**settings: object) -> Desk:
    """A desk at 59,999.9 / 60,000.1 whose last trade was at 60,000.0."""
    desk = Desk(**settings)  # type: ignore[arg-type]
    desk.book(MID - 1, MID + 1)
    desk.trade(MID)
    return desk


def start(desk: Desk, kind: type[a.AnyAlgo], side: Side, lots: int, **fields: object) -> AlgoState:
    """Start an algo in the person's book; fails the test when it is refused."""
    refused = try_start(desk, kind, side, lots, **fields)
    assert not refused, refused
    algo = desk.trader.state.find_algo(f"a{desk.trader.state.algos_started}")
    assert algo is not None
    return algo


def try_start(desk: Desk, kind: type[a.AnyAlgo], side: Side, lots: int, **fields: object) -> str:
    spec = kind(instrument_id=desk.id, side=side, qty_lots=lots, **fields)  # type: ignore[call-arg]
    return desk.do(c.PlaceAlgo, bot_id=MANUAL, spec=spec)


def a_bracket(desk: Desk, lots: int = 10, **changes: object) -> AlgoState:
    """Buy at 59,990.0, stop 59,900.0, target 60,100.0."""
    fields: dict[str, object] = {
        "price_ticks": MID - 100,
        "stop_ticks": MID - 1000,
        "target_ticks": MID + 1000,
    }
    return start(desk, a.Bracket, BUY, lots, **{**fields, **changes})


def leg(desk: Desk, name: str) -> list[Order]:
    """Live orders of a leg that nobody is cancelling."""
    return [o for o in desk.live if o.leg == name and o.pending != "cancelling"]


def one(desk: Desk, name: str) -> Order:
    orders = leg(desk, name)
    assert len(orders) == 1, [(o.leg, o.status, o.pending) for o in desk.live]
    return orders[0]


def hold(desk: Desk, lots: int) -> None:
    """Give the person a position of `lots` at the market."""
    side = BUY if lots > 0 else SELL
    assert not desk.place(side, abs(lots), MID)
    order = desk.live[-1]
    desk.accept(order)
    desk.fill(order)


def held(desk: Desk) -> int:
    return desk.trader.state.position(MANUAL, desk.id).lots


def ended(desk: Desk) -> str:
    """How the last algo ended: outcome and reason."""
    events = desk.seen(e.AlgoEnded)
    assert events, [type(event).__name__ for event in desk.events[-5:]]
    last = events[-1]
    assert isinstance(last, e.AlgoEnded)
    return f"{last.outcome}: {last.reason}"


def alarm(desk: Desk) -> str:
    return desk.trader.state.alarm_of(desk.id, MANUAL)
