"""Every action a face offers: one table for keys, palette, help, footer and enable rules.

Both front ends, the help screen and the palette are generated from here. What an action sends
to the engine is in `commands`; when a key counts as pressed is in `gestures`; which key it has is
in `resources/keymap.toml`. A new action is a row in the file of its context.
"""

from __future__ import annotations

from app.views.actions import (
    bots,
    chart,
    ladder,
    lists,
    moving,
    orders,
    replay,
    safety,
    service,
)
from app.views.actions.base import Action, Risk
from app.views.viewstate import ViewState

__all__ = ["ACTIONS", "CONTEXTS", "Action", "Risk", "contexts_of", "resolve"]

ACTIONS: dict[str, Action] = {
    action.id: action
    for group in (
        safety.SAFETY,
        bots.BOTS,
        orders.ORDERS,
        ladder.LADDER,
        chart.CHART,
        lists.LISTS,
        moving.MOVING,
        service.SERVICE,
        replay.REPLAY,
    )
    for action in group
}

CONTEXTS: dict[str, str] = {
    "global": "Anywhere",
    "bots": "Bots",
    "ladder": "Ladder",
    "orders": "Orders",
    "algos": "Algos",
    "fills": "Fills",
    "chart": "Chart",
    "tape": "Tape",
    "log": "Log",
    "runs": "Backtests",
    "limits": "Risk",
    "incidents": "Incidents",
    "settings": "Settings",
    "replay": "Replay",
    "list": "Lists",
}
"""Contexts of the key map and their headings."""

_ALONE = ("ladder", "chart", "replay")
"""Panes whose arrow keys are their own: the keys of lists do not count in them."""


def contexts_of(pane: str) -> tuple[str, ...]:
    """From the pane of that name outwards: the first context that knows a key wins."""
    if not pane:
        return ("global",)
    own = (pane,) if pane in CONTEXTS else ()
    return (*own, "global") if pane in _ALONE else (*own, "list", "global")


def resolve(action: Action, view: ViewState) -> Action:
    """`action`, or the one that stands for it in this state."""
    other = action.becomes(view) if action.becomes is not None else ""
    return ACTIONS[other] if other else action
