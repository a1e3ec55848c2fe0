"""Moving about: rows, panes, views and help."""

from __future__ import annotations

from app.views import rules
from app.views.actions.base import Action

_GLOBAL = ("global",)
_LISTS = ("list",)


MOVING = (
    Action("row_up", _LISTS, "up", "one row up"),
    Action("row_down", _LISTS, "down", "one row down"),
    Action("row_up10", _LISTS, "page up", "ten rows up"),
    Action("row_down10", _LISTS, "page down", "ten rows down"),
    Action("next_pane", _GLOBAL, "panes", "next pane"),
    Action("prev_pane", _GLOBAL, "prev pane", "previous pane"),
    Action("maximise", _GLOBAL, "maximise", "maximise / restore the pane"),
    Action("view_trade", _GLOBAL, "trade", "view 1: trade"),
    Action("view_bots", _GLOBAL, "bots", "view 2: bots and risk"),
    Action("view_book", _GLOBAL, "book", "view 3: chart, book and tape"),
    Action("view_orders", _GLOBAL, "orders", "view 4: orders, fills, positions"),
    Action("view_log", _GLOBAL, "log", "view 5: log"),
    Action("symbol", _GLOBAL, "symbol", "next instrument (disarms)"),
    Action("palette", _GLOBAL, "cmds", "command palette: every action, with its key"),
    Action("help", _GLOBAL, "keys", "keys of this pane"),
    Action(
        "crash",
        _GLOBAL,
        "crash",
        "press the crash button of a generated market",
        why_not=rules.can_crash,
        is_keyless=True,
    ),
)
