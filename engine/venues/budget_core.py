"""What a venue's rate limits still allow: pure decisions over a state that fits in a file.

Counts slide: what was spent in the last minute (in parts of it, the oldest counted whole), whatever
minute the venue counts in. So the estimate is never below the venue's own; its headers raise it
when others on this address spend, too. Times of counts are monotonic, so a step of the wall
clock neither frees nor blocks anything.

A stop (429, 418, a firewall's 403) ends by the monotonic clock as long as the machine runs; after a
reboot by the wall clock, and if that now says "before the ban", the whole length is served again.
When it is over a single probe goes first; everything else waits for its answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from engine.ports.live import FaultKind, Priority

NS_PER_S = 1_000_000_000
PARTS = 6
"""Into how many parts a span is cut."""
ROOM_PCT = {
    Priority.CANCEL: 100,
    Priority.RECONCILE: 95,
    Priority.ORDER: 90,
    Priority.DATA: 80,
}
"""How much of a limit each may fill. The last twentieth belongs to cancels alone."""
PROBE_NS = 10 * NS_PER_S
"""After this a probe is taken for lost and the next may go."""
PROBE_LOOK_NS = NS_PER_S
"""How soon those that wait for a probe's answer may ask for it: mostly it is there."""
REBOOT_NS = 5 * NS_PER_S
"""A monotonic clock that has gone back by so much has been started anew."""
STOP_NS_MAX = 7 * 24 * 3600 * NS_PER_S
"""No venue bans for longer; a longer stamp is a slip of somebody's clock."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One of a venue's limits: `most` in `span_s` seconds."""

    header: str
    """Where the venue tells how much of it is used (lower case); also the name of its count."""
    span_s: int
    most: int
    counts_orders: bool = False
    """Orders placed, one each; otherwise weight."""


RULES: Mapping[str, tuple[Rule, ...]] = {
    "binance_spot": (
        Rule(header="x-mbx-used-weight-1m", span_s=60, most=6000),
        Rule(header="x-mbx-order-count-10s", span_s=10, most=100, counts_orders=True),
        Rule(header="x-mbx-order-count-1d", span_s=86_400, most=200_000, counts_orders=True),
    ),
    "binance_usdm": (
        Rule(header="x-mbx-used-weight-1m", span_s=60, most=2400),
        Rule(header="x-mbx-order-count-10s", span_s=10, most=300, counts_orders=True),
        Rule(header="x-mbx-order-count-1m", span_s=60, most=1200, counts_orders=True),
    ),
}
CAREFUL_RULES = (Rule(header="", span_s=60, most=300),)
"""For a venue that nobody has studied: five requests a second."""


class Instant(NamedTuple):
    wall_ns: int
    mono_ns: int
    boot: str
    """Names this run of the machine: monotonic times of another mean nothing."""


class Count(msgspec.Struct, kw_only=True):
    """What was spent in the latest `PARTS` + 1 parts of a span, the newest last."""

    newest: int = 0
    """Number of the newest part, counted from boot."""
    spent: list[int] = msgspec.field(default_factory=lambda: [0] * (PARTS + 1))


class Stop(msgspec.Struct, kw_only=True):
    """Nothing may be asked for `length_ns` from when it began."""

    kind: FaultKind
    boot: str
    mono_ns: int
    wall_ns: int
    length_ns: int
    strikes: int = 1
    """How many probes in a row were answered with another stop, and one."""
    probed_ns: int = 0
    """Monotonic time of the probe that is under way; 0: none."""
    has_cancelled: bool = False
    """The one cancel that may be tried in spite of a 429 has been tried."""


class Ticket(NamedTuple):
    """A request that may go."""

    mono_ns: int
    is_probe: bool


class Denied(NamedTuple):
    """A request that may not, and when it might (wall time)."""

    kind: FaultKind
    words: str
    until_ns: int


class Budget(msgspec.Struct, kw_only=True):
    """The state. Methods take the time and change nothing but this; `boot` must be brought up to
    date by `rebase` before anything is asked of a state that was read from a file."""

    boot: str = ""
    mono_ns: int = 0
    """When it was last used."""
    counts: dict[str, Count] = {}
    stop: Stop | None = None

    def rebase(self, now: Instant) -> None:
        """Make sense of what another run of the machine has left."""
        # Another process may have been here a moment later than this one read its clock.
        is_same_run = self.boot == now.boot and now.mono_ns > self.mono_ns - REBOOT_NS
        self.mono_ns = max(now.mono_ns, self.mono_ns) if is_same_run else now.mono_ns
        if is_same_run:
            return
        self.boot, self.counts = now.boot, {}
        stop = self.stop
        if stop is not None:
            served_ns = max(0, now.wall_ns - stop.wall_ns)
            stop.length_ns = max(0, stop.length_ns - served_ns)
            stop.boot, stop.wall_ns, stop.mono_ns = now.boot, now.wall_ns, now.mono_ns
            stop.probed_ns = 0

    # -- asking --------------------------------------------------------------------------------

    def admit(
        self,
        rules: tuple[Rule, ...],
        now: Instant,
        priority: Priority,
        weight: int,
        is_order: bool = False,
    ) -> Ticket | Denied:
        """Count the request and let it go, or say why not."""
        passed = self._pass_stop(now, priority)
        if isinstance(passed, Denied):
            return passed
        costs = [(rule, cost) for rule in rules if (cost := _cost(rule, weight, is_order))]
        for rule, cost in costs:
            free_ns = self._free_at(rule, now, priority, cost)
            if free_ns > now.mono_ns:
                return _full(rule, now, free_ns)
        for rule, cost in costs:
            self._slide(rule, now).spent[-1] += cost
        if self.stop is not None:
            if self._left_ns(now):
                self.stop.has_cancelled = True
            else:
                self.stop.probed_ns = now.mono_ns
        return Ticket(now.mono_ns, self.stop is not None)

    def _pass_stop(self, now: Instant, priority: Priority) -> Denied | None:
        stop = self.stop
        if stop is None:
            return None
        left_ns = self._left_ns(now)
        if left_ns:
            # A 429 is a warning. One cancel may be tried all the same: a kill switch that waits
            # a minute is none. A second one would turn the warning into a ban.
            is_warning = stop.kind is FaultKind.LIMITED and stop.strikes == 1
            if is_warning and priority is Priority.CANCEL and not stop.has_cancelled:
                return None
            what = "is banned" if stop.kind is FaultKind.BANNED else "has asked too much"
            return Denied(
                stop.kind,
                f"rate limit: this address {what}: next question in {_seconds(left_ns)} s",
                now.wall_ns + left_ns,
            )
        wait_ns = stop.probed_ns + PROBE_NS - now.mono_ns
        if stop.probed_ns and wait_ns > 0:
            return Denied(
                FaultKind.LIMITED,
                "rate limit: one question is out to see whether the venue answers again",
                now.wall_ns + min(wait_ns, PROBE_LOOK_NS),
            )
        return None

    def _left_ns(self, now: Instant) -> int:
        stop = self.stop
        if stop is None:
            return 0
        return max(0, stop.length_ns - max(0, now.mono_ns - stop.mono_ns))

    def _free_at(self, rule: Rule, now: Instant, priority: Priority, cost: int) -> int:
        """Monotonic time from which `cost` fits; not later than now if it does already."""
        count = self._slide(rule, now)
        room = rule.most * ROOM_PCT[priority] // 100
        # A single request that is larger than its room goes when nothing else was asked.
        excess = sum(count.spent) + cost - max(room, cost)
        part_ns = _part_ns(rule)
        oldest = count.newest - PARTS
        for index, spent in enumerate(count.spent):
            if excess <= 0:
                break
            excess -= spent
            oldest = count.newest - PARTS + index + 1
        return (oldest + PARTS) * part_ns

    def _slide(self, rule: Rule, now: Instant) -> Count:
        count = self.counts.setdefault(rule.header, Count())
        newest = now.mono_ns // _part_ns(rule)
        passed = newest - count.newest
        if passed > 0:
            kept = count.spent[min(passed, PARTS + 1) :]
            count.spent = [*kept, *([0] * (PARTS + 1 - len(kept)))]
            count.newest = newest
        return count

    # -- hearing -------------------------------------------------------------------------------

    def answered(
        self, rules: tuple[Rule, ...], now: Instant, ticket: Ticket, headers: Mapping[str, str]
    ) -> None:
        """The venue has answered, with anything but a stop."""
        self.heard(rules, now, headers)
        if ticket.is_probe:
            self.stop = None

    def heard(self, rules: tuple[Rule, ...], now: Instant, headers: Mapping[str, str]) -> None:
        """Raise the counts to what the venue says is used; it knows of others, too."""
        for rule in rules:
            told = headers.get(rule.header, "") if rule.header else ""
            if not (told.isascii() and told.isdigit() and len(told) < 10):
                continue
            count = self._slide(rule, now)
            count.spent[-1] += max(0, int(told) - sum(count.spent))

    def stopped(
        self,
        now: Instant,
        kind: FaultKind,
        until_wall_ns: int,
        ticket: Ticket | None = None,
        waits_s: Sequence[int] = (),
    ) -> None:
        """A 429, 418 or 403 whose end is `until_wall_ns`; or, where the venue names none, is
        guessed: `waits_s` for the first in a row, the second, ... One that stands already is never
        shortened, nor a ban made a warning by an answer that comes late."""
        length_ns = min(max(until_wall_ns - now.wall_ns, NS_PER_S), STOP_NS_MAX)
        strikes, left_ns = 1, 0
        stop = self.stop
        if stop is not None:
            strikes = stop.strikes + (ticket is not None and ticket.is_probe)
            left_ns = self._left_ns(now)
            if stop.kind is FaultKind.BANNED and left_ns:
                kind = FaultKind.BANNED
        if waits_s:
            length_ns = waits_s[min(strikes, len(waits_s)) - 1] * NS_PER_S
        self.stop = Stop(
            kind=kind,
            boot=now.boot,
            mono_ns=now.mono_ns,
            wall_ns=now.wall_ns,
            length_ns=max(length_ns, left_ns),
            strikes=strikes,
            has_cancelled=stop is not None and stop.has_cancelled,
        )

    # -- telling -------------------------------------------------------------------------------

    def used_pct(self, rules: tuple[Rule, ...], now: Instant) -> int:
        """Of the limit that is fullest, 0 to 100 and more."""
        return max(sum(self._slide(rule, now).spent) * 100 // rule.most for rule in rules)

    def stop_left_ns(self, now: Instant) -> int:
        """How long nothing may be asked; 0 when something may."""
        return self._left_ns(now)


def _cost(rule: Rule, weight: int, is_order: bool) -> int:
    return int(is_order) if rule.counts_orders else weight


def _part_ns(rule: Rule) -> int:
    return rule.span_s * NS_PER_S // PARTS


def _seconds(ns: int) -> int:
    return -(-ns // NS_PER_S)


def _full(rule: Rule, now: Instant, free_ns: int) -> Denied:
    wait_ns = free_ns - now.mono_ns
    what = "orders" if rule.counts_orders else "requests"
    return Denied(
        FaultKind.LIMITED,
        f"rate limit: no room for {what} of this urgency for {_seconds(wait_ns)} s",
        now.wall_ns + wait_ns,
    )
