"""From claims to reports: what a venue says, compared with what we know, one step at a time.

Claims come late, twice, in any order and from several sources. The fold is monotone: a trade
counts once by its id, a cumulative quantity only grows, an end is not taken back. Where the venue
says that more has traded than our fills add up to, nothing is invented: the claim waits (a hole)
until the missing trades have been fetched, and only then may it end the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from engine.core.clock import Clock
from engine.domain import reports as r
from engine.domain.claims import CashClaim, ClaimStatus, OrderClaim, TradeClaim
from engine.domain.order import Order, OrderStatus
from engine.trading.state import TradingState

GONE = (OrderStatus.REJECTED, OrderStatus.ABSENT)
"""Taken for never having lived."""


OWNERS_MAX = 20_000


class Hole(NamedTuple):
    """A claim whose quantity our fills do not reach yet."""

    claim: OrderClaim
    since_ns: int


class ClaimFolder:
    """Yields reports one by one; each must be processed before the next is asked for, since it
    depends on the state that the last one has left."""

    def __init__(self, state: TradingState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._seq = 0
        self._owners: dict[str, str] = {}
        """Our ids by the venue's."""
        self._triggered: set[str] = set()
        self.holes: dict[str, Hole] = {}
        self.strange: dict[str, OrderClaim] = {}
        """Orders of ours in a state that we have no word for, by our id."""

    def recall(self) -> None:
        """After a restart: learn the venue's ids from the ledger."""
        for order in (*self._state.orders.values(), *self._state.final_orders.values()):
            self._learn(order.venue_order_id, order.client_order_id)

    def stamp(self) -> dict[str, int]:
        """Number and times of the next report."""
        self._seq = max(self._seq, self._state.report_seq) + 1
        now_ns = self._clock.now_ns()
        return {"report_seq": self._seq, "venue_ns": now_ns, "received_ns": now_ns}

    def owner_of(self, claim: OrderClaim | TradeClaim) -> Order | None:
        """The order of ours that `claim` is about; None for a stranger's, also for one that bears
        an id of ours again: venues keep ids apart among open orders only."""
        order = self._state.find_order(claim.client_order_id)
        if order is not None:
            known = order.venue_order_id
            is_same = not known or known == claim.venue_order_id
            return order if is_same or self._goes_on_as(order, claim) else None
        return self._state.find_order(self._owners.get(claim.venue_order_id, ""))

    def _goes_on_as(self, order: Order, claim: OrderClaim | TradeClaim) -> bool:
        """Whether a conditional order of ours can have this id since its trigger, where the venue
        gives it a second one. Of an ended one the claim must say so, or have been introduced: a
        stranger may bear its name by now."""
        if not order.spec.trigger_ticks:
            return False
        is_ours = self._owners.get(claim.venue_order_id) == order.client_order_id
        has_triggered = isinstance(claim, OrderClaim) and claim.is_triggered
        return order.is_live or is_ours or has_triggered

    def introduce(self, claim: OrderClaim) -> None:
        """Learn whose the venue's order is, before its trades are folded: they may not say."""
        order = self.owner_of(claim)
        if order is not None:
            self._learn(claim.venue_order_id, order.client_order_id)

    def _learn(self, venue_order_id: str, client_order_id: str) -> None:
        if venue_order_id:
            self._owners[venue_order_id] = client_order_id

    # -- trades --------------------------------------------------------------------------------

    def fold_trade(self, claim: TradeClaim) -> Iterator[r.AnyReport]:
        order = self.owner_of(claim)
        if order is None:
            return  # A stranger's. What it moved shows in the balances.
        key = order.client_order_id
        self._learn(claim.venue_order_id, key)
        if claim.fill.trade_id in order.trade_ids:
            return
        if not order.venue_order_id and claim.venue_order_id and not order.status.is_final:
            # A trade proves that the venue took the order. Its id must be in the ledger: after a
            # restart a trade that is told by this id alone would be a stranger's.
            yield r.AcceptReport(
                **self.stamp(), client_order_id=key, venue_order_id=claim.venue_order_id
            )
        yield r.FillReport(**self.stamp(), client_order_id=key, fill=claim.fill)
        hole = self.holes.get(key)
        if hole is not None:
            yield from self.fold_order(hole.claim)

    def fold_cash(self, claim: CashClaim) -> Iterator[r.CashReport]:
        yield r.CashReport(**self.stamp(), cash=claim)

    # -- orders --------------------------------------------------------------------------------

    def fold_order(self, claim: OrderClaim) -> Iterator[r.AnyReport]:
        order = self.owner_of(claim)
        if order is None:
            return
        key = order.client_order_id
        self._learn(claim.venue_order_id, key)
        if claim.status is ClaimStatus.STRANGE:
            self.strange[key] = claim
            return
        self.strange.pop(key, None)
        if _proves_life(order, claim):
            yield r.AcceptReport(
                **self.stamp(), client_order_id=key, venue_order_id=claim.venue_order_id
            )
        if claim.is_triggered and key not in self._triggered:
            self._triggered.add(key)
            if order.spec.trigger_ticks and not order.status.is_final:
                yield r.TriggerReport(**self.stamp(), client_order_id=key)
        if _has_become_another(order, claim):
            # Into the ledger with the new id: after a restart trades may be told by it alone.
            yield r.AcceptReport(
                **self.stamp(), client_order_id=key, venue_order_id=claim.venue_order_id
            )
        if self._has_hole(key, claim):
            return
        if claim.status.is_final:
            yield from self._end(key, claim)

    def _has_hole(self, key: str, claim: OrderClaim) -> bool:
        """Keep a claim that our fills do not reach; the one that says most is kept."""
        order = self._state.find_order(key)
        assert order is not None
        if claim.filled_lots <= order.filled_lots:
            known = self.holes.get(key)
            if known is not None and known.claim.filled_lots <= order.filled_lots:
                del self.holes[key]
            return False
        known = self.holes.get(key)
        if known is None:
            self.holes[key] = Hole(claim, self._clock.monotonic_ns())
        elif _says_more(claim, known.claim):
            self.holes[key] = Hole(claim, known.since_ns)
        return True

    def _end(self, key: str, claim: OrderClaim) -> Iterator[r.AnyReport]:
        order = self._state.find_order(key)
        assert order is not None
        if order.status.is_final and order.status not in GONE:
            return
        words = claim.words
        match claim.status:
            case ClaimStatus.CANCELED:
                yield r.CancelReport(**self.stamp(), client_order_id=key, reason=words)
            case ClaimStatus.EXPIRED:
                yield r.ExpireReport(**self.stamp(), client_order_id=key, reason=words)
            case ClaimStatus.REJECTED if order.is_live and order.status is not OrderStatus.INTENT:
                # It was live: the venue ended it, as it does to a stop that it cannot carry out.
                yield r.ExpireReport(**self.stamp(), client_order_id=key, reason=words)
            case ClaimStatus.REJECTED if order.status is not OrderStatus.REJECTED:
                yield r.RejectReport(**self.stamp(), client_order_id=key, reason=words)
            case ClaimStatus.FILLED if order.leaves_lots:
                cut = "the venue cut it to what could be reduced"
                yield r.ExpireReport(**self.stamp(), client_order_id=key, reason=words or cut)
            case _:
                return

    # -- what is not about the past of an order ------------------------------------------------

    def forget_ended(self) -> None:
        """Let go of what no claim will need any more; called once in a while."""
        self._triggered &= self._state.orders.keys()
        for key in [key for key in self.holes if self._state.find_order(key) is None]:
            del self.holes[key]
        if len(self._owners) > OWNERS_MAX:
            self._owners.clear()
            self.recall()


def _proves_life(order: Order, claim: OrderClaim) -> bool:
    """Whether the claim tells that the venue has taken the order, which we do not know yet."""
    if claim.status is ClaimStatus.REJECTED:
        return False
    if order.status is OrderStatus.INTENT or (
        not order.venue_order_id and not order.status.is_final
    ):
        return True
    return order.status in GONE and (not claim.status.is_final or claim.filled_lots > 0)


def _has_become_another(order: Order, claim: OrderClaim) -> bool:
    """Whether a conditional order of ours goes on under another id of the venue."""
    return (
        claim.is_triggered
        and order.spec.trigger_ticks > 0
        and order.is_live
        and order.venue_order_id not in ("", claim.venue_order_id)
    )


def _says_more(new: OrderClaim, old: OrderClaim) -> bool:
    if new.filled_lots != old.filled_lots:
        return new.filled_lots > old.filled_lots
    return new.status.is_final and not old.status.is_final


def lacking(holes: Mapping[str, Hole], before_ns: int) -> list[Hole]:
    """Holes that have been open since before `before_ns` of the monotonic clock."""
    return [hole for hole in holes.values() if hole.since_ns <= before_ns]
