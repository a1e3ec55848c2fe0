"""A story as lines: what happened when, wrapped to the width; a pending or failed answer said."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from app.views.shelf import Answer, Told

_TIME = 14


def story_lines(answer: Answer, width: int) -> list[Line]:
    if answer.is_pending:
        return [(Cell(" reading the ledger", "faint"),)]
    if answer.error:
        return [
            (Cell(fit(f" {piece}", width), "alert_text"),)
            for piece in textwrap.wrap(answer.error, max(20, width - 2))
        ]
    told: Sequence[Told] = answer.value
    lines: list[Line] = []
    for one in told:
        pieces = textwrap.wrap(one.text, max(20, width - _TIME - 1)) or [""]
        for at, piece in enumerate(pieces):
            when = fmt.clock(one.ts_ns, 3) if at == 0 else ""
            lines.append((Cell(f" {when:<{_TIME - 1}}", "dim"), Cell(piece, "text")))
    return lines or [(Cell(" nothing is known of it", "faint"),)]
