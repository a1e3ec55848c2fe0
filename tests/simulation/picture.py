"""What the checker makes of the durable events: orders, their ends, and what it says when they
contradict the venue."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.domain import events as e
from engine.domain.claims import ClaimStatus
from engine.domain.order import Fill, OrderSpec, OrderStatus


class Broken(Exception):
    """An invariant does not hold. `name` is its number in the design."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name
        self.words = words


@dataclass
class Mine:
    """An order as the durable events tell it."""

    spec: OrderSpec
    bot_id: str
    placed_by: str
    since_s: float
    """When its intent became durable."""
    status: OrderStatus = OrderStatus.INTENT
    is_accepted: bool = False
    filled_lots: int = 0
    trades: dict[str, Fill] = field(default_factory=dict)

    @property
    def leaves(self) -> int:
        return 0 if self.status.is_final else max(0, self.spec.qty_lots - self.filled_lots)


ENDS = {
    e.OrderRejected: OrderStatus.REJECTED,
    e.OrderCanceled: OrderStatus.CANCELED,
    e.OrderExpired: OrderStatus.EXPIRED,
    e.OrderProvenAbsent: OrderStatus.ABSENT,
}

NEVER_LIVED = (OrderStatus.REJECTED, OrderStatus.ABSENT)

AGREES: dict[OrderStatus, tuple[ClaimStatus, ...]] = {
    OrderStatus.FILLED: (ClaimStatus.FILLED,),
    OrderStatus.CANCELED: (ClaimStatus.CANCELED, ClaimStatus.EXPIRED),
    OrderStatus.EXPIRED: (ClaimStatus.EXPIRED, ClaimStatus.CANCELED),
    OrderStatus.OPEN: (ClaimStatus.OPEN,),
    OrderStatus.PARTIAL: (ClaimStatus.PARTIAL,),
}
"""Which words of the venue each status of ours stands for. Rejected and absent stand for none."""


@dataclass
class Kill:
    """A kill switch that is being checked: what must be cancelled, and by when."""

    at_s: float
    waiting: set[str]
