"""An order: what was wished, what has become of it, and what is still on the wire."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec


class Side(enum.StrEnum):
    BUY = "buy"
    SELL = "sell"

    sign: int
    """1 for buys, -1 for sells; set once, since it is asked for millions of times."""

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "buy" else -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(enum.StrEnum):
    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    """Becomes a market order once the market trades at or through the trigger."""
    STOP_LIMIT = "stop_limit"
    """Becomes a limit order once the market trades at or through the trigger."""


class TimeInForce(enum.StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"
    """Good till cancelled, but refused by the venue if it would take."""


class OrderStatus(enum.StrEnum):
    """What is known of the order at the venue."""

    INTENT = "intent"
    """Durable here; the venue has not confirmed it."""
    OPEN = "open"
    PARTIAL = "partial"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    ABSENT = "absent"
    """Proven unknown to the venue after the quiet period."""

    @property
    def is_final(self) -> bool:
        return self in _FINAL


class Pending(enum.StrEnum):
    """What we have asked for and not heard back about; independent of the status."""

    NONE = "none"
    PLACING = "placing"
    AMENDING = "amending"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"
    """A placement timed out: it may or may not be live. Never resent, only asked about."""


_FINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.ABSENT,
    }
)


class Purpose(enum.StrEnum):
    """Why the order exists; decides what a pause, a cancel-all or a failed bot leaves alone."""

    ENTRY = "entry"
    EXIT = "exit"
    """Reduces the owner's position at the owner's wish."""
    PROTECTIVE = "protective"
    """A stop or target guarding a position: survives pauses and failures of its bot."""
    FLATTEN = "flatten"
    """Sent by the engine to take risk off: kill, flatten, breached limit."""
    REVERSE = "reverse"
    """Turns the owner's position round; what guards the old side stays until it has."""


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants. Prices in ticks, quantities in lots of `instrument_id`."""

    instrument_id: str
    side: Side
    qty_lots: int
    type: OrderType = OrderType.LIMIT
    price_ticks: int = 0
    """Limit price; 0 for market and stop orders."""
    trigger_ticks: int = 0
    """Trigger of stop and stop-limit orders; 0 otherwise."""
    tif: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    purpose: Purpose = Purpose.ENTRY


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one order. Changed only by `order_step`."""

    client_order_id: str
    bot_id: str
    """Whose position the fills belong to; `manual` for the human's own book."""
    placed_by: str
    """`bot`, `human`, `engine` or `algo`: who decided it."""
    spec: OrderSpec
    created_ns: int
    status: OrderStatus = OrderStatus.INTENT
    pending: Pending = Pending.PLACING
    filled_lots: int = 0
    filled_value_units: int = 0
    """Sum of fill values in the instrument's money units; gives the exact average price."""
    venue_order_id: str = ""
    trade_ids: frozenset[str] = frozenset()
    """Fills already applied; a repeated fill is recognised by its id."""
    updated_ns: int = 0
    queue_ahead_lots: int = -1
    """Estimated quantity ahead at the price when it joined; -1 while unknown."""
    suspect: str = ""
    """Why this order needs reconciliation; empty while all is well."""
    algo_id: str = ""
    """The algo that it belongs to, and as which of its legs."""
    leg: str = ""

    @property
    def leaves_lots(self) -> int:
        return max(0, self.spec.qty_lots - self.filled_lots)

    @property
    def is_live(self) -> bool:
        """May still fill, as far as we know: not final, or a placement whose fate is unknown."""
        return not self.status.is_final or self.pending is Pending.UNKNOWN


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution as the venue reported it."""

    trade_id: str
    price_ticks: int
    lots: int
    fee: Decimal
    """Paid if positive, a rebate if negative, in `fee_asset`."""
    fee_asset: str
    is_maker: bool
    venue_ns: int
    queue_ahead_lots: int = -1
    """Quantity ahead when the order joined its level; -1 for takers and where unknown."""
    queue_left_lots: int = -1
    """How much of that was still ahead when it filled: 0 when the line had come to it, more when
    the price went through its level."""
    level_volume_lots: int = -1
    """Traded by the market at its price or beyond while it rested."""
    latency_ns: int = -1
    """How long the order was under way to the venue; -1 where it is not known."""
    fee_worth: Decimal | None = None
    """The fee in the settle asset, where it was paid in another."""

    @property
    def settle_fee(self) -> Decimal:
        """The fee in the settle asset, as accounts count it."""
        return self.fee if self.fee_worth is None else self.fee_worth
