"""Which changes of a hold are worth an event. What flaps shall not fill the ledger.

Going into a hold is never put off. Coming out of it, or other words for it, is free a few times;
where it goes on, the news must have stayed the same for some seconds first. Meanwhile the hold
stays as it was: on.
"""

from __future__ import annotations

from collections import deque

from engine.core.clock import NS_PER_SECOND

FREE_CHANGES = 10
"""So many in `WINDOW_NS`: a start takes five, a reconnect as many."""
WINDOW_NS = 120 * NS_PER_SECOND
CALM_NS = 5 * NS_PER_SECOND


class HoldPace:
    """Times are of the monotonic clock. Keys are instrument ids, "" for all of them."""

    def __init__(self) -> None:
        self._changes: dict[str, deque[int]] = {}
        """When each hold was changed last, the oldest first."""
        self._waiting: dict[str, tuple[str, int]] = {}
        """Words that are not told yet, and since when they have been these."""

    def lets(self, key: str, told: str, words: str, now_ns: int) -> bool:
        """Whether it is to be told now that the hold `told` has become `words` ("" is none).
        Called at every look, also while nothing has changed."""
        if told == words:
            if self._waiting:
                self._waiting.pop(key, None)
            return False
        waited = self._waiting.get(key)
        since_ns = now_ns if waited is None or waited[0] != words else waited[1]
        self._waiting[key] = words, since_ns
        changes = self._changes.setdefault(key, deque(maxlen=FREE_CHANGES))
        is_free = len(changes) < FREE_CHANGES or now_ns - changes[0] >= WINDOW_NS
        if told and not is_free and now_ns - since_ns < CALM_NS:
            return False
        changes.append(now_ns)
        del self._waiting[key]
        return True
