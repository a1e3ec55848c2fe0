"""Trades of the market as they print, newest first."""

from __future__ import annotations

from textual.geometry import Size

from app.views import format as fmt
from app.views.columns import TAPE
from app.views.desk import Desk
from app.views.lists import table_lines
from app.views.rows import tape_rows
from app.views.viewstate import find_instrument, find_market
from ui_tui.pane import Pane, Picture


class TapePane(Pane):
    key = "tape"
    goes_stale = True
    pace_ms = 400
    phase_ms = 250

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        market = find_market(desk.snapshot, desk.instrument_id)
        instrument = find_instrument(desk.snapshot, desk.instrument_id)
        rows, title = [], "tape"
        if market is not None and instrument is not None:
            least = desk.tape_from.get(desk.instrument_id, 0)
            rows = tape_rows(market, instrument, size.height - 1, least)
            title = f"tape from {fmt.qty(least, instrument)}" if least else title
        empty = " no such trade lately" if title != "tape" else " no trades"
        return Picture(title, table_lines(TAPE, rows, *size, self.look.glyphs, empty=empty))
