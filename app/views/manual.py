"""The manual's Markdown as lines: headings, lists, tables, code; nothing is interpreted further."""

from __future__ import annotations

import re
import textwrap

from app.views.cells import Cell, Line, fit

_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*\*|`|(?<!\S)\*(?=\S)|(?<=\S)\*(?=[\s.,:;)]|$)")
_REMARK = re.compile(r"\s{2,}([#(])")
"""Where the remark behind a line of code begins."""
_CODE = "   "
_ITEM = re.compile(r"(\s*)([-*]|\d+\.)\s+")


def page_lines(text: str, width: int) -> list[Line]:
    """The page wrapped to `width`; lines of one paragraph are joined first."""
    lines: list[Line] = []
    paragraph: list[str] = []
    table: list[str] = []
    is_code = False

    def flush() -> None:
        if paragraph:
            lines.extend(_wrapped(paragraph, width))
            paragraph.clear()

    for raw in text.splitlines():
        if table and not raw.startswith("|"):
            lines.extend(_table(table, width))
            table.clear()
        if raw.startswith("```"):
            flush()
            is_code = not is_code
        elif is_code or (raw.startswith("    ") and not paragraph):
            flush()
            lines.extend(_code(raw if is_code else raw[4:], width))
        elif raw.startswith("#"):
            flush()
            lines.append((Cell(fit(f" {raw.lstrip('# ')}", width), "title_focus"),))
        elif raw.startswith("|"):
            flush()
            table.append(raw)
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
    lines.extend(_table(table, width))
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


def _code(raw: str, width: int) -> list[Line]:
    """A line to be typed, whole: its remark goes below it where both do not fit."""
    typed, sign, remark = raw.rstrip(), "", ""
    if len(typed) + len(_CODE) > width:
        found = _REMARK.search(typed)
        if found is not None:
            typed, sign, remark = typed[: found.start()], found[1], typed[found.end() :]
    lead = _CODE + " " * (len(typed) - len(typed.lstrip()))
    pieces = _pieces(typed.strip(), width, lead, lead + "  ")
    pieces += _pieces(sign + remark, width, lead + "  ", lead + "    ") if remark else []
    return [(Cell(piece, "source"),) for piece in pieces]


def _pieces(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, max(20, width), initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )


def _table(table: list[str], width: int) -> list[Line]:
    """Two columns side by side; of more, the heads name what follows the first."""
    rows = [[_plain(cell.strip()) for cell in raw.strip().strip("|").split("|")] for raw in table]
    rows = [row for row in rows if not all(set(cell) <= set("-: ") for cell in row)]
    if not rows:
        return []
    if len(rows[0]) > 2:
        return [line for row in rows[1:] for line in _entry(rows[0], row, width)]
    return [line for row in rows for line in _pair(row, width)]


def _pair(row: list[str], width: int) -> list[Line]:
    first = min(26, max(12, width // 3))
    names = textwrap.wrap(row[0], first - 2, break_on_hyphens=False) or [""]
    pieces = textwrap.wrap(" ".join(row[1:]), max(20, width - first - 2)) or [""]
    count = max(len(names), len(pieces))
    names += [""] * (count - len(names))
    pieces += [""] * (count - len(pieces))
    return [
        (Cell(fit(f" {name}", first), "strong"), Cell(f" {piece}", "text"))
        for name, piece in zip(names, pieces, strict=True)
    ]


def _entry(heads: list[str], row: list[str], width: int) -> list[Line]:
    lines: list[Line] = [
        (Cell(piece, "strong"),) for piece in _pieces(row[0] or '"', width, " ", " ")
    ]
    for head, cell in zip(heads[1:], row[1:], strict=False):
        text = f"{head}: {cell}" if head else cell
        if cell:
            lines += [(Cell(piece, "text"),) for piece in _pieces(text, width, "   ", "     ")]
    return lines
