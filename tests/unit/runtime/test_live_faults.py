"""A live engine when the venue, the wire or another program gets in its way."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.core.clock import NS_PER_SECOND
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.claims import ClaimStatus
from engine.domain.commands import KillLevel
from engine.domain.incident import IncidentKind
from engine.domain.order import Order, OrderStatus, Pending, Side
from engine.domain.snapshots import LinkStage
from engine.ports.venue import Submit
from engine.trading.state import MANUAL
from tests.support.fake_venue import Fate
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, run_virtual

KEY = "test.BTCUSDT"


def the_order(live: Engine) -> Order:
    """The only order there has been."""
    found = [*live.state.orders.values(), *live.state.final_orders.values()]
    assert len(found) == 1
    return found[0]


async def placed(rig: LiveRig, live: Engine, lots: int = 1000) -> Order:
    """A resting buy that the venue has acknowledged."""
    before = set(live.state.orders)
    rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(lots))
    await live.until(
        lambda: any(
            order.status is OrderStatus.OPEN
            for key, order in live.state.orders.items()
            if key not in before
        )
    )
    return next(order for key, order in live.state.orders.items() if key not in before)


# -- placements without an answer ------------------------------------------------------------


def test_a_lost_answer_is_found_by_asking_and_nothing_is_sent_twice():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", Fate.DROP_AFTER)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.orders))
            # The stream tells of it long before the request times out.
            await live.until(lambda: the_order(live).status is OrderStatus.OPEN, 1)
            await live.wait(60)
            assert the_order(live).status is OrderStatus.OPEN
            assert the_order(live).pending is Pending.NONE
        assert len(rig.exchange.places) == 1

    run_virtual(program)


def test_a_lost_answer_over_a_dead_stream_is_found_by_asking():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.news_delay_ns = 3600 * NS_PER_SECOND
            rig.exchange.script("place", Fate.DROP_AFTER)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.unanswered), 11)
            assert list(live.state.unanswered) == [the_order(live).client_order_id]
            await live.until(lambda: the_order(live).status is OrderStatus.OPEN, 2)
            assert not live.state.unanswered
        assert len(rig.exchange.places) == 1

    run_virtual(program)


def test_an_order_that_never_arrived_is_absent_after_the_quiet_period_and_holds_its_symbol():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", Fate.DROP_BEFORE)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.unanswered), 11)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: live.state.denied == 1, 1)
            order = the_order(live)
            assert live.state.exposure[KEY].buy_lots == 10  # Reserved while nobody knows.
            await live.until(lambda: the_order(live).status is OrderStatus.ABSENT, 60)
            assert the_order(live).updated_ns - order.created_ns >= 30 * NS_PER_SECOND
            assert live.state.exposure[KEY].buy_lots == 0
            await live.until(lambda: not live.state.incidents, 1)
            await placed(rig, live)
        assert len(rig.exchange.places) == 1

    run_virtual(program)


def test_a_ghost_is_adopted_told_and_cancelled():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", Fate.DROP_BEFORE)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.final_orders), 60)
            ghost = the_order(live)
            assert ghost.status is OrderStatus.ABSENT
            rig.exchange.drop_stream()
            rig.exchange.accept(
                Submit(client_order_id=ghost.client_order_id, bot_id=MANUAL, spec=ghost.spec)
            )
            rig.exchange.raise_stream()
            await live.until(lambda: the_order(live).status is OrderStatus.CANCELED, 90)
            kinds = [incident.kind for incident in live.state.incidents.values()]
            assert kinds == [IncidentKind.CONTRADICTION]
        assert not rig.exchange.working()

    run_virtual(program)


def test_a_definite_refusal_ends_the_order_at_once():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.script("place", Fate.REFUSE)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.final_orders), 1)
            assert the_order(live).status is OrderStatus.REJECTED
            assert live.stage is LinkStage.TRADING

    run_virtual(program)


def test_a_crash_between_intent_and_answer_is_asked_about_and_not_sent_again():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.latency_ns = NS_PER_SECOND
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.orders))
            await live.kill()
        assert not rig.exchange.orders
        async with rig.engine() as live:
            await live.until(lambda: the_order(live).pending is Pending.UNKNOWN)
            await live.until(lambda: the_order(live).status is OrderStatus.ABSENT, 60)
        assert not rig.exchange.places

    run_virtual(program)


# -- fills -------------------------------------------------------------------------------------


def test_a_fill_that_nobody_told_of_is_fetched_before_the_order_ends():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            order = await placed(rig, live)
            rig.exchange.fill(order.client_order_id, 400, told=False)
            rig.exchange.end(order.client_order_id, ClaimStatus.CANCELED)
            await live.until(lambda: not live.state.orders, 5)
            kinds = [
                type(event).__name__
                for event in rig.journal.events
                if isinstance(event, e.OrderFilled | e.OrderCanceled)
            ]
            assert kinds == ["OrderFilled", "OrderCanceled"]
            assert the_order(live).filled_lots == 400

    run_virtual(program)


def test_what_happened_while_the_stream_was_down_is_found_at_its_return():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            one, two = await placed(rig, live), await placed(rig, live, 700)
            rig.exchange.drop_stream()
            await live.until(lambda: live.stage is LinkStage.CONNECTING, 1)
            rig.exchange.fill(one.client_order_id, 300)
            rig.exchange.fill(two.client_order_id, 700)
            rig.exchange.end(one.client_order_id, ClaimStatus.EXPIRED)
            await live.wait(20)
            assert live.state.fills == 0
            rig.exchange.raise_stream()
            await live.until_trading(10)
            assert live.state.fills == 2
            assert not live.state.orders
            assert not live.state.incidents

    run_virtual(program)


# -- differences -------------------------------------------------------------------------------


def test_a_foreign_order_is_told_counted_and_left_alone():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            foreign = rig.exchange.place_foreign(
                Submit(client_order_id="web_1", bot_id="", spec=a_buy(55))
            )
            await live.until(lambda: bool(live.state.incidents), 10)
            incident = next(iter(live.state.incidents.values()))
            assert incident.kind is IncidentKind.FOREIGN
            assert live.trader.orders._gate.worst_case_lots(KEY, Side.BUY, 0) == 55
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: live.state.denied == 1, 1)
            rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.wait(15)
            assert foreign.is_working
            rig.wish(c.ResetKill)
            rig.wish(c.IgnoreIncident, incident_id=incident.incident_id)
            await live.wait(130)
            assert not live.state.incidents  # Ignored is ignored, also by the next comparison.
            await placed(rig, live)
            rig.exchange.cancel(foreign)
            await live.until(lambda: not live.state.foreign, 70)

    run_virtual(program)


def test_money_that_nobody_can_explain_is_an_incident_until_a_person_decides():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.exchange.deposit("USDT", Decimal("-12.5"), told=False)
            await live.until(lambda: bool(live.state.incidents), 70)
            incident = next(iter(live.state.incidents.values()))
            assert (incident.kind, incident.asset) == (IncidentKind.BALANCE, "USDT")
            assert incident.missing == Decimal("-12.5")
            assert live.state.fills == 0
            rig.wish(c.AdoptIncident, incident_id=incident.incident_id)
            await live.wait(130)
            assert not live.state.incidents
            assert live.state.accounting is not None
            assert live.state.accounting.total("USDT") == rig.exchange.balances["USDT"]

    run_virtual(program)


def test_a_deposit_that_the_venue_tells_of_is_explained():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await live.wait(5)
            rig.exchange.deposit("USDT", Decimal("250"))
            await live.wait(140)
            assert not any(isinstance(event, e.IncidentOpened) for event in rig.journal.events)
            assert live.state.accounting is not None
            assert live.state.accounting.total("USDT") == rig.exchange.balances["USDT"]

    run_virtual(program)


# -- kill, cancel, stop ------------------------------------------------------------------------


def test_kill_sends_every_cancel_within_a_second_and_the_venue_confirms():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            for _ in range(5):
                await placed(rig, live, 100)
            rig.exchange.script("cancel", *[Fate.DROP_BEFORE] * 2)
            sent = rig.exchange.asked.get("cancel", 0)
            command_id = rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.until(lambda: rig.exchange.asked.get("cancel", 0) == sent + 5, 1)
            assert live.state.kill is KillLevel.CANCEL_ALL
            # Two cancels were lost: they are sent again long before the time-out.
            await live.until(lambda: not rig.exchange.working(), 3)
            assert rig.exchange.asked["cancel"] == sent + 7
            await live.until(lambda: receipt(rig, command_id) is not None, 1)
            assert receipt(rig, command_id).left == []
            assert "verified at the venue" in receipt(rig, command_id).words
            await live.kill()
        async with rig.engine() as live:
            assert live.state.kill is KillLevel.CANCEL_ALL

    run_virtual(program)


@pytest.mark.parametrize(
    "fates",
    [[Fate.DROP_BEFORE], [Fate.NETWORK] * 5],
    ids=["no answer yet", "between two attempts"],
)
def test_a_kill_waits_for_no_attempt_of_before(fates: list[Fate]):
    """A cancel that waits for its time-out, or for its next attempt, is asked for again at once."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            order = await placed(rig, live)
            rig.exchange.script("cancel", *fates)
            rig.wish(c.CancelOrder, client_order_id=order.client_order_id)
            await live.until(lambda: rig.exchange.asked.get("cancel", 0) == len(fates))
            await live.wait(1)
            assert rig.exchange.working()
            rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.until(lambda: not rig.exchange.working(), 0.1)
            asked = rig.exchange.asked["cancel"]
            await live.wait(30)
            assert rig.exchange.asked["cancel"] == asked == len(fates) + 1
            assert not live.state.orders

    run_virtual(program)


def test_a_kill_does_not_ask_twice_for_what_was_asked_a_moment_ago():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.latency_ns = NS_PER_SECOND // 10
        async with rig.engine() as live:
            await live.until_trading()
            await placed(rig, live)
            for _ in range(5):
                rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
                await live.wait(0.03)
            await live.until(lambda: not live.state.orders)
            assert rig.exchange.asked["cancel"] == 1

    run_virtual(program)


def receipt(rig: LiveRig, command_id: str) -> e.ReceiptVerified | None:
    """The newest word of the venue on a command."""
    found = [
        event
        for event in rig.journal.events
        if isinstance(event, e.ReceiptVerified) and event.command_id == command_id
    ]
    return found[-1] if found else None


def test_a_kill_that_a_crash_interrupted_is_finished_by_the_next_engine():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await placed(rig, live)
            rig.exchange.script("cancel", *[Fate.NETWORK] * 50)
            rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.until(lambda: live.state.kill is not KillLevel.NONE)
            await live.wait(1)
            await live.kill()
        assert rig.exchange.working()
        rig.exchange.scripts.clear()
        async with rig.engine() as live:
            await live.until(lambda: not rig.exchange.working(), 10)
            await live.until(lambda: not live.state.orders, 10)

    run_virtual(program)


def test_an_order_that_arrives_after_the_kill_is_taken_off_as_well():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.latency_ns = 2 * NS_PER_SECOND
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: bool(live.state.orders))
            rig.wish(c.Kill, level=KillLevel.CANCEL_ALL)
            await live.until(lambda: len(rig.exchange.places) == 1, 5)
            await live.until(lambda: not live.state.orders, 15)
            assert not rig.exchange.working()

    run_virtual(program)


@pytest.mark.parametrize("cancels", [True, False])
def test_a_clean_stop_leaves_what_the_settings_say_and_says_so(cancels: bool):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, cancels_on_stop=cancels)
        async with rig.engine() as live:
            await live.until_trading()
            order = await placed(rig, live)
            await live.stop()
        told = live.runtime.stop_receipt
        assert told is not None
        if cancels:
            assert not rig.exchange.working()
            assert told.left == []
        else:
            assert told.left == [order.client_order_id]
            assert order.client_order_id in told.words

    run_virtual(program)


# -- the venue's own state -----------------------------------------------------------------------


@pytest.mark.parametrize("cancels", [True, False])
def test_a_clean_stop_hears_the_answer_to_what_it_has_placed(cancels: bool):
    """The ledger of an engine that has stopped holds no order whose answer was on its way."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, cancels_on_stop=cancels)
        async with rig.engine() as live:
            await live.until_trading()
            usual_ns, rig.exchange.latency_ns = rig.exchange.latency_ns, 2 * NS_PER_SECOND
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: "place" in rig.exchange.asked)
            rig.exchange.latency_ns = usual_ns  # It alone is slow: questions overtake it.
            await live.stop()
            assert live.runtime.stop_receipt is not None
            left = live.runtime.stop_receipt.left
        state = rig.folded()
        assert list(state.orders) == left
        assert [order.client_order_id for order in rig.exchange.working()] == left
        assert [order.status for order in state.orders.values()] == (
            [] if cancels else [OrderStatus.OPEN]
        )

    run_virtual(program)


def test_a_refused_key_halts_with_clear_words_and_without_a_storm():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            await placed(rig, live)
            for operation in ("place", "fetch_balances", "measure_clock", "cancel"):
                rig.exchange.script(operation, *[Fate.KEY] * 500)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy())
            await live.until(lambda: live.stage is LinkStage.HALTED, 1)
            assert live.runtime.keeper.ties.words.startswith("the key is refused")
            assert live.runtime.snapshot().halted
            before = dict(rig.exchange.asked)
            await live.wait(600)
            asked = sum(rig.exchange.asked.values()) - sum(before.values())
            assert asked < 10
            rig.exchange.scripts.clear()
            await live.until_trading(400)

    run_virtual(program)


def test_a_clock_an_hour_off_is_named_and_trading_waits_for_it():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        rig.exchange.offset_ns = 3600 * NS_PER_SECOND
        async with rig.engine() as live:
            await live.wait(30)
            assert live.stage is LinkStage.SYNCING
            assert "3600.0 s behind the venue's" in live.runtime.keeper.ties.words
            assert not rig.exchange.places
            clock.wall_ahead_ns = 3600 * NS_PER_SECOND  # Somebody sets it right.
            rig.exchange.offset_ns = 0
            await live.until_trading(30)

    run_virtual(program)


@pytest.mark.parametrize("fate", [Fate.NETWORK, Fate.MAINTENANCE, Fate.DROP_BEFORE, Fate.LIMITED])
def test_boots_through_trouble_once_it_is_over(fate: Fate):
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        for operation in ("measure_clock", "open_user_stream", "fetch_balances", "fetch_trades"):
            rig.exchange.script(operation, *[fate] * 3)
        async with rig.engine() as live:
            await live.until(lambda: live.stage is LinkStage.DEGRADED, 30)
            await live.until_trading(400)

    run_virtual(program)


def test_the_venues_timer_is_renewed_while_the_engine_lives():
    from tests.support.builders import linear

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await live.until_trading()
            await live.wait(120)
            assert rig.exchange.timer_until_ns - rig.exchange.now_ns() > 40 * NS_PER_SECOND
            link = live.runtime.link()
            assert link.dead_man == "venue_timer"
            await live.kill()
            until_ns = rig.exchange.timer_until_ns
            await clock.sleep(120 * NS_PER_SECOND)
            assert rig.exchange.timer_until_ns == until_ns  # Nobody renews for a dead engine.

    run_virtual(program)


def test_a_futures_position_that_differs_is_an_incident_and_adopted_by_hand():
    from tests.support.builders import linear

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock, [linear()], {"USDT": Decimal(100_000)})
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(10, 50_001))
            await live.until(lambda: live.state.fills == 1)
            rig.exchange.positions[KEY] += 3
            await live.until(lambda: bool(live.state.incidents), 70)
            incident = next(iter(live.state.incidents.values()))
            assert (incident.kind, incident.missing_lots) == (IncidentKind.POSITION, 3)
            assert live.state.fills == 1
            rig.wish(c.AdoptIncident, incident_id=incident.incident_id)
            await live.wait(70)
            assert live.state.net_lots[KEY] == rig.exchange.positions[KEY]
            assert not live.state.incidents

    run_virtual(program)
