"""What live trading asks of a venue: an account to trade on and a feed to watch.

Two ports, because they fail apart: `Account` (private: orders, queries, the user stream) and
`MarketFeed` (public). Adapters in `engine.venues` implement them, the simulation's fake venue too.

Rules of the road:
- Nothing here decides. An adapter says what the venue said, as values; `engine.runtime.live` acts.
- `place` sends at most one request and never repeats it. What is not a definite refusal, by a
  whitelist of the venue's codes, is `Unanswered`: the order may live.
- Queries raise `VenueFault` and nothing else; adapters retry nothing, the runtime does.
- Sinks are called synchronously, in the loop's thread, in the order of arrival; they return at
  once and raise nothing. What a stream brings reaches the sink before any library sees it.
- Times: `venue_ns` is the venue's clock; `received_ns` and the rows' `ts_local_ns` are those of
  the `Clock` the adapter was given.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

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
from engine.kernels.layout import Rows
from engine.ports.venue import Submit, VenueAbilities

# -- what can go wrong -----------------------------------------------------------------------------


class FaultKind(enum.StrEnum):
    """Why a question to the venue was not answered. Each asks for another reaction."""

    NETWORK = "network"
    """No route, refused, reset, no such name."""
    TIMEOUT = "timeout"
    TLS = "tls"
    """The certificate is expired, or not the venue's."""
    PORTAL = "portal"
    """Something that is not the venue answered: HTML, a redirect, a captive portal."""
    MALFORMED = "malformed"
    """An answer that cannot be read."""
    CLOCK = "clock"
    """Refused for its timestamp: measure the offset anew."""
    KEY = "key"
    """Wrong, revoked, or without the permission: trading stops, nothing is retried."""
    LIMITED = "limited"
    """Too many requests; `until_ns` says when to come back."""
    BANNED = "banned"
    MAINTENANCE = "maintenance"
    OVERLOADED = "overloaded"
    """The venue failed inside, or says that it cannot tell."""
    REFUSED = "refused"
    """Asked and answered: no. `code` is the venue's."""


class VenueFault(Exception):
    """A question that was not answered. `words` are one clear line for a person, without secrets
    or addresses with signatures."""

    def __init__(self, kind: FaultKind, words: str, *, code: str = "", until_ns: int = 0) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.code = code
        self.until_ns = until_ns
        """Venue-independent wall time (`Clock.now_ns`) before which nothing should be asked."""


# -- answers to requests ---------------------------------------------------------------------------


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The venue has the order. `trades` are those that the answer itself told."""

    order: OrderClaim
    trades: Sequence[TradeClaim] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Definitely not done: the venue said so, or no byte was sent (`was_sent` False)."""

    kind: FaultKind
    reason: str
    code: str = ""
    was_sent: bool = True
    until_ns: int = 0


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """It may have been done. `decided_ns`: by this time of our clock the venue will have refused
    or accepted it, since its receive window is over."""

    kind: FaultKind
    reason: str
    decided_ns: int


class NotWorking(msgspec.Struct, frozen=True, kw_only=True):
    """The venue knows no such working order: it has ended, or never was. No proof of either."""

    reason: str


PlaceOutcome = Placed | Refused | Unanswered
CancelOutcome = OrderClaim | NotWorking | Refused | Unanswered


# -- streams and their health ----------------------------------------------------------------------


class LinkState(enum.StrEnum):
    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    POLLING = "polling"
    """The stream fails; the same is asked for by requests, more slowly."""


class UserLinkChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The user stream. UP means subscribed: what happens from now on arrives. What happened
    before, or while it was down, does not: reconcile."""

    state: LinkState
    reason: str = ""
    kind: FaultKind | None = None
    """What sort of failure `reason` is, where the venue or the network has said."""


class FeedLinkChanged(msgspec.Struct, frozen=True, kw_only=True):
    state: LinkState
    instrument_id: str = ""
    """"" for all of them."""
    reason: str = ""


class BookDoubted(msgspec.Struct, frozen=True, kw_only=True):
    """The book is not to be traded on: a gap, crossed, stale, one-sided, a jump. It stays as it
    was until `BookTrusted`; a fresh snapshot comes as ROW_CLEARs and ROW_SNAPSHOTs."""

    instrument_id: str
    reason: str


class BookTrusted(msgspec.Struct, frozen=True, kw_only=True):
    instrument_id: str


class InstrumentHalted(msgspec.Struct, frozen=True, kw_only=True):
    """The venue does not trade it now: BREAK, HALT, delisted. `reason` "" when it trades again."""

    instrument_id: str
    reason: str


class InstrumentChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Its rules were loaded anew and differ."""

    instrument: Instrument


FeedNews = FeedLinkChanged | BookDoubted | BookTrusted | InstrumentHalted | InstrumentChanged


class AccountSink(Protocol):
    def on_account(self, news: AccountNews, received_ns: int) -> None: ...

    def on_user_link(self, news: UserLinkChanged) -> None: ...


class MarketSink(Protocol):
    def on_rows(self, instrument_id: str, rows: Rows) -> None:
        """Rows of one whole venue message (or snapshot), `ts_local_ns` already set, in order of
        arrival. The array may be reused after the call returns: copy what is kept."""

    def on_feed(self, news: FeedNews) -> None: ...


# -- the ports -------------------------------------------------------------------------------------


class Priority(enum.IntEnum):
    """Who goes first when the venue's rate limit is short. Lower is served first."""

    CANCEL = 0
    RECONCILE = 1
    ORDER = 2
    DATA = 3


class DeadMan(enum.StrEnum):
    """What protects the account when this machine dies."""

    VENUE_TIMER = "venue_timer"
    """The venue cancels everything unless it is told in time that we live."""
    RESTING_STOPS = "resting_stops"
    """It has no such timer: only stops that rest at the venue protect."""
    NOTHING = "nothing"


class VenueTraits(msgspec.Struct, frozen=True, kw_only=True):
    abilities: VenueAbilities
    dead_man: DeadMan
    receive_window_ns: int
    """A request older than this is refused by the venue: it bounds how long one is undecided."""
    has_positions: bool
    """Futures; otherwise balances are the positions."""


class ClockReading(NamedTuple):
    offset_ns: int
    """The venue's clock minus ours."""
    round_trip_ns: int


class Account(Protocol):
    """The private side of one venue with one key. Every method but `close` may raise VenueFault."""

    @property
    def venue(self) -> str:
        """`binance_spot`, `binance_usdm`: the first part of its instrument ids."""

    @property
    def traits(self) -> VenueTraits: ...

    @property
    def clock_offset_ns(self) -> int | None:
        """The offset that requests are signed with; None while it has not been measured."""

    async def load_instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        """The rules of `symbols`, from the cache while it is fresh. BadInput for unknown ones."""

    async def measure_clock(self) -> ClockReading: ...

    async def fetch_key_permissions(self) -> KeyPermissions: ...

    async def open_user_stream(self, sink: AccountSink) -> None:
        """Subscribe and keep subscribed until `close`: `on_user_link` tells of every change.
        Returns once it is up for the first time."""

    async def place(self, submit: Submit) -> PlaceOutcome:
        """Send the order once. Cancelling this coroutine leaves its fate unknown."""

    async def cancel(self, instrument_id: str, client_order_id: str) -> CancelOutcome: ...

    async def cancel_all(self, instrument_id: str) -> None:
        """Cancel every order of the account there, also foreign ones. For `kill` alone."""

    async def find_order(self, instrument_id: str, client_order_id: str) -> OrderClaim | None:
        """Ask by our id; None when the venue says that it knows none (which is no proof yet)."""

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        """Of all instruments, foreign ones included (those of instruments that were not loaded
        are left out and counted by a claim-less log line)."""

    async def fetch_trades(
        self, instrument_id: str, *, since_ns: int = 0, venue_order_id: str = ""
    ) -> Sequence[TradeClaim]:
        """Own trades from `since_ns` of the venue's clock, or of one order, oldest first, all
        pages."""

    async def fetch_balances(self) -> Sequence[BalanceClaim]: ...

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        """Empty where `traits.has_positions` is False."""

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        """Funding and transfers, where the venue tells them."""

    async def renew_dead_man(self, timeout_s: int) -> None:
        """Tell the venue's timer that we live; 0 takes it off. Only with DeadMan.VENUE_TIMER."""

    async def close(self) -> None: ...


class MarketFeed(Protocol):
    """The public side: books and trades of some instruments, as rows."""

    async def open(self, instruments: Sequence[Instrument], sink: MarketSink) -> None:
        """Connect and keep connected until `close`. Returns at once; news tell how it goes."""

    async def close(self) -> None: ...
