"""The price chart: candles, volume, own orders and entry on the axis."""

from __future__ import annotations

from textual.geometry import Size

from app.views import format as fmt
from app.views.cells import Cell
from app.views.chart import Mark, chart_lines
from app.views.desk import Desk
from app.views.ladder import order_ticks
from app.views.moves import timeframe
from app.views.viewstate import find_instrument, find_market
from engine.domain.order import Side
from ui_tui.pane import Pane, Picture


class ChartPane(Pane):
    key = "chart"
    pace_ms = 500

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        market = find_market(desk.snapshot, desk.instrument_id)
        instrument = find_instrument(desk.snapshot, desk.instrument_id)
        word = timeframe(desk)
        if market is None or instrument is None or not word:
            return Picture("chart", [(Cell(" waiting for the first bar", "faint"),)])
        bars = market.bars[word]
        lines = chart_lines(
            desk.chart,
            bars,
            instrument,
            market.last_ticks,
            self._marks(desk),
            *size,
            self.look.glyphs,
        )
        note = f"{desk.chart.back} bars back, End: live" if desk.chart.back else ""
        if bars and not note:
            bar = bars[-1]
            words = [
                fmt.price(ticks, instrument) for ticks in (bar.open, bar.high, bar.low, bar.close)
            ]
            note = "O {} H {} L {} C {}".format(*words) if size.width > 72 else f"C {words[3]}"
        return Picture(f"chart {instrument.symbol} {word}", lines, note=note)

    def _marks(self, desk: Desk) -> list[Mark]:
        """Own orders and the acting book's average entry."""
        glyphs = self.look.glyphs
        marks = [
            Mark(
                order_ticks(shown),
                "up" if shown.order.spec.side is Side.BUY else "down",
                glyphs.pointer,
            )
            for shown in (desk.snapshot.orders if desk.snapshot is not None else [])
            if shown.order.spec.instrument_id == desk.instrument_id and order_ticks(shown) > 0
        ]
        entry = desk.entry_ticks()
        if entry:
            marks.append(Mark(entry, "helm_manual", glyphs.hand))
        return marks
