"""The ladder and the tape: cursor, centre, grouping, size of prints shown."""

from __future__ import annotations

from app.views.actions.base import Action

_LADDER = ("ladder",)
_TAPE = ("tape",)
_CURSOR = "moves this screen's cursor; a shell command names its price"
_SHOWN = "changes how this screen shows the book"


LADDER = (
    Action("cursor_up", _LADDER, "up", "cursor one row up", view_only=_CURSOR),
    Action("cursor_down", _LADDER, "down", "cursor one row down", view_only=_CURSOR),
    Action("cursor_up10", _LADDER, "up 10", "ten rows up", view_only=_CURSOR),
    Action("cursor_down10", _LADDER, "down 10", "ten rows down", view_only=_CURSOR),
    Action(
        "center",
        _LADDER,
        "centre",
        "centre the ladder on the last price; again: lock it",
        view_only=_SHOWN,
    ),
    Action("group_up", _LADDER, "coarser", "coarser price grouping", view_only=_SHOWN),
    Action("group_down", _LADDER, "finer", "finer price grouping", view_only=_SHOWN),
    Action("tape_larger", _TAPE, "larger", "show larger prints only", view_only=_SHOWN),
    Action("tape_smaller", _TAPE, "smaller", "show smaller prints as well", view_only=_SHOWN),
)
