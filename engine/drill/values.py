"""What the drill exchange keeps: rules, accounts, orders, trades. Amounts in units (`units.py`)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.domain.errors import BadInput
from engine.domain.instrument import InstrumentKind
from engine.domain.money import MONEY
from engine.domain.order import Side
from engine.drill.units import ONE, units


class Kind(enum.StrEnum):
    """Order types, in Binance's words since the first dialect is Binance's."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"

    @property
    def has_trigger(self) -> bool:
        return self not in (Kind.LIMIT, Kind.LIMIT_MAKER, Kind.MARKET)

    @property
    def has_price(self) -> bool:
        return self not in (Kind.MARKET, Kind.STOP_LOSS, Kind.TAKE_PROFIT)

    @property
    def is_take_profit(self) -> bool:
        return self in (Kind.TAKE_PROFIT, Kind.TAKE_PROFIT_LIMIT)


class Tif(enum.StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class Status(enum.StrEnum):
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"

    @property
    def is_open(self) -> bool:
        return self in (Status.NEW, Status.PARTIALLY_FILLED)


class SelfTrade(enum.StrEnum):
    """What happens when two orders of one account would meet."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"


class InstrumentRules(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument and its filters. `VenueControl.set_filter` replaces fields by name."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    kind: InstrumentKind = InstrumentKind.SPOT
    status: str = "TRADING"
    min_price: Decimal = Decimal("0.01")
    max_price: Decimal = Decimal(1_000_000)
    min_qty: Decimal = Decimal("0.00001")
    max_qty: Decimal = Decimal(9000)
    market_max_qty: Decimal = Decimal(200)
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)
    bid_multiplier_up: Decimal = Decimal(5)
    bid_multiplier_down: Decimal = Decimal("0.2")
    ask_multiplier_up: Decimal = Decimal(5)
    ask_multiplier_down: Decimal = Decimal("0.2")
    max_orders: int = 200
    max_stops: int = 5
    max_position: Decimal | None = None
    """Of the base asset, held and ordered together."""
    self_trade: SelfTrade = SelfTrade.EXPIRE_MAKER
    """For orders that name no mode."""

    def __post_init__(self) -> None:
        for name in ("tick", "lot"):
            step: Decimal = getattr(self, name)
            if not step.is_finite() or step <= 0:
                raise BadInput(name, step, "must be greater than zero")
        if units("tick", self.tick) * units("lot", self.lot) % ONE:
            step = MONEY.multiply(self.tick, self.lot)
            raise BadInput("tick x lot", step, "must be a multiple of 0.00000001")


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who may trade. The same key works at every venue of the server."""

    name: str
    api_key: str
    secret: str = ""
    """Of an HMAC key."""
    public_key: str = ""
    """PEM of an Ed25519 key, instead of a secret."""
    can_read: bool = True
    can_trade: bool = True
    can_withdraw: bool = False
    can_transfer: bool = False
    is_ip_restricted: bool = True
    balances: Mapping[str, Decimal] = {}
    """What it opens with."""
    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")
    burns_fee_asset: bool = False
    """Fees are paid in the third asset, cheaper, while it lasts."""


class OrderAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A new order as a dialect has read it."""

    symbol: str
    side: Side
    kind: Kind
    qty: int = 0
    quote_qty: int = 0
    """Of market orders by value instead of by quantity."""
    price: int = 0
    trigger: int = 0
    tif: Tif = Tif.GTC
    client_order_id: str
    self_trade: SelfTrade | None = None
    reduce_only: bool = False
    close_position: bool = False
    extra: Mapping[str, str] = {}
    """What only the dialect understands."""


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One account's side of an execution."""

    trade_id: int
    """One per execution and symbol; both sides share it."""
    account: str
    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    price: int
    qty: int
    is_maker: bool
    fee: int
    fee_asset: str
    ts_ns: int
    realized: int = 0
    """Profit booked by it, of futures."""


class Order(msgspec.Struct, kw_only=True):
    """One order, from its acceptance on. Changed by the exchange only."""

    order_id: int
    client_order_id: str
    account: str
    symbol: str
    side: Side
    kind: Kind
    tif: Tif
    qty: int
    quote_qty: int
    price: int
    trigger: int
    self_trade: SelfTrade
    reduce_only: bool
    close_position: bool
    created_ns: int
    updated_ns: int
    working_ns: int = 0
    """When it went onto the book; 0 while a stop waits."""
    status: Status = Status.NEW
    filled: int = 0
    filled_value: int = 0
    prevented: int = 0
    """Not traded for self-trade prevention (DECREMENT)."""
    locked: int = 0
    """What it still holds back, of the quote when it buys and the base when it sells."""
    is_triggered: bool = False
    cancel_client_order_id: str = ""
    reason: str = ""
    """Why it ended, where the venue ended it."""
    trades: list[Trade] = []
    extra: Mapping[str, str] = {}

    @property
    def leaves(self) -> int:
        return self.qty - self.filled - self.prevented

    @property
    def is_parked(self) -> bool:
        return self.kind.has_trigger and not self.is_triggered


class RefusalKind(enum.StrEnum):
    """Why a request was refused; each dialect has its own code for it."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    NOT_TRADING = "not_trading"
    BAD_PRICE = "bad_price"
    BAD_QTY = "bad_qty"
    BAD_MARKET_QTY = "bad_market_qty"
    BAD_NOTIONAL = "bad_notional"
    BAD_PERCENT_PRICE = "bad_percent_price"
    TOO_MANY_ORDERS = "too_many_orders"
    TOO_MANY_STOPS = "too_many_stops"
    MAX_POSITION = "max_position"
    DUPLICATE_ID = "duplicate_id"
    NO_FUNDS = "no_funds"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    NO_LIQUIDITY = "no_liquidity"
    REDUCE_ONLY = "reduce_only"
    UNKNOWN_ORDER = "unknown_order"


class Refusal(Exception):
    """The venue says no. Nothing has changed."""

    def __init__(self, kind: RefusalKind, words: str = "") -> None:
        super().__init__(words or kind.value)
        self.kind = kind
        self.words = words
