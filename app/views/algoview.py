"""Working algos as lines: what each is, what it has traded, and where its legs are."""

from __future__ import annotations

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.columns import side_cell
from app.views.glyphs import Glyphs
from app.views.rows import owner_words
from app.views.viewstate import find_instrument
from engine.domain.instrument import Instrument
from engine.domain.snapshots import AlgoSnapshot, EngineSnapshot, LegSnapshot

_LEG = 12


def algo_lines(
    snapshot: EngineSnapshot | None, selected: str, width: int, glyphs: Glyphs
) -> tuple[list[Line], int]:
    """The lines, and which of them the selected algo begins at."""
    if snapshot is None or not snapshot.algos:
        return [(Cell(fit(" no brackets, slices or other algos at work", width), "faint"),)], 0
    lines: list[Line] = []
    at = 0
    for algo in snapshot.algos:
        is_selected = algo.algo_id == selected
        at = len(lines) if is_selected else at
        lines += _algo(snapshot, algo, is_selected, width, glyphs)
    return lines, at


def _algo(
    snapshot: EngineSnapshot, algo: AlgoSnapshot, is_selected: bool, width: int, glyphs: Glyphs
) -> list[Line]:
    instrument = find_instrument(snapshot, algo.spec.instrument_id)
    owner, tone = owner_words(snapshot, algo.bot_id)
    over = "/select" if is_selected else ""
    head = f"{glyphs.pointer if is_selected else ' '}{algo.algo_id} {algo.words}"
    lines: list[Line] = [
        (
            Cell(fit(head, max(0, width - 10)), f"strong{over}"),
            Cell(fit(owner, 10, ">"), f"{tone}{over}"),
        )
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
