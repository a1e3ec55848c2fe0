"""The risk screen: every limit as a sentence with its gauge, arming, and the kill levels."""

from __future__ import annotations

import textwrap

from app.views import format as fmt
from app.views.actions import ACTIONS
from app.views.cells import Cell, Line, fit
from app.views.glyphs import Glyphs
from app.views.keymap import Keymap
from app.views.rows import LimitRow, limit_rows
from app.views.viewstate import ViewState
from engine.domain.commands import KillLevel
from engine.domain.snapshots import LimitSnapshot

_GAUGE = 20

_SENTENCES = {
    "exposure": "Position and orders of one instrument: worth at most {limit}.",
    "daily_loss": "Loss since 00:00 UTC: at {limit} entries stop and all is closed.",
    "drawdown": "Fall from the highest equity: at {limit} entries stop and all is closed.",
    "open_orders": "Working at one time: at most {limit}.",
    "orders_per_s": "Sent within one second: at most {limit}.",
}

LEVELS = (
    (
        KillLevel.NO_ENTRIES,
        "kill_no_entries",
        "no entries",
        "bots pause, what adds risk is refused; exits, stops stay",
    ),
    (
        KillLevel.REDUCE_ONLY,
        "kill_reduce_only",
        "reduce only",
        "and entry orders of people are cancelled too",
    ),
    (KillLevel.CANCEL_ALL, "kill_cancel_all", "cancel all", "and every order, stops as well"),
    (KillLevel.FLATTEN, "kill_flatten", "flatten", "and every position is closed"),
)
"""The four levels: their actions, what they are called and what each adds to the one before."""


def risk_lines(
    view: ViewState, armed_s: int, keymap: Keymap, width: int, glyphs: Glyphs
) -> list[Line]:
    snapshot = view.snapshot
    if snapshot is None:
        return [(Cell(" waiting for the engine", "faint"),)]
    lines: list[Line] = []
    rows = limit_rows(snapshot.limits)
    for limit, row in zip(snapshot.limits, rows, strict=True):
        lines += _limit_lines(limit, row, width, glyphs)
    lines += [(), _arming(view, armed_s, keymap.label(ACTIONS["arm"]), width), ()]
    return lines + _kill_lines(view, keymap, width, glyphs)


def sentence(limit: LimitSnapshot) -> str:
    """The rule in words, with its value."""
    words = f"{fmt.compact(limit.limit)} {limit.unit}"
    known = _SENTENCES.get(limit.name)
    if known is None:
        return f"{limit.name.replace('_', ' ')}: at most {words}."
    return known.format(limit=words)


def _limit_lines(limit: LimitSnapshot, row: LimitRow, width: int, glyphs: Glyphs) -> list[Line]:
    tone = "text" if row.tone == "gauge" else row.tone
    state = " REACHED" if limit.is_tripped else ""
    used = f" {row.share:>5}  {fmt.compact(limit.used)} used{state}"
    gauge = fmt.bar(limit.used, limit.limit, _GAUGE, glyphs)
    pieces = textwrap.wrap(sentence(limit), max(20, width - 2))
    first: list[Line] = [(Cell(f" {piece}", tone),) for piece in pieces]
    second: Line = (
        Cell("   ", "text"),
        Cell(gauge, row.tone),
        Cell(fit(used, max(0, width - _GAUGE - 3)), tone if tone != "text" else "dim"),
    )
    return [*first, second]


def _arming(view: ViewState, armed_s: int, arm_label: str, width: int) -> Line:
    if view.is_armed:
        words = f"ARMED for {armed_s} s more: order keys send at once. {arm_label} or Esc disarms."
        return (Cell(fit(f" {words}", width), "armed_text"),)
    words = f"SAFE: keys that add risk send nothing; {arm_label} arms them for 60 s."
    return (Cell(fit(f" {words}", width), "strong"),)


def _kill_lines(view: ViewState, keymap: Keymap, width: int, glyphs: Glyphs) -> list[Line]:
    snapshot = view.snapshot
    assert snapshot is not None
    is_off = snapshot.kill is KillLevel.NONE
    reason = f": {snapshot.kill_reason}" if snapshot.kill_reason else ""
    since = f", by {snapshot.kill_by} at {fmt.clock(snapshot.kill_since_ns)}"
    state = "off" if is_off else f"{_level_name(snapshot.kill)}{reason}{since}"
    tone = "text" if is_off else "alert"
    lines: list[Line] = [
        (Cell(" kill switch  ", "head"), Cell(fit(f" {state} ", max(0, width - 14)).rstrip(), tone))
    ]
    if snapshot.halted:
        lines.append((Cell(fit(f" halted: {snapshot.halted}", width), "alert_text"),))
    for level, action_id, name, what in LEVELS:
        is_now = snapshot.kill is level
        mark = glyphs.pointer if is_now else " "
        lines.append(
            (
                Cell(f" {mark}{int(level)} ", "alert_text" if is_now else "dim"),
                Cell(fit(keymap.label(ACTIONS[action_id]).replace(" ", ""), 4), "key"),
                Cell(fit(name, 12), "alert_text" if is_now else "strong"),
                Cell(fit(what, max(0, width - 20)), "text" if is_now else "dim"),
            )
        )
    if not is_off or snapshot.halted:
        words = " left only by the typed word: palette, reset. Bots stay paused until resumed."
        lines.append((Cell(fit(words, width), "warn"),))
    return lines


def _level_name(level: KillLevel) -> str:
    return next((name for one, _, name, _ in LEVELS if one is level), level.name.lower())
