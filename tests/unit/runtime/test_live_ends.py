"""How a live engine ends, and what it takes for the end of the venue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.errors import WorkFailed
from engine.ports.venue import Submit
from engine.runtime.live import _POLICIES
from engine.runtime.live_keeper import FAULTS_MAX
from engine.trading.state import MANUAL
from tests.support.builders import linear
from tests.support.fake_venue import Fate
from tests.support.live import LiveRig, VirtualClock, a_buy, resting, run_virtual


def holds_since(rig: LiveRig, first: int) -> list[str]:
    return [
        one.reason
        for one in rig.journal.events[first:]
        if isinstance(one, e.HoldChanged) and not one.instrument_id
    ]


# -- the venue's timer -------------------------------------------------------------------------


def test_no_renewal_overtakes_the_end_of_the_venues_timer() -> None:
    """One was under way while the timer was taken off: it set it again, and a minute later the
    venue cancelled what was to stay."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await live.until_trading()
            await resting(rig, live)
            asked = rig.exchange.asked["renew_dead_man"]
            usual_ns, rig.exchange.latency_ns = rig.exchange.latency_ns, NS_PER_SECOND
            await live.until(lambda: rig.exchange.asked["renew_dead_man"] > asked)
            rig.exchange.latency_ns = usual_ns  # It alone is slow.
            await live.stop()
        told = live.runtime.stop_receipt
        assert told is not None
        assert len(told.left) == 1
        assert told.words.endswith("the venue's timer was taken off")
        await clock.sleep(5 * NS_PER_SECOND)
        assert rig.exchange.timer_until_ns == 0

    run_virtual(program)


def test_the_timer_of_an_engine_that_has_stopped_takes_off_nothing_of_others() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.place_foreign(Submit(client_order_id="web_1", bot_id="", spec=a_buy(5)))
            await live.stop()
        assert live.runtime.stop_receipt is not None
        assert "1 order that is not ours were left alone" in live.runtime.stop_receipt.words
        assert rig.exchange.timer_until_ns == 0

    run_virtual(program)


# -- no room -----------------------------------------------------------------------------------


def test_work_that_finds_no_room_ends_the_engine_loudly() -> None:
    """It was dropped, and whoever waited for it waited for ever."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            for _ in range(_POLICIES["work"].capacity + 1):
                live.runtime.post(lambda: ())
            await live.wait(1)
            with pytest.raises(WorkFailed, match="inbox failed: InboxFull"):
                await live.stop()

    run_virtual(program)


# -- faults in a row ---------------------------------------------------------------------------


def test_faults_with_answers_between_them_are_not_in_a_row() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            first = len(rig.journal.events)
            for _ in range(2 * FAULTS_MAX):
                rig.exchange.script("place", Fate.DROP_AFTER)
                key = await resting(rig, live)  # The stream tells of it.
                await live.wait(12)  # The request has timed out.
                rig.wish(c.CancelOrder, client_order_id=key)
                await live.until(lambda key=key: key in live.state.final_orders)
            assert holds_since(rig, first) == []

    run_virtual(program)


def test_faults_in_a_row_make_the_venue_be_asked_whether_it_is_there() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            first = len(rig.journal.events)
            rig.exchange.script("place", *[Fate.NETWORK] * FAULTS_MAX)
            for _ in range(FAULTS_MAX):
                rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
                await live.wait(0.1)
            assert "the venue cannot be reached: no route" in holds_since(rig, first)
            await live.until_trading()

    run_virtual(program)
