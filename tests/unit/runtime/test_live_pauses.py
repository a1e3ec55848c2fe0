"""How long one fault keeps a live engine away, and how often a refused key is asked with."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.order import OrderStatus
from engine.domain.snapshots import LinkStage
from engine.ports.live import FaultKind, InstrumentChanged, LinkState, UserLinkChanged
from engine.runtime.live_keeper import FAULTS_MAX
from engine.trading.state import MANUAL
from tests.support.builders import linear
from tests.support.fake_venue import Fate
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, run_virtual

AWAY_S_MAX = 30
QUESTIONS = ("measure_clock", "fetch_balances", "fetch_open_orders", "fetch_trades")


async def place(rig: LiveRig, live: Engine) -> str:
    """A resting order; its id."""
    known = set(live.state.orders)
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(100))
    await live.until(
        lambda: any(
            order.status is OrderStatus.OPEN
            for key, order in live.state.orders.items()
            if key not in known
        )
    )
    (key,) = set(live.state.orders) - known
    return key


def receipts(rig: LiveRig, command_id: str) -> list[e.ReceiptVerified]:
    return [
        event
        for event in rig.journal.events
        if isinstance(event, e.ReceiptVerified) and event.command_id == command_id
    ]


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.WORKS])
@pytest.mark.parametrize("asked", QUESTIONS)
def test_one_fault_of_a_question_keeps_nobody_away_for_long(fate: Fate, asked: str):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script(asked, fate)
            live.runtime.keeper.ask_to_reconcile()
            await live.until(lambda: not rig.exchange.scripts.get(asked), 60)
            await live.until(lambda: live.stage is not LinkStage.TRADING, 15)
            await live.until_trading(AWAY_S_MAX)

    run_virtual(program)


@pytest.mark.parametrize("fate", [Fate.KEY, Fate.LIMITED, Fate.MAINTENANCE, Fate.CLOCK])
def test_one_fault_of_an_order_keeps_nobody_away_for_long(fate: Fate):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", fate)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: live.stage is not LinkStage.TRADING, 5)
            await live.until_trading(AWAY_S_MAX)

    run_virtual(program)


def test_our_own_throttle_refuses_the_order_and_nothing_else():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            ties = live.runtime.keeper.ties
            since_ns = ties.since_ns
            rig.exchange.script("place", Fate.NO_ROOM)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(rejections(rig)), 5)
            (rejected,) = rejections(rig)
            assert rejected.reason == "rate limit: no room"
            await place(rig, live)  # The next one goes out at once.
            assert (ties.stage, ties.since_ns) == (LinkStage.TRADING, since_ns)

    run_virtual(program)


def test_units_that_cannot_be_counted_in_hold_one_instrument_and_let_nothing_fill():
    """The venue makes its tick finer while something is open."""

    async def program(clock: VirtualClock) -> None:
        held, other = linear(), linear(instrument_id="test.ETHUSDT", symbol="ETHUSDT", base="ETH")
        rig = LiveRig(clock, [held, other], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10, 50_001))
            await live.until(lambda: live.state.fills == 1)
            finer = linear(tick=held.tick / 10)
            live.markets.on_feed(InstrumentChanged(instrument=finer))
            sent = len(rig.exchange.places)
            rig.wish(c.Flatten)
            await live.until(lambda: bool(rejections(rig)), 5)
            await live.wait(30)
            words = "close BTCUSDT at the venue, then start a new ledger"
            assert all(words in one.reason for one in rejections(rig))
            assert len(rejections(rig)) < 30  # A flatten goes on trying, and hurries nobody.
            assert len(rig.exchange.places) == sent
            assert words in live.state.holds[held.instrument_id]
            assert live.state.holds.keys() == {held.instrument_id}
            assert live.stage is LinkStage.TRADING

    run_virtual(program)


def rejections(rig: LiveRig) -> list[e.OrderRejected]:
    return [event for event in rig.journal.events if isinstance(event, e.OrderRejected)]


def test_one_refused_key_of_the_stream_keeps_nobody_away_for_long():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            news = UserLinkChanged(state=LinkState.DOWN, reason="-2015", kind=FaultKind.KEY)
            live.runtime.on_user_link(news)
            rig.exchange.raise_stream()
            live.runtime.on_user_link(UserLinkChanged(state=LinkState.UP, reason=""))
            await live.until(lambda: live.stage is LinkStage.HALTED, 5)
            await live.until_trading(AWAY_S_MAX)

    run_virtual(program)


@pytest.mark.parametrize("fate", [fate for fate in Fate if fate is not Fate.WORKS])
def test_one_fault_of_a_cancel_does_not_hold_up_a_kill_for_long(fate: Fate):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await place(rig, live)
            rig.exchange.script("cancel", fate)
            rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.until(lambda: not rig.exchange.working(), AWAY_S_MAX)

    run_virtual(program)


def test_a_key_that_fails_after_other_troubles_is_a_first_refusal():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("fetch_balances", *[Fate.NETWORK] * FAULTS_MAX, Fate.KEY)
            live.runtime.keeper.ask_to_reconcile()
            await live.until(lambda: live.stage is LinkStage.HALTED, 60)
            await live.until_trading(AWAY_S_MAX)

    run_virtual(program)


# -- receipts and a key that the venue refuses -------------------------------------------------


def revoke(rig: LiveRig) -> None:
    """Everything that is asked with the key."""
    signed = ("place", "cancel", "find_order", *QUESTIONS[1:], "fetch_key_permissions")
    for operation in signed:
        rig.exchange.script(operation, *[Fate.KEY] * 1000)


@pytest.mark.parametrize("command", [c.CancelAll, c.Kill])
def test_a_receipt_stops_asking_with_a_refused_key_and_says_what_it_last_knew(
    command: type[c.AnyCommand],
):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            key = await place(rig, live)
            revoke(rig)
            before = rig.exchange.asked["fetch_open_orders"]
            fields = {"level": KillLevel.CANCEL_ALL} if command is c.Kill else {}
            command_id = rig.wish(command, **fields)
            await live.until(lambda: receipts(rig, command_id) != [], 5)
            (told,) = receipts(rig, command_id)
            assert not told.is_clean
            assert told.left == [key]
            assert "the venue does not let us look" in told.words
            assert f"open as last known here: 1: {key}" in told.words
            await live.wait(600)
            assert rig.exchange.asked["fetch_open_orders"] - before == 2
            assert len(receipts(rig, command_id)) == 1
            rig.exchange.scripts.clear()  # The key is let in again: the receipt comes good.
            await live.until(lambda: receipts(rig, command_id)[-1].is_clean, 400)
            assert not rig.exchange.working()

    run_virtual(program)


def test_a_slip_of_the_venue_is_no_refusal():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await place(rig, live)
            rig.exchange.script("fetch_open_orders", Fate.KEY)
            command_id = rig.wish(c.CancelAll)
            await live.until(lambda: receipts(rig, command_id) != [], 5)
            (told,) = receipts(rig, command_id)
            assert told.is_clean

    run_virtual(program)


@pytest.mark.parametrize("cancels", [True, False])
@pytest.mark.parametrize("has_order", [True, False])
def test_a_stop_with_a_refused_key_asks_twice_and_ends(cancels: bool, has_order: bool):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, cancels_on_stop=cancels)
        async with rig.engine() as live:
            await live.until_trading()
            key = await place(rig, live) if has_order else ""
            revoke(rig)
            before = rig.exchange.asked["fetch_open_orders"]
            began_ns = clock.monotonic_ns()
            await live.stop()
        assert rig.exchange.asked["fetch_open_orders"] - before == 2
        assert clock.monotonic_ns() - began_ns < 5 * NS_PER_SECOND
        told = live.runtime.stop_receipt
        assert told is not None
        assert told.words.startswith("the venue does not let us look: ")
        assert told.left == ([key] if has_order else [])
        assert told.words.endswith(f"last known here: {f'1: {key}' if has_order else 'none'}")

    run_virtual(program)


def test_a_last_look_that_fails_is_not_called_verified():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("fetch_open_orders", Fate.WORKS, Fate.NETWORK)
            await live.stop()
        told = live.runtime.stop_receipt
        assert told is not None
        assert "what is left could not be asked" in told.words
        assert "verified" not in told.words

    run_virtual(program)
