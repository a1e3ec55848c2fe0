"""What the simulation found in the live runtime, each as the shortest story that shows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.claims import ClaimStatus
from engine.domain.commands import KillLevel
from engine.domain.order import OrderStatus
from engine.domain.snapshots import LinkStage
from engine.ports.live import BookDoubted, BookTrusted, LinkState
from engine.ports.venue import Submit
from engine.runtime.live_holds import CALM_NS, FREE_CHANGES, WINDOW_NS, HoldPace
from engine.trading.state import MANUAL
from tests.support.builders import spot
from tests.support.fake_venue import Fate
from tests.support.live import LiveRig, VirtualClock, a_buy, resting, run_virtual


def test_an_order_that_the_venue_cut_has_ended_when_the_venue_says_filled() -> None:
    """Reduce-only: the venue takes what can be reduced and calls that the whole order."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            rig.exchange.fill(key, 4)
            rig.exchange.end(key, ClaimStatus.FILLED)
            await live.until(lambda: not live.state.orders)
            order = live.state.final_orders[key]
            assert (order.status, order.filled_lots) == (OrderStatus.EXPIRED, 4)
            assert live.state.exposure["test.BTCUSDT"].buy_lots == 0

    run_virtual(program)


def test_a_stranger_with_an_id_of_ours_is_a_stranger() -> None:
    """Venues keep ids apart among open orders only: an ended one's can come again."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            rig.exchange.fill(key, 10)
            await live.until(lambda: not live.state.orders)
            again = rig.exchange.place_foreign(
                Submit(client_order_id=key, bot_id="", spec=a_buy(7))
            )
            rig.exchange.fill(key, 3)
            await live.until(lambda: again.venue_order_id in live.state.foreign)
            await live.wait(90)
            order = live.state.final_orders[key]
            assert (order.status, order.filled_lots) == (OrderStatus.FILLED, 10)
            assert live.state.foreign[again.venue_order_id].leaves_lots == 4
            assert any(one.asset == "USDT" for one in live.state.incidents.values())

    run_virtual(program)


def test_money_that_could_not_be_compared_is_compared_when_the_answer_is_there() -> None:
    """It once waited for the comparison of the next minute, which could meet the next such."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            ties = live.runtime.keeper.ties
            compared_ns = ties.reconciled_ns
            rig.exchange.deposit("USDT", Decimal(7), told=False)
            await live.wait(38)
            # Nobody hears of it before half a minute has passed.
            rig.exchange.script("place", Fate.DROP_BEFORE)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10))
            await live.until(lambda: live.runtime._reconciler.is_owed, 10)
            assert live.state.orders
            assert ties.reconciled_ns == compared_ns, "the screen says when they were compared"
            assert not [one for one in live.state.incidents.values() if one.asset == "USDT"]
            await live.until(lambda: not live.state.orders, 60)
            answered_ns = live.clock.now_ns()
            await live.until(lambda: any(one.asset for one in live.state.incidents.values()))
            assert live.clock.now_ns() - answered_ns < 6 * NS_PER_SECOND
            assert live.stage is LinkStage.TRADING

    run_virtual(program)


def test_an_end_that_the_stream_lost_is_known_within_a_minute() -> None:
    """Also while the answer to another placement is outstanding."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            live.account.link = LinkState.DOWN  # News are lost, and nobody says so.
            rig.exchange.fill(key, 10)
            await live.wait(40)
            rig.exchange.script("place", Fate.DROP_BEFORE)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10))
            await live.until(lambda: key in live.state.final_orders, 20)
            assert live.state.final_orders[key].filled_lots == 10

    run_virtual(program)


STAYS = "0.00004 BTC is below the venue's smallest order; it stays"


@pytest.mark.parametrize(
    ("kind", "fields"), [(c.Flatten, {}), (c.Kill, {"level": KillLevel.FLATTEN})]
)
def test_what_is_too_small_to_close_is_said_once_and_stays(
    kind: type[c.AnyCommand], fields: dict[str, Any]
) -> None:
    """It was once asked for again and again, and refused each time."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [spot(min_lots=10)])
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(14))
            await live.until(lambda: any(one.venue_order_id for one in live.state.orders.values()))
            rig.exchange.fill(next(iter(live.state.orders)), 5)  # Of which the fee takes a lot.
            await live.until(lambda: live.state.position(MANUAL, "test.BTCUSDT").lots == 4)
            wish = rig.wish(kind, **fields)
            await live.wait(120)
            told = [one for one in rig.journal.events if isinstance(one, e.ReceiptVerified)]
            assert [(one.command_id, one.is_clean) for one in told] == [(wish, True)]
            assert STAYS in told[0].words
            ended = [one for one in rig.journal.events if isinstance(one, e.FlattenEnded)]
            assert [one.stays for one in ended] == [STAYS]
            assert not live.state.flattening
            assert live.state.denied == 0
            assert len(rig.exchange.places) == 1
            assert rig.folded().stays == live.state.stays
            # More of it can be sold, and all of it is.
            if kind is c.Flatten:
                rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(20, 50_001))
                await live.until(lambda: live.state.position(MANUAL, "test.BTCUSDT").lots > 10)
                rig.wish(kind, **fields)
                await live.until(lambda: live.state.position(MANUAL, "test.BTCUSDT").is_flat)
                await live.until(lambda: not live.state.stays)

    run_virtual(program)


def test_a_value_below_the_least_stays_too() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [spot(min_notional=Decimal(5))])
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1400))
            await live.until(lambda: any(one.venue_order_id for one in live.state.orders.values()))
            rig.exchange.fill(next(iter(live.state.orders)), 500)  # 499 of 0.00001 BTC at 500.
            await live.until(lambda: live.state.position(MANUAL, "test.BTCUSDT").lots == 499)
            rig.wish(c.Flatten)
            await live.wait(60)
            (ended,) = [one for one in rig.journal.events if isinstance(one, e.FlattenEnded)]
            assert ended.stays.startswith("0.00499 BTC is below the venue's smallest order")
            assert len(rig.exchange.places) == 1

    run_virtual(program)


def test_a_feed_that_flaps_does_not_fill_the_ledger() -> None:
    """Nobody trades on it meanwhile, and the hold ends once it has been calm for some seconds."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        key = "test.BTCUSDT"
        async with rig.engine() as live:
            await live.until_trading()
            before = len(rig.journal.events)
            for number in range(300):
                live.markets.on_feed(BookDoubted(instrument_id=key, reason=f"gap {number}"))
                await live.wait(0.1)
                assert live.state.holds.get(key), "going into a hold is never put off"
                live.markets.on_feed(BookTrusted(instrument_id=key))
                await live.wait(0.9)
            changes = [one for one in rig.journal.events[before:] if isinstance(one, e.HoldChanged)]
            assert len(changes) <= 4 * FREE_CHANGES, "of 600"
            assert live.state.holds.get(key)
            await live.until(lambda: not live.state.holds, 6)
            assert rig.folded().holds == {}

    run_virtual(program)


@given(
    looks=st.lists(
        st.tuples(st.sampled_from(["", "a", "b"]), st.integers(1, 4_000_000_000)), max_size=200
    )
)
def test_a_hold_begins_at_once_and_is_told_a_few_times_at_most(
    looks: list[tuple[str, int]],
) -> None:
    pace, told, now_ns, changes = HoldPace(), "", 0, []
    for words, passed_ns in looks:
        now_ns += passed_ns
        if pace.lets("x", told, words, now_ns):
            assert told != words
            told = words
            changes.append(now_ns)
        assert told or not words, "a hold that should be on is not"
    # Out of a hold only every few seconds, once it is too much: and back in as often.
    for first in changes:
        within = [one for one in changes if first <= one < first + WINDOW_NS]
        assert len(within) <= FREE_CHANGES + 2 * (WINDOW_NS // CALM_NS)
    # What stays as it is, is told in the end.
    for _ in range(2):
        now_ns += CALM_NS
        if pace.lets("x", told, "", now_ns):
            told = ""
    assert told == ""
