"""The account's books: adopted positions, what a wallet rounds, and a clock that runs ahead."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.incident import IncidentKind
from engine.domain.order import OrderStatus, OrderType, Pending, Side, TimeInForce
from engine.domain.snapshots import LinkStage
from engine.ports.live import LinkState
from engine.trading import reconcile
from engine.trading.state import MANUAL, TradingState
from tests.support.builders import linear
from tests.support.fake_venue import Fate
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, run_virtual

KEY = "test.BTCUSDT"
HOUR_NS = 3600 * NS_PER_SECOND
STEP = Decimal("1e-8")


async def trade(rig: LiveRig, live: Engine, side: Side, lots: int) -> None:
    fills = live.state.fills
    price = 50_001 if side is Side.BUY else 49_999
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(lots, price, side=side))
    await live.until(lambda: live.state.fills > fills)


def opened(rig: LiveRig) -> list[IncidentKind]:
    return [one.incident.kind for one in rig.journal.events if isinstance(one, e.IncidentOpened)]


def test_an_adopted_position_leaves_no_money_unexplained_when_it_is_closed() -> None:
    """The whole notional was once missing from the account's books."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.positions[KEY] = 10  # Bought in another window, at the mid.
            await live.until(lambda: bool(live.state.incidents), 70)
            rig.wish(c.AdoptIncident, incident_id=next(iter(live.state.incidents)))
            await live.until(lambda: live.state.net_lots.get(KEY) == 10)
            # A wallet hears of it when it is closed; the fake venue's is a sum of cash flows.
            rig.exchange.balances["USDT"] -= rig.instruments[0].notional(10, 50_000)
            await trade(rig, live, Side.SELL, 10)
            await live.wait(130)
            assert opened(rig) == [IncidentKind.POSITION]
            books = rig.folded().accounting
            assert books is not None
            assert books.total("USDT") == rig.exchange.balances["USDT"]
            adopted = [one for one in rig.journal.events if isinstance(one, e.PositionAdopted)]
            assert [one.books_cash for one in adopted] == [True]
            # A ledger from before that folds to what it was.
            old = TradingState()
            for event in rig.journal.events:
                is_adopted = isinstance(event, e.PositionAdopted)
                old.apply(msgspec.structs.replace(event, books_cash=False) if is_adopted else event)
            assert old.accounting is not None
            notional = rig.instruments[0].notional(10, 50_000)
            assert old.accounting.total("USDT") == books.total("USDT") + notional

    run_virtual(program)


def test_what_a_futures_wallet_rounds_is_no_incident_and_more_is() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()])
        async with rig.engine() as live:
            await live.until_trading()
            await trade(rig, live, Side.BUY, 10)
            await trade(rig, live, Side.SELL, 10)
            rig.exchange.balances["USDT"] -= 2 * STEP  # Two fills.
            await live.wait(130)
            assert not opened(rig)
            rig.exchange.balances["USDT"] -= STEP
            await live.wait(70)
            [incident] = live.state.incidents.values()
            assert (incident.kind, incident.missing) == (IncidentKind.BALANCE, -3 * STEP)

    run_virtual(program)


def test_spot_balances_are_compared_to_the_last_digit() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await trade(rig, live, Side.BUY, 10)
            rig.exchange.balances["USDT"] -= STEP
            await live.wait(70)
            assert opened(rig) == [IncidentKind.BALANCE]

    run_virtual(program)


async def started_ahead(rig: LiveRig, clock: VirtualClock, live: Engine) -> None:
    """Trading, after somebody has set the machine's clock right: the engine's own is not."""
    await live.wait(5)
    assert live.stage is LinkStage.SYNCING
    clock.wall_ahead_ns = rig.exchange.offset_ns = 0
    await live.until_trading(30)
    assert live.clock.now_ns() - clock.now_ns() > HOUR_NS // 2


def test_cash_is_found_although_the_engine_was_started_while_the_wall_was_ahead() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        clock.wall_ahead_ns, rig.exchange.offset_ns = HOUR_NS, -HOUR_NS
        async with rig.engine() as live:
            await started_ahead(rig, clock, live)
            await live.wait(5)
            rig.exchange.deposit("USDT", Decimal(250))
            await live.wait(140)
            assert not opened(rig)

    run_virtual(program)


def test_an_order_is_not_proven_absent_by_asking_from_the_venues_future() -> None:
    """The venue knows the order no more; its trade is all that is left of it."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        clock.wall_ahead_ns, rig.exchange.offset_ns = HOUR_NS, -HOUR_NS
        async with rig.engine() as live:
            await started_ahead(rig, clock, live)
            live.account.link = LinkState.DOWN  # News are lost, and nobody says so.
            rig.exchange.script("place", Fate.DROP_AFTER)
            spec = a_buy(10, 0, type=OrderType.MARKET, tif=TimeInForce.IOC)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=spec)
            await live.until(lambda: bool(rig.exchange.trades))
            key = next(iter(live.state.orders))
            rig.exchange.orders.clear()
            await live.until(lambda: key in live.state.final_orders, 90)
            order = live.state.final_orders[key]
            assert (order.status, order.filled_lots) == (OrderStatus.FILLED, 10)

    run_virtual(program)


def test_money_is_not_compared_while_a_cancel_chases_a_placement() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            assert reconcile.is_quiet(live.state)
            rig.exchange.script("place", Fate.DROP_BEFORE)
            rig.exchange.script("cancel", *[Fate.DROP_BEFORE] * 20)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10))
            await live.until(lambda: bool(live.state.orders))
            [order] = live.state.orders.values()
            rig.wish(c.CancelOrder, client_order_id=order.client_order_id)
            await live.until(
                lambda: any(
                    one.pending is Pending.CANCELLING for one in live.state.orders.values()
                ),
                2,
            )
            [order] = live.state.orders.values()
            assert order.status is OrderStatus.INTENT
            assert not reconcile.is_quiet(live.state)

    run_virtual(program)


def test_a_time_out_that_the_stream_has_overtaken_leaves_nothing_behind() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", Fate.DROP_AFTER)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10))
            await live.until(lambda: any(one.venue_order_id for one in live.state.orders.values()))
            await live.wait(20)
            assert not live.runtime._courier.placing
            assert not live.runtime._courier._decided_ns

    run_virtual(program)
