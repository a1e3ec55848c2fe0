"""Says on stderr how long work gets on: a live line on a terminal, plain lines elsewhere.

Standard library only, since it also shows how the installation goes.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO

REDRAW_S = 0.1


class Step:
    """One named piece of work: `with Step("importing") as step: step.show("3 of 9")`.

    On a terminal `show` redraws one line with the seconds so far, at most every `REDRAW_S`.
    Elsewhere only the beginning and the end are told: a log wants no animation.
    """

    def __init__(self, name: str, stream: TextIO | None = None) -> None:
        self.name = name
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM", "") != "dumb"
        self._started = time.perf_counter()
        self._drawn = -REDRAW_S
        self._detail = ""

    def __enter__(self) -> Self:
        if self._live:
            self._draw()
        else:
            self._print(f"{self.name} ...")
        return self

    def show(self, detail: str) -> None:
        """Say where the work stands. Cheap enough for every iteration of a loop."""
        self._detail = detail
        self.tick()

    def tick(self) -> None:
        """Let the seconds move on while nothing else is to be told."""
        if self._live and self._elapsed_s() - self._drawn >= REDRAW_S:
            self._draw()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
        if error is None:
            self._print(f"{self.name}: done in {self._elapsed_s():.1f} s")
        self._stream.flush()

    def _draw(self) -> None:
        self._drawn = self._elapsed_s()
        line = f"{self.name} {self._detail}".rstrip() + f"  {self._drawn:.0f} s"
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{line[:width]}")
        self._stream.flush()

    def _print(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self._started
