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
    """What the venue told about limits is kept in `budget`, which other processes share; without
    one it is kept here."""

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
        budget = self._budget
        ticket = await budget.take_when_free(Priority.DATA, weight) if budget is not None else None
        try:
            answer = await ask(self._session, Wire("GET", url, {}, ""), ANSWER_S)
        except NoAnswer as error:
            raise not_answered(error) from None
        if budget is not None and ticket is not None:
            budget.answered(ticket, answer.headers)
        try:
            read(answer, self._quirks, self._clock.now_ns())
        except VenueFault as fault:
            self._until_ns = max(self._until_ns, fault.until_ns)
            if budget is not None:
                budget.stopped(fault, ticket)
            raise
        return answer.text.encode()
