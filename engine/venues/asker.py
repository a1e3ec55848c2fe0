"""Public questions of one venue: asked once, classified, and held back while the venue says so."""

from __future__ import annotations

from typing import Protocol

import aiohttp

from engine.core.clock import Clock
from engine.ports.live import FaultKind, Priority, VenueFault
from engine.venues.classify import not_answered, read
from engine.venues.quirks.shape import Quirks
from engine.venues.rest import Answer, NoAnswer, Wire, ask

ANSWER_S = 10.0


class Budget(Protocol):
    """The rate limit that everything of one address shares."""

    async def take(self, weight: int, priority: Priority) -> None:
        """Return once `weight` may be spent. VenueFault LIMITED or BANNED when it may not."""

    def heard(self, answer: Answer) -> None:
        """An answer's headers tell what is left."""


class PublicAsker:
    """`budget` None: only the venue's own "come back later" is obeyed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        quirks: Quirks,
        clock: Clock,
        budget: Budget | None = None,
    ) -> None:
        self._session = session
        self._quirks = quirks
        self._clock = clock
        self._budget = budget
        self._until_ns = 0

    async def get(self, url: str, weight: int) -> bytes:
        """The body of a successful answer. Raises VenueFault."""
        now_ns = self._clock.now_ns()
        if now_ns < self._until_ns:
            wait_s = (self._until_ns - now_ns) // 1_000_000_000 + 1
            raise VenueFault(
                FaultKind.LIMITED,
                f"{self._quirks.venue} is not asked for another {wait_s} s",
                until_ns=self._until_ns,
            )
        if self._budget is not None:
            await self._budget.take(weight, Priority.DATA)
        try:
            answer = await ask(self._session, Wire("GET", url, {}, ""), ANSWER_S)
        except NoAnswer as error:
            raise not_answered(error) from None
        if self._budget is not None:
            self._budget.heard(answer)
        try:
            read(answer, self._quirks, self._clock.now_ns())
        except VenueFault as fault:
            self._until_ns = max(self._until_ns, fault.until_ns)
            raise
        return answer.text.encode()
