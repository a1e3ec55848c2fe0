"""The engine as a service: who may trade, and what leaving does."""

from __future__ import annotations

from app.views import announce, rules
from app.views.actions.base import Action
from app.views.viewstate import ViewState


def _leave_or_ask(view: ViewState) -> str:
    """An engine that outlives this screen is asked about; one that ends with it is announced."""
    return "leave" if view.standing is not None and view.outlives else ""


_GLOBAL = ("global",)

SERVICE = (
    Action(
        "take_token",
        _GLOBAL,
        "take token",
        "take the trade token over: the other screens may only watch and take risk off",
        taps=2,
        why_not=rules.can_take_token,
        announce=announce.take_token,
        view_only="a shell command takes it with --take-token",
    ),
    Action(
        "quit",
        _GLOBAL,
        "leave",
        "leave this screen (says first what keeps running)",
        taps=2,
        announce=announce.quit,
        becomes=_leave_or_ask,
        view_only="a shell command leaves by itself",
    ),
    Action(
        "leave",
        _GLOBAL,
        "leave",
        "leave, or stop the engine first",
        shell="stop",
        is_keyless=True,
    ),
)
