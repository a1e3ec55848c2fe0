"""Settings in force with their origin, and the key map: what is changed where."""

from __future__ import annotations

from app.views.actions import ACTIONS, CONTEXTS
from app.views.cells import Cell, Line, fit
from app.views.keymap import Keymap, key_label
from app.views.shelf import Answer, SettingRow

_NAME = 30
_VALUE = 16
_KEYS = 20
_ID = 18


def settings_lines(answer: Answer, width: int) -> list[Line]:
    """One line a setting, sections apart; what the person has set stands out."""
    if answer.is_pending:
        return [(Cell(" reading the settings", "faint"),)]
    if answer.error:
        return [(Cell(fit(f" {answer.error}", width), "alert_text"),)]
    lines: list[Line] = []
    section = ""
    for row in answer.value:
        before, section = section, row.name.partition(".")[0]
        if before and section != before:
            lines.append(())
        lines.append(_setting_line(row, width))
    return lines


def _setting_line(row: SettingRow, width: int) -> Line:
    is_own = row.source != "default"
    return (
        Cell(fit(f" {row.name}", _NAME), "dim"),
        Cell(fit(row.value or '""', _VALUE), "strong" if is_own else "text"),
        Cell(
            fit(f" {row.source}", max(0, width - _NAME - _VALUE)), "source" if is_own else "faint"
        ),
    )


def keys_lines(keymap: Keymap, width: int) -> list[Line]:
    """Every action that has a key, by context, with its id: what a keymap.toml line names."""
    lines: list[Line] = [
        (Cell(fit(f" keys from {', then '.join(keymap.sources)}; no clashes", width), "dim"),)
    ]
    for context, heading in CONTEXTS.items():
        lines += [(), (Cell(fit(f" {heading}  [{context}]", width), "title"),)]
        for action in ACTIONS.values():
            keys = keymap.keys_in(context, action.id)
            if not keys:
                continue
            words = " / ".join(map(key_label, keys)) + (" twice" if action.taps > 1 else "")
            text = max(0, width - _KEYS - _ID)
            lines.append(
                (
                    Cell(fit(f"  {words}", _KEYS), "key"),
                    Cell(fit(action.id, _ID), "text"),
                    Cell(fit(action.text, text), "dim"),
                )
            )
    return lines
