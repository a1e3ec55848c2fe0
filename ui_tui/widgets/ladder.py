"""The price ladder: rows stay, the market moves inside them; own orders beside it."""

from __future__ import annotations

from textual.geometry import Size

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.desk import Desk
from app.views.ladder import CalmSizes, ladder_rows
from app.views.ladderlines import LadderLook, depth_line
from app.views.viewstate import ViewState
from engine.domain.instrument import Instrument
from engine.domain.snapshots import MarketSnapshot
from ui_tui.look import Look
from ui_tui.pane import Pane, Picture


class LadderPane(Pane):
    key = "ladder"

    def __init__(self, look: Look, *, classes: str | None = None) -> None:
        super().__init__(look, classes=classes)
        self._calm = CalmSizes()
        self._lines_of: LadderLook | None = None

    def draw(self, desk: Desk, now_ns: int, size: Size) -> Picture:
        view = desk.view(self.key, now_ns)
        market, instrument, snapshot = view.market, view.instrument, view.snapshot
        if market is None or instrument is None or snapshot is None:
            return Picture("ladder", [(Cell(" waiting for the market", "faint"),)])
        ladder = desk.ladder
        rows = max(1, size.height - 2)
        if ladder.rows != rows:
            ladder.resize(rows)
            ladder.follow(market.last_ticks, now_ns, desk.last_key_ns)
        look = self._lines_of
        if look is None or not look.serves(instrument, market.last_ticks, size.width):
            look = LadderLook(instrument, market.last_ticks, size.width, self.look.glyphs)
            self._lines_of = look
        is_live = not view.is_stale and market.is_ready
        shown = ladder_rows(ladder, market, snapshot.orders, desk.entry_ticks(), desk.grabbed_id)
        shown = self._calm.rows(shown, ladder.group, now_ns)
        lines = [look.head(), *look.lines(shown, market, is_live)]
        lines += [()] * (size.height - 1 - len(lines))
        lines.append(self._last_line(desk, view, market, instrument, now_ns, size.width))
        return Picture(f"ladder {instrument.symbol}", lines, note=_note(desk, view, instrument))

    def _last_line(
        self,
        desk: Desk,
        view: ViewState,
        market: MarketSnapshot,
        instrument: Instrument,
        now_ns: int,
        width: int,
    ) -> Line:
        """What is wrong comes before the depth: refusals, staleness, an incomplete book."""
        notice = desk.notice(now_ns)
        if notice is not None and notice.tone == "alert":
            return (Cell(fit(f" {notice.words}", width), "alert"),)
        if view.is_stale:
            words = f" STALE {fmt.age(view.feed_age_ms)}: order keys are off"
            return (Cell(fit(words, width), "alert"),)
        if not market.is_ready:
            return (Cell(fit(" book incomplete: order keys are off", width), "warn_box"),)
        return depth_line(market, instrument, width, self.look.glyphs)


def _note(desk: Desk, view: ViewState, instrument: Instrument) -> str:
    ladder = desk.ladder
    words = [f"row {fmt.price(ladder.group, instrument)}"]
    if view.qty_lots:
        words.append(f"size {fmt.qty(view.qty_lots, instrument)}")
    words.append("lock" if ladder.is_locked else "auto")
    return "  ".join(words)
