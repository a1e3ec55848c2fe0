"""How long to wait before something is tried again: longer each time, and not all at once."""

from __future__ import annotations

import zlib

NS_PER_S = 1_000_000_000
CALM_NS = 60 * NS_PER_S
"""Success that lasts so long makes the next failure a first one. A success that fails again
sooner does not: a stream that breaks every second must not cost a request every second."""


class Backoff:
    """Waits of `first_ns`, doubled each time, up to `longest_ns`, each shortened by up to half by
    a number drawn from `name` and the count of tries: machines that fail together come back apart.
    """

    def __init__(self, name: str, first_ns: int, longest_ns: int) -> None:
        self._name = name
        self._first_ns = first_ns
        self._longest_ns = longest_ns
        self._failures = 0
        self._draws = 0
        self._succeeded_ns: int | None = None

    def succeeded(self, now_ns: int) -> None:
        self._succeeded_ns = now_ns

    def reset(self) -> None:
        """The next failure is a first one."""
        self._failures = 0

    def next_wait_ns(self, now_ns: int) -> int:
        """Call once a try is needed; 0 for the first one after a calm time."""
        if self._succeeded_ns is not None and now_ns - self._succeeded_ns >= CALM_NS:
            self._failures = 0
        self._succeeded_ns = None
        if self._failures == 0:
            self._failures = 1
            return 0
        whole_ns = min(self._longest_ns, self._first_ns << min(self._failures - 1, 32))
        self._failures += 1
        self._draws += 1
        drawn = zlib.crc32(f"{self._name}:{self._draws}".encode())
        return whole_ns - (whole_ns // 2 * drawn >> 32)
