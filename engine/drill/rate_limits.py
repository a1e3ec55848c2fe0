"""How much may be asked: weights a minute by address, orders by account, and what happens then."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from engine.core.clock import NS_PER_SECOND

MINUTE_NS = 60 * NS_PER_SECOND
TEN_SECONDS_NS = 10 * NS_PER_SECOND
DAY_NS = 86_400 * NS_PER_SECOND
BAN_NS = 120 * NS_PER_SECOND
"""The first ban; each further one is twice as long."""
WARNINGS = 10
"""Requests after a 429 that are forgiven; the next one earns a ban."""


class Verdict(NamedTuple):
    """What to answer: 200 is to go on, 429 or 418 to refuse until `until_ns`."""

    status: int
    until_ns: int = 0


class RateLimits:
    def __init__(
        self, weight_max: int = 6000, orders_10s_max: int = 100, orders_day_max: int = 200_000
    ) -> None:
        self.weight_max = weight_max
        self.orders_10s_max = orders_10s_max
        self.orders_day_max = orders_day_max
        self.banned_until_ns = 0
        self.weight_used = 0
        self._minute = -1
        self._ignored = 0
        self._bans = 0
        self._orders: defaultdict[tuple[str, int, int], int] = defaultdict(int)
        """(account, width, window) -> orders."""

    def ask(self, weight: int, now_ns: int) -> Verdict:
        """Count a request of `weight`."""
        if now_ns < self.banned_until_ns:
            return Verdict(418, self.banned_until_ns)
        minute = now_ns // MINUTE_NS
        if minute != self._minute:
            self._minute, self.weight_used, self._ignored = minute, 0, 0
        self.weight_used += weight
        if self.weight_used <= self.weight_max:
            return Verdict(200)
        self._ignored += 1
        if self._ignored > WARNINGS:
            self.ban(now_ns + (BAN_NS << min(self._bans, 10)))
            self._bans += 1
            return Verdict(418, self.banned_until_ns)
        return Verdict(429, (minute + 1) * MINUTE_NS)

    def ban(self, until_ns: int) -> None:
        self.banned_until_ns = until_ns

    def ask_order(self, account: str, now_ns: int) -> bool:
        """Count an order of `account`; False: one too many."""
        for width_ns, most in (
            (TEN_SECONDS_NS, self.orders_10s_max),
            (DAY_NS, self.orders_day_max),
        ):
            if self.orders(account, width_ns, now_ns) >= most:
                return False
        for width_ns in (TEN_SECONDS_NS, DAY_NS):
            self._orders[account, width_ns, now_ns // width_ns] += 1
        if len(self._orders) > 1000:
            self._forget(now_ns)
        return True

    def orders(self, account: str, width_ns: int, now_ns: int) -> int:
        return self._orders.get((account, width_ns, now_ns // width_ns), 0)

    def _forget(self, now_ns: int) -> None:
        for key in [key for key in self._orders if key[2] < now_ns // key[1]]:
            del self._orders[key]
