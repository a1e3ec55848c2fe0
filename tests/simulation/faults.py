"""What can go wrong, by name, and how often in one story.

A seed draws a handful of kinds and makes them frequent, rather than all of them and each rare:
what a pair of faults does together is met sooner that way. `Faults.hits` is asked wherever a fault
could strike; it counts what it grants, so that a run can say which kinds it has seen.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from tests.simulation.chance import Chance


class Kind(StrEnum):
    # Requests and their answers.
    LOST_REQUEST = "lost_request"
    LOST_ANSWER = "lost_answer"
    RESET_AFTER = "reset_after_accept"
    ERROR_AFTER = "5xx_after_accept"
    ERROR_BEFORE = "5xx_before_accept"
    ERROR_EARLY = "5xx_while_it_queues"
    """A gateway gives up; seconds later the venue carries the request out."""
    SLOW_REQUEST = "slow_request"
    SLOW_ANSWER = "slow_answer"
    NO_ROUTE = "no_route"
    MALFORMED = "malformed_answer"
    PORTAL = "captive_portal"
    TLS = "certificate"
    LIMITED = "rate_limit"
    BANNED = "ban"
    MAINTENANCE = "maintenance"
    KEY_REVOKED = "key_revoked"
    READ_LAG = "read_after_write_lag"
    BALANCE_LAG = "balance_lag"
    # The user stream.
    DUPLICATE = "duplicate_event"
    REORDER = "reordered_event"
    LATE_EVENT = "late_event"
    MISSING_FILL = "missing_fill"
    DROPPED_EVENT = "dropped_event"
    STRANGE = "unknown_status_word"
    STREAM_DROP = "stream_drop"
    HALF_OPEN = "stream_half_open"
    # The venue's own doings.
    EXPIRED_IN_MATCH = "expired_in_match"
    ENDED_BY_VENUE = "ended_by_venue"
    HALT = "symbol_halt"
    RULES_CHANGE = "filter_change"
    FOREIGN_ORDER = "foreign_order"
    FOREIGN_FILL = "foreign_fill"
    ID_REUSE = "order_id_reuse"
    FEE_ASSET_OUT = "fee_asset_runs_out"
    DEPOSIT = "deposit"
    # Clocks.
    VENUE_SKEW = "venue_clock_skew"
    CLOCK_STEP = "host_clock_step"
    # Market data.
    BOOK_GAP = "book_gap"
    BOOK_CROSSED = "book_crossed"
    BOOK_STALE = "book_stale"
    PRICE_SPIKE = "price_spike"
    FEED_DROP = "feed_drop"
    # The machine.
    CRASH = "crash"
    POWER_CUT = "power_cut"
    DISK_FULL = "disk_full"
    SYNC_EIO = "sync_eio"
    SLOW_DISK = "slow_disk"
    SECOND_ENGINE = "second_engine"


PER_MILLE: dict[Kind, int] = {
    Kind.LOST_REQUEST: 150,
    Kind.LOST_ANSWER: 150,
    Kind.RESET_AFTER: 150,
    Kind.ERROR_AFTER: 150,
    Kind.ERROR_BEFORE: 150,
    Kind.ERROR_EARLY: 200,
    Kind.SLOW_REQUEST: 150,
    Kind.SLOW_ANSWER: 150,
    Kind.NO_ROUTE: 150,
    Kind.MALFORMED: 100,
    Kind.PORTAL: 60,
    Kind.TLS: 60,
    Kind.LIMITED: 60,
    Kind.BALANCE_LAG: 500,
    Kind.READ_LAG: 300,
    Kind.DUPLICATE: 300,
    Kind.REORDER: 300,
    Kind.LATE_EVENT: 100,
    Kind.MISSING_FILL: 250,
    Kind.DROPPED_EVENT: 100,
    Kind.STRANGE: 60,
    Kind.EXPIRED_IN_MATCH: 60,
}
"""Of a thousand occasions, for kinds that strike a request or an event. All others strike at
moments that the story plans."""


THEMES: tuple[tuple[Kind, ...], ...] = (
    (Kind.ERROR_EARLY, Kind.RESET_AFTER, Kind.READ_LAG, Kind.LOST_ANSWER),
    (Kind.STREAM_DROP, Kind.DROPPED_EVENT, Kind.MISSING_FILL, Kind.REORDER),
    (Kind.CRASH, Kind.POWER_CUT, Kind.SLOW_DISK, Kind.LOST_ANSWER),
    (Kind.HALF_OPEN, Kind.BALANCE_LAG, Kind.LATE_EVENT, Kind.DUPLICATE),
)
"""Kinds that are worst together; half of all stories have one of these sets."""


class Faults:
    """Which kinds this story has, and until when."""

    def __init__(self, chance: Chance, kinds: list[Kind]) -> None:
        self._chance = chance
        self.kinds = kinds
        self._kinds = set(kinds)
        self.is_on = False
        self.seen: Counter[str] = Counter()

    @classmethod
    def drawn(cls, chance: Chance) -> Faults:
        kinds = list(Kind)
        chance.shuffle(kinds)
        drawn = set(kinds[: 2 + chance.below(6)])
        if chance.hits(500):
            drawn |= set(chance.pick(THEMES))
        return cls(chance, sorted(drawn))

    def has(self, kind: Kind) -> bool:
        return kind in self._kinds

    def hits(self, kind: Kind, rarer: int = 1) -> bool:
        """Whether this occasion is struck; `rarer` times less often than usual."""
        if not self.is_on or kind not in self._kinds:
            return False
        if not self._chance.hits(PER_MILLE[kind] // rarer):
            return False
        self.seen[kind] += 1
        return True

    def saw(self, kind: Kind) -> None:
        self.seen[kind] += 1
