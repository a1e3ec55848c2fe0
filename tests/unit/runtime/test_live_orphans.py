"""Orders that the venue denied for a while, and orders that only the venue still holds for live."""

from __future__ import annotations

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.incident import IncidentKind
from engine.domain.order import OrderStatus
from engine.domain.snapshots import LinkStage
from engine.ports.venue import Submit
from tests.support.live import Engine, LiveRig, VirtualClock, a_buy, resting, run_virtual


async def compare(live: Engine) -> None:
    live.runtime.keeper.ask_to_reconcile()
    await live.until(lambda: live.stage is not LinkStage.TRADING, 5)
    await live.until_trading()


def test_an_order_that_shows_up_again_was_never_lost() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            venue_id = live.state.orders[key].venue_order_id
            hidden = rig.exchange.orders.pop(venue_id)
            for _ in range(3):
                await compare(live)
            rig.exchange.orders[venue_id] = hidden
            await live.wait(100)  # The next comparisons come more than half a minute later.
            assert live.state.orders[key].suspect == ""
            assert not live.state.incidents
            assert not any(isinstance(one, e.OrderProvenAbsent) for one in rig.journal.events)
            # Denied again, it is counted anew.
            del rig.exchange.orders[venue_id]
            await compare(live)
            assert not live.state.incidents

    run_virtual(program)


def test_an_order_that_was_given_up_and_lives_on_is_told_and_taken_off() -> None:
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            venue_id = live.state.orders[key].venue_order_id
            hidden = rig.exchange.orders.pop(venue_id)
            await live.until(lambda: bool(live.state.incidents), 300)
            (lost,) = live.state.incidents.values()
            rig.wish(c.AdoptIncident, incident_id=lost.incident_id)
            await live.until(lambda: key in live.state.final_orders, 1)
            rig.exchange.orders[venue_id] = hidden  # It was there all the time.
            foreign = rig.exchange.place_foreign(
                Submit(client_order_id="web_1", bot_id="", spec=a_buy(55))
            )
            rig.exchange.fill(key, 4, told=False)
            await live.wait(20)
            assert hidden.is_working  # Held for gone for less than half a minute: it may be a lag.
            assert rig.exchange.asked.get("cancel", 0) == 0
            await live.until(lambda: not hidden.is_working, 120)
            await live.wait(100)
            assert rig.exchange.asked["cancel"] == 1
            assert foreign.is_working
            told = [one for one in rig.journal.events if isinstance(one, e.DoubtRaised)]
            assert [one.client_order_id for one in told] == [key]
            assert "is open at the venue: it is cancelled" in told[0].words
            kinds = {one.kind for one in live.state.incidents.values()}
            assert kinds == {IncidentKind.CONTRADICTION, IncidentKind.FOREIGN}
            order = live.state.final_orders[key]
            assert (order.status, order.filled_lots) == (OrderStatus.CANCELED, 4)

    run_virtual(program)


def test_one_look_alone_takes_nothing_off() -> None:
    """A list of open orders may lag behind a cancel; it does not do so again and again."""

    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            key = await resting(rig, live)
            rig.wish(c.CancelOrder, client_order_id=key)
            await live.until(lambda: key in live.state.final_orders)
            await live.wait(40)
            order = rig.exchange.find(key)
            assert order is not None
            asked = rig.exchange.asked["cancel"]
            ended, order.status = order.status, type(order.status).OPEN
            await compare(live)
            order.status = ended
            for _ in range(3):
                await compare(live)
            assert rig.exchange.asked["cancel"] == asked
            assert not live.state.incidents

    run_virtual(program)
