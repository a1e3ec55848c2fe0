"""A live engine's ties to its venue, in words."""

from __future__ import annotations

import textwrap

from app.views import format as fmt
from app.views.cells import Cell, Line, fit
from engine.domain.snapshots import EngineSnapshot, LinkSnapshot, LinkStage

_STAGES = {
    LinkStage.STARTING: "starting",
    LinkStage.SYNCING: "comparing clocks",
    LinkStage.CONNECTING: "connecting",
    LinkStage.RECONCILING: "comparing books",
    LinkStage.TRADING: "trading",
    LinkStage.DEGRADED: "degraded",
    LinkStage.HALTED: "halted",
}

_NAME = 30
_ODD = ("unanswered", "foreign orders", "key")
"""Rows that are there only when a person should know."""


def stage_words(link: LinkSnapshot) -> str:
    """`trading`, or the stage with its reason."""
    stage = _STAGES[link.stage]
    if not link.words or link.words.startswith(stage):
        return link.words or stage
    return f"{stage}: {link.words}"


def dead_man_words(link: LinkSnapshot) -> str:
    """What protects when this machine dies, in as few words as a header has room for."""
    return {"venue_timer": "venue timer", "resting_stops": "resting stops only"}.get(
        link.dead_man, "nothing"
    )


def link_figures(shot: EngineSnapshot) -> list[tuple[str, str]]:
    """Rows of a table; none for an engine without a venue."""
    link = shot.link
    if link is None:
        return []
    offset = link.clock_offset_ms
    rows = [
        ("venue", f"{link.venue}, {stage_words(link)}"),
        ("account stream", link.user_stream),
        *(
            (f"feed {feed.instrument_id}", f"{feed.state}{_because(feed.trouble)}")
            for feed in link.feeds
        ),
        ("clock", "not measured" if offset is None else f"the venue is {offset:+d} ms from ours"),
        ("books compared", f"{fmt.clock(link.reconciled_ns)}Z" if link.reconciled_ns else "never"),
        ("dead man", link.dead_man_words),
    ]
    if link.unanswered:
        rows.append(("unanswered", f"{link.unanswered} placements whose fate is not known"))
    if link.foreign:
        rows.append(("foreign orders", f"{link.foreign}, counted in exposure, left alone"))
    if link.key_words:
        rows.append(("key", link.key_words))
    return rows


def link_lines(shot: EngineSnapshot | None, width: int) -> list[Line]:
    """The same as lines; what is not as it should be stands out."""
    if shot is None or shot.link is None:
        return []
    lines: list[Line] = [(Cell(fit(" the venue", width), "title"),)]
    for name, words in link_figures(shot):
        pieces = textwrap.wrap(words, max(20, width - _NAME)) or [""]
        is_odd = name in _ODD or (name == "venue" and shot.link.stage is not LinkStage.TRADING)
        for at, piece in enumerate(pieces):
            head = fit(f"   {name}" if at == 0 else "", _NAME)
            lines.append((Cell(head, "dim"), Cell(piece, "warn" if is_odd else "text")))
    return lines


def _because(words: str) -> str:
    return f": {words}" if words else ""
