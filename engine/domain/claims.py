"""Claims: what a live venue says of orders, trades and balances, in our words.

A claim is not yet a fact. The runtime compares it with the ledger and turns it into reports, which
`order_step` turns into facts. Numbers are exact: ticks, lots, Decimal; never a float of the wire.
Text that came from outside has been cleaned by the adapter (`engine.domain.text.clean`).
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from engine.domain.order import Fill, OrderType, Side


class ClaimStatus(enum.StrEnum):
    """What the venue calls an order now."""

    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    STRANGE = "strange"
    """A word that we do not know; `OrderClaim.words` holds it. Never guessed at."""

    @property
    def is_final(self) -> bool:
        return self not in (ClaimStatus.OPEN, ClaimStatus.PARTIAL, ClaimStatus.STRANGE)


class OrderClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="claim"):
    """One order as the venue tells it. May be late, repeated, or not one of ours."""

    instrument_id: str
    client_order_id: str
    """As the venue gives it; "" where it gives none. A stranger's may look like anything."""
    venue_order_id: str
    side: Side
    type: OrderType
    status: ClaimStatus
    qty_lots: int
    filled_lots: int
    """Cumulative: only grows. More than our fills add up to means that a fill was missed."""
    price_ticks: int = 0
    trigger_ticks: int = 0
    is_triggered: bool = False
    """A stop whose order is working now."""
    reduce_only: bool = False
    venue_ns: int = 0
    words: str = ""
    """The venue's reason for an end, or its own word for a strange status."""


class TradeClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="claim"):
    """One execution of an order of this account."""

    instrument_id: str
    client_order_id: str
    """"" where the venue's message names its own id only."""
    venue_order_id: str
    side: Side
    fill: Fill


class BalanceClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="claim"):
    """What the account holds of one asset; spot: free + locked, futures: the wallet balance."""

    asset: str
    total: Decimal
    free: Decimal
    venue_ns: int = 0


class PositionClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="claim"):
    """A futures position, signed. Spot venues have none: there the base balance is the position."""

    instrument_id: str
    lots: int
    entry_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    venue_ns: int = 0


class CashKind(enum.StrEnum):
    FUNDING = "funding"
    TRANSFER = "transfer"
    """Deposits, withdrawals, transfers between wallets: not ours to explain, only to count."""
    OTHER = "other"


class CashClaim(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="claim"):
    """A movement of money that is no trade. `cash_id` is the venue's own, for counting it once."""

    cash_id: str
    kind: CashKind
    asset: str
    amount: Decimal
    """Positive: the account received it."""
    instrument_id: str = ""
    venue_ns: int = 0
    words: str = ""


AccountNews = OrderClaim | TradeClaim | BalanceClaim | PositionClaim | CashClaim
"""What a user stream brings."""


class KeyPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What the API key may do, as the venue tells it; None where it cannot be asked."""

    can_read: bool | None
    can_trade: bool | None
    can_withdraw: bool | None
    can_transfer: bool | None
    is_ip_restricted: bool | None
    words: str = ""
    """What could not be verified, for a person."""
