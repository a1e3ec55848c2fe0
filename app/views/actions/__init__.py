"""Every action a face offers: one table for keys, palette, help, footer and enable rules.

Both front ends, the help screen and the palette are generated from here. What an action sends
to the engine is in `commands`; when a key counts as pressed is in `gestures`; which key it has is
in `resources/keymap.toml`. A new action is a row in the file of its context.
"""

from __future__ import annotations

from app.views.actions import bots, chart, ladder, moving, orders, safety, service
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
        moving.MOVING,
        service.SERVICE,
    )
    for action in group
}

CONTEXTS: dict[str, str] = {
    "global": "Anywhere",
    "bots": "Bots",
    "ladder": "Ladder",
    "orders": "Orders",
    "chart": "Chart",
    "list": "Lists",
}
"""Contexts of the key map and their headings."""

_CHAINS = {
    "bots": ("bots", "list", "global"),
    "orders": ("orders", "list", "global"),
    "ladder": ("ladder", "global"),
    "chart": ("chart", "global"),
    "": ("global",),
}


def contexts_of(pane: str) -> tuple[str, ...]:
    """From the pane of that name outwards: the first context that knows a key wins."""
    return _CHAINS.get(pane, ("list", "global"))


def resolve(action: Action, view: ViewState) -> Action:
    """`action`, or the one that stands for it in this state."""
    other = action.becomes(view) if action.becomes is not None else ""
    return ACTIONS[other] if other else action
