"""Stored backtests: the list with its headline figures, and one opened."""

from __future__ import annotations

import datetime as dt
import textwrap
from decimal import Decimal
from typing import Any

import msgspec

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.columns import Column, Table
from app.views.curve import curve_lines
from app.views.glyphs import Glyphs
from app.views.shelf import Answer, Run, RunRow

_NAME = 26
_CURVE_ROWS = 8
_SHORT_ID = 12
_CENT = Decimal("0.01")
"""Percents below it get two more digits: a short run earns little, and not nothing."""


class ShownRun(msgspec.Struct, frozen=True):
    """A row of the list and whether the cursor is on it."""

    row: RunRow
    is_selected: bool


def _percent(value: Decimal | None, glyphs: Glyphs) -> Cell:
    if value is None:
        return Cell(glyphs.dash, "dim")
    places = 2 if abs(value) >= _CENT else 4
    return Cell(f"{value:+.{places}f}%", fmt.tone_of(value))


def _plain(value: Decimal | None, glyphs: Glyphs) -> Cell:
    return Cell(glyphs.dash, "dim") if value is None else Cell(f"{value:.2f}", "text")


def date(ts_ns: int) -> str:
    """`2024-08-08 12:03` in UTC."""
    return f"{dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC):%Y-%m-%d %H:%M}"


def _name(shown: ShownRun, glyphs: Glyphs) -> Cell:
    mark = glyphs.pointer if shown.is_selected else " "
    return Cell(f"{mark}{shown.row.strategy}", "strong")


def _minutes(row: RunRow) -> str:
    return f"{(row.end_ns - row.start_ns) / 60e9:,.0f}"


RUNS: Table = (
    Column("name", " strategy", 12, _name),
    Column("on", "on", 18, lambda s, g: Cell(s.row.instrument_id, "dim"), rank=4, grows=True),
    Column("profit", "profit", 9, lambda s, g: _percent(s.row.profit_pct, g), ">"),
    Column("hold", "hold", 9, lambda s, g: _percent(s.row.hold_pct, g), ">", 1),
    Column("fall", "max fall", 8, lambda s, g: _plain(s.row.drawdown_pct, g), ">", 3),
    Column("sharpe", "Sharpe", 7, lambda s, g: _plain(s.row.sharpe, g), ">", 5),
    Column("fills", "fills", 7, lambda s, g: Cell(f"{s.row.fills:,}"), ">", 2),
    Column("minutes", "minutes", 8, lambda s, g: Cell(_minutes(s.row), "dim"), ">", 6),
    Column("kept", "kept (UTC)", 16, lambda s, g: Cell(date(s.row.kept_ns), "dim"), rank=7),
)


def run_lines(answer: Answer, width: int, glyphs: Glyphs) -> list[Line]:
    """One run: what was run, the exact money, the curve, then every figure beside holding."""
    if answer.is_pending:
        return [(Cell(" reading the results", "faint"),)]
    if answer.error:
        return [(Cell(fit(f" {answer.error}", width), "alert_text"),)]
    run: Run = answer.value
    row, document = run.row, run.document
    lines: list[Line] = []
    for name, words in (
        ("run", row.run_id[:_SHORT_ID]),
        ("strategy", f"{row.strategy} on {row.instrument_id}"),
        ("parameters", _params(document)),
        ("from", f"{date(row.start_ns)} to {date(row.end_ns)} UTC"),
        ("assumptions", str(document.get("scenario", ""))),
    ):
        lines += _pair(name, words, width)
    lines += [
        _money("profit or loss", row.profit, row.settle, width),
        _money("fees", -Decimal(document.get("fees", 0)), row.settle, width),
        (),
    ]
    start = Decimal(0)
    points = [(ts, profit) for ts, profit in run.equity]
    if len(points) > 1:
        lines += curve_lines(points, start, row.settle, width, _CURVE_ROWS, glyphs)
        lines.append(())
    return lines + _figures(document, width, glyphs)


def _params(document: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in document.get("params", {}).items())


def _pair(name: str, value: str, width: int) -> list[Line]:
    """A name and what belongs to it, over as many lines as that needs."""
    pieces = textwrap.wrap(value, max(20, width - _NAME)) or [""]
    return [
        (Cell(fit(f" {name}" if at == 0 else "", _NAME), "dim"), Cell(piece, "text"))
        for at, piece in enumerate(pieces)
    ]


def _money(name: str, amount: Decimal, settle: str, width: int) -> Line:
    words = f"{fmt.signed_money(amount, settle)} {settle}"
    tone = fmt.tone_of(fmt.sign(amount, settle))
    return (Cell(fit(f" {name}", _NAME), "dim"), Cell(fit(words, max(0, width - _NAME)), tone))


def _figures(document: dict[str, Any], width: int, glyphs: Glyphs) -> list[Line]:
    """Figures that are known, with those of buying and holding; those that are not, counted."""
    hold = document.get("benchmarks", {}).get("buy_and_hold", {})
    metrics: dict[str, Any] = document.get("metrics", {})
    head = fit(" figure", _NAME) + fit("run", 14, ">") + fit("buy and hold", 16, ">")
    lines: list[Line] = [(Cell(fit(head, width), "head"),)]
    missing = 0
    for name, value in metrics.items():
        if value is None:
            missing += 1
            continue
        lines.append(
            (
                Cell(fit(f" {name.replace('_', ' ')}", _NAME), "dim"),
                Cell(fit(_number(value, glyphs), 14, ">"), "text"),
                Cell(fit(_number(hold.get(name), glyphs), 16, ">"), "dim"),
            )
        )
    if missing:
        words = f" {fmt.count(missing, 'figure')} not given: the run is too short for them"
        lines.append((Cell(fit(words, width), "faint"),))
    return lines


def _number(value: Any, glyphs: Glyphs) -> str:
    if value is None:
        return glyphs.dash
    if isinstance(value, Decimal):
        return f"{value:,.4f}" if abs(value) < 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
