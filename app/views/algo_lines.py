"""The algos at work as lines below the working orders: what each is, and what of it waits in the
engine. What rests at the venue stands among the orders."""

from __future__ import annotations

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.viewstate import find_instrument
from engine.domain.algo import kind_words
from engine.domain.instrument import Instrument
from engine.domain.snapshots import AlgoSnapshot, EngineSnapshot, LegSnapshot


def algo_lines(snapshot: EngineSnapshot | None, width: int) -> list[Line]:
    lines: list[Line] = []
    for algo in snapshot.algos if snapshot is not None else []:
        instrument = find_instrument(snapshot, algo.spec.instrument_id) if snapshot else None
        if instrument is not None:
            lines.append(_line(algo, instrument, width))
    return lines


def _line(algo: AlgoSnapshot, instrument: Instrument, width: int) -> Line:
    head = f" {algo.algo_id} {algo.bot_id} "
    if algo.alarm:
        words, tone = f"UNGUARDED: {algo.alarm}", "alert_text"
    elif algo.ending:
        words, tone = f"ending: {algo.ending}", "warn"
    else:
        waiting = [_leg(leg, instrument) for leg in algo.legs if leg.where == "engine"]
        held = f"; in the engine: {', '.join(waiting)}" if waiting else ""
        whole = f"{algo.words}{held}"
        is_short = not held or len(head) + len(whole) <= width
        words, tone = whole if is_short else f"{kind_words(algo.spec)}{held}", "dim"
    head_width = min(len(head), width)
    return (
        Cell(fit(head, head_width), "text"),
        Cell(fit(words, max(0, width - head_width)), tone),
    )


def _leg(leg: LegSnapshot, instrument: Instrument) -> str:
    words = f"{leg.leg} {fmt.plain_qty(leg.lots, instrument)}"
    ticks = leg.trigger_ticks or leg.price_ticks
    return f"{words} @ {fmt.plain_price(ticks, instrument)}" if ticks else words
