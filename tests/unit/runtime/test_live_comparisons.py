"""Comparisons of the money that trading, holes and long absences get in the way of."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.claims import BalanceClaim, CashClaim, CashKind
from engine.domain.incident import IncidentKind
from engine.domain.snapshots import LinkStage
from engine.runtime.live_reconcile import LastOn
from engine.trading.state import MANUAL
from tests.support.builders import linear
from tests.support.fake_venue import MS, Fate
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, run_virtual

KEY = "test.BTCUSDT"
DAY_NS = 24 * 3600 * NS_PER_SECOND


async def chatter(live: Engine, *, stops_when_held: bool) -> None:
    """What an account says whose bot does not rest: something during every comparison."""
    while True:
        await live.clock.sleep(300 * MS)
        if live.stage is LinkStage.TRADING or not stops_when_held:
            now_ns = live.clock.now_ns()
            claim = BalanceClaim(asset="USDT", total=Decimal(1), free=Decimal(1), venue_ns=now_ns)
            live.runtime.on_account(claim, now_ns)


def hold_words(rig: LiveRig, first: int = 0) -> list[str]:
    return [
        one.reason
        for one in rig.journal.events[first:]
        if isinstance(one, e.HoldChanged) and not one.instrument_id and one.reason
    ]


# -- a bot that never rests --------------------------------------------------------------------


def test_the_money_of_a_busy_account_is_compared_all_the_same() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.latency_ns = 100 * MS
        async with rig.engine() as live:
            await live.until_trading()
            first, ties = len(rig.journal.events), live.runtime.keeper.ties
            compared_ns = ties.reconciled_ns
            noise = asyncio.ensure_future(chatter(live, stops_when_held=True))
            rig.exchange.deposit("USDT", Decimal(7), told=False)
            await live.wait(120)
            # It trades on, and nobody says that there had been a comparison.
            assert hold_words(rig, first) == []
            assert ties.reconciled_ns == compared_ns
            await live.until(lambda: bool(live.state.incidents), 180)
            (incident,) = live.state.incidents.values()
            assert (incident.asset, incident.missing) == ("USDT", Decimal(7))
            assert ties.reconciled_ns > compared_ns
            await live.until_trading(10)
            # One short pause, and never "the venue's answers cannot be read".
            assert set(hold_words(rig, first)) <= {
                "comparing clocks with the venue",
                "comparing our books with the venue's",
            }
            await live.wait(60)
            noise.cancel()

    run_virtual(program)


def test_a_start_does_not_trade_on_books_that_noise_kept_from_being_compared() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.latency_ns = 100 * MS
        async with rig.engine() as live:
            noise = asyncio.ensure_future(chatter(live, stops_when_held=False))
            for _ in range(120):
                await live.wait(1)
                assert live.stage is not LinkStage.TRADING
            noise.cancel()
            await live.until_trading()

    run_virtual(program)


# -- a hole that nothing fills -----------------------------------------------------------------


@pytest.mark.parametrize("restarts", [False, True])
def test_a_hole_that_no_trade_fills_becomes_an_incident_and_stops_nobody_else(
    restarts: bool,
) -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        live = rig.engine()
        async with live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1000))
            await live.until(lambda: any(one.venue_order_id for one in live.state.orders.values()))
            key = next(iter(live.state.orders))
            order = rig.exchange.find(key)
            assert order is not None
            order.filled_lots += 400  # The venue's list of trades never tells of them.
            rig.exchange.deposit("BTC", Decimal("0.004"), told=False)
            rig.exchange._tell(order.claim())
            if restarts:
                await live.kill()
                live = rig.engine()
                await live.__aenter__()
                await live.wait(30)
                assert live.stage is not LinkStage.TRADING, "the books were not compared"
            await live.until(
                lambda: "BTC" in {one.asset for one in live.state.incidents.values()}, 200
            )
            await live.until_trading(30)
            kinds = {one.kind for one in live.state.incidents.values()}
            assert kinds == {IncidentKind.BALANCE, IncidentKind.CONTRADICTION}
            for incident_id in list(live.state.incidents):
                rig.wish(c.AdoptIncident, incident_id=incident_id)
            first = len(rig.journal.events)
            await live.wait(100)
            assert hold_words(rig, first) == []
            assert live.runtime.folder.holes
            await live.stop()

    run_virtual(program)


# -- funding of a long absence -----------------------------------------------------------------


def funding(rig: LiveRig, number: int) -> None:
    rig.exchange.deposit("USDT", Decimal(-number), told=False)
    rig.exchange.cash.append(
        CashClaim(
            cash_id=f"funding-{number}",
            kind=CashKind.FUNDING,
            asset="USDT",
            amount=Decimal(-number),
            instrument_id=KEY,
            venue_ns=rig.exchange.now_ns(),
        )
    )


async def with_a_position(rig: LiveRig, live: Engine) -> None:
    await live.until_trading()
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10, 50_001))
    await live.until(lambda: live.state.fills == 1)
    await live.wait(2)


async def until_both_are_booked(rig: LiveRig, live: Engine) -> None:
    await live.until(lambda: live.state.position(MANUAL, KEY).funding == 3)
    assert live.state.accounting is not None
    assert live.state.accounting.total("USDT") == rig.exchange.balances["USDT"]


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_funding_of_a_long_absence_is_booked(way: str) -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await with_a_position(rig, live)
            await getattr(live, way)()
        await clock.sleep(DAY_NS // 8)
        funding(rig, 1)
        await clock.sleep(3 * DAY_NS)
        funding(rig, 2)
        # A start that comes to no comparison is no reason to forget.
        rig.exchange.script("measure_clock", *[Fate.NETWORK] * 100)
        async with rig.engine() as vain:
            await vain.wait(5)
            await vain.kill()
        rig.exchange.scripts.clear()
        await clock.sleep(2 * DAY_NS)
        async with rig.engine() as live:
            await until_both_are_booked(rig, live)

    run_virtual(program)


def test_the_funding_of_a_long_sleep_is_booked() -> None:
    """The machine's, with the engine in it."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await with_a_position(rig, live)
            rig.exchange.drop_stream()
            clock.wall_ahead_ns += DAY_NS // 8
            funding(rig, 1)
            clock.wall_ahead_ns += 3 * DAY_NS
            funding(rig, 2)
            rig.exchange.raise_stream()
            await until_both_are_booked(rig, live)

    run_virtual(program)


def test_the_ledger_says_when_trading_was_last_on() -> None:
    def hold(seconds: int, reason: str, instrument_id: str = "") -> e.HoldChanged:
        return e.HoldChanged(ts_ns=seconds, instrument_id=instrument_id, reason=reason)

    last = LastOn()
    assert last.until_ns == 0
    for event, until_ns in [
        (hold(1, "starting"), 0),
        (hold(2, "comparing"), 0),
        (hold(3, ""), 3),
        (hold(5, "a gap", KEY), 5),
        (hold(90, "starting"), 5),  # A new life: what lies between, nobody has seen.
        (hold(91, "", KEY), 5),
        (hold(99, "comparing"), 5),
        (hold(100, ""), 100),
    ]:
        last.follow(event)
        assert last.until_ns == until_ns, event
