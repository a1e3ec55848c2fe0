"""The book guard: whether a book that is complete by its ids may also be believed.

Pure: times are arguments, nanoseconds of one clock that only grows. Prices in ticks.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from engine.kernels import layout as k
from engine.kernels.guard import TOP_CROSSED, TOP_LOST

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class GuardLimits(msgspec.Struct, frozen=True, kw_only=True):
    quiet_ns_max: int = 10 * NS_PER_S
    """Without depth for so long, or a proof that there was nothing to tell, a book is stale."""
    lag_ns_max: int = 5 * NS_PER_S
    """Messages may come so much later than the quickest one of this connection did."""
    jump_pct_max: int = 50
    """Of the mid, from one message to the next."""
    trade_distance_pct_max: int = 20
    """Between the mid and the last trade, while that is young."""
    trade_age_ns_max: int = 60 * NS_PER_S


class Verdict(NamedTuple):
    """`reason` "" when the book may be believed. With `is_broken` the book itself is in doubt and
    needs a fresh snapshot; otherwise it heals by itself."""

    reason: str
    is_broken: bool = False


FINE = Verdict("")


class BookGuard:
    """Judges one instrument's book after each whole message."""

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._mid_x2 = 0
        """Of the last book that was believed; 0 when there is none to compare with."""
        self._trade_ticks = 0
        self._trade_ns = 0
        self._heard_ns = 0
        self._lag_base_ns: int | None = None
        self._lag_ns = 0

    def restart(self, now_ns: int) -> None:
        """A new connection: ages and delays are measured anew."""
        self._heard_ns = now_ns
        self._lag_base_ns = None
        self._lag_ns = 0

    def heard(self, now_ns: int, venue_ms: int) -> None:
        """Depth of `venue_ms`, or with 0 the proof that there was none to send."""
        self._heard_ns = now_ns
        self.timed(now_ns, venue_ms)

    def timed(self, now_ns: int, venue_ms: int) -> None:
        """A message of any kind says how late messages come; 0 says nothing."""
        if venue_ms > 0:
            delay_ns = now_ns - venue_ms * NS_PER_MS
            if self._lag_base_ns is None or delay_ns < self._lag_base_ns:
                self._lag_base_ns = delay_ns
            self._lag_ns = delay_ns - self._lag_base_ns

    def traded(self, ticks: int, now_ns: int) -> bool:
        """Whether the trade lies too far off the book."""
        self._trade_ticks, self._trade_ns = ticks, now_ns
        return self._is_off(ticks)

    def _is_off(self, ticks: int) -> bool:
        """Of the last trade's price; no for none, and while there is no book to compare with."""
        mid_x2, trade_x2 = self._mid_x2, 2 * ticks
        most_pct = self._limits.trade_distance_pct_max
        return mid_x2 > 0 < trade_x2 and abs(mid_x2 - trade_x2) * 100 > most_pct * trade_x2

    def forget_price(self) -> None:
        """The next mid comes from a snapshot: a second source, so it is no jump but the price."""
        self._mid_x2 = 0

    def judge(self, best_bid: int, best_ask: int, top: int) -> Verdict:
        """`best_bid` and `best_ask` are NO_BID and NO_ASK where a side is empty; `top` is a TOP_
        code."""
        if top == TOP_LOST:
            return Verdict("the price jumped out of the book's window", is_broken=True)
        if top == TOP_CROSSED:
            return Verdict(f"bids stand at or above asks, around {best_bid} ticks", is_broken=True)
        if best_bid == k.NO_BID or best_ask == k.NO_ASK:
            if best_bid == k.NO_BID and best_ask == k.NO_ASK:
                return Verdict("the book is empty")
            return Verdict("no bids" if best_bid == k.NO_BID else "no asks")
        mid_x2 = best_bid + best_ask
        limits = self._limits
        last = self._mid_x2
        if last and abs(mid_x2 - last) * 100 > limits.jump_pct_max * last:
            return Verdict(
                f"the mid jumped by more than {limits.jump_pct_max} %, from {last / 2:g} to "
                f"{mid_x2 / 2:g} ticks",
                is_broken=True,
            )
        self._mid_x2 = mid_x2
        return FINE

    def judge_trade(self, now_ns: int) -> Verdict:
        """The last trade against the book; to be asked after each of either."""
        ticks, limits = self._trade_ticks, self._limits
        if self._is_off(ticks) and now_ns - self._trade_ns <= limits.trade_age_ns_max:
            return Verdict(
                f"the mid {self._mid_x2 / 2:g} lies more than {limits.trade_distance_pct_max} % "
                f"off the last trade at {ticks} ticks"
            )
        return FINE

    def is_getting_quiet(self, now_ns: int) -> bool:
        return now_ns - self._heard_ns > self._limits.quiet_ns_max // 2

    def judge_age(self, now_ns: int) -> Verdict:
        """By the clock alone; to be asked now and then, messages or not."""
        if now_ns - self._heard_ns > self._limits.quiet_ns_max:
            seconds = (now_ns - self._heard_ns) // NS_PER_S
            return Verdict(f"stale: nothing heard for {seconds} s")
        if self._lag_ns > self._limits.lag_ns_max:
            return Verdict(f"stale: messages come {self._lag_ns // NS_PER_S} s late")
        return FINE


def kraken_checksum(asks: Iterable[tuple[str, str]], bids: Iterable[tuple[str, str]]) -> int:
    """Kraken's CRC32 of a book: its ten best asks, then its ten best bids, best first, each price
    and quantity as the venue wrote it, without the point and without leading zeros."""
    digits = []
    for side in (asks, bids):
        for (price, quantity), _ in zip(side, range(10), strict=False):
            digits += [price.replace(".", "").lstrip("0"), quantity.replace(".", "").lstrip("0")]
    return zlib.crc32("".join(digits).encode())
