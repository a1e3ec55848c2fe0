"""What the simulated venue refuses, and in whose words.

Filters    of an order at its arrival, by the book there, in this order:
           size      fewer lots than the instrument's least
           price     a buy limit above mid x (1 + band), a sell limit below mid x (1 - band); no
                     check while the book lacks a side
           notional  limit price (else trigger, else mid) x quantity below the instrument's least;
                     reduce-only orders and coin-margined contracts know no such limit
Rejects    a share of all orders, drawn by their number: the venue is overloaded.
Outages    a share of all stretches of ten seconds, drawn by the clock: what arrives in one, order
           or cancel, is refused. The market goes on meanwhile, and resting orders fill.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import plain
from engine.kernels import chance
from engine.kernels import layout as k

OUTAGE_NS = 10_000_000_000


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    filters: bool = False
    price_band: Decimal = Decimal(0)
    """Share of the mid; 0: none. Only with `filters`."""
    reject_rate: Decimal = Decimal(0)
    outage_rate: Decimal = Decimal(0)

    def words(self) -> str:
        words = []
        if self.filters:
            words.append(f"filters, price band {plain(self.price_band)}")
        if self.reject_rate:
            words.append(f"rejects {plain(self.reject_rate)}")
        if self.outage_rate:
            words.append(f"outages {plain(self.outage_rate)}")
        return ", ".join(words)

    def of_order(self, seed: int, number: int, arrival_ns: int) -> int:
        """Why order `number`, arriving then, is refused by chance: a REASON_ code, 0 for not."""
        if self.is_out(seed, arrival_ns):
            return k.REASON_OUTAGE
        if self.reject_rate and _happens(self.reject_rate, seed, chance.REJECT, number):
            return k.REASON_OVERLOAD
        return k.REASON_NONE

    def is_out(self, seed: int, arrival_ns: int) -> bool:
        """Whether the venue refuses everything that arrives then."""
        stretch = arrival_ns // OUTAGE_NS
        return bool(self.outage_rate) and _happens(self.outage_rate, seed, chance.OUTAGE, stretch)


def _happens(rate: Decimal, seed: int, stream: int, number: int) -> bool:
    return int(chance.draw(seed, stream, number)) < rate * chance.ONE


def set_filters(control: k.Int64s, refusals: Refusals, instrument: Instrument) -> None:
    """Tell the kernels what to check."""
    if not refusals.filters:
        return
    control[k.X_FILTERS] = 1
    control[k.X_MIN_LOTS] = instrument.min_lots
    control[k.X_BAND] = int(refusals.price_band * k.BAND_UNIT)
    if instrument.kind is not InstrumentKind.INVERSE:
        # In half money units, as twice the mid is a whole number of ticks.
        control[k.X_MIN_VALUE_X2] = int(2 * instrument.min_notional / instrument.money_unit)


# -- words -----------------------------------------------------------------------------------------

_FUTURES = {
    k.REASON_MIN_LOTS: "-4003 Quantity less than or equal to zero or below the minimum quantity.",
    k.REASON_MIN_VALUE: "-4164 Order's notional must be no smaller than {min_notional} "
    "(unless you choose reduce only).",
    k.REASON_BAND_HIGH: "-4016 Limit price can't be higher than {high}.",
    k.REASON_BAND_LOW: "-4024 Limit price can't be lower than {low}.",
}
_SPOT = {
    k.REASON_MIN_LOTS: "-1013 Filter failure: LOT_SIZE",
    k.REASON_MIN_VALUE: "-1013 Filter failure: NOTIONAL",
    k.REASON_BAND_HIGH: "-1013 Filter failure: PERCENT_PRICE_BY_SIDE",
    k.REASON_BAND_LOW: "-1013 Filter failure: PERCENT_PRICE_BY_SIDE",
}
_BINANCE = {
    k.REASON_OVERLOAD: "-1008 Server is currently overloaded with other requests. "
    "Please try again in a few minutes.",
    k.REASON_OUTAGE: "-1016 This service is no longer available.",
}
_OTHERS = {
    k.REASON_MIN_LOTS: "quantity below the minimum of {min_qty}",
    k.REASON_MIN_VALUE: "notional below the minimum of {min_notional}",
    k.REASON_BAND_HIGH: "limit price above the highest allowed, {high}",
    k.REASON_BAND_LOW: "limit price below the lowest allowed, {low}",
    k.REASON_OVERLOAD: "overloaded, try again later",
    k.REASON_OUTAGE: "service unavailable",
}


def refusal_words(instrument: Instrument, reason: int, bound_ticks: int) -> str:
    """A refusal as the venue would word it; `bound_ticks` is the price that a band allows."""
    table = _OTHERS
    if instrument.venue.startswith("binance"):
        table = _BINANCE | (_SPOT if instrument.kind is InstrumentKind.SPOT else _FUTURES)
    bound = plain(instrument.price(bound_ticks))
    return table[reason].format(
        min_qty=plain(instrument.qty(instrument.min_lots)),
        min_notional=plain(instrument.min_notional),
        high=bound,
        low=bound,
    )
