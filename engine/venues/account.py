"""The private side of one venue: `engine.ports.live.Account` over ccxt and a dialect."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import aiohttp
import numpy as np

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.claims import (
    BalanceClaim,
    CashClaim,
    KeyPermissions,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.ports.live import (
    AccountSink,
    CancelOutcome,
    ClockReading,
    FaultKind,
    NotWorking,
    PlaceOutcome,
    Refused,
    Unanswered,
    VenueFault,
    VenueTraits,
)
from engine.ports.venue import Submit
from engine.venues.budget import RateBudget
from engine.venues.ccxt_client import ApiKey, CcxtClient, find_exchange
from engine.venues.classify import AskFailed
from engine.venues.dialect import Dialect
from engine.venues.fee_prices import FeePrices
from engine.venues.fields import NS_PER_MS, Unreadable
from engine.venues.fills import Worth
from engine.venues.markets import Markets
from engine.venues.quirks import Quirks
from engine.venues.rest import SessionFactory
from engine.venues.roads import make_dialect
from engine.venues.rules import MarketRules, broken_rule, in_units
from engine.venues.user_stream import UserStream
from engine.venues.venue_clock import VenueClock

T = TypeVar("T")

log = logging.getLogger(__name__)

DECIDED_MARGIN_NS = NS_PER_SECOND
"""The venue takes timestamps up to a second ahead of its clock."""


class VenueAccount:
    """Use within one event loop; `open_account` makes it.

    Each method sends its requests at most once. Queries turn every trouble into `VenueFault`;
    `place` and `cancel` into outcomes.
    """

    def __init__(
        self,
        quirks: Quirks,
        key: ApiKey,
        session: aiohttp.ClientSession,
        clock: Clock,
        rng: np.random.Generator,
        worth: Worth | None,
        folder: Path | None,
    ) -> None:
        self._quirks = quirks
        self._session = session
        self._clock = clock
        self._rng = rng
        self._budget = RateBudget(folder, quirks.venue, clock)
        self._client = CcxtClient(quirks, key, session, clock, self._budget)
        self._prices = FeePrices(quirks.fee_assets, self._fetch_price, clock)
        self._dialect: Dialect = make_dialect(
            self._client, self._client.request, worth or self._prices.worth
        )
        self._venue_clock = VenueClock(quirks.venue, self._read_time, clock)
        self._client.venue_clock = self._venue_clock
        self._markets = Markets(folder, quirks.venue, self._fetch_rules, clock)
        self._rules: dict[str, MarketRules] = {}
        self._units: dict[str, Instrument] = {}
        self._stream: UserStream | None = None
        self._reloading: asyncio.Task[None] | None = None

    @property
    def venue(self) -> str:
        return self._quirks.venue

    @property
    def traits(self) -> VenueTraits:
        quirks = self._quirks
        return VenueTraits(
            abilities=quirks.abilities,
            dead_man=quirks.dead_man,
            receive_window_ns=quirks.receive_window_ms * NS_PER_MS,
            has_positions=quirks.has_positions,
        )

    @property
    def clock_offset_ns(self) -> int | None:
        return self._venue_clock.offset_ns()

    # -- what the venue is ---------------------------------------------------------------------

    def keep_units(self, instruments: Sequence[Instrument]) -> None:
        """A ledger counts in these ticks and lots: claims and orders are told in them whatever the
        venue's steps are by now. Without it the first rules that are loaded decide. What was
        loaded returns as the venue has it, so that a change is seen."""
        self._units |= {instrument.instrument_id: instrument for instrument in instruments}

    async def load_instruments(self, symbols: Sequence[str]) -> Sequence[Instrument]:
        found = await self._markets.get(symbols)
        for symbol in symbols:
            if symbol not in found:
                raise BadInput("symbol", symbol, f"{self.venue} has no such instrument")
        for symbol, rules in found.items():
            instrument_id = rules.instrument.instrument_id
            unit = self._units.setdefault(instrument_id, rules.instrument)
            self._rules[instrument_id] = told = in_units(rules, unit)
            self._dialect.instruments[symbol] = told.instrument
        await self._prices.refresh(self._dialect.instruments.values())
        return [found[symbol].instrument for symbol in symbols]

    async def _fetch_price(self, symbol: str) -> Decimal:
        return await self._dialect.fetch_price(symbol)

    async def _fetch_rules(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        return await _readable(self._dialect.fetch_rules(symbols))

    async def measure_clock(self) -> ClockReading:
        """The best of a few samples: the one whose answer came soonest."""
        reading = await self._venue_clock.measure()
        # Both are wanted every few minutes, and neither is urgent.
        await self._prices.refresh(self._dialect.instruments.values())
        return reading

    async def _read_time(self) -> int:
        # Half a millisecond more: the venue cuts its time to whole ones.
        return await _readable(self._dialect.fetch_time_ns()) + NS_PER_MS // 2

    async def fetch_key_permissions(self) -> KeyPermissions:
        return await _readable(self._dialect.fetch_key_permissions())

    # -- orders --------------------------------------------------------------------------------

    async def place(self, submit: Submit) -> PlaceOutcome:
        rules = self._rules.get(submit.spec.instrument_id)
        if rules is None:
            return _not_sent(f"{submit.spec.instrument_id} has not been loaded")
        if self._venue_clock.now_ns() is None:
            return _not_sent("the venue's clock has not been measured", FaultKind.CLOCK)
        words = broken_rule(rules, submit.spec)
        if words:
            return _not_sent(words)
        try:
            placed = await self._dialect.place(submit, rules.instrument)
        except (AskFailed, Unreadable) as fault:
            return self._refused(fault) or self._unanswered(fault)
        if self._stream is not None:
            self._stream.expect_echo(placed.order.venue_order_id)
        return placed

    async def cancel(self, instrument_id: str, client_order_id: str) -> CancelOutcome:
        instrument = self._instrument(instrument_id)
        try:
            return await self._dialect.cancel(instrument, client_order_id)
        except (AskFailed, Unreadable) as fault:
            if isinstance(fault, AskFailed) and fault.is_not_working:
                return NotWorking(reason=fault.words)
            return self._refused(fault) or self._unanswered(fault)

    async def cancel_all(self, instrument_id: str) -> None:
        await _readable(self._dialect.cancel_all(self._instrument(instrument_id)))

    async def find_order(self, instrument_id: str, client_order_id: str) -> OrderClaim | None:
        instrument = self._instrument(instrument_id)
        return await _readable(self._dialect.find_order(instrument, client_order_id))

    # -- the account ---------------------------------------------------------------------------

    async def fetch_open_orders(self) -> Sequence[OrderClaim]:
        return await _readable(self._dialect.fetch_open_orders())

    async def fetch_trades(
        self, instrument_id: str, *, since_ns: int = 0, venue_order_id: str = ""
    ) -> Sequence[TradeClaim]:
        instrument = self._instrument(instrument_id)
        found = await _readable(self._dialect.fetch_trades(instrument, since_ns, venue_order_id))
        return sorted(found, key=lambda trade: trade.fill.venue_ns)

    async def fetch_balances(self) -> Sequence[BalanceClaim]:
        return await _readable(self._dialect.fetch_balances())

    async def fetch_positions(self) -> Sequence[PositionClaim]:
        if not self._quirks.has_positions:
            return ()
        return await _readable(self._dialect.fetch_positions())

    async def fetch_cash(self, since_ns: int) -> Sequence[CashClaim]:
        return await _readable(self._dialect.fetch_cash(since_ns))

    async def renew_dead_man(self, timeout_s: int) -> None:
        await _readable(self._dialect.renew_dead_man(timeout_s))

    # -- life ----------------------------------------------------------------------------------

    async def open_user_stream(self, sink: AccountSink) -> None:
        assert self._stream is None, "the user stream is open already"
        stream = UserStream(self._client, self._dialect, sink, self._clock, self._rng)
        await stream.start()
        self._stream = stream

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()
            self._stream = None
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)
        await self._client.close()
        await self._session.close()
        self._budget.close()

    # -- rules that have changed ---------------------------------------------------------------

    def _doubt_rules(self) -> None:
        """An order passed our rules and broke the venue's: load them anew, now."""
        self._markets.doubt()
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload(), name="reload rules")

    async def _reload(self) -> None:
        symbols = [rules.instrument.symbol for rules in self._rules.values()]
        try:
            await self.load_instruments(symbols)
        except (VenueFault, BadInput) as fault:
            log.warning("%s: rules are not loaded anew: %s", self.venue, fault)

    # -- inside --------------------------------------------------------------------------------

    def _instrument(self, instrument_id: str) -> Instrument:
        rules = self._rules.get(instrument_id)
        if rules is None:
            raise VenueFault(FaultKind.REFUSED, f"{instrument_id} has not been loaded")
        return rules.instrument

    def _refused(self, fault: AskFailed | Unreadable) -> Refused | None:
        """The fault as a definite refusal; None where it proves nothing."""
        if isinstance(fault, Unreadable) or not fault.is_definite:
            return None
        if fault.code in self._quirks.filter_codes:
            self._doubt_rules()
        return Refused(
            kind=fault.kind,
            reason=fault.words,
            code=fault.code,
            was_sent=fault.may_have_arrived,
            until_ns=fault.until_ns,
        )

    def _unanswered(self, fault: AskFailed | Unreadable) -> Unanswered:
        kind = fault.kind if isinstance(fault, AskFailed) else FaultKind.MALFORMED
        window_ns = self._quirks.receive_window_ms * NS_PER_MS + DECIDED_MARGIN_NS
        return Unanswered(
            kind=kind, reason=fault.words, decided_ns=self._clock.now_ns() + window_ns
        )


def open_account(
    quirks: Quirks,
    key: ApiKey,
    *,
    session_factory: SessionFactory,
    clock: Clock,
    rng: np.random.Generator,
    worth: Worth | None = None,
    folder: Path | None = None,
) -> VenueAccount:
    """An account at `quirks.venue`, not connected yet. Call it inside the event loop; `rng` spreads
    reconnections; without `worth` fees in a third asset are priced by the venue. In `folder` the
    processes of this machine share the rate budget and keep the venue's rules; without one both
    are this account's alone. BadInput when ccxt has no such exchange."""
    find_exchange(quirks)  # Before there is a session to close.
    return VenueAccount(quirks, key, session_factory(), clock, rng, worth, folder)


async def _readable(asking: Awaitable[T]) -> T:
    """A query's answer. VenueFault also for one that cannot be read."""
    try:
        return await asking
    except Unreadable as error:
        raise VenueFault(FaultKind.MALFORMED, error.words) from None


def _not_sent(reason: str, kind: FaultKind = FaultKind.REFUSED) -> Refused:
    return Refused(kind=kind, reason=reason, was_sent=False)
