"""The drawing characters, twice: for UTF-8 terminals and for plain ASCII ones."""

from __future__ import annotations

import msgspec


class Glyphs(msgspec.Struct, frozen=True, kw_only=True):
    rule: str
    """Horizontal line."""
    wall: str
    """Vertical line between panes."""
    corner: str
    """Where a pane that has a neighbour to its left begins."""
    up: str
    down: str
    flat: str
    pointer: str
    """Marks the selected row and, at the right side, `pointer_back`."""
    pointer_back: str
    full: str
    """Used part of a bar."""
    empty: str
    """Unused part of a bar."""
    partial: str
    """Parts of a bar's last cell, shortest first; may be empty."""
    block: str
    """A filled cell."""
    shade: str
    """A half filled cell."""
    steps: str
    """Eight heights of a volume column, lowest first."""
    dot: str
    on: str
    """Helm: steering."""
    pause: str
    hand: str
    stop: str
    ema: str
    vwap: str
    band: str
    times: str
    dash: str
    thumb: str
    """Where a slider stands."""
    mark: str
    """Something on a slider."""


UNICODE = Glyphs(
    rule="─",
    wall="│",
    corner="╭",
    up="▲",
    down="▼",
    flat="·",
    pointer="▸",
    pointer_back="◂",
    full="━",
    empty="─",
    partial="╸",
    block="█",
    shade="▒",
    steps="▁▂▃▄▅▆▇█",
    dot="·",
    on="●",
    pause="‖",
    hand="◆",
    stop="■",
    ema="•",
    vwap="+",
    band="∙",
    times="×",
    dash="–",
    thumb="█",
    mark="╵",
)

ASCII = Glyphs(
    rule="-",
    wall="|",
    corner="+",
    up="^",
    down="v",
    flat=".",
    pointer=">",
    pointer_back="<",
    full="#",
    empty=".",
    partial="",
    block="0",
    shade="#",
    steps=".:-=+*#@",
    dot="-",
    on="*",
    pause="=",
    hand="@",
    stop="x",
    ema="o",
    vwap="+",
    band=",",
    times="x",
    dash="-",
    thumb="#",
    mark="'",
)
