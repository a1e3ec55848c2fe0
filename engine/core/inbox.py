"""The bounded inbox of the engine: two lanes, and a named decision for every kind that overflows.

Any thread puts; one consumer takes. Orders, commands and reports always come before market data.
Within a lane messages come in order of arrival, and a conflated message keeps the place of the
one it replaced, so a busy instrument cannot push a quiet one back for ever.
"""

from __future__ import annotations

import asyncio
import enum
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

import msgspec

M = TypeVar("M")


class Overflow(enum.StrEnum):
    """What happens when a kind has no room left."""

    CONFLATE = "conflate"
    """Newest value per key wins, so there is nothing to overflow but the number of keys."""
    NEVER_DROP = "never_drop"
    """The producer gets InboxFull at once and has to deal with it."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message of the kind is dropped and counted."""


class Lane(enum.IntEnum):
    """Lower is served first."""

    ORDERS = 0
    MARKET = 1


class InboxFull(Exception):
    """No room for a message that must not be dropped: the producer outruns the engine."""


class InboxClosed(Exception):
    """The engine has stopped taking messages."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of message is kept. `capacity` counts messages (keys when conflating)."""

    lane: Lane
    overflow: Overflow
    capacity: int


class KindStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counted since the start: put = taken + conflated + dropped + waiting. Refused come on top."""

    kind: str
    put: int
    taken: int
    conflated: int
    dropped: int
    refused: int
    waiting: int
    waiting_max: int


class _Queue(Generic[M]):
    """Messages of one kind, by key, in order of arrival. Guarded by the inbox's lock."""

    def __init__(self, kind: str, policy: Policy) -> None:
        assert policy.capacity > 0, (kind, policy)
        self.kind = kind
        self.policy = policy
        self.entries: OrderedDict[Hashable, tuple[int, M]] = OrderedDict()
        self.put_count = self.taken = self.conflated = self.dropped = self.refused = 0
        self.waiting_max = 0

    def put(self, ticket: int, message: M, key: Hashable) -> None:
        entries = self.entries
        if self.policy.overflow is Overflow.CONFLATE:
            if key in entries:
                entries[key] = (entries[key][0], message)
                self.put_count += 1
                self.conflated += 1
                return
        else:
            key = ticket
        if len(entries) >= self.policy.capacity:
            self._make_room()
        entries[key] = (ticket, message)
        self.put_count += 1
        if len(entries) > self.waiting_max:
            self.waiting_max = len(entries)

    def _make_room(self) -> None:
        if self.policy.overflow is not Overflow.DROP_OLDEST:
            self.refused += 1
            raise InboxFull(
                f"inbox: {self.policy.capacity} messages of kind {self.kind} are waiting already"
            )
        self.entries.popitem(last=False)
        self.dropped += 1

    def head(self) -> int:
        """Ticket of the oldest message; only asked while there is one."""
        return next(iter(self.entries.values()))[0]

    def take(self) -> M:
        self.taken += 1
        return self.entries.popitem(last=False)[1][1]

    def statistics(self) -> KindStatistics:
        return KindStatistics(
            kind=self.kind,
            put=self.put_count,
            taken=self.taken,
            conflated=self.conflated,
            dropped=self.dropped,
            refused=self.refused,
            waiting=len(self.entries),
            waiting_max=self.waiting_max,
        )


class Inbox(Generic[M]):
    """`put` from any thread; take from one: an asyncio task, or a thread that polls."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._lock = threading.Lock()
        self._queues = {kind: _Queue[M](kind, policy) for kind, policy in policies.items()}
        self._lanes = [
            [queue for queue in self._queues.values() if queue.policy.lane is lane] for lane in Lane
        ]
        self._next_ticket = 1
        self._is_closed = False
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    # -- producers ---------------------------------------------------------------------------

    def put(self, kind: str, message: M, key: Hashable = None) -> None:
        """Add a message; `key` matters only to kinds that conflate.

        Raises InboxFull when a message that must not be dropped finds no room, and InboxClosed
        after `close`. Returns at once in every case and wakes the consumer.
        """
        with self._lock:
            if self._is_closed:
                raise InboxClosed(f"inbox: {kind} came after the engine stopped")
            self._queues[kind].put(self._next_ticket, message, key)
            self._next_ticket += 1
            self._wake()

    def close(self) -> None:
        """Refuse further messages. What is waiting can still be taken."""
        with self._lock:
            self._is_closed = True
            self._wake()

    def _wake(self) -> None:
        if self._waiter is None:
            return
        loop, woken = self._waiter
        self._waiter = None
        try:
            loop.call_soon_threadsafe(_resolve, woken)
        except RuntimeError as error:
            # The loop was closed under a waiting consumer: nobody will ever take anything.
            self._is_closed = True
            raise InboxClosed("inbox: the engine's loop is gone") from error

    # -- the consumer ------------------------------------------------------------------------

    def take(self) -> M | None:
        """The next message, None when there is none. Never waits."""
        with self._lock:
            return self._take()

    def drain(self, limit: int) -> list[M]:
        """Up to `limit` messages in the order in which `take` would give them."""
        messages: list[M] = []
        with self._lock:
            while len(messages) < limit and (message := self._take()) is not None:
                messages.append(message)
        return messages

    def _take(self) -> M | None:
        for lane in self._lanes:
            waiting = [queue for queue in lane if queue.entries]
            if waiting:
                return min(waiting, key=_Queue.head).take()
        return None

    async def get(self) -> M:
        """The next message, waiting for one. InboxClosed once closed and empty."""
        while True:
            await self.wait()
            message = self.take()
            if message is not None:
                return message

    async def wait(self) -> None:
        """Return when something can be taken. InboxClosed once closed and empty.

        May be cancelled (a timeout for the next timer, say) without losing anything.
        """
        with self._lock:
            if self._has_messages():
                return
            assert self._waiter is None, "an inbox has one consumer"
            loop = asyncio.get_running_loop()
            woken = loop.create_future()
            self._waiter = (loop, woken)
        try:
            await woken
        finally:
            with self._lock:
                if self._waiter == (loop, woken):
                    self._waiter = None
        with self._lock:
            self._has_messages()

    def _has_messages(self) -> bool:
        if any(queue.entries for queue in self._queues.values()):
            return True
        if self._is_closed:
            raise InboxClosed("inbox: closed and empty")
        return False

    def __len__(self) -> int:
        with self._lock:
            return sum(len(queue.entries) for queue in self._queues.values())

    def statistics(self) -> tuple[KindStatistics, ...]:
        with self._lock:
            return tuple(queue.statistics() for queue in self._queues.values())


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
