"""Incidents: adopt, ignore, flatten."""

from __future__ import annotations

from collections.abc import Callable

from app.views import rules
from app.views.actions.base import Action, Risk
from app.views.viewstate import ViewState
from engine.domain.incident import Choice


def _decision(choice: Choice, text: str) -> Action:
    return Action(
        f"incident_{choice.value}",
        ("incidents",),
        choice.value,
        f"incident: {text}",
        Risk.REDUCE,
        taps=2,
        why_not=_can(choice),
        announce=_says(choice),
    )


def _can(choice: Choice) -> Callable[[ViewState], str]:
    def why_not(view: ViewState) -> str:
        row = view.incident
        if row is None:
            return "no incident is open"
        if choice not in row.choices:
            kinds = ", ".join(one.value for one in row.choices)
            return f"this one cannot be settled like that; it can: {kinds}"
        return rules.is_alive(view)

    return why_not


def _says(choice: Choice) -> Callable[[ViewState], str]:
    def announce(view: ViewState) -> str:
        row = view.incident
        if row is None:
            return "nothing is open"
        incident = row.incident
        wins = incident.ours if choice is Choice.IGNORE else incident.venues
        also = ", then close the book" if choice is Choice.FLATTEN else ""
        return f"{choice.value}: {wins}{also}"

    return announce


INCIDENTS = (
    _decision(Choice.ADOPT, "the venue is right, our record becomes what it says"),
    _decision(Choice.IGNORE, "our record is right, nothing changes"),
    _decision(Choice.FLATTEN, "the venue is right, and the book is closed"),
)
