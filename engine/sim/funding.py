"""Funding of perpetuals: what longs pay to shorts at the venue's stamps.

Stamps   every `interval_ns` of the venue's clock, counted from midnight UTC (8 hours: 00, 08, 16).
Who      whoever holds a position at the stamp, after the market of that instant and before our
         orders of it; a position closed a moment earlier pays nothing.
Amount   position x mark price x rate, positive when we pay: longs pay a positive rate, shorts
         receive it. In the settle asset: linear qty x mark x rate; inverse (contracts x size /
         mark, at 1e-8 coin) x rate. Nothing else is rounded.
Rate     the recorded one of that stamp (within a minute), else the constant.
Mark     the recorded one, else the mid of the venue's book.
The news travels like any answer.
"""

from __future__ import annotations

from bisect import bisect_left
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from engine.domain.instrument import INVERSE_UNIT, Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO, plain

HOUR_NS = 3_600_000_000_000
NEAR_NS = 60_000_000_000
"""How far a recorded stamp may lie from the venue's: they come some milliseconds late."""


class RecordedRate(msgspec.Struct, frozen=True, array_like=True):
    ts_ns: int
    rate: Decimal
    mark: Decimal | None = None


class FundingPlan(msgspec.Struct, frozen=True, kw_only=True):
    rate: Decimal = ZERO
    """Of one interval, where none is recorded."""
    interval_ns: int = 8 * HOUR_NS
    recorded: tuple[RecordedRate, ...] = ()
    """By ascending time."""

    def words(self) -> str:
        hours = plain(MONEY.divide(Decimal(self.interval_ns), Decimal(HOUR_NS)))
        words = f"funding {plain(self.rate)} every {hours} h"
        if self.recorded:
            words += f", {len(self.recorded)} rates recorded"
        return words

    def first_stamp_ns(self, start_ns: int) -> int:
        """The first stamp after `start_ns`."""
        return (start_ns // self.interval_ns + 1) * self.interval_ns

    def at(self, stamp_ns: int) -> RecordedRate:
        """The rate of a stamp; the constant, without a mark, where none is recorded."""
        times = [one.ts_ns for one in self.recorded]
        index = bisect_left(times, stamp_ns - NEAR_NS)
        if index < len(times) and times[index] <= stamp_ns + NEAR_NS:
            return self.recorded[index]
        return RecordedRate(stamp_ns, self.rate)


def payment(instrument: Instrument, lots: int, mark: Decimal, rate: Decimal) -> Decimal:
    """What the holder of `lots` pays, in the settle asset; negative is received."""
    value = MONEY.multiply(instrument.qty(lots), instrument.contract_size)
    if instrument.kind is InstrumentKind.INVERSE:
        coin = MONEY.divide(value, mark)
        value = coin.quantize(INVERSE_UNIT, ROUND_HALF_EVEN, context=MONEY)
    else:
        value = MONEY.multiply(value, mark)
    return MONEY.multiply(value, rate)
