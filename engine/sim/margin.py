"""Isolated margin: where a position is liquidated, by whose tables.

Each bot's position stands alone, with margin = its entry value / leverage; adding to it adds
margin, closing part of it releases that part. Fees and funding do not eat into it. It is liquidated
when margin + profit <= maintenance = value x rate - deduction, with rate and deduction of the tier
that the entry value falls into. Solved for the price, with n the quantity, e the entry value:
  linear    long  (e (1 - 1/leverage) - deduction) / (n (1 - rate))
            short (e (1 + 1/leverage) + deduction) / (n (1 + rate))
  inverse   long  n (1 + rate) / (e (1 + 1/leverage) + deduction)
            short n (1 - rate) / (e (1 - 1/leverage) - deduction)
A long is liquidated at the first trade at or below that price, a short at or above it: recordings
hold no mark price, so the last trade stands in for it. Then the venue ends the bot's working orders
and sends a market order of its own, which pays the taker fee and the liquidation fee. What the book
does not take is tried again with the first trade after the news has reached us. No insurance: a
loss beyond the margin is booked.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO, plain
from engine.kernels import layout as k


class MarginTier(msgspec.Struct, frozen=True, array_like=True):
    value_min: Decimal
    """Of the position, in the settle asset."""
    rate: Decimal
    """Maintenance margin as a share of the position's value."""
    deduction: Decimal = ZERO
    """In the settle asset: makes the maintenance margin continuous from tier to tier."""


class MarginPlan(msgspec.Struct, frozen=True, kw_only=True):
    leverage: Decimal
    tiers: tuple[MarginTier, ...] = (MarginTier(ZERO, Decimal("0.005")),)
    liquidation_fee: Decimal = Decimal("0.0125")
    """Share of the value, on top of the taker fee."""

    def words(self) -> str:
        tiers = "; ".join(
            f"{plain(tier.value_min)}: {plain(tier.rate)} - {plain(tier.deduction)}"
            for tier in self.tiers
        )
        return (
            f"isolated margin, leverage {plain(self.leverage)}, maintenance {tiers}, "
            f"liquidation fee {plain(self.liquidation_fee)}"
        )


def tiers_of(pairs: list[tuple[Decimal, Decimal]]) -> tuple[MarginTier, ...]:
    """Tiers from (least value, rate) pairs, with the deductions that leave no step between."""
    tiers = [MarginTier(pairs[0][0], pairs[0][1])]
    for value, rate in pairs[1:]:
        last = tiers[-1]
        step = MONEY.multiply(value, MONEY.subtract(rate, last.rate))
        tiers.append(MarginTier(value, rate, MONEY.add(last.deduction, step)))
    return tuple(tiers)


def set_margin(
    exchange: k.ExchangeState, plan: MarginPlan, instrument: Instrument
) -> k.ExchangeState:
    """The same exchange, told to liquidate."""
    is_inverse = instrument.kind is InstrumentKind.INVERSE
    exchange.control[k.X_MARGIN] = k.MARGIN_INVERSE if is_inverse else k.MARGIN_LINEAR
    # The kernel's values are lots x ticks, or lots / ticks if inverse.
    unit = instrument.money_unit
    if is_inverse:
        lot_value = MONEY.multiply(instrument.lot, instrument.contract_size)
        unit = MONEY.divide(lot_value, instrument.tick)
    tiers = np.array(
        [[tier.value_min / unit, tier.rate, tier.deduction / unit] for tier in plan.tiers],
        np.float64,
    )
    guards = np.zeros((k.OWNERS, 3), np.int64)
    costs = np.zeros(k.OWNERS, np.float64)
    margin = np.array([1 / plan.leverage], np.float64)
    return exchange._replace(guards=guards, costs=costs, tiers=tiers, margin=margin)
