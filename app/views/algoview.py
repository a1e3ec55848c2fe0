"""Working algos as lines: what each is, what it has traded, and where its legs are."""

from __future__ import annotations

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.columns import side_cell
from app.views.rows import owner_words
from app.views.viewstate import find_instrument
from engine.domain.instrument import Instrument
from engine.domain.snapshots import AlgoSnapshot, EngineSnapshot, LegSnapshot

_LEG = 12


def algo_lines(snapshot: EngineSnapshot | None, width: int) -> list[Line]:
    if snapshot is None or not snapshot.algos:
        return [(Cell(fit(" no brackets, slices or other algos at work", width), "faint"),)]
    lines: list[Line] = []
    for algo in snapshot.algos:
        lines += _algo(snapshot, algo, width)
    return lines


def _algo(snapshot: EngineSnapshot, algo: AlgoSnapshot, width: int) -> list[Line]:
    instrument = find_instrument(snapshot, algo.spec.instrument_id)
    owner, tone = owner_words(snapshot, algo.bot_id)
    head = f" {algo.words}"
    lines: list[Line] = [
        (Cell(fit(head, max(0, width - 10)), "strong"), Cell(fit(owner, 10, ">"), tone))
    ]
    if algo.alarm:
        lines.append((Cell(fit(f"   {algo.alarm}", width), "alert_text"),))
    if algo.ending:
        lines.append((Cell(fit(f"   ending: {algo.ending}", width), "warn"),))
    if instrument is not None:
        lines += [_leg(leg, instrument, width) for leg in algo.legs]
    return lines


def _leg(leg: LegSnapshot, instrument: Instrument, width: int) -> Line:
    ticks = leg.price_ticks or leg.trigger_ticks
    price = f"@ {fmt.price(ticks, instrument)}" if ticks else "at the market"
    words = f" {fmt.qty(leg.lots, instrument)} {price}  {leg.where}"
    tone = "text" if leg.where == "venue" else "dim"
    return (
        Cell(fit(f"   {leg.leg}", _LEG), "dim"),
        side_cell(leg.side.sign),
        Cell(fit(words, max(0, width - _LEG - 1)), tone),
    )
