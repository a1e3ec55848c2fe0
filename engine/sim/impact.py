"""Market impact: what our own taking does to the prices that we meet later.

Consumption  what we take from a level is gone until the level's next depth row. Without a half-life
             the recording has the last word then, as if nobody had missed what we took. With one,
             the level holds what the recording says less what is still gone of ours:
             taken x 2^(-time / half-life), rounded to whole lots, never below none.
Beyond       the remainder of an order that has taken every recorded level fills at
             worst level x (1 +- Y x volatility x sqrt(remainder / volume)), rounded against us, if
             its limit allows that: the square-root law, with the day's volatility and volume.
             Y is about 0.5 to 1. Without it, what the book does not hold expires.
Resting orders of ours move nothing: nobody sees them in a recording.
"""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO, plain
from engine.kernels import layout as k
from engine.sim.latency import NS_PER_MS


class Impact(msgspec.Struct, frozen=True, kw_only=True):
    half_life_ns: int = 0
    """Of the holes that we leave; 0: they close with the level's next depth row."""
    beyond: Decimal = ZERO
    """Y of the square-root law; 0: nothing fills beyond the recorded levels."""
    volatility: Decimal = ZERO
    """Of a day, as a share of the price."""
    volume: Decimal = ZERO
    """Of a day, in the unit of quantities."""

    def words(self) -> str:
        words = []
        if self.half_life_ns:
            half_life = plain(MONEY.divide(Decimal(self.half_life_ns), Decimal(NS_PER_MS)))
            words.append(f"holes recover by half in {half_life} ms")
        if self.beyond:
            words.append(
                f"beyond the book {plain(self.beyond)} x {plain(self.volatility)} x "
                f"sqrt(quantity / {plain(self.volume)})"
            )
        return ", ".join(words)


def set_impact(exchange: k.ExchangeState, impact: Impact, instrument: Instrument) -> None:
    exchange.impact[k.I_HALF_LIFE_NS] = impact.half_life_ns
    if impact.beyond:
        volume_lots = float(MONEY.divide(impact.volume, instrument.lot))
        share = float(MONEY.multiply(impact.beyond, impact.volatility))
        exchange.impact[k.I_BEYOND] = share / math.sqrt(volume_lots)
