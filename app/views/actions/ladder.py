"""The ladder: cursor, centre, grouping."""

from __future__ import annotations

from app.views.actions.base import Action

_LADDER = ("ladder",)


LADDER = (
    Action("cursor_up", _LADDER, "up", "cursor one row up"),
    Action("cursor_down", _LADDER, "down", "cursor one row down"),
    Action("cursor_up10", _LADDER, "up 10", "ten rows up"),
    Action("cursor_down10", _LADDER, "down 10", "ten rows down"),
    Action("center", _LADDER, "centre", "centre the ladder on the last price; again: lock it"),
    Action("group_up", _LADDER, "coarser", "coarser price grouping"),
    Action("group_down", _LADDER, "finer", "finer price grouping"),
)
