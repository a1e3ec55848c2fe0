"""Snapshot to rows, one function a topic. Rows hold values; `columns` turns them into text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from app.views import format as fmt
from app.views.glyphs import Glyphs
from app.views.viewstate import find_bot, find_instrument
from engine.domain.events import Helm
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY
from engine.domain.order import OrderSpec, OrderStatus, Pending
from engine.domain.snapshots import (
    EngineSnapshot,
    FillSnapshot,
    LimitSnapshot,
    LogRow,
    MarketSnapshot,
    OrderSnapshot,
)
from engine.trading.state import MANUAL

NS_PER_MS = 1_000_000


class BotRow(msgspec.Struct, frozen=True):
    bot_id: str
    helm: Helm
    symbol: str
    instrument: Instrument | None
    lots: int
    pnl: Decimal
    settle: str
    orders: int
    fills: int
    ago: str
    action: tuple[str, str]
    """Text and tone: the error of a failed bot comes before its last action."""
    error: str
    is_selected: bool


def own_books(snapshot: EngineSnapshot) -> set[str]:
    """The books that a person steers: their own, and those of bots whose helm they hold."""
    return {bot.bot_id for bot in snapshot.bots if bot.helm is Helm.MANUAL} | {MANUAL}


def bot_rows(snapshot: EngineSnapshot, selected: str) -> list[BotRow]:
    rows = []
    for bot in snapshot.bots:
        instrument = find_instrument(snapshot, bot.instrument_id)
        ago_ms = (snapshot.ts_ns - bot.last_action_ns) // NS_PER_MS
        rows.append(
            BotRow(
                bot_id=bot.bot_id,
                helm=bot.helm,
                symbol=instrument.symbol if instrument is not None else bot.instrument_id,
                instrument=instrument,
                lots=bot.position_lots,
                pnl=bot.pnl,
                settle=instrument.settle if instrument is not None else snapshot.settle,
                orders=bot.open_orders,
                fills=bot.fills,
                ago=fmt.ago(ago_ms) if bot.last_action_ns else "",
                action=(bot.error, "alert_text") if bot.error else (bot.last_action, "dim"),
                error=bot.error,
                is_selected=bot.bot_id == selected,
            )
        )
    return rows


class OrderRow(msgspec.Struct, frozen=True):
    order_id: str
    spec: OrderSpec
    instrument: Instrument | None
    symbol: str
    owner: tuple[str, str]
    """Text and tone: `MANUAL` for what a person steers."""
    leaves_lots: int
    filled_pct: int
    status: OrderStatus
    pending: Pending
    suspect: str
    queue_ahead_lots: int
    age: str
    is_selected: bool


def order_rows(
    snapshot: EngineSnapshot,
    selected: str,
    is_shown: Callable[[OrderSnapshot], bool] | None = None,
) -> list[OrderRow]:
    """Live orders, the highest price first, so that the list reads like the ladder."""
    rows = []
    for shown in snapshot.orders:
        if is_shown is not None and not is_shown(shown):
            continue
        order = shown.order
        instrument = find_instrument(snapshot, order.spec.instrument_id)
        age_ms = max(0, snapshot.ts_ns - order.created_ns) // NS_PER_MS
        rows.append(
            OrderRow(
                order_id=order.client_order_id,
                spec=order.spec,
                instrument=instrument,
                symbol=instrument.symbol if instrument is not None else order.spec.instrument_id,
                owner=owner_words(snapshot, order.bot_id),
                leaves_lots=order.leaves_lots,
                filled_pct=order.filled_lots * 100 // max(1, order.spec.qty_lots),
                status=order.status,
                pending=order.pending,
                suspect=order.suspect,
                queue_ahead_lots=shown.queue_ahead_lots,
                age=fmt.ago(age_ms),
                is_selected=order.client_order_id == selected,
            )
        )
    rows.sort(key=lambda row: (-(row.spec.trigger_ticks or row.spec.price_ticks), row.order_id))
    return rows


def owner_words(snapshot: EngineSnapshot, bot_id: str) -> tuple[str, str]:
    """Whose it is, with its tone: a person's things stand out from the bots'."""
    if bot_id == MANUAL:
        return "MANUAL", "helm_manual"
    bot = find_bot(snapshot, bot_id)
    steered = bot is not None and bot.helm is Helm.MANUAL
    return bot_id, "helm_manual" if steered else "dim"


class FillRow(msgspec.Struct, frozen=True):
    ts_ns: int
    side: int
    lots: int
    ticks: int
    instrument: Instrument | None
    symbol: str
    bot_id: str
    fee: Decimal
    settle: str
    is_maker: bool
    is_selected: bool = False


def fill_rows(
    snapshot: EngineSnapshot, selected: str = "", first: int = 0, count: int | None = None
) -> list[FillRow]:
    """The latest fills, newest first: `count` of them from the one numbered `first` on."""
    newest = snapshot.fills[::-1]
    shown = newest[first:] if count is None else newest[first : first + count]
    return [_fill_row(snapshot, fill, str(fill.seq) == selected) for fill in shown]


def _fill_row(snapshot: EngineSnapshot, fill: FillSnapshot, is_selected: bool) -> FillRow:
    instrument = find_instrument(snapshot, fill.instrument_id)
    return FillRow(
        ts_ns=fill.ts_ns,
        side=fill.side,
        lots=fill.lots,
        ticks=fill.ticks,
        instrument=instrument,
        symbol=instrument.symbol if instrument is not None else fill.instrument_id,
        bot_id=fill.bot_id,
        fee=fill.fee,
        settle=instrument.settle if instrument is not None else snapshot.settle,
        is_maker=fill.is_maker,
        is_selected=is_selected,
    )


class PositionRow(msgspec.Struct, frozen=True):
    symbol: str
    owner: tuple[str, str]
    lots: int
    instrument: Instrument | None
    entry_ticks: Decimal | None
    unrealised: Decimal
    realised: Decimal
    fees: Decimal
    pnl: Decimal
    settle: str


def position_rows(snapshot: EngineSnapshot) -> list[PositionRow]:
    """Open positions first, then books that are flat again."""
    rows = []
    for position in snapshot.positions:
        instrument = find_instrument(snapshot, position.instrument_id)
        rows.append(
            PositionRow(
                symbol=instrument.symbol if instrument is not None else position.instrument_id,
                owner=owner_words(snapshot, position.bot_id),
                lots=position.lots,
                instrument=instrument,
                entry_ticks=position.entry_ticks,
                unrealised=position.unrealised,
                realised=position.realised,
                fees=position.fees,
                pnl=position.pnl,
                settle=instrument.settle if instrument is not None else snapshot.settle,
            )
        )
    rows.sort(key=lambda row: row.lots == 0)
    return rows


class TapeLine(msgspec.Struct, frozen=True):
    """Neighbouring prints of one side and price in one second, added up."""

    ts_ns: int
    side: int
    ticks: int
    lots: int
    count: int
    is_large: bool
    instrument: Instrument

    def count_text(self, glyphs: Glyphs) -> str:
        return f"{glyphs.times}{self.count}" if self.count > 1 else ""


def tape_rows(
    market: MarketSnapshot, instrument: Instrument, most: int, least_lots: int = 0
) -> list[TapeLine]:
    """The latest prints of at least `least_lots`, newest first; those of twice the average size
    are large."""
    if not market.tape:
        return []
    average = sum(row.lots for row in market.tape) // len(market.tape)
    merged: list[list[int]] = []
    for row in reversed(market.tape):
        if row.lots < least_lots:
            continue
        second = row.ts_ns // 1_000_000_000
        if merged and merged[-1][1:3] == [row.side, row.ticks] and merged[-1][5] == second:
            merged[-1][3] += row.lots
            merged[-1][4] += 1
            continue
        if len(merged) == most:
            break
        merged.append([row.ts_ns, row.side, row.ticks, row.lots, 1, second])
    return [
        TapeLine(ts_ns, side, ticks, lots, count, lots >= 2 * average, instrument)
        for ts_ns, side, ticks, lots, count, _ in merged
    ]


class LimitRow(msgspec.Struct, frozen=True):
    name: str
    used: Decimal
    limit: Decimal
    share: str
    words: str
    tone: str
    """Calm, near (from 70 %) or reached."""


_NEAR_PCT = 70


def limit_rows(limits: Iterable[LimitSnapshot]) -> list[LimitRow]:
    rows = []
    for limit in limits:
        percent = Decimal(0)
        if limit.limit > 0:
            percent = MONEY.divide(MONEY.multiply(limit.used, Decimal(100)), limit.limit)
        tone = "alert_text" if limit.is_tripped or percent >= 100 else "gauge"
        if tone == "gauge" and percent >= _NEAR_PCT:
            tone = "warn"
        words = f"{fmt.compact(limit.used)} / {fmt.compact(limit.limit)} {limit.unit}"
        rows.append(
            LimitRow(
                name=limit.name.replace("_per_s", "/s").replace("_", " "),
                used=limit.used,
                limit=limit.limit,
                share=f"{int(percent)}%",
                words=f"{words} REACHED" if limit.is_tripped else words,
                tone=tone,
            )
        )
    return rows


LOG_TONES = {"info": "text", "trade": "trade", "warn": "warn", "alert": "alert_text"}


def log_rows(snapshot: EngineSnapshot, own: Iterable[LogRow] = ()) -> list[LogRow]:
    """The latest lines, newest first, with the lines that this face adds in their places. A replay
    that has gone back knows nothing of what comes later."""
    newest = snapshot.log[::-1]
    added = [row for row in own if snapshot.replay is None or row.ts_ns <= snapshot.ts_ns]
    if added:
        newest = sorted([*newest, *added], key=lambda row: row.ts_ns, reverse=True)
    return newest
