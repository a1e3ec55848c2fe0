"""What a strategy is, and all it may see and do.

A strategy is a small class. It is woken (never polled), looks at a read-only view that already
contains what woke it, and speaks a few verbs. It has no keys, no clock, no file and no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from engine.domain.algo import AnyAlgo
from engine.domain.instrument import Instrument
from engine.domain.order import Fill, Order, Side, TimeInForce


class Knob(NamedTuple):
    """Meaning and range of a parameter; put it into the field's `Annotated`."""

    help: str
    ge: int | None = None
    """Smallest allowed value."""
    gt: int | None = None
    """Bound that must be exceeded."""
    le: int | None = None
    """Largest allowed value."""
    is_live_editable: bool = False
    """Whether it may change while the bot steers; else the bot must be paused first. Either way
    the strategy is built anew from its parameters, as at a restart."""

    def range_text(self) -> str:
        bounds = ((">=", self.ge), (">", self.gt), ("<=", self.le))
        return ", ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)

    def allows(self, value: int | Decimal) -> bool:
        return not (
            (self.ge is not None and value < self.ge)
            or (self.gt is not None and value <= self.gt)
            or (self.le is not None and value > self.le)
        )


class Params(msgspec.Struct, frozen=True, kw_only=True):
    """Base of a strategy's parameters: fields of type int, Decimal or str, each with a `Knob`,
    so that wrong values are refused with a clear line and a sweep knows what to vary."""


class WakeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """When to wake the strategy. Between wake-ups the market runs at full speed."""

    every_ms: int = 0
    """`on_timer` at this period, counted from the bot's start; 0: never."""
    on_fill: bool = False
    on_top: bool = False
    """`on_book` when best price or quantity changed."""
    on_trade: bool = False
    timeframe: str = ""
    """`on_bar` when a bar of this length closes: `1s`, `5s`, `1m` ..."""


class Bar(NamedTuple):
    """A closed bar; prices in ticks, volume in lots."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class View(Protocol):
    """Read-only, valid during a callback."""

    @property
    def instrument(self) -> Instrument: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def best_bid(self) -> int:
        """Ticks. Only meaningful while `is_ready`."""

    @property
    def best_ask(self) -> int: ...
    @property
    def is_ready(self) -> bool:
        """The book is complete: it may be traded on."""

    @property
    def last_ticks(self) -> int:
        """Last trade, 0 before the first."""

    def depth(self, side: Side, levels: int) -> list[tuple[int, int]]:
        """(ticks, lots) of the bids (BUY) or asks (SELL), best first."""

    def bars(self, count: int) -> Sequence[Bar]:
        """The latest closed bars of the strategy's timeframe, oldest first."""

    def closes(self, count: int) -> Sequence[int]:
        """Their closes alone, in ticks: many times cheaper where averages need no more."""

    @property
    def position_lots(self) -> int:
        """Of this bot, signed."""

    @property
    def position_in_floats(self) -> float:
        """Of this bot, signed, in the instrument's own unit: its fills summed one by one in binary
        floating point, as a notebook does. A feature for decisions: it drifts in the last bits."""

    @property
    def orders(self) -> Mapping[str, Order]:
        """This bot's live orders by client order id, oldest first; those of its algos too."""

    @property
    def algos(self) -> Mapping[str, AnyAlgo]:
        """This bot's working algos by id, oldest first."""


class Context(View, Protocol):
    """The view and the verbs. A verb returns at once; what came of it arrives as callbacks.

    `buy` and `sell` return the client order id, or None when the wish was refused (risk gate,
    helm); the reason is in the log, not the strategy's business.
    """

    def buy(
        self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC
    ) -> str | None:
        """Limit order at `price_ticks`, or a market order when it is 0."""

    def sell(
        self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC
    ) -> str | None: ...
    def cancel(self, client_order_id: str) -> None:
        """An order, or an algo by its id. A bracket that holds a position keeps its legs."""

    def bracket(
        self,
        side: Side,
        lots: int,
        *,
        stop_ticks: int,
        target_ticks: int = 0,
        price_ticks: int = 0,
        trail_ticks: int = 0,
    ) -> str | None:
        """Enter with a stop, and a target or a trailing distance if wanted. Returns the algo's
        id, or None when it was refused."""

    def trail(self, *, ticks: int = 0, bp: int = 0) -> str | None:
        """Guard the position held now with a stop that follows at this distance."""

    def work(self, spec: AnyAlgo) -> str | None:
        """Start any algo (`engine.domain.algo`) on this bot's instrument."""

    def close(self) -> None:
        """Close this bot's position at the market, reduce-only."""

    def explain(self, text: str) -> None:
        """Say why, in a few words; shown as the bot's last action."""


class Strategy:
    """Base class with empty callbacks; override those that the wake filter asks for."""

    name: ClassVar[str]
    summary: ClassVar[str]
    params_type: ClassVar[type[Params]]

    def __init__(self, params: Params, instrument: Instrument) -> None:
        raise NotImplementedError

    @property
    def wake(self) -> WakeFilter:
        raise NotImplementedError

    def on_start(self, ctx: Context) -> None:
        """Once, at the bot's start and after every restart of the engine."""

    def on_timer(self, ctx: Context) -> None: ...
    def on_book(self, ctx: Context) -> None: ...
    def on_trade(self, ctx: Context) -> None: ...
    def on_bar(self, ctx: Context, bar: Bar) -> None: ...
    def on_fill(self, ctx: Context, order: Order, fill: Fill) -> None: ...
