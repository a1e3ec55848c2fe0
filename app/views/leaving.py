"""What goes on without this screen, said before it is left."""

from __future__ import annotations

from app.views import format as fmt
from app.views.viewstate import steering_bots
from engine.domain.snapshots import EngineSnapshot

OUTLIVES = "the engine and its bots keep running"
"""What leaving a face does where its engine is another's; a drill's ends with its window."""


def leaving_lines(snapshot: EngineSnapshot | None) -> list[tuple[str, str]]:
    """(words, tone) by line."""
    if snapshot is None:
        return [("The engine has shown nothing yet; it keeps running.", "text")]
    bots = fmt.count(len(steering_bots(snapshot)), "bot")
    orders = fmt.count(len(snapshot.orders), "order")
    held = fmt.count(sum(1 for book in snapshot.positions if book.lots), "position")
    return [
        (f"{bots} steering, {orders} working, {held} open.", "strong"),
        ("Enter: leave them running; attach again at any time.", "text"),
        ("S, S: stop the engine; orders and positions stay as they are.", "text"),
    ]
