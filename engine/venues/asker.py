"""Public questions of one venue: asked once, classified, and held back while the venue says so."""

from __future__ import annotations

import aiohttp

from engine.core.clock import Clock
from engine.ports.live import FaultKind, Priority, VenueFault
from engine.venues.budget import RateBudget
from engine.venues.classify import not_answered, read
from engine.venues.quirks.shape import Quirks
from engine.venues.rest import NoAnswer, Wire, ask

ANSWER_S = 10.0


class PublicAsker:
    """`budget` None: only the venue's own "come back later" is obeyed."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        quirks: Quirks,
        clock: Clock,
        budget: RateBudget | None = None,
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
        ticket = self._budget.take(Priority.DATA, weight) if self._budget is not None else None
        try:
            answer = await ask(self._session, Wire("GET", url, {}, ""), ANSWER_S)
        except NoAnswer as error:
            raise not_answered(error) from None
        fault: VenueFault | None = None
        try:
            read(answer, self._quirks, self._clock.now_ns())
        except VenueFault as failed:
            fault = failed
            self._until_ns = max(self._until_ns, fault.until_ns)
            raise
        finally:
            if self._budget is not None and ticket is not None:
                self._budget.settle(ticket, answer.headers, fault)
        return answer.text.encode()
