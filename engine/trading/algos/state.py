"""What is known of an algo: nothing but a fold of events, like the rest of the trader's state."""

from __future__ import annotations

import msgspec

from engine.domain import events as e
from engine.domain.algo import AlgoMemory, AlgoOutcome, AnyAlgo, Bracket, is_reducing
from engine.domain.order import Order, OrderStatus, Pending

ENTRY = "entry"
STOP = "stop"
TARGET = "target"
CLOSE = "close"
EXIT_LEGS = (STOP, TARGET, CLOSE)

FORGIVEN_NS = 5_000_000_000
"""Failures of a leg farther apart than this have nothing to do with each other."""
RETRY_NS = 100_000_000
RETRIES_QUICK = 10
REST_NS = 10_000_000_000
"""Between tries once that many have failed in a row."""


class Leg(msgspec.Struct):
    """Sums over the orders of one leg, finished ones included."""

    orders: int = 0
    filled_lots: int = 0
    filled_value_units: int = 0
    failures: int = 0
    """Orders in a row that were refused or ended without a trade, and not at our wish."""
    failed_ns: int = 0
    said: str = ""
    """Why the last of them failed."""
    has_triggered: bool = False
    next_cancel_ns: int = 0
    """A cancel was refused: not before this is the next one sent."""

    @property
    def retry_ns(self) -> int:
        """From when on it may be tried again: the first time at once, then ever more slowly."""
        return self.urgent_ns if self.failures <= RETRIES_QUICK else self.failed_ns + REST_NS

    @property
    def urgent_ns(self) -> int:
        """The same for what cannot wait: never slower than once a second."""
        if self.failures <= 1:
            return self.failed_ns
        return self.failed_ns + min(self.failures, RETRIES_QUICK) * RETRY_NS


class AlgoState(msgspec.Struct, kw_only=True):
    algo_id: str
    bot_id: str
    owner: str
    spec: AnyAlgo
    started_ns: int
    memory: AlgoMemory = AlgoMemory()
    legs: dict[str, Leg] = {}
    orders: dict[str, Order] = {}
    """Live orders, oldest first."""
    ending: str = ""
    """Why its orders are being cancelled; empty while it works."""
    alarm: str = ""
    outcome: AlgoOutcome | None = None
    reason: str = ""

    def leg(self, name: str) -> Leg:
        return self.legs.get(name, _NO_LEG)

    def live(self, name: str) -> list[Order]:
        return [order for order in self.orders.values() if order.leg == name]

    def is_entry(self, leg: str) -> bool:
        """Whether a leg trades towards the algo's side: all do, but the exits of a bracket."""
        return leg == ENTRY or not isinstance(self.spec, Bracket)

    @property
    def entered_lots(self) -> int:
        return sum(leg.filled_lots for name, leg in self.legs.items() if self.is_entry(name))

    @property
    def exited_lots(self) -> int:
        return sum(self.leg(name).filled_lots for name in EXIT_LEGS)

    @property
    def due_ns(self) -> list[int]:
        """Instants at which it wants to be looked at, past ones among them."""
        legs = self.legs.values()
        retries = [at for leg in legs if leg.failures for at in (leg.urgent_ns, leg.retry_ns)]
        retries += [leg.next_cancel_ns for leg in legs if leg.next_cancel_ns]
        return [self.memory.due_ns, getattr(self.spec, "until_ns", 0), *retries]


_NO_LEG = Leg()


def unplaced_lots(algo: AlgoState) -> int:
    """What the algo may still send towards its side and has not: risk that is spoken for."""
    spec = algo.spec
    if is_reducing(spec) or algo.ending or algo.memory.entry_over:
        return 0
    waiting = sum(order.leaves_lots for order in algo.orders.values() if algo.is_entry(order.leg))
    return max(0, spec.qty_lots - algo.entered_lots - waiting)


def note_order(
    algo: AlgoState, old: Order | None, new: Order, event: e.OrderIntended | e.AnyOrderEvent
) -> None:
    """One of the algo's orders was intended (`old` is None then) or has changed."""
    leg = algo.legs.setdefault(new.leg, Leg())
    if old is None:
        leg.orders += 1
    else:
        if new.filled_lots > old.filled_lots:
            leg.failures = 0
        leg.filled_lots += new.filled_lots - old.filled_lots
        leg.filled_value_units += new.filled_value_units - old.filled_value_units
        leg.has_triggered |= isinstance(event, e.OrderTriggered)
        if isinstance(event, e.CancelRejected) and new.is_live:
            leg.next_cancel_ns = event.ts_ns + RETRY_NS
        if _has_failed(old, new, event):
            note_failure(leg, event.ts_ns, getattr(event, "reason", "unknown to the venue"))
    if new.is_live:
        algo.orders[new.client_order_id] = new
    else:
        algo.orders.pop(new.client_order_id, None)


def note_failure(leg: Leg, now_ns: int, words: str) -> None:
    if now_ns - leg.failed_ns > FORGIVEN_NS:
        leg.failures = 0
    leg.failures += 1
    leg.failed_ns = now_ns
    leg.said = words or "ended by the venue"


def _has_failed(old: Order, new: Order, event: e.OrderIntended | e.AnyOrderEvent) -> bool:
    """Ended (or lost) without a trade and without our asking."""
    if isinstance(event, e.PlacementUnknown):
        return new.pending is Pending.UNKNOWN
    if old.status.is_final or not new.status.is_final or new.filled_lots:
        return False
    if new.status is OrderStatus.CANCELED:
        return old.pending is not Pending.CANCELLING
    return True
