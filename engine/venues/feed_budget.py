"""The feed's share of the venue's rate budget: public questions, which give way to all others."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from engine.core.clock import Clock
from engine.ports.live import Priority
from engine.venues.budget import RateBudget, Ticket
from engine.venues.classify import AskFailed, decoded
from engine.venues.quirks.shape import Quirks
from engine.venues.rest import Answer

UNDER_WAY_MAX = 64


class FeedBudget:
    """Implements `asker.Budget` over the budget that all processes share."""

    def __init__(self, folder: Path | None, quirks: Quirks, clock: Clock) -> None:
        self._budget = RateBudget(folder, quirks.venue, clock)
        self._quirks = quirks
        self._clock = clock
        self._under_way: deque[Ticket] = deque(maxlen=UNDER_WAY_MAX)

    async def take(self, weight: int, priority: Priority) -> None:
        self._under_way.append(await self._budget.take_when_free(priority, weight))

    def heard(self, answer: Answer) -> None:
        # Which of several the answer belongs to matters only after a stop, when one goes alone.
        ticket = self._under_way.popleft() if self._under_way else None
        try:
            decoded(answer, self._quirks, self._clock.now_ns())
        except AskFailed as fault:
            if fault.until_ns:
                self._budget.stopped(fault, ticket)
                return
        if ticket is not None:
            self._budget.answered(ticket, answer.headers)
