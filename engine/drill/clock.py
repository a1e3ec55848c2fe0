"""The venue's clock: the machine's, plus a skew that faults may set."""

from __future__ import annotations

from engine.core.clock import Clock


class VenueClock:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.offset_ns = 0

    def now_ns(self) -> int:
        """What the venue says that it is; stamps orders and events and judges signatures."""
        return self._clock.now_ns() + self.offset_ns

    def true_ns(self) -> int:
        """Without the skew."""
        return self._clock.now_ns()

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    async def sleep(self, duration_ns: int) -> None:
        await self._clock.sleep(duration_ns)
