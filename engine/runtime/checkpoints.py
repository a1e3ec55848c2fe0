"""Where a replay can go back to at once: its world and trader, frozen now and then on the way.

Which places are kept changes how long a way back takes, never what is found there.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from engine.domain import events as e
from engine.runtime.freeze import Frozen

SPACING = 5000
"""Work between two checkpoints: less than half a second."""
MOST = 256
BYTES_MAX = 64 << 20
"""Of memory, for all of them. Beyond, those far from here are thinned."""
NEAR = 12
"""So many on either side of here are never thinned: most ways back are short."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[e.AnyEvent]).decode


class Chapter(NamedTuple):
    """Events one after the other, packed: a long replay has hundreds of thousands."""

    packed: bytes
    fills_ns: tuple[int, ...]
    """When own fills happened in it."""

    @property
    def events(self) -> list[e.AnyEvent]:
        return _decode(zlib.decompress(self.packed))


class Story:
    """All events of a run: chapters that are closed, and the one being written."""

    def __init__(self, chapters: Sequence[Chapter] = ()) -> None:
        self._chapters = list(chapters)
        self._open: list[e.AnyEvent] = []
        self.fills_ns = [ts_ns for chapter in chapters for ts_ns in chapter.fills_ns]
        self._fills_closed = len(self.fills_ns)

    def add(self, events: Sequence[e.AnyEvent]) -> None:
        self._open += events
        self.fills_ns += [one.ts_ns for one in events if isinstance(one, e.OrderFilled)]

    def close(self) -> tuple[Chapter, ...]:
        """End the chapter, and give all there are."""
        if self._open:
            fills_ns = tuple(self.fills_ns[self._fills_closed :])
            self._chapters.append(Chapter(zlib.compress(_encode(self._open), 1), fills_ns))
            self._fills_closed = len(self.fills_ns)
            self._open = []
        return tuple(self._chapters)

    def __iter__(self) -> Iterator[e.AnyEvent]:
        for chapter in self._chapters:
            yield from chapter.events
        yield from self._open


class Checkpoint(NamedTuple):
    """A place to go back to."""

    now_ns: int
    work: int
    """Done from the beginning to here."""
    scene: Frozen
    chapters: tuple[Chapter, ...]
    given: int
    """How many of the person's commands had been carried out."""


class Checkpoints:
    """In the order of time; the first, the beginning of the recording, stays for ever."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: list[Checkpoint] = []
        self._most = most
        self.near: Checkpoint | None = None
        """One more, close to where somebody goes back step by step."""

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, one: Checkpoint) -> None:
        """Keep `one`, which is of here and now, unless there is one of its instant."""
        at = bisect_right(self._kept, one.now_ns, key=_now_ns)
        if at and self._kept[at - 1].now_ns == one.now_ns:
            return
        self._kept.insert(at, one)
        while len(self._kept) > self._most or self._size() > BYTES_MAX:
            if not self._thin(at):
                return

    def _size(self) -> int:
        return sum(kept.scene.size for kept in self._kept)

    def _thin(self, here: int) -> bool:
        """Let the one go that is missed least; False where all are near."""
        kept = self._kept
        far = [at for at in range(1, len(kept) - 1) if abs(at - here) > NEAR]
        if not far:
            return False
        del kept[min(far, key=lambda at: kept[at + 1].work - kept[at - 1].work)]
        return True

    def before(self, ts_ns: int) -> Checkpoint:
        """The last one not after `ts_ns`; the first where all are later."""
        found = self._kept[max(0, bisect_right(self._kept, ts_ns, key=_now_ns) - 1)]
        if self.near is not None and found.now_ns < self.near.now_ns <= ts_ns:
            return self.near
        return found

    def forget_given(self, count: int) -> None:
        """All but the first `count` of the person's commands have not happened."""
        self._keep(lambda one: one.given <= count)

    def forget_after(self, now_ns: int) -> None:
        """What is done at `now_ns` changes all that came later."""
        self._keep(lambda one: one.now_ns <= now_ns)

    def _keep(self, holds: Callable[[Checkpoint], bool]) -> None:
        self._kept = [one for one in self._kept if holds(one)]
        if self.near is not None and not holds(self.near):
            self.near = None


def _now_ns(one: Checkpoint) -> int:
    return one.now_ns
