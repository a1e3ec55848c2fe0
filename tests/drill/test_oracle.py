"""The judge itself: it finds what is lost, doubled, orphaned or off by the last digit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from app.drill import SPOT_RULES
from engine.core.clock import SimClock
from engine.core.ids import client_order_id
from engine.domain import events as e
from engine.domain.order import Fill, Order, OrderSpec, Side
from engine.drill.clock import VenueClock
from engine.drill.exchange import Exchange
from engine.drill.units import amount, units
from engine.drill.values import AccountSpec, Kind, OrderAsked
from tests.drill.oracle import OurSide, VenueSide, differences
from tests.support.builders import spot

NS = 1_767_225_600_000_000_000
SALT = 77
RULES = next(rules for rules in SPOT_RULES if rules.symbol == "BTCUSDT")
INSTRUMENT = spot()
KEY = client_order_id(1, 5, SALT)
OPENING = {"USDT": Decimal(10_000), "BTC": Decimal(0)}


def _venue(*extra: str) -> Exchange:
    """Ann has bought 0.01 BTC at 50000 from Bob; `extra` are further orders of hers, by id."""
    specs = [
        AccountSpec(name="ann", api_key="a" * 20, balances=OPENING),
        AccountSpec(name="bob", api_key="b" * 20, balances={"BTC": Decimal(1)}),
    ]
    core = Exchange("binance_spot", [RULES], specs, VenueClock(SimClock(NS)), {})

    def place(who: str, side: Side, price: int, name: str) -> None:
        core.place(
            who,
            OrderAsked(
                symbol="BTCUSDT",
                side=side,
                kind=Kind.LIMIT,
                qty=units("qty", Decimal("0.01")),
                price=units("price", Decimal(price)),
                client_order_id=name,
            ),
        )

    place("bob", Side.SELL, 50_000, "theirs")
    place("ann", Side.BUY, 50_000, KEY)
    for name in extra:
        place("ann", Side.BUY, 30_000, name)
    return core


def _ours(core: Exchange) -> list[e.AnyEvent]:
    """What a ledger that has missed nothing says of it."""
    trade = core.trades["ann", "BTCUSDT"][0]
    lots = INSTRUMENT.lots(Decimal("0.01"), "qty")
    ticks = int(Decimal(50_000) / INSTRUMENT.tick)
    spec = OrderSpec(
        instrument_id=INSTRUMENT.instrument_id, side=Side.BUY, qty_lots=lots, price_ticks=ticks
    )
    order = Order(client_order_id=KEY, bot_id="manual", placed_by="human", spec=spec, created_ns=NS)
    fill = Fill(
        trade_id=str(trade.trade_id),
        price_ticks=ticks,
        lots=lots,
        fee=amount(trade.fee),
        fee_asset=trade.fee_asset,
        is_maker=False,
        venue_ns=NS,
    )
    return [
        e.SessionStarted(
            ts_ns=NS, world="drill", capital=Decimal(10_000), settle="USDT", salt=SALT,
            instruments=[INSTRUMENT],
        ),
        e.AccountOpened(ts_ns=NS, balances=OPENING),
        e.OrderIntended(ts_ns=NS, order=order),
        e.OrderAccepted(ts_ns=NS, client_order_id=KEY, venue_order_id="2"),
        e.OrderFilled(ts_ns=NS, client_order_id=KEY, fill=fill, value_units=0),
    ]  # fmt: skip


def _judge(core: Exchange, events: list[e.AnyEvent]) -> list[str]:
    return differences(OurSide(events), VenueSide(core.ledger.entries, "ann"))


def test_equal_books_are_right() -> None:
    core = _venue()
    assert _judge(core, _ours(core)) == []


Break = Callable[[list[e.AnyEvent]], list[e.AnyEvent]]


def _fill_of(events: list[e.AnyEvent], **changes: object) -> list[e.AnyEvent]:
    *others, last = events
    assert isinstance(last, e.OrderFilled)
    fill = msgspec.structs.replace(last.fill, **changes)
    return [*others, msgspec.structs.replace(last, fill=fill)]


BREAKS: dict[str, tuple[Break, str]] = {
    "a fill is lost": (lambda events: events[:-1], "fills: ours frozenset()"),
    "a fill counts twice": (lambda events: [*events, events[-1]], "a fill was booked twice"),
    "a fee is off": (lambda events: _fill_of(events, fee=Decimal("0.00001001")), "fills: ours"),
    "an asset is off": (lambda events: _fill_of(events, fee_asset="USDT"), "USDT: ours"),
    "an order is forgotten": (lambda events: events[:2], "orphaned"),
    "an intent comes twice": (lambda events: [*events, events[2]], "intended twice"),
    "an order is held for refused": (
        lambda events: [*events[:3], e.OrderRejected(ts_ns=NS, client_order_id=KEY, reason="")],
        "status: ours rejected, venue filled",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_books_are_found(name: str) -> None:
    core = _venue()
    change, words = BREAKS[name]
    assert any(words in found for found in _judge(core, change(_ours(core))))


def test_a_second_order_under_our_id_is_a_double() -> None:
    core = _venue(KEY)  # The first has filled, so the venue takes its id again.
    assert any("doubled: 2 orders" in found for found in _judge(core, _ours(core)))


def test_an_order_that_we_never_intended_is_an_orphan_and_a_stranger_is_not() -> None:
    core = _venue(client_order_id(1, 6, SALT), client_order_id(1, 6, SALT + 1), "somebody")
    found = _judge(core, _ours(core))
    assert [line.partition(": ")[2] for line in found] == [
        "orphaned: at the venue, and never intended"
    ]


def test_an_order_that_the_venue_does_not_know_is_lost() -> None:
    core = _venue()
    events = _ours(core)
    intended = events[2]
    assert isinstance(intended, e.OrderIntended)
    other = client_order_id(1, 9, SALT)
    order = msgspec.structs.replace(intended.order, client_order_id=other)
    found = _judge(core, [*events, e.OrderIntended(ts_ns=NS, order=order)])
    assert found == [f"{other}: lost: intent in our ledger, unknown at the venue"]
