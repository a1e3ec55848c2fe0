"""What is no incident, and still not as it should be: orders in doubt, algos without a guard."""

from __future__ import annotations

from app.views.cells import Cell, Line, fit
from app.views.rows import OrderRow, order_rows
from engine.domain.order import Pending
from engine.domain.snapshots import EngineSnapshot


def doubtful_rows(snapshot: EngineSnapshot | None) -> list[OrderRow]:
    """Live orders that an answer contradicted, or whose fate is not known."""
    if snapshot is None:
        return []
    rows = order_rows(snapshot, "")
    return [row for row in rows if row.suspect or row.pending is Pending.UNKNOWN]


def doubt_lines(snapshot: EngineSnapshot | None, width: int) -> list[Line]:
    told = {one.incident.client_order_id for one in snapshot.incidents} if snapshot else set()
    rows = [row for row in doubtful_rows(snapshot) if row.order_id not in told]
    alarms = [algo for algo in snapshot.algos if algo.alarm] if snapshot is not None else []
    lines: list[Line] = []
    for algo in alarms:
        lines.append((Cell(fit(f" {algo.words} of {algo.bot_id}", width), "alert_text"),))
        lines.append((Cell(fit(f"   {algo.alarm}", width), "warn"),))
    for row in rows:
        name = f" {row.order_id} of {row.owner[0]}, {row.status.value}"
        lines.append((Cell(fit(name, width), "alert_text"),))
        why = row.suspect or "its answer was lost: it may work at the venue"
        lines.append((Cell(fit(f"   {why}", width), "warn"),))
    return lines
