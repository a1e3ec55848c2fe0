"""Which row of a list is selected, by id: data may move, the selection stays on what it was on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.views.rows import order_rows

if TYPE_CHECKING:
    from app.views.desk import Desk

EVERYBODY, OWN, SYMBOL = "everybody's", "yours", "this symbol's"
WHOSE = (EVERYBODY, OWN, SYMBOL)
"""What the orders pane can be filtered to."""


def order_ids(desk: Desk) -> list[str]:
    if desk.snapshot is None:
        return []
    return [row.order_id for row in order_rows(desk.snapshot, "", desk.order_filter())]


def _fill_ids(desk: Desk) -> list[str]:
    fills = desk.snapshot.fills if desk.snapshot is not None else []
    return [str(fill.seq) for fill in reversed(fills)]


def _run_ids(desk: Desk) -> list[str]:
    return [row.run_id for row in desk.shelved.rows("runs")]


def _bot_ids(desk: Desk) -> list[str]:
    return [bot.bot_id for bot in desk.snapshot.bots] if desk.snapshot is not None else []


def _algo_ids(desk: Desk) -> list[str]:
    return [algo.algo_id for algo in desk.snapshot.algos] if desk.snapshot is not None else []


def _incident_ids(desk: Desk) -> list[str]:
    rows = desk.snapshot.incidents if desk.snapshot is not None else []
    return [row.incident.incident_id for row in rows]


_IDS: dict[str, Callable[[Desk], list[str]]] = {
    "bots": _bot_ids,
    "orders": order_ids,
    "fills": _fill_ids,
    "algos": _algo_ids,
    "runs": _run_ids,
    "incidents": _incident_ids,
}
"""By pane: the ids of its rows from the top. Panes that are not here scroll."""


def has_cursor(pane: str) -> bool:
    return pane in _IDS


def selected(desk: Desk, pane: str) -> str:
    """The id under the cursor of `pane`, the first one where nothing was chosen; "" if empty."""
    ids = _IDS[pane](desk)
    chosen = desk.cursors.get(pane, "")
    return chosen if chosen in ids else (ids[0] if ids else "")


def step(desk: Desk, pane: str, rows: int) -> None:
    """Move the cursor of `pane`, stopping at the ends."""
    ids = _IDS[pane](desk)
    if ids:
        at = ids.index(selected(desk, pane))
        desk.cursors[pane] = ids[max(0, min(len(ids) - 1, at + rows))]
