"""The manual's Markdown as lines: headings, lists, tables, code; nothing is interpreted further."""

from __future__ import annotations

import re
import textwrap

from app.views.cells import Cell, Line, fit

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|`")
_ITEM = re.compile(r"(\s*)([-*]|\d+\.)\s+")


def page_lines(text: str, width: int) -> list[Line]:
    """The page wrapped to `width`; lines of one paragraph are joined first."""
    lines: list[Line] = []
    paragraph: list[str] = []
    is_code = False

    def flush() -> None:
        if paragraph:
            lines.extend(_wrapped(paragraph, width))
            paragraph.clear()

    for raw in text.splitlines():
        if raw.startswith("```"):
            flush()
            is_code = not is_code
        elif is_code or (raw.startswith("    ") and not paragraph):
            flush()
            lines.append((Cell(fit(f"   {raw.strip() if not is_code else raw}", width), "source"),))
        elif raw.startswith("#"):
            flush()
            lines.append((Cell(fit(f" {raw.lstrip('# ')}", width), "title_focus"),))
        elif raw.startswith("|"):
            flush()
            lines.extend(_table_row(raw, width))
        elif not raw.strip():
            flush()
            if lines and lines[-1] != ():
                lines.append(())
        elif _ITEM.match(raw) and paragraph:
            flush()
            paragraph.append(raw)
        else:
            paragraph.append(raw)
    flush()
    return lines


def _plain(text: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", text))


def _wrapped(paragraph: list[str], width: int) -> list[Line]:
    first = paragraph[0]
    item = _ITEM.match(first)
    lead = f" {item[0]}" if item else " "
    body = first[item.end() :] if item else first
    text = _plain(" ".join([body, *(line.strip() for line in paragraph[1:])]))
    pieces = textwrap.wrap(
        text, max(20, width - 1), initial_indent=lead, subsequent_indent=" " * len(lead)
    )
    return [(Cell(piece, "text"),) for piece in pieces]


def _table_row(raw: str, width: int) -> list[Line]:
    cells = [_plain(cell.strip()) for cell in raw.strip().strip("|").split("|")]
    if all(set(cell) <= set("-: ") for cell in cells):
        return []
    first = min(26, max(12, width // 3))
    rest = "  ".join(cells[1:])
    pieces = textwrap.wrap(rest, max(20, width - first - 2)) or [""]
    return [
        (Cell(fit(f" {cells[0] if at == 0 else ''}", first), "strong"), Cell(f" {piece}", "text"))
        for at, piece in enumerate(pieces)
    ]
