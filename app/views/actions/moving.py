"""Moving about: rows, panes, views and help."""

from __future__ import annotations

from app.views import rules
from app.views.actions.base import Action

_GLOBAL = ("global",)
_LISTS = ("list",)
_SCREEN = "moves about on this screen"


def _view(action_id: str, short: str, text: str, shell: str = "") -> Action:
    return Action(action_id, _GLOBAL, short, text, shell=shell, view_only="" if shell else _SCREEN)


MOVING = (
    Action("row_up", _LISTS, "up", "one row up", view_only=_SCREEN),
    Action("row_down", _LISTS, "down", "one row down", view_only=_SCREEN),
    Action("row_up10", _LISTS, "page up", "ten rows up", view_only=_SCREEN),
    Action("row_down10", _LISTS, "page down", "ten rows down", view_only=_SCREEN),
    Action("row_first", _LISTS, "top", "to the first row", view_only=_SCREEN),
    Action("row_last", _LISTS, "end", "to the last row", view_only=_SCREEN),
    Action("next_pane", _GLOBAL, "panes", "next pane", view_only=_SCREEN),
    Action("prev_pane", _GLOBAL, "prev pane", "previous pane", view_only=_SCREEN),
    Action("maximise", _GLOBAL, "maximise", "maximise / restore the pane", view_only=_SCREEN),
    _view("view_trade", "trade", "view 1: trade", "tui"),
    _view("view_bots", "bots", "view 2: bots and risk", "bots"),
    _view("view_book", "book", "view 3: chart, book and tape"),
    _view("view_orders", "orders", "view 4: orders and fills", "orders"),
    _view("view_log", "log", "view 5: log", "logs -f"),
    _view("view_money", "money", "view 6: positions and equity", "positions"),
    _view("view_risk", "risk", "view 7: limits, arming, kill levels", "status"),
    _view("view_incidents", "incidents", "view 8: where we and the venue differ", "incidents"),
    _view("view_runs", "backtests", "view 9: stored backtests", "backtest list"),
    _view("view_settings", "settings", "view 0: settings and keys", "config show"),
    Action(
        "symbol",
        _GLOBAL,
        "symbol",
        "next instrument (disarms)",
        why_not=rules.has_other_instrument,
        view_only="chooses what this screen shows; a shell command names its symbol",
    ),
    Action(
        "palette",
        _GLOBAL,
        "cmds",
        "command palette: every action, with its key",
        shell="--help",
    ),
    Action("help", _GLOBAL, "keys", "keys of this pane", shell="--help"),
    Action(
        "manual",
        _GLOBAL,
        "manual",
        "the manual, page by page",
        view_only="the manual is files: resources/docs",
    ),
    Action(
        "tour",
        _GLOBAL,
        "tour",
        "the tour: place, move, cancel, take over, kill (again: leave it)",
        why_not=rules.can_tour,
        shell="demo --tour",
        is_keyless=True,
    ),
    Action(
        "crash",
        _GLOBAL,
        "crash",
        "press the crash button of a generated market",
        why_not=rules.can_crash,
        is_keyless=True,
    ),
)
