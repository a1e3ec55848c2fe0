"""What a fill costs: rates by maker and taker, by the volume of 30 days, in which asset. Exact.

Tier    the venue looks at midnight UTC: `volume_30d`, what the account trades elsewhere, plus what
        it has traded here on the 30 days before today, in the quote currency. The highest tier
        whose volume is reached gives both rates; before the first tier's, the first.
Rebate  a negative rate: the fee is negative, money received.
Asset   the settle asset; or a third one, at a fixed price and with a discount: the fee's worth is
        rate x value x (1 - discount), its amount that over the price, rounded half to even at
        1e-8 as venues book it, and it counts in the account as amount x price. Rebates stay in the
        settle asset and know no discount.
"""

from __future__ import annotations

from collections import deque
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

import msgspec

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO, plain

DAY_NS = 86_400_000_000_000
TIER_DAYS = 30
ASSET_UNIT = Decimal("1e-8")


class Tier(msgspec.Struct, frozen=True, array_like=True):
    volume_min: Decimal
    """Of 30 days, in the quote currency."""
    maker: Decimal
    taker: Decimal


class FeePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Beyond one maker and one taker rate."""

    tiers: tuple[Tier, ...] = ()
    """By ascending volume; none: the two rates of the scenario."""
    volume_30d: Decimal = ZERO
    asset: str = ""
    """"": the settle asset."""
    asset_price: Decimal = ZERO
    """Of one unit of `asset` in the settle asset."""
    discount: Decimal = ZERO

    def words(self) -> str:
        words = []
        if self.tiers:
            tiers = "; ".join(
                f"{plain(tier.volume_min)}: {plain(tier.maker)} / {plain(tier.taker)}"
                for tier in self.tiers
            )
            words.append(f"fee tiers {tiers}; {plain(self.volume_30d)} traded elsewhere")
        if self.asset:
            price, discount = plain(self.asset_price), plain(self.discount)
            words.append(f"fees in {self.asset} at {price}, discount {discount}")
        return ", ".join(words)


class Charge(NamedTuple):
    fee: Decimal
    asset: str
    worth: Decimal | None
    """In the settle asset, where the fee is in another."""


class FeeBook:
    """Charges the fills of one instrument in the order in which the venue reports them."""

    def __init__(
        self, instrument: Instrument, maker: Decimal, taker: Decimal, plan: FeePlan | None
    ) -> None:
        self._instrument = instrument
        self._plan = plan or FeePlan()
        self._maker, self._taker = maker, taker
        self._day = -1
        self._days: deque[tuple[int, Decimal]] = deque()
        """Traded by day, the last 30 and today."""
        if self._plan.tiers:
            self._set_tier(self._plan.volume_30d)

    def rates(self) -> tuple[Decimal, Decimal]:
        """(maker, taker) that the next fill is charged, discounts taken off; rebates have none."""
        cut = 1 - self._plan.discount if self._plan.asset else Decimal(1)
        maker, taker = (
            rate if rate <= 0 else MONEY.multiply(rate, cut) for rate in (self._maker, self._taker)
        )
        return maker, taker

    def charge(self, lots: int, ticks: int, venue_ns: int, *, is_maker: bool) -> Charge:
        plan, instrument = self._plan, self._instrument
        if plan.tiers:
            self._note(venue_ns // DAY_NS, lots, ticks)
        rate = self._maker if is_maker else self._taker
        fee = MONEY.multiply(instrument.notional(lots, ticks), rate)
        if not plan.asset or fee <= 0:
            return Charge(fee, instrument.settle, None)
        worth = MONEY.multiply(fee, 1 - plan.discount)
        amount = MONEY.divide(worth, plan.asset_price).quantize(
            ASSET_UNIT, ROUND_HALF_EVEN, context=MONEY
        )
        return Charge(amount, plan.asset, MONEY.multiply(amount, plan.asset_price))

    def _set_tier(self, traded: Decimal) -> None:
        tier = self._plan.tiers[0]
        for higher in self._plan.tiers[1:]:
            if traded >= higher.volume_min:
                tier = higher
        self._maker, self._taker = tier.maker, tier.taker

    def with_penalty(self, charge: Charge, lots: int, ticks: int, rate: Decimal) -> Charge:
        """The same and `rate` of the value on top, in the settle asset whatever the plan."""
        paid = charge.fee if charge.worth is None else charge.worth
        penalty = MONEY.multiply(self._instrument.notional(lots, ticks), rate)
        return Charge(MONEY.add(paid, penalty), self._instrument.settle, None)

    def _note(self, day: int, lots: int, ticks: int) -> None:
        """A fill of `day`; its own volume counts from tomorrow on."""
        if day > self._day:
            self._day = day
            while self._days and self._days[0][0] < day - TIER_DAYS:
                self._days.popleft()
            traded = sum((volume for _, volume in self._days), self._plan.volume_30d)
            self._set_tier(traded)
            self._days.append((day, ZERO))
        last_day, volume = self._days[-1]
        self._days[-1] = (last_day, MONEY.add(volume, quote_value(self._instrument, lots, ticks)))


def quote_value(instrument: Instrument, lots: int, ticks: int) -> Decimal:
    """Value of `lots` in the quote currency: what volumes of fee tiers are counted in."""
    if instrument.kind is InstrumentKind.INVERSE:
        return MONEY.multiply(instrument.qty(lots), instrument.contract_size)
    return instrument.notional(lots, ticks)
