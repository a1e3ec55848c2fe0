"""Algos below the working orders: what they are, what waits in the engine, what is wrong."""

from __future__ import annotations

import msgspec

from app.views.algo_lines import algo_lines
from engine.domain import algo as a
from engine.domain.order import Side
from engine.domain.snapshots import AlgoSnapshot, LegSnapshot
from tests.support.builders import linear
from tests.support.session import START_NS, a_snapshot


def an_algo(**changes: object) -> AlgoSnapshot:
    row = AlgoSnapshot(
        algo_id="a3",
        bot_id="manual",
        owner="human",
        spec=a.IfTouched(
            instrument_id=linear().instrument_id, side=Side.BUY, qty_lots=5, trigger_ticks=599_000
        ),
        words="if-touched buy 0.005 trigger 59900.0",
        started_ns=START_NS,
        ending="",
        alarm="",
        entered_lots=0,
        exited_lots=0,
        legs=[
            LegSnapshot(leg="order", where="engine", side=Side.BUY, lots=5, trigger_ticks=599_000)
        ],
    )
    return msgspec.structs.replace(row, **changes)


def said(algo: AlgoSnapshot, width: int = 100) -> str:
    (line,) = algo_lines(a_snapshot(algos=[algo]), width)
    text = "".join(cell.text for cell in line)
    assert len(text) == width
    return text.rstrip()


def test_what_waits_in_the_engine_is_named() -> None:
    words = " a3 manual if-touched buy 0.005 trigger 59900.0; in the engine: order 0.005 @ 59900.0"
    assert said(an_algo()) == words


def test_where_there_is_little_room_what_waits_comes_first() -> None:
    assert said(an_algo(), 60) == " a3 manual if-touched; in the engine: order 0.005 @ 59900.0"


def test_what_rests_at_the_venue_stands_among_the_orders() -> None:
    leg = LegSnapshot(leg="stop", where="venue", side=Side.SELL, lots=5, trigger_ticks=599_000)
    assert "engine" not in said(an_algo(legs=[leg]))


def test_an_alarm_and_an_end_are_said_first() -> None:
    assert "UNGUARDED: no stop: overloaded" in said(an_algo(alarm="no stop: overloaded"))
    assert "ending: kill switch" in said(an_algo(ending="kill switch"))
    assert said(an_algo(), 12) == " a3 manual …"


def test_nothing_is_said_of_nothing() -> None:
    assert algo_lines(None, 80) == []
    assert algo_lines(a_snapshot(), 80) == []
