"""What a plan of faults, the admin route and tests may do to the venue itself."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from engine.domain.order import Side


class Certificate(enum.StrEnum):
    """What the server shows to new connections."""

    GOOD = "good"
    EXPIRED = "expired"
    WRONG_NAME = "wrong_name"
    UNKNOWN_CA = "unknown_ca"
    CUT = "cut"
    """None: the handshake is broken off."""


class VenueControl(Protocol):
    """`dialect` names a venue (`binance_spot`), `symbol` one of its symbols."""

    def now_ns(self) -> int:
        """The venue's clock, skew included."""

    def set_clock_offset_ns(self, offset_ns: int) -> None:
        """The venue's clock runs this far ahead of this machine's (negative: behind)."""

    def set_symbol_status(self, dialect: str, symbol: str, status: str) -> None:
        """TRADING, BREAK, HALT …; working orders stay. "" delists it: orders expire."""

    def set_filter(self, dialect: str, symbol: str, name: str, value: Decimal) -> None:
        """A field of `InstrumentRules` by its name: `lot`, `tick`, `min_notional` …"""

    def set_fees(self, dialect: str, account: str, maker: Decimal, taker: Decimal) -> None: ...

    def set_maintenance(self, dialect: str, is_on: bool) -> None: ...

    def ban(self, until_ns: int) -> None:
        """Every request of this machine is answered 418 until then (the venue's clock)."""

    def set_key_active(self, account: str, is_active: bool) -> None:
        """False: the key is revoked: -2015."""

    def deposit(self, dialect: str, account: str, asset: str, amount: Decimal) -> None:
        """Negative: a withdrawal."""

    def place_foreign(
        self,
        dialect: str,
        account: str,
        symbol: str,
        side: Side,
        qty: Decimal,
        price: Decimal,
        client_order_id: str = "",
    ) -> str:
        """A GTC limit order that our client has not sent; returns the venue's order id."""

    def cancel_at_venue(
        self, dialect: str, account: str, client_order_id: str, status: str = "CANCELED"
    ) -> None:
        """The venue ends an order by itself, as at a maintenance."""

    def crash_market(self, dialect: str, symbol: str) -> None:
        """The generator's crash. Nothing on a recorded market."""

    def scale_market(self, dialect: str, symbol: str, factor: Decimal) -> None:
        """The market's book and trades at `factor` times their prices, until it is 1 again."""

    def set_market_running(self, dialect: str, symbol: str, is_running: bool) -> None:
        """False: the market stands still: no rows, no frames, books stay as they are."""

    def close_sockets(self, dialect: str, *, abort: bool = False, code: int = 1001) -> None:
        """Every websocket of the dialect: a close frame, or RST."""

    def close_user_streams(self, dialect: str, account: str = "") -> None: ...

    def set_certificate(self, certificate: Certificate) -> None: ...

    def refuse_connections(self, is_refusing: bool) -> None:
        """True: the port is closed until False."""

    def call_at(self, when_ns: int, action: Callable[[], None]) -> None:
        """Run `action` once the venue's clock, without skew, has reached `when_ns`."""

    def close_sockets_everywhere(self, *, abort: bool = False, code: int = 1001) -> None:
        """`close_sockets` of every dialect."""

    def drop_connections(self) -> None:
        """RST on every connection, websocket or not: clients have to connect anew."""

    def announce_shutdown(self, after_ns: int) -> None:
        """`serverShutdown` on every websocket, which is closed `after_ns` later."""

    def set_names_known(self, is_known: bool) -> None:
        """False: the clients' resolver finds no host any more."""

    def markets(self) -> Sequence[tuple[str, str]]:
        """Every (dialect, symbol)."""

    def accounts(self) -> Sequence[str]:
        """Names of the accounts that clients have keys for."""

    def open_orders(self, dialect: str, account: str) -> Sequence[tuple[str, str]]:
        """(symbol, client order id) of what works, oldest first."""

    def price_of(self, dialect: str, symbol: str) -> Decimal | None:
        """Of the last trade, or the middle of the book; None while there is neither."""

    def filter_of(self, dialect: str, symbol: str, name: str) -> Decimal: ...

    def fees_of(self, dialect: str, account: str) -> tuple[Decimal, Decimal]:
        """Maker and taker."""

    def fill_at_venue(
        self, dialect: str, account: str, client_order_id: str, share: Decimal
    ) -> None:
        """Somebody takes this share of what is open of the order, at its price; at least a lot.
        Nothing happens when it does not work any more."""

    def log(self, words: str) -> None:
        """A line into the ledger, so that a reader sees when which fault struck."""
