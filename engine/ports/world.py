"""A simulated world: market and venue that share one clock and move only when told to."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from engine.domain.instrument import Instrument
from engine.domain.reports import AnyVenueReport
from engine.kernels.layout import MarketState
from engine.ports.venue import Venue


class Wake(NamedTuple):
    """Where the world stopped and why (`WAKE_` codes of `engine.kernels.layout`, ored)."""

    ts_ns: int
    reasons: int
    by_instrument: Mapping[str, int] | None = None
    """The reasons of each instrument's market; None where there is one instrument."""

    def reasons_of(self, instrument_id: str) -> int:
        if self.by_instrument is None:
            return self.reasons
        return self.by_instrument.get(instrument_id, 0)


class World(Venue, Protocol):
    """Implemented by `engine.sim`. The same object serves paper trading and backtests.

    Contract: advancing to `until_ns` in one step or in many gives the same reports at the same
    times. Everything that happens at one instant is included before the world stops there.
    """

    @property
    def instruments(self) -> Mapping[str, Instrument]: ...

    @property
    def markets(self) -> Mapping[str, MarketState]:
        """What is known locally, by instrument id. Read-only for everyone but the world."""

    @property
    def start_ns(self) -> int:
        """Local time of the first row."""

    @property
    def now_ns(self) -> int: ...

    @property
    def rows(self) -> int:
        """Market rows received so far."""

    def advance(self, until_ns: int, wake_mask: int) -> Wake:
        """Move to the first instant, not after `until_ns`, that has a reason in `wake_mask`.

        WAKE_REPORT, WAKE_UNTIL and WAKE_END are always reasons. At WAKE_END the clock stays at
        the last row; advancing again returns WAKE_END again.
        """

    def fee_rates(self, instrument_id: str) -> tuple[Decimal, Decimal]:
        """What a fill costs now, (maker, taker), as shares of its value. For showing: fills are
        charged exactly, one by one."""

    def drain_reports(self) -> list[AnyVenueReport]:
        """Reports received up to now, in order; each is handed out once."""
