"""Tables as data: a column is a key, a title, a width, an alignment and a formatter.

Widths belong to the column, never to the content, so data cannot move the layout. When the pane
is narrow, columns with the highest rank are left out first; one column may take what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.glyphs import Glyphs
from app.views.rows import (
    BotRow,
    FillRow,
    LimitRow,
    OrderRow,
    PositionRow,
    TapeLine,
)
from engine.domain.events import Helm
from engine.domain.order import OrderStatus, OrderType, Pending, TimeInForce

Formatter = Callable[[Any, Glyphs], Cell]


class Column(msgspec.Struct, frozen=True):
    key: str
    title: str
    width: int
    cell: Formatter
    align: str = "<"
    rank: int = 0
    """0: always shown; the highest rank goes first."""
    grows: bool = False
    """Takes the width that is left."""


Table = tuple[Column, ...]


def choose(table: Table, width: int) -> list[tuple[Column, int]]:
    """The columns that fit into `width`, one space apart, each with its width."""
    chosen = list(table)
    while len(chosen) > 1 and _needed(chosen) > width:
        worst = max(chosen, key=lambda column: column.rank)
        if worst.rank == 0:
            break
        chosen.remove(worst)
    spare = width - _needed(chosen)
    return [(c, c.width + spare if c.grows and spare > 0 else c.width) for c in chosen]


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.width + 1 for column in columns) - 1


def head_line(chosen: Sequence[tuple[Column, int]]) -> Line:
    texts = [fit(column.title, width, column.align) for column, width in chosen]
    return (Cell(" ".join(texts), "head"),)


def row_line(
    chosen: Sequence[tuple[Column, int]], row: object, glyphs: Glyphs, overlay: str = ""
) -> Line:
    """One row; `overlay` is a tone laid over all of it, for the selected row."""
    cells: list[Cell] = []
    over = f"/{overlay}" if overlay else ""
    for column, width in chosen:
        if cells:
            cells.append(Cell(" ", f"text{over}"))
        cell = column.cell(row, glyphs)
        cells.append(Cell(fit(cell.text, width, column.align), f"{cell.tone}{over}"))
    return tuple(cells)


def side_cell(side: int) -> Cell:
    return Cell("B", "up") if side > 0 else Cell("S", "down")


# -- bots ------------------------------------------------------------------------------------

_HELMS = {
    Helm.AUTO: ("on", "AUTO", "helm_auto"),
    Helm.PAUSED: ("pause", "PAUSE", "helm_paused"),
    Helm.MANUAL: ("hand", "MANUAL", "helm_manual"),
    Helm.STOPPED: ("stop", "STOP", "dim"),
}


def helm_cell(helm: Helm, glyphs: Glyphs) -> Cell:
    glyph, word, tone = _HELMS[helm]
    return Cell(f"{getattr(glyphs, glyph)} {word}", tone)


def _bot_name(row: BotRow, glyphs: Glyphs) -> Cell:
    mark = glyphs.pointer if row.is_selected else " "
    return Cell(f"{mark}{row.bot_id}", "alert_text" if row.error else "strong")


def _bot_pnl(row: BotRow, glyphs: Glyphs) -> Cell:
    return _money_cell(row.pnl, row.settle)


def _money_cell(amount: Any, asset: str) -> Cell:
    return Cell(fmt.signed_money(amount, asset), fmt.tone_of(fmt.sign(amount, asset)))


def _signed_lots(lots: int, instrument: Any) -> Cell:
    if instrument is None or lots == 0:
        return Cell("flat", "dim")
    return Cell(fmt.signed_qty(lots, instrument), fmt.tone_of(lots))


BOTS: Table = (
    Column("name", " bot", 11, _bot_name),
    Column("helm", "helm", 8, lambda row, glyphs: helm_cell(row.helm, glyphs)),
    Column("symbol", "symbol", 9, lambda row, glyphs: Cell(row.symbol, "dim"), rank=5),
    Column("position", "pos", 8, lambda row, g: _signed_lots(row.lots, row.instrument), ">", 1),
    Column("pnl", "PnL", 9, _bot_pnl, ">"),
    Column("orders", "ord", 3, lambda row, glyphs: Cell(str(row.orders)), ">", 2),
    Column("fills", "fills", 5, lambda row, glyphs: Cell(str(row.fills), "dim"), ">", 6),
    Column("age", "ago", 6, lambda row, glyphs: Cell(row.ago, "dim"), ">", 7),
    Column("action", "last action", 22, lambda row, g: Cell(*row.action), rank=4, grows=True),
)

# -- orders ----------------------------------------------------------------------------------

_KINDS = {
    OrderType.LIMIT: "lim",
    OrderType.MARKET: "mkt",
    OrderType.STOP: "stop",
    OrderType.STOP_LIMIT: "stpl",
}
_TIF_WORDS = {
    TimeInForce.GTC: "",
    TimeInForce.IOC: " ioc",
    TimeInForce.FOK: " fok",
    TimeInForce.POST_ONLY: " po",
}


def _order_price(row: OrderRow, glyphs: Glyphs) -> Cell:
    ticks = row.spec.trigger_ticks or row.spec.price_ticks
    if row.instrument is None or not ticks:
        return Cell("market", "dim")
    return Cell(fmt.price(ticks, row.instrument))


def _order_kind(row: OrderRow, glyphs: Glyphs) -> Cell:
    reduce = " ro" if row.spec.reduce_only else ""
    return Cell(f"{_KINDS[row.spec.type]}{_TIF_WORDS[row.spec.tif]}{reduce}", "dim")


def _order_state(row: OrderRow, glyphs: Glyphs) -> Cell:
    """What is under way comes before what is known: `placing`, `cancelling`."""
    if row.suspect:
        return Cell("suspect", "alert_text")
    if row.pending is Pending.UNKNOWN:
        return Cell("unknown", "alert_text")
    if row.pending is not Pending.NONE:
        return Cell(str(row.pending), "warn")
    if row.status is OrderStatus.PARTIAL:
        return Cell(f"part {row.filled_pct}%", "warn")
    return Cell(str(row.status), "dim")


def _order_qty(row: OrderRow, glyphs: Glyphs) -> Cell:
    if row.instrument is None:
        return Cell(str(row.leaves_lots))
    return Cell(fmt.qty(row.leaves_lots, row.instrument))


def _order_queue(row: OrderRow, glyphs: Glyphs) -> Cell:
    if row.queue_ahead_lots < 0 or row.instrument is None:
        return Cell("")
    return Cell(f"q {fmt.qty(row.queue_ahead_lots, row.instrument)}", "dim")


def _order_side(row: OrderRow, glyphs: Glyphs) -> Cell:
    cell = side_cell(row.spec.side.sign)
    mark = glyphs.pointer if row.is_selected else " "
    return Cell(f"{mark}{cell.text}", cell.tone)


ORDERS: Table = (
    Column("side", " s", 2, _order_side),
    Column("qty", "qty", 7, _order_qty, ">"),
    Column("price", "price", 10, _order_price, ">"),
    Column("owner", "owner", 8, lambda row, glyphs: Cell(*row.owner), rank=1),
    Column("kind", "type", 8, _order_kind, rank=4),
    Column("state", "state", 10, _order_state, rank=2),
    Column("queue", "ahead", 9, _order_queue, ">", 3),
    Column("age", "age", 6, lambda row, glyphs: Cell(row.age, "dim"), ">", 5),
    Column("symbol", "symbol", 9, lambda row, glyphs: Cell(row.symbol, "dim"), rank=6),
)

# -- fills -----------------------------------------------------------------------------------


def _fill_price(row: FillRow, glyphs: Glyphs) -> Cell:
    return Cell(fmt.price(row.ticks, row.instrument) if row.instrument else str(row.ticks))


def _fill_qty(row: FillRow, glyphs: Glyphs) -> Cell:
    return Cell(fmt.qty(row.lots, row.instrument) if row.instrument else str(row.lots))


FILLS: Table = (
    Column("time", "time", 8, lambda row, glyphs: Cell(fmt.clock(row.ts_ns), "dim")),
    Column("side", "s", 1, lambda row, glyphs: side_cell(row.side)),
    Column("qty", "qty", 7, _fill_qty, ">"),
    Column("price", "price", 10, _fill_price, ">"),
    Column("role", "m", 1, lambda row, g: Cell("m" if row.is_maker else "t", "dim"), rank=2),
    Column("owner", "owner", 7, lambda row, glyphs: Cell(row.bot_id, "dim"), rank=1),
    Column("fee", "fee", 8, lambda row, g: Cell(fmt.money(row.fee, row.settle), "dim"), ">", 3),
    Column("symbol", "symbol", 9, lambda row, glyphs: Cell(row.symbol, "dim"), rank=4),
)

# -- positions -------------------------------------------------------------------------------


def _entry(row: PositionRow, glyphs: Glyphs) -> Cell:
    if row.entry_ticks is None or row.instrument is None:
        return Cell(glyphs.dash, "dim")
    return Cell(fmt.price(row.entry_ticks, row.instrument))


POSITIONS: Table = (
    Column("symbol", "symbol", 8, lambda row, glyphs: Cell(row.symbol, "strong")),
    Column("owner", "owner", 7, lambda row, glyphs: Cell(*row.owner)),
    Column("qty", "qty", 8, lambda row, g: _signed_lots(row.lots, row.instrument), ">"),
    Column("entry", "entry", 10, _entry, ">", 1),
    Column("open", "uPnL", 9, lambda row, g: _money_cell(row.unrealised, row.settle), ">", 2),
    Column("done", "rPnL", 9, lambda row, g: _money_cell(row.realised, row.settle), ">", 4),
    Column("fees", "fees", 8, lambda row, g: Cell(fmt.money(row.fees, row.settle), "dim"), ">", 5),
    Column("pnl", "PnL", 9, lambda row, g: _money_cell(row.pnl, row.settle), ">", 3),
)

# -- tape ------------------------------------------------------------------------------------


def _tape_qty(row: TapeLine, glyphs: Glyphs) -> Cell:
    tone = fmt.tone_of(row.side) if row.is_large else "text"
    return Cell(fmt.qty(row.lots, row.instrument), tone)


TAPE: Table = (
    Column("time", "time", 8, lambda row, glyphs: Cell(fmt.clock(row.ts_ns), "dim"), rank=1),
    Column("side", "", 1, lambda row, g: Cell(fmt.arrow(row.side, g), fmt.tone_of(row.side))),
    Column(
        "price",
        "price",
        10,
        lambda row, g: Cell(fmt.price(row.ticks, row.instrument), fmt.tone_of(row.side)),
        ">",
    ),
    Column("qty", "qty", 8, _tape_qty, ">"),
    Column("count", "", 4, lambda row, g: Cell(row.count_text(g), "dim"), "<", 2),
)

# -- limits ----------------------------------------------------------------------------------

_GAUGE = 10


def _gauge(row: LimitRow, glyphs: Glyphs) -> Cell:
    return Cell(fmt.bar(row.used, row.limit, _GAUGE, glyphs), row.tone)


LIMITS: Table = (
    Column("name", "limit", 14, lambda row, glyphs: Cell(row.name)),
    Column("gauge", "used", _GAUGE, _gauge),
    Column("share", "", 5, lambda row, glyphs: Cell(row.share, row.tone), ">"),
    Column("used", "used / limit", 20, lambda row, glyphs: Cell(row.words), rank=1, grows=True),
)
