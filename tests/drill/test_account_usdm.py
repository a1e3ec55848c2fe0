"""The Binance USD-M account against the drill exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.domain.claims import ClaimStatus, OrderClaim, PositionClaim
from engine.domain.order import OrderType, Side, TimeInForce
from engine.drill.ports import Ending, Fault
from engine.ports.live import LinkState, NotWorking, Placed, Refused, Unanswered
from engine.ports.venue import Submit
from tests.support.accounts import USDM, submit
from tests.support.drill_accounts import Rig, open_rig


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, "binance_usdm") as opened:
        yield opened


def order(number: int, rig: Rig, factor: str = "0.9", **changes: object) -> Submit:
    wish: dict[str, object] = {
        "qty_lots": 100,
        "price_ticks": rig.price_ticks(factor),
        "client_order_id": f"q{number:017}",
        "instrument_id": USDM,
    }
    return submit(**(wish | changes))  # type: ignore[arg-type]


def stop(number: int, rig: Rig, factor: str, **changes: object) -> Submit:
    """A protective stop; its trigger relative to the market."""
    wish: dict[str, object] = {
        "side": Side.SELL,
        "type": OrderType.STOP,
        "price_ticks": 0,
        "trigger_ticks": rig.price_ticks(factor),
        "reduce_only": True,
    }
    return order(number, rig, **(wish | changes))


async def test_a_life_of_an_order(rig: Rig) -> None:
    wish = order(1, rig)
    placed = await rig.account.place(wish)
    assert isinstance(placed, Placed)
    for share in ("0.3", "0.5", "1"):
        rig.fill(wish.client_order_id, share)
    await rig.sink.until(lambda: ClaimStatus.FILLED in {claim.status for claim in rig.sink.orders})
    assert [claim.filled_lots for claim in rig.sink.orders] == [0, 30, 65, 100]
    asked = await rig.account.fetch_trades(USDM, venue_order_id=placed.order.venue_order_id)
    assert [trade.fill for trade in asked] == [trade.fill for trade in rig.sink.trades]
    [position] = await rig.account.fetch_positions()
    assert position.lots == 100
    told = [item for item in rig.sink.news if isinstance(item, PositionClaim)]
    assert told[-1].lots == 100


async def test_money_adds_up(rig: Rig) -> None:
    before = {claim.asset: claim.total for claim in await rig.account.fetch_balances()}
    for number, side in enumerate((Side.BUY, Side.SELL)):
        wish = order(number, rig, side=side, type=OrderType.MARKET, price_ticks=0)
        assert isinstance(await rig.account.place(wish), Placed)
    trades = await rig.account.fetch_trades(USDM)
    cash = sum(
        -trade.side.sign * Decimal(trade.fill.price_ticks * trade.fill.lots).scaleb(-4)
        for trade in trades
    )
    fees = sum(trade.fill.fee for trade in trades)
    after = {claim.asset: claim.total for claim in await rig.account.fetch_balances()}
    [position] = await rig.account.fetch_positions()
    assert position.lots == 0
    assert after["USDT"] - before["USDT"] == cash - fees
    assert await rig.account.fetch_cash(0) == []


async def test_stops_wait_apart_and_end(rig: Rig) -> None:
    await rig.account.place(order(1, rig, type=OrderType.MARKET, price_ticks=0))
    guard = stop(2, rig, "0.8")
    limit_guard = stop(
        3, rig, "0.7", type=OrderType.STOP_LIMIT, price_ticks=rig.price_ticks("0.69")
    )
    for wish in (guard, limit_guard):
        placed = await rig.account.place(wish)
        assert isinstance(placed, Placed), placed
        assert placed.order.status is ClaimStatus.OPEN
    listed = {claim.client_order_id: claim for claim in await rig.account.fetch_open_orders()}
    assert listed[guard.client_order_id].type is OrderType.STOP
    assert listed[limit_guard.client_order_id].type is OrderType.STOP_LIMIT
    assert listed[guard.client_order_id].trigger_ticks == guard.spec.trigger_ticks
    found = await rig.account.find_order(USDM, guard.client_order_id)
    assert found is not None
    assert found.venue_order_id == listed[guard.client_order_id].venue_order_id

    # Also by a process that has not placed it.
    another = rig.another()
    await another.measure_clock()
    await another.load_instruments(["BTCUSDT"])
    ended = await another.cancel(USDM, guard.client_order_id)
    assert isinstance(ended, OrderClaim)
    assert ended.status is ClaimStatus.CANCELED
    assert isinstance(await another.cancel(USDM, guard.client_order_id), NotWorking)
    await another.close()
    await rig.account.cancel_all(USDM)
    assert await rig.account.fetch_open_orders() == []


async def test_a_stop_that_triggers_stays_one_order(rig: Rig) -> None:
    await rig.account.place(order(1, rig, qty_lots=2, type=OrderType.MARKET, price_ticks=0))
    guard = stop(2, rig, "0.995", qty_lots=2)  # Little: a crash leaves a thin book
    placed = await rig.account.place(guard)
    assert isinstance(placed, Placed), placed
    rig.control.crash_market("binance_usdm", "BTCUSDT")
    ours = guard.client_order_id
    await rig.sink.until(
        lambda: any(
            claim.client_order_id == ours and claim.status is ClaimStatus.FILLED
            for claim in rig.sink.orders
        )
    )
    fills = [trade for trade in rig.sink.trades if trade.client_order_id == ours]
    assert sum(trade.fill.lots for trade in fills) == 2
    found = await rig.account.find_order(USDM, ours)
    assert found is not None
    assert (found.status, found.filled_lots, found.is_triggered) == (ClaimStatus.FILLED, 2, True)
    # By the number it had while it waited.
    asked = await rig.account.fetch_trades(USDM, venue_order_id=placed.order.venue_order_id)
    assert [trade.fill.trade_id for trade in asked] == [trade.fill.trade_id for trade in fills]
    [position] = await rig.account.fetch_positions()
    assert position.lots == 0


async def test_what_the_venue_refuses(rig: Rig) -> None:
    taking = await rig.account.place(order(1, rig, "1.1", tif=TimeInForce.POST_ONLY))
    assert isinstance(taking, Refused), taking
    late = await rig.account.place(stop(2, rig, "1.2"))
    assert isinstance(late, Refused), late
    assert "trigger" in late.reason
    poor = await rig.account.place(order(3, rig, qty_lots=900_000))
    assert isinstance(poor, Refused), poor
    reducing = await rig.account.place(order(4, rig, reduce_only=True))
    assert isinstance(reducing, Refused), reducing
    assert await rig.account.fetch_open_orders() == []


@pytest.mark.parametrize("times", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("is_stop", [False, True], ids=["order", "stop"])
async def test_a_lost_answer_is_unknown_and_found(rig: Rig, times: int, is_stop: bool) -> None:
    await rig.account.place(order(1, rig, type=OrderType.MARKET, price_ticks=0))
    route = "POST /fapi/v1/algoOrder" if is_stop else "POST /fapi/v1/order"
    rig.plan.on_route[route] = Fault(times=times, ending=Ending.RST)
    wish = stop(2, rig, "0.8") if is_stop else order(2, rig)
    assert isinstance(await rig.account.place(wish), Unanswered)
    found = await rig.account.find_order(USDM, wish.client_order_id)
    assert (found is not None) is bool(times)


async def test_the_dead_mans_timer_fires(rig: Rig) -> None:
    await rig.account.place(order(1, rig))
    await rig.account.renew_dead_man(1)
    await rig.sink.until(
        lambda: ClaimStatus.CANCELED in {claim.status for claim in rig.sink.orders}
    )
    assert await rig.account.fetch_open_orders() == []
    await rig.account.renew_dead_man(0)


async def test_the_stream_is_opened_again(rig: Rig) -> None:
    ends = (
        lambda: rig.control.close_user_streams("binance_usdm", "demo"),
        lambda: rig.control.close_sockets("binance_usdm", abort=True),
        lambda: rig.control.close_sockets("binance_usdm"),
    )
    for number, end in enumerate(ends):
        ups = rig.sink.states.count(LinkState.UP)
        end()
        await rig.sink.until(lambda ups=ups: rig.sink.states.count(LinkState.UP) > ups)  # type: ignore[misc]
        wish = order(number, rig)
        assert isinstance(await rig.account.place(wish), Placed)
        await rig.sink.until(
            lambda wish=wish: (
                wish.client_order_id  # type: ignore[misc]
                in {claim.client_order_id for claim in rig.sink.orders}
            )
        )
    permissions = await rig.account.fetch_key_permissions()
    assert permissions.can_withdraw is False
