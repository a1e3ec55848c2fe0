"""Bringing a fresh world to where a ledger left it."""

from __future__ import annotations

from engine.domain import events as e
from engine.domain.order import Order, Side
from engine.kernels import layout as k
from engine.runtime.driver import fast_forward
from engine.sim.generator import SIM_INSTRUMENT
from tests.support.builders import a_spec
from tests.support.worlds import generated

MS = 1_000_000


def no_button(now_ns: int) -> None:
    raise AssertionError("no crash in this ledger")


def test_a_long_ledger_needs_no_more_rows_than_its_world_has() -> None:
    """Found by a session of twelve minutes that could not be restarted: the answers to more
    orders than the world has rows were given again, and nobody took them."""
    world = generated(seconds=30).open_market().world
    events: list[e.AnyEvent] = []
    for number in range(k.ORDER_SLOTS + 10):
        now_ns = world.start_ns + number * 3 * MS
        spec = a_spec(
            instrument_id=SIM_INSTRUMENT.instrument_id,
            side=Side.BUY,
            qty_lots=1,
            price_ticks=599_000,
        )
        order = Order(
            client_order_id=f"q{number:017}",
            bot_id="maker",
            placed_by="bot",
            spec=spec,
            created_ns=now_ns,
        )
        events.append(e.OrderIntended(ts_ns=now_ns, order=order))
        events.append(
            e.CancelIntended(ts_ns=now_ns, client_order_id=order.client_order_id, by="maker")
        )

    fast_forward(world, events, no_button)

    assert world.now_ns == events[-1].ts_ns


def test_reports_of_the_last_instant_are_still_to_come() -> None:
    """Those that are older are durable, as an event after them is; of the last instant nobody
    can say, so they are left for the usual road, which knows repeats by their number."""
    world = generated(seconds=5).open_market().world
    spec = a_spec(instrument_id=SIM_INSTRUMENT.instrument_id, price_ticks=599_000, qty_lots=1)
    placed_ns = world.start_ns + 100 * MS
    answered_ns = placed_ns + 20 * MS
    order = Order(
        client_order_id="q00000000000000001",
        bot_id="maker",
        placed_by="bot",
        spec=spec,
        created_ns=placed_ns,
    )
    accepted = e.OrderAccepted(
        ts_ns=answered_ns, client_order_id=order.client_order_id, report_seq=1, venue_order_id="s1"
    )

    fast_forward(world, [e.OrderIntended(ts_ns=placed_ns, order=order), accepted], no_button)

    assert [report.report_seq for report in world.drain_reports()] == [1]
