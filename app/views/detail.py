"""Everything about one bot, as lines: helm and why, money, parameters, error."""

from __future__ import annotations

import textwrap

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.columns import helm_cell
from app.views.glyphs import Glyphs
from app.views.handover import handover
from app.views.rows import LOG_TONES
from app.views.viewstate import find_bot, find_instrument
from engine.domain.snapshots import BotSnapshot, EngineSnapshot

_KEY = 13
_LATELY = 30


def detail_lines(
    snapshot: EngineSnapshot | None, bot_id: str, width: int, glyphs: Glyphs
) -> list[Line]:
    bot = find_bot(snapshot, bot_id)
    if snapshot is None or bot is None:
        return [(Cell(fit(" no bot selected", width), "faint"),)]
    lines = [
        _pair("strategy", Cell(f"{bot.strategy} on {bot.instrument_id}"), width),
        _pair("helm", _helm(bot, glyphs), width),
    ]
    if bot.error:
        lines += _wrapped("error", bot.error, "alert_text", width)
    lines += _money(snapshot, bot, width)
    if bot.last_action:
        when = fmt.clock(bot.last_action_ns)
        lines += _wrapped("last action", f"{when} {bot.last_action}", "text", width)
    lines += [(), (Cell(fit(" the helm", width), "head"),)]
    for sentence in handover(snapshot, bot):
        pieces = textwrap.wrap(sentence, max(20, width - 2))
        lines += [(Cell(f" {piece}", "text"),) for piece in pieces]
    lines += [(), (Cell(fit(" parameters", width), "head"),)]
    lines += [_pair(name, Cell(value, "strong"), width) for name, value in bot.params.items()]
    return lines + _lately(snapshot, bot_id, width)


def _lately(snapshot: EngineSnapshot, bot_id: str, width: int) -> list[Line]:
    """Its own lines of the log, newest first: decisions, fills, refusals and their reasons."""
    rows = [row for row in reversed(snapshot.log) if row.source == bot_id][:_LATELY]
    if not rows:
        return []
    lines: list[Line] = [(), (Cell(fit(" lately", width), "head"),)]
    for row in rows:
        tone = LOG_TONES.get(row.level, "text")
        text = fit(row.text, max(0, width - 10))
        lines.append((Cell(f" {fmt.clock(row.ts_ns)} ", "dim"), Cell(text, tone)))
    return lines


def _helm(bot: BotSnapshot, glyphs: Glyphs) -> Cell:
    cell = helm_cell(bot.helm, glyphs)
    reason = f": {bot.helm_reason}" if bot.helm_reason else ""
    return Cell(f"{cell.text} by {bot.helm_by}{reason}", cell.tone)


def _money(snapshot: EngineSnapshot, bot: BotSnapshot, width: int) -> list[Line]:
    instrument = find_instrument(snapshot, bot.instrument_id)
    if instrument is None:
        return []
    held = fmt.signed_qty(bot.position_lots, instrument)
    if bot.entry_ticks is not None:
        held = f"{held} {instrument.base} @ {fmt.price(bot.entry_ticks, instrument)}"
    settle = instrument.settle
    lines = [_pair("position", Cell(held, fmt.tone_of(bot.position_lots)), width)]
    for name, amount in (
        ("PnL", bot.pnl),
        ("unrealised", bot.unrealised),
        ("realised", bot.realised),
        ("fees", -bot.fees),
    ):
        tone = fmt.tone_of(fmt.sign(amount, settle))
        words = f"{fmt.signed_money(amount, settle)} {settle}"
        lines.append(_pair(name, Cell(words, "text" if name == "fees" else tone), width))
    counts = f"{fmt.count(bot.open_orders, 'open order')}, {fmt.count(bot.fills, 'fill')}"
    lines.append(_pair("activity", Cell(counts), width))
    return lines


def _pair(name: str, value: Cell, width: int) -> Line:
    room = max(0, width - _KEY - 1)
    return (Cell(" " + fit(name, _KEY), "dim"), Cell(fit(value.text, room), value.tone))


def _wrapped(name: str, text: str, tone: str, width: int) -> list[Line]:
    """`text` over as many lines as it needs, at most four."""
    room = max(8, width - _KEY - 2)
    pieces = [text[at : at + room] for at in range(0, len(text), room)][:4]
    return [
        _pair(name if at == 0 else "", Cell(piece, tone), width) for at, piece in enumerate(pieces)
    ]
