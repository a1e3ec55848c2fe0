"""A few lines on a terminal that are drawn again and again in their place."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

from app.progress import REDRAW_S
from engine.domain.text import clean


class LiveTable:
    """`with LiveTable(sys.stderr) as live: live.show(lines)`. Gone without a trace at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._height = 0
        self._drawn_s = -REDRAW_S

    def __enter__(self) -> Self:
        return self

    def show(self, lines: Sequence[str]) -> None:
        """At most every `REDRAW_S`; cheap enough for every step of the work."""
        now_s = time.perf_counter()
        if now_s - self._drawn_s < REDRAW_S:
            return
        self._drawn_s = now_s
        size = shutil.get_terminal_size()
        shown = [clean(line)[: size.columns - 1] for line in lines[: size.lines - 1]]
        self._erase()
        self._stream.write("\n".join(shown))
        self._stream.flush()
        self._height = len(shown)

    def _erase(self) -> None:
        """Back to the first line, and everything below it away."""
        up = f"\x1b[{self._height - 1}A" if self._height > 1 else ""
        self._stream.write(f"\r{up}\x1b[J")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._erase()
        self._stream.flush()
