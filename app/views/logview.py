"""What of the log is shown: by level, source and text, following the newest line or held still."""

from __future__ import annotations

from collections.abc import Sequence

from app.views.glyphs import Glyphs
from engine.domain.snapshots import LogRow

LEVELS = ("info", "trade", "warn", "alert")
"""From the least to the most urgent."""
_LEVEL_WORDS = {"info": "all", "trade": "trades and above", "warn": "warnings", "alert": "alerts"}


class LogView:
    """View state of the log. `rows` are newest first everywhere."""

    def __init__(self) -> None:
        self.level = LEVELS[0]
        self.source = ""
        """"" for every source."""
        self.text = ""
        self.held_ns: int | None = None
        """Lines younger than this stay out; None follows."""

    @property
    def is_following(self) -> bool:
        return self.held_ns is None

    def next_level(self) -> None:
        self.level = LEVELS[(LEVELS.index(self.level) + 1) % len(LEVELS)]

    def next_source(self, rows: Sequence[LogRow]) -> None:
        """The next of all sources that `rows` know, then every one again."""
        sources = ["", *sorted({row.source for row in rows})]
        at = sources.index(self.source) if self.source in sources else 0
        self.source = sources[(at + 1) % len(sources)]

    def hold(self, rows: Sequence[LogRow]) -> None:
        """Show nothing newer than now; what scrolls under the eyes cannot be read."""
        if self.held_ns is None and rows:
            self.held_ns = rows[0].ts_ns

    def follow(self) -> None:
        self.held_ns = None

    def clear(self) -> None:
        self.level, self.source, self.text, self.held_ns = LEVELS[0], "", "", None

    def shown(self, rows: Sequence[LogRow]) -> list[LogRow]:
        least = LEVELS.index(self.level)
        wanted = self.text.casefold()
        return [
            row
            for row in rows
            if _rank(row.level) >= least
            and self.source in ("", row.source)
            and (not wanted or wanted in f"{row.source} {row.text}".casefold())
            and (self.held_ns is None or row.ts_ns <= self.held_ns)
        ]

    def words(self, rows: Sequence[LogRow], glyphs: Glyphs) -> str:
        """What is left out, for the title bar."""
        parts = []
        if self.level != LEVELS[0]:
            parts.append(f"{_LEVEL_WORDS[self.level]}")
        if self.source:
            parts.append(f"from {self.source}")
        if self.text:
            parts.append(f'with "{self.text}"')
        if self.held_ns is not None:
            newer = sum(row.ts_ns > self.held_ns for row in rows)
            parts.append(f"HELD, {newer} newer" if newer else "HELD")
        return ", ".join(parts)


def _rank(level: str) -> int:
    """A level of a newer engine is never filtered out."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS)
