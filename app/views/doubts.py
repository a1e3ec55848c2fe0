"""Orders of which the venue and we may not believe the same, as rows of the incidents screen."""

from __future__ import annotations

from app.views import format as fmt
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


def incident_lines(snapshot: EngineSnapshot, selected: str, width: int) -> list[Line]:
    """Four lines each: what and since when, ours, the venue's, what can be decided."""
    lines: list[Line] = []
    for shown in snapshot.incidents:
        one = shown.incident
        where = " ".join(word for word in (one.instrument_id, one.bot_id) if word)
        head = f" {one.incident_id} {one.kind}  {where}  since {fmt.clock(one.since_ns)}"
        tone = "alert_text/select" if one.incident_id == selected else "alert_text"
        lines.append((Cell(fit(head, width), tone),))
        lines.append((Cell(fit(f"   ours         {one.ours}", width), "text"),))
        lines.append((Cell(fit(f"   the venue's  {one.venues}", width), "text"),))
        lines.append((Cell(fit(f"   last         {one.last_event}", width), "dim"),))
        keys = ", ".join(f"{str(choice)[0].upper()} {choice}" for choice in shown.choices)
        lines.append((Cell(fit(f"   reduce only until decided: {keys} (twice)", width), "warn"),))
    return lines


def doubt_lines(snapshot: EngineSnapshot | None, width: int, selected: str = "") -> list[Line]:
    incidents = incident_lines(snapshot, selected, width) if snapshot is not None else []
    told = {one.incident.client_order_id for one in snapshot.incidents} if snapshot else set()
    rows = [row for row in doubtful_rows(snapshot) if row.order_id not in told]
    alarms = [algo for algo in snapshot.algos if algo.alarm] if snapshot is not None else []
    if not rows and not alarms and not incidents:
        words = " nothing: we and the venue agree on every order and position"
        return [(Cell(fit(words, width), "text"),)]
    lines = incidents
    for algo in alarms:
        lines.append((Cell(fit(f" {algo.words} of {algo.bot_id}", width), "alert_text"),))
        lines.append((Cell(fit(f"   {algo.alarm}", width), "warn"),))
    for row in rows:
        name = f" {row.order_id} of {row.owner[0]}, {row.status.value}"
        lines.append((Cell(fit(name, width), "alert_text"),))
        why = row.suspect or "its answer was lost: it may work at the venue"
        lines.append((Cell(fit(f"   {why}", width), "warn"),))
    return lines
