"""Ladder rows as text: own orders, sizes with their bars, price with cursor, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.glyphs import Glyphs
from app.views.ladder import LadderRow
from engine.domain.instrument import Instrument
from engine.domain.snapshots import MarketSnapshot

_NOTE_WIDTH = 11
_NOTE_FROM = 54
"""Panes at least this wide have the remarks column."""
_OWN_WIDTH = 8


class LadderLook:
    """Column widths for one pane width and instrument, and the lines in them."""

    def __init__(self, instrument: Instrument, last_ticks: int, width: int, glyphs: Glyphs) -> None:
        self._of = (instrument, width)
        self._instrument = instrument
        self._glyphs = glyphs
        self._known: dict[tuple[LadderRow, int, int, bool], Line] = {}
        """The lines of the last picture: most rows stay as they are."""
        self.note = _NOTE_WIDTH if width >= _NOTE_FROM else 0
        self.price = _price_width(instrument, last_ticks)
        self.own = _OWN_WIDTH
        rest = width - self.price - self.note - 2 * self.own
        self.qty = max(6, rest // 2)
        self.spare = max(0, rest - 2 * self.qty)

    def serves(self, instrument: Instrument, last_ticks: int, width: int) -> bool:
        """Whether the columns fit this pane and instrument still."""
        return self._of == (instrument, width) and self.price == _price_width(
            instrument, last_ticks
        )

    def head(self) -> Line:
        text = (
            fit("my buy", self.own, ">")
            + fit("bid", self.qty, ">")
            + fit("price", self.price, "^")
            + fit("ask", self.qty, ">")
            + fit("my sell", self.own, ">")
            + fit("  remark" if self.note else "", self.note + self.spare)
        )
        return (Cell(text, "head"),)

    def lines(self, rows: Sequence[LadderRow], market: MarketSnapshot, is_live: bool) -> list[Line]:
        """One line a row; everything grey when the market cannot be believed."""
        most = max((max(row.bid_lots, row.ask_lots) for row in rows), default=0) or 1
        known, self._known = self._known, {}
        lines = []
        for row in rows:
            bars = row.bid_lots * self.qty // most, row.ask_lots * self.qty // most
            key = (row, *bars, is_live)
            line = known.get(key) if not row.is_last else None
            line = self._known[key] = line or self._line(row, market, bars, is_live)
            lines.append(line)
        return lines

    def _line(
        self, row: LadderRow, market: MarketSnapshot, bars: tuple[int, int], is_live: bool
    ) -> Line:
        over = "/cursor" if row.is_cursor else "/select" if row.is_grab_origin else ""
        cells = [
            self._own(row.own_buy_lots, row.own_buys, "own_buy", row, over),
            *self._quantity(row.bid_lots, bars[0], "bid", True, over),
            self._price(row, market, over),
            *self._quantity(row.ask_lots, bars[1], "ask", False, over),
            self._own(row.own_sell_lots, row.own_sells, "own_sell", row, over),
        ]
        room = self.note + self.spare
        if room:
            note = f"  {self._note(row, market)}" if self.note else ""
            cells.append(Cell(fit(note, room), f"dim{over}"))
        if is_live:
            return tuple(cells)
        keep = ("own_buy", "own_sell")
        return tuple(
            cell if cell.tone.startswith(keep) else Cell(cell.text, f"stale{over}")
            for cell in cells
        )

    def _own(self, lots: int, count: int, tone: str, row: LadderRow, over: str) -> Cell:
        if count == 0:
            return Cell(" " * self.own, f"text{over}")
        before = "!" if row.is_stop else ""
        if count > 1:
            before = f"{before}{count}{self._glyphs.times}"
        text = before + fmt.short_qty(lots, self._instrument, self.own - 1 - len(before))
        return Cell(" " + fit(text, self.own - 1, ">"), f"{tone}{over}")

    def _quantity(
        self, lots: int, columns: int, tone: str, is_bid: bool, over: str
    ) -> tuple[Cell, ...]:
        """The size over a bar that grows away from the price."""
        if lots == 0:
            return (Cell(" " * self.qty, f"text{over}"),)
        text = fit(f"{fmt.short_qty(lots, self._instrument, self.qty - 1)} ", self.qty, ">")
        length = max(1, columns)
        bar = over or f"/{tone}_bar"
        if is_bid:
            at = self.qty - length
            return (Cell(text[:at], f"{tone}{over}"), Cell(text[at:], f"{tone}{bar}"))
        return (Cell(text[:length], f"{tone}{bar}"), Cell(text[length:], f"{tone}{over}"))

    def _price(self, row: LadderRow, market: MarketSnapshot, over: str) -> Cell:
        glyphs = self._glyphs
        left, right = " ", " "
        if row.is_cursor:
            left, right = glyphs.pointer, glyphs.pointer_back
        elif row.is_entry:
            left = right = glyphs.hand
        text = fit(fmt.price(row.ticks, self._instrument), self.price - 4, "^")
        shown = f" {left}{text}{right} "
        if row.is_last:
            return Cell(shown, "last_up" if market.last_side >= 0 else "last_down")
        if row.bid_lots:
            return Cell(shown, f"bid{over}")
        if row.ask_lots:
            return Cell(shown, f"ask{over}")
        return Cell(shown, f"dim{over}")

    def _note(self, row: LadderRow, market: MarketSnapshot) -> str:
        """Why the row matters: the grabbed order's goal, last trade, entry, queue."""
        if row.is_grabbed:
            return "move here"
        if row.is_last and market.tape:
            latest = market.tape[-1]
            arrow = fmt.arrow(latest.side, self._glyphs)
            return f"{arrow} {fmt.qty(latest.lots, self._instrument)}"
        if row.is_entry:
            return "entry"
        if row.queue_ahead_lots >= 0:
            return f"q {fmt.qty(row.queue_ahead_lots, self._instrument)}"
        return ""


def _price_width(instrument: Instrument, last_ticks: int) -> int:
    return max(11, len(fmt.price(max(1, last_ticks), instrument)) + 4)


def depth_line(market: MarketSnapshot, instrument: Instrument, width: int, glyphs: Glyphs) -> Line:
    """Size on both sides near the touch and its balance, in one line."""
    if not market.bids or not market.asks:
        return (Cell(fit(" one side of the book is empty", width), "warn"),)
    reach = max(1, (market.bids[0][0] + market.asks[0][0]) // 2000)
    lowest, highest = market.bids[0][0] - reach, market.asks[0][0] + reach
    bid = sum(lots for _, lots in takewhile(lambda level: level[0] >= lowest, market.bids))
    ask = sum(lots for _, lots in takewhile(lambda level: level[0] <= highest, market.asks))
    balance = fmt.percent(bid - ask, bid + ask, 0)
    gauge = max(4, width - 32)
    filled = gauge * bid // max(1, bid + ask)
    return (
        Cell(f" {fit(fmt.qty(bid, instrument), 10, '>')} ", "bid"),
        Cell(glyphs.block * filled, "up_dim"),
        Cell(glyphs.block * (gauge - filled), "down_dim"),
        Cell(f" {fit(fmt.qty(ask, instrument), 10)} ", "ask"),
        Cell(fit(balance, 5, ">"), "dim"),
    )
