"""What the log says of algos: each leg once, every decision with its reason, and where legs are."""

from __future__ import annotations

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain.snapshots import LegSnapshot
from engine.runtime.narrate import narrate
from engine.trading.algos.describe import algo_words, legs_of
from tests.support.algos import BUY, MID, SELL, a_bracket, a_desk, hold, one, start
from tests.support.desk import Desk


class Told:
    """The lines of a desk's log, told event by event as they come."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._told = len(desk.events)

    def lines(self) -> list[str]:
        events = self._desk.events[self._told :]
        self._told = len(self._desk.events)
        state = self._desk.trader.state
        return [line.text for event in events if (line := narrate(event, state)) is not None]


def wheres(desk: Desk) -> list[tuple[str, str, int]]:
    rows: list[LegSnapshot] = legs_of(desk.trader.state.algos["a1"])
    return [(row.leg, row.where, row.lots) for row in rows]


def test_a_bracket_in_the_log() -> None:
    desk = a_desk()
    told = Told(desk)
    a_bracket(desk)
    assert told.lines() == [
        "a1 started: bracket buy 0.01 @ 59990.0 stop 59900.0 target 60100.0",
        "a1 entry: buy 0.01 limit @ 59990.0",
    ]
    desk.accept(one(desk, "entry"))
    desk.fill(one(desk, "entry"), 4)
    lines = told.lines()
    assert "a1 stop: sell 0.004 stop trigger 59900.0 reduce-only" in lines
    desk.accept(one(desk, "stop"))
    stop = one(desk, "stop")
    desk.do(c.MoveOrder, client_order_id=stop.client_order_id, price_ticks=MID - 500)
    desk.rejected(next(o for o in desk.live if o.spec.trigger_ticks == MID - 500))
    assert not [line for line in told.lines() if line.startswith("a1 stop: sell")]


def test_where_the_legs_of_a_bracket_are() -> None:
    desk = a_desk()
    a_bracket(desk)
    assert wheres(desk) == [
        ("entry", "sending", 10),
        ("stop", "engine", 10),
        ("target", "engine", 10),
    ]
    entry = one(desk, "entry")
    desk.accept(entry)
    desk.fill(entry, 4)
    desk.accept(one(desk, "stop"))
    assert wheres(desk) == [
        ("entry", "venue", 6),
        ("stop", "venue", 4),
        ("target", "sending", 4),
        ("stop", "engine", 6),
        ("target", "engine", 6),
    ]
    desk.do(c.CancelAlgo, algo_id="a1")
    assert ("entry", "leaving", 6) in wheres(desk)


def test_where_the_others_are() -> None:
    kinds: list[tuple[type[a.AnyAlgo], dict[str, int], list[tuple[str, str, int]]]] = [
        (a.IfTouched, {"trigger_ticks": MID - 9}, [("order", "engine", 12)]),
        (
            a.Iceberg,
            {"price_ticks": MID - 9, "show_lots": 5},
            [("clip", "sending", 5), ("rest", "engine", 7)],
        ),
        (
            a.Twap,
            {"slices": 3, "every_ms": 1000},
            [("slice", "sending", 4), ("rest", "engine", 8)],
        ),
        (
            a.Oco,
            {"price_ticks": MID - 9, "trigger_ticks": MID + 9, "reduce_only": False},
            [("limit", "sending", 12), ("stop", "engine", 12)],
        ),
        (a.Pegged, {}, [("peg", "sending", 12)]),
    ]
    for kind, fields, legs in kinds:
        desk = a_desk()
        start(desk, kind, BUY, 12, **fields)
        assert wheres(desk) == legs, kind


def test_a_trailing_stop_before_and_after_its_activation() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.TrailingStop, SELL, 5, distance_bp=50, activate_ticks=MID + 20)
    assert wheres(desk) == [("stop", "engine", 5)]
    desk.trade(MID + 20)
    assert wheres(desk) == [("stop", "sending", 5)]


def test_words_name_every_figure() -> None:
    desk = a_desk()
    spec = a.TrailingStop(instrument_id=desk.id, side=SELL, qty_lots=5, distance_bp=50)
    assert (
        algo_words(spec, desk.instrument) == "trailing stop sell 0.005 distance 0.5 % reduce-only"
    )
    pov = a.Pov(
        instrument_id=desk.id, side=BUY, qty_lots=50, share_bp=1250, every_ms=500, until_ns=9
    )
    assert algo_words(pov, desk.instrument) == "POV buy 0.05 12.5 % of the volume"
