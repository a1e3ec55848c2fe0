"""What single lists can do: stories of orders and fills, log filters, stored runs, settings."""

from __future__ import annotations

from app.views import rules
from app.views.actions.base import Action

_LOG = ("log",)
_RUNS = ("runs",)
_FILTER = "filters what this screen shows; in a shell, grep does it"


LISTS = (
    Action(
        "why",
        ("orders", "fills", "ladder"),
        "why",
        "why: the story of the selected order or fill, from the ledger",
        why_not=rules.has_story_here,
        shell="why ID",
    ),
    Action(
        "orders_filter",
        ("orders",),
        "whose",
        "whose orders: everybody's, your own, this symbol's",
        view_only=_FILTER,
    ),
    Action(
        "log_level",
        _LOG,
        "level",
        "least level shown: all, trades, warnings, alerts",
        view_only=_FILTER,
    ),
    Action(
        "log_source", _LOG, "source", "lines of one source only: next source", view_only=_FILTER
    ),
    Action("log_find", _LOG, "find", "lines that hold a text only", view_only=_FILTER),
    Action(
        "log_follow", _LOG, "follow", "follow the newest line; again: hold still", shell="logs -f"
    ),
    Action("log_clear", _LOG, "clear", "no filter, follow again", view_only=_FILTER),
    Action(
        "run_open",
        _RUNS,
        "open",
        "open the selected backtest",
        why_not=rules.has_run,
        shell="backtest show ID",
    ),
    Action(
        "runs_read", _RUNS, "read again", "read the list of backtests again", shell="backtest list"
    ),
    Action(
        "settings_file",
        ("settings",),
        "files",
        "where settings and keys are changed",
        shell="config show",
    ),
)
