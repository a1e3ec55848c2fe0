"""The reconcile desk: what we say, what the venue says, and what can be decided about it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from app.views import format as fmt
from app.views.actions import ACTIONS
from app.views.cells import Cell, Line, fit
from app.views.glyphs import Glyphs
from app.views.keymap import Keymap
from app.views.viewstate import find_instrument
from engine.domain.incident import Choice, IncidentKind
from engine.domain.snapshots import EngineSnapshot, IncidentSnapshot

_NAME = 13

_KINDS = {
    IncidentKind.CONTRADICTION: "an answer contradicts our record",
    IncidentKind.UNKNOWN: "a placement was never answered",
    IncidentKind.FOREIGN: "an order that we never sent",
    IncidentKind.POSITION: "the venue holds another position",
    IncidentKind.BALANCE: "the venue holds another amount of the asset",
}
_CHOICES = {
    Choice.ADOPT: ("incident_adopt", "the venue is right, our record becomes what it says"),
    Choice.IGNORE: ("incident_ignore", "our record is right, nothing changes"),
    Choice.FLATTEN: ("incident_flatten", "as adopt, then the book is closed"),
}


def incident_lines(
    snapshot: EngineSnapshot | None, selected: str, keymap: Keymap, width: int, glyphs: Glyphs
) -> list[Line]:
    """A line for each open incident; all of the selected one, with its choices."""
    rows = snapshot.incidents if snapshot is not None else []
    if snapshot is None or not rows:
        words = " nothing open: we and the venue agree on every order and position"
        return [(Cell(fit(words, width), "text"),)]
    lines: list[Line] = []
    for row in rows:
        is_selected = row.incident.incident_id == selected
        lines.append(_head(snapshot, row, is_selected, width, glyphs))
        if is_selected:
            lines += [*_body(row, width), *_choices(row.choices, keymap, width), ()]
    words = " while one is open, its instrument takes only orders that reduce risk"
    if lines[-1]:
        lines.append(())
    return [*lines, (Cell(fit(words, width), "dim"),)]


def _head(
    snapshot: EngineSnapshot, row: IncidentSnapshot, is_selected: bool, width: int, glyphs: Glyphs
) -> Line:
    incident = row.incident
    instrument = find_instrument(snapshot, incident.instrument_id)
    symbol = instrument.symbol if instrument is not None else incident.instrument_id or "all"
    over = "/select" if is_selected else ""
    age = fmt.ago(max(0, snapshot.ts_ns - incident.since_ns) // 1_000_000)
    about = (incident.asset or symbol, incident.bot_id, _KINDS[incident.kind])
    words = "  ".join(part for part in about if part)
    mark = glyphs.pointer if is_selected else " "
    room = max(0, width - 12)
    return (
        Cell(fit(f"{mark}{words}", room), f"alert_text{over}"),
        Cell(fit(f"for {age}", 12, ">"), f"warn{over}"),
    )


def _body(row: IncidentSnapshot, width: int) -> list[Line]:
    incident = row.incident
    lines: list[Line] = []
    for name, words in (
        ("ours", incident.ours),
        ("venue's", incident.venues),
        ("last event", incident.last_event),
        ("order", incident.client_order_id),
    ):
        pieces = textwrap.wrap(words, max(20, width - _NAME - 3)) if words else []
        for at, piece in enumerate(pieces):
            head = f"   {name}" if at == 0 else ""
            lines.append((Cell(fit(head, _NAME + 2), "dim"), Cell(piece, "text")))
    return lines


def _choices(choices: Sequence[Choice], keymap: Keymap, width: int) -> list[Line]:
    lines: list[Line] = []
    for choice in choices:
        action_id, what = _CHOICES.get(choice, ("", choice.value))
        if action_id:
            key = keymap.label(ACTIONS[action_id])
            lines.append(
                (
                    Cell(fit(f"   {key}", _NAME + 2), "key"),
                    Cell(fit(f"{choice.value}: {what}", max(0, width - _NAME - 2)), "text"),
                )
            )
    return lines
