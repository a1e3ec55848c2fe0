"""How one venue is spoken to: what the account wants done, in its requests and its words.

A dialect holds no state but what the venue's protocol asks for. It raises `AskFailed` (from
asking) and `Unreadable` (from reading), and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.domain.claims import (
    AccountNews,
    BalanceClaim,
    CashClaim,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument
from engine.ports.live import Placed, Priority
from engine.ports.venue import Submit
from engine.venues.rules import MarketRules


class Request(NamedTuple):
    """One question. `api` is ccxt's name of the section it belongs to, `weight` what it costs of
    the venue's rate limit."""

    api: str
    method: str
    path: str
    params: Mapping[str, str]
    weight: int = 1
    priority: Priority = Priority.RECONCILE
    is_order: bool = False
    """Counts towards the venue's limit of orders."""


class Asker(Protocol):
    async def __call__(self, request: Request) -> object:
        """The decoded answer of a success; AskFailed otherwise."""


class StreamEnded(NamedTuple):
    """The venue says that this user stream is over."""

    reason: str


Told = Sequence[AccountNews] | StreamEnded


class Dialect(Protocol):
    instruments: dict[str, Instrument]
    """Loaded ones, by symbol; the account adds to it."""

    async def fetch_time_ns(self) -> int: ...

    async def fetch_rules(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        """By symbol; unknown ones are left out."""

    async def fetch_key_permissions(self) -> KeyPermissions: ...

    async def fetch_price(self, symbol: str) -> Decimal:
        """Of the last trade."""

    async def place(self, submit: Submit, instrument: Instrument) -> Placed: ...

    async def cancel(self, instrument: Instrument, client_order_id: str) -> OrderClaim:
        """AskFailed with `is_not_working` where the venue knows no such working order."""

    async def cancel_all(self, instrument: Instrument) -> None: ...

    async def find_order(
        self, instrument: Instrument, client_order_id: str
    ) -> OrderClaim | None: ...

    async def fetch_open_orders(self) -> Sequence[OrderClaim]: ...

    async def fetch_trades(
        self, instrument: Instrument, since_ns: int, venue_order_id: str
    ) -> Sequence[TradeClaim]: ...

    async def fetch_balances(self) -> Sequence[BalanceClaim]: ...

    async def fetch_positions(self) -> Sequence[PositionClaim]: ...

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]: ...

    async def renew_dead_man(self, timeout_s: int) -> None: ...

    async def subscribe(self) -> None:
        """Connect and subscribe the user stream once; returns when the venue has confirmed."""

    async def keep_alive(self) -> None:
        """What the venue wants to hear now and then for the stream to stay."""

    def read_event(self, message: object) -> Told:
        """A message of the stream's socket, answers to requests included (they tell nothing)."""
