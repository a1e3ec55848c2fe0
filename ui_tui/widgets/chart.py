"""The price chart: candles, indicators, volume, own orders, entry and fills."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size

from app.views import bars as frames
from app.views import format as fmt
from app.views.cells import Cell
from app.views.chart import Dot, Drawing, Mark, chart_lines, closes_in
from app.views.desk import Desk
from app.views.ladder import order_ticks
from app.views.moves import timeframe
from app.views.rows import own_books
from app.views.studies import SETS, studies
from app.views.viewstate import find_instrument, find_market
from engine.domain.instrument import Instrument
from engine.domain.order import Side
from engine.domain.snapshots import BarRow
from ui_tui.pane import Pane, Picture

_WIDE = 72
"""Panes wider than this say all four prices of the newest bar."""


class ChartPane(Pane):
    key = "chart"
    goes_stale = True
    pace_ms = 1000
    phase_ms = 550

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        market = find_market(desk.snapshot, desk.instrument_id)
        instrument = find_instrument(desk.snapshot, desk.instrument_id)
        word = timeframe(desk)
        bars = frames.bars_of(market, word) if market is not None and word else ()
        if market is None or instrument is None or not bars:
            return Picture(f"chart {word}", [(Cell(" no bar yet: waiting for a trade", "faint"),)])
        drawn = studies(SETS[desk.chart.studies], bars)
        drawing = Drawing(
            last_ticks=market.last_ticks,
            marks=self._marks(desk),
            dots=_dots(desk),
            studies=drawn,
            bar_s=frames.seconds(word),
        )
        lines = chart_lines(desk.chart, bars, instrument, drawing, *size, self.look.glyphs)
        legend = " ".join(study.name for study in drawn if study.name)
        title = f"chart {instrument.symbol} {word}  {legend}".rstrip()
        note = _note(desk, bars, instrument, size.width)
        left = "" if desk.chart.back else closes_in(bars[-1], market.ts_ns, frames.seconds(word))
        return Picture(title, lines, note=f"{note}  {left}".rstrip())

    def _marks(self, desk: Desk) -> list[Mark]:
        """Own orders and the acting book's average entry."""
        glyphs = self.look.glyphs
        marks = [
            Mark(
                order_ticks(shown),
                "up" if shown.order.spec.side is Side.BUY else "down",
                glyphs.pointer,
                is_line=shown.order.placed_by != "bot",
            )
            for shown in (desk.snapshot.orders if desk.snapshot is not None else [])
            if shown.order.spec.instrument_id == desk.instrument_id and order_ticks(shown) > 0
        ]
        entry = desk.entry_ticks()
        if entry:
            marks.append(Mark(entry, "helm_manual", glyphs.hand, is_line=True))
        return marks


def _dots(desk: Desk) -> list[Dot]:
    snapshot = desk.snapshot
    if snapshot is None:
        return []
    own = own_books(snapshot)
    return [
        Dot(fill.ts_ns, fill.ticks, fill.side, fill.bot_id in own)
        for fill in snapshot.fills
        if fill.instrument_id == desk.instrument_id
    ]


def _note(desk: Desk, bars: Sequence[BarRow], instrument: Instrument, width: int) -> str:
    if desk.chart.back:
        return f"{desk.chart.back} bars back, End: live"
    bar = bars[-1]
    words = [fmt.price(ticks, instrument) for ticks in (bar.open, bar.high, bar.low, bar.close)]
    return "O {} H {} L {} C {}".format(*words) if width > _WIDE else f"C {words[3]}"
