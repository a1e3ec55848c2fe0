"""Stops that wait at a futures venue apart: they trigger, and go on under another id."""

from __future__ import annotations

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.claims import ClaimStatus
from engine.domain.order import OrderSpec, OrderStatus, OrderType, Side
from engine.ports.venue import Submit
from engine.trading.state import MANUAL
from tests.support.builders import linear
from tests.support.fake_venue import VenueOrder
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, run_virtual

KEY = "test.BTCUSDT"
BECAME = "777"


def a_stop(lots: int = 10, **changes: object) -> OrderSpec:
    fields: dict[str, object] = {
        "instrument_id": KEY,
        "side": Side.SELL,
        "qty_lots": lots,
        "type": OrderType.STOP,
        "trigger_ticks": 49_000,
        "reduce_only": True,
    }
    return OrderSpec(**(fields | changes))  # type: ignore[arg-type]


async def with_a_stop(rig: LiveRig, live: Engine, **changes: object) -> VenueOrder:
    """A position of ten lots, and a stop for them that waits at the venue."""
    await live.until_trading()
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10, 50_001))
    await live.until(lambda: live.state.net_lots.get(KEY) == 10)
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_stop(**changes))  # type: ignore[arg-type]
    await live.until(
        lambda: any(one.status is OrderStatus.OPEN for one in live.state.orders.values())
    )
    order = rig.exchange.find(next(iter(live.state.orders)))
    assert order is not None
    return order


def trigger(rig: LiveRig, order: VenueOrder) -> None:
    """The venue places an order for it, which is counted apart."""
    order.venue_order_id = BECAME
    rig.exchange.move(KEY, 48_990, 48_991)


async def check(rig: LiveRig, live: Engine, key: str) -> None:
    await live.until(lambda: key in live.state.final_orders, 10)
    await live.wait(70)
    order = live.state.final_orders[key]
    assert (order.status, order.filled_lots) == (OrderStatus.FILLED, 10)
    assert live.state.net_lots[KEY] == rig.exchange.positions[KEY] == 0
    assert not live.state.incidents
    assert not live.state.foreign
    fills = [
        one
        for one in rig.journal.events
        if isinstance(one, e.OrderFilled) and one.client_order_id == key
    ]
    assert sum(one.fill.lots for one in fills) == 10
    assert rig.folded().final_orders == live.state.final_orders


def test_a_stop_that_goes_on_under_another_id_is_booked() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            order = await with_a_stop(rig, live)
            trigger(rig, order)
            await check(rig, live, order.client_order_id)

    run_virtual(program)


def test_a_stop_that_triggered_while_nobody_looked_is_booked() -> None:
    """The engine is dead between the placement and the trigger; trades are told by the new id."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        live = rig.engine()
        async with live:
            order = await with_a_stop(rig, live)
            await live.kill()
        trigger(rig, order)
        async with rig.engine() as live:
            await live.until_trading()
            await check(rig, live, order.client_order_id)

    run_virtual(program)


@pytest.mark.parametrize("dies", [False, True], ids=["one life", "restart"])
def test_a_triggered_stop_limit_is_ours_while_it_rests(dies: bool) -> None:
    """Neither foreign nor lost; its new id is in the ledger, and a cancel reaches it."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            order = await with_a_stop(rig, live, type=OrderType.STOP_LIMIT, price_ticks=49_500)
            key = order.client_order_id
            trigger(rig, order)
            await live.until(lambda: live.state.orders[key].venue_order_id == BECAME, 5)
            if dies:
                await live.kill()
        rig.exchange.fill(key, 4, told=not dies)
        async with rig.engine() as live:
            await live.until_trading()
            await live.until(lambda: live.state.orders[key].filled_lots == 4, 5)
            await live.wait(70)
            assert not live.state.incidents
            assert not live.state.foreign
            wish = rig.wish(c.Kill)
            await live.until(lambda: key in live.state.final_orders, 5)
            await live.wait(70)
            assert live.state.final_orders[key].status is OrderStatus.CANCELED
            assert rig.exchange.positions[KEY] == live.state.net_lots[KEY] == 6
            told = [one for one in rig.journal.events if isinstance(one, e.ReceiptVerified)]
            assert [(one.command_id, one.is_clean) for one in told] == [(wish, True)]

    run_virtual(program)


def test_a_stranger_with_the_id_of_an_ended_stop_is_a_stranger() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            order = await with_a_stop(rig, live)
            key = order.client_order_id
            trigger(rig, order)
            await live.until(lambda: key in live.state.final_orders, 10)
            ended = live.state.final_orders[key]
            again = rig.exchange.place_foreign(
                Submit(client_order_id=key, bot_id="", spec=a_buy(7, 40_000))
            )
            rig.exchange.fill(key, 3)
            await live.until(lambda: again.venue_order_id in live.state.foreign, 70)
            assert live.state.final_orders[key] == ended

    run_virtual(program)


def test_a_stop_that_the_venue_rejects_at_its_trigger_has_ended() -> None:
    """It once stayed open for ever, and counted as the guard of its position."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            order = await with_a_stop(rig, live)
            key = order.client_order_id
            rig.exchange.end(key, ClaimStatus.REJECTED, "ReduceOnly Order is rejected.")
            await live.until(lambda: key in live.state.final_orders, 5)
            await live.wait(120)
            assert live.state.final_orders[key].status is OrderStatus.EXPIRED
            assert not live.state.incidents
            ends = [
                one
                for one in rig.journal.events
                if isinstance(one, e.OrderExpired | e.OrderRejected)
            ]
            assert [(type(one), one.reason) for one in ends] == [
                (e.OrderExpired, "ReduceOnly Order is rejected.")
            ]

    run_virtual(program)
