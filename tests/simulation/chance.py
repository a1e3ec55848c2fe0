"""The one source of chance of a simulation: small, fast, and the same in every Python version."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1


class Chance:
    """SplitMix64. `fork` gives independent streams, so that one more draw in one place does not
    change every other place."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits(self) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        z = self._state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def fork(self, stream: str) -> Chance:
        """A stream of its own, named so that the order of forking does not matter."""
        mixed = self._state
        for byte in stream.encode():
            mixed = Chance(mixed ^ byte).bits()
        return Chance(mixed)

    def below(self, limit: int) -> int:
        """0 <= n < limit. The bias of the modulo is far below anything that a test could see."""
        return self.bits() % limit

    def between(self, low: int, high: int) -> int:
        """low <= n <= high."""
        return low + self.below(high - low + 1)

    def hits(self, per_mille: int) -> bool:
        return self.below(1000) < per_mille

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
