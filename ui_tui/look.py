"""Theme tones as terminal styles, made once and kept."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from app.views.cells import Line, char_width, text_width
from app.views.glyphs import ASCII, UNICODE, Glyphs
from app.views.theme import Theme, load_theme

_CSS_COLOURS = (
    "ground",
    "raised",
    "line",
    "text",
    "dim",
    "accent",
    "alert_box",
    "select",
    "replay",
)


class Look:
    def __init__(self, palette: str, *, ascii_only: bool = False) -> None:
        self.theme: Theme = load_theme(palette)
        self.glyphs: Glyphs = ASCII if ascii_only else UNICODE
        self._ascii_only = ascii_only
        self._styles: dict[tuple[str, str], Style] = {}

    def css_variables(self) -> dict[str, str]:
        """The palette's colours for app.tcss."""
        return {f"ph-{name}": self.theme.colours[name] for name in _CSS_COLOURS}

    def style(self, tone: str, ground: str = "ground") -> Style:
        """The style of a tone on a background, both by name."""
        known = self._styles.get((tone, ground))
        if known is None:
            spec = self.theme.tone(tone)
            known = Style(
                color=spec.fg or self.theme.colours["text"],
                bgcolor=spec.bg or self.theme.colours[ground],
                bold=spec.bold or None,
                italic=spec.italic or None,
                reverse=spec.reverse or None,
                underline=spec.underline or None,
            )
            self._styles[tone, ground] = known
        return known

    def strip(self, line: Line, width: int, ground: str = "ground") -> Strip:
        """`line` in exactly `width` cells. Text is drawn literally: no markup, no escapes.

        Blanks take the style of what stands before them where that looks the same: fewer styles,
        fewer bytes on a slow line.
        """
        segments: list[Segment] = []
        for text, tone in line:
            text = self._safe(text)
            style = self.style(tone, ground)
            if segments:
                last = segments[-1]
                if style is last.style or (text.isspace() and _same_blank(style, last.style)):
                    segments[-1] = Segment(last.text + text, last.style)
                    continue
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, self.style("text", ground))

    def pieces(self, line: Line, width: int, ground: str = "ground") -> list[tuple[str, Style]]:
        """`line` as texts in styles, as in `strip`, in at most `width` cells or padded to it."""
        pieces = [(self._safe(text), self.style(tone, ground)) for text, tone in line]
        used = sum(text_width(text) for text, _ in pieces)
        if used > width:
            return [(text, style) for text, style, _ in self.strip(line, width, ground) if style]
        return [*pieces, (" " * (width - used), self.style("text", ground))]

    def difference(
        self, old: Line, new: Line, width: int, ground: str = "ground"
    ) -> tuple[int, list[tuple[str, Style]]]:
        """From which column on `new` has to be drawn over `old`, and what: without the cells that
        both begin with and, where those between are as wide as they were, end with."""
        first, shared = 0, min(len(old), len(new))
        while first < shared and old[first] == new[first]:
            first += 1
        behind = 0
        while behind < shared - first and old[-1 - behind] == new[-1 - behind]:
            behind += 1
        column = self._width(new[:first])
        middle = new[first : len(new) - behind]
        between = self._width(middle)
        is_cut = column + between > width
        if behind and not is_cut and between == self._width(old[first : len(old) - behind]):
            room = between
        elif is_cut:
            column, middle, room = 0, new, width
        else:
            middle, room = new[first:], width - column
        return column, self.pieces(middle, room, ground)

    def _width(self, line: Line) -> int:
        return sum(text_width(self._safe(text)) for text, _ in line)

    def _safe(self, text: str) -> str:
        """The last wall before the terminal: no control characters, and ASCII if that is asked."""
        if not text.isprintable():
            text = "".join(char for char in text if char.isprintable())
        if self._ascii_only and not text.isascii():
            text = "".join(_IN_ASCII.get(char) or "?" * char_width(char) for char in text)
        return text


_IN_ASCII = {
    **{chr(code): chr(code) for code in range(32, 127)},
    **{"…": "~", "×": "x", "↑": "^", "↓": "v", "←": "<", "→": ">", "–": "-", "·": "."},
}


def _same_blank(style: Style, other: Style | None) -> bool:
    """Does a blank look the same in both styles?"""
    if other is None or style.bgcolor != other.bgcolor:
        return False
    return not (style.underline or style.reverse or other.underline or other.reverse)
