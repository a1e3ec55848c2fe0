"""One execution -> `Fill`, with the fee as the venue charged it and its worth."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO, tidy
from engine.domain.order import Fill
from engine.venues.fields import Unreadable

Worth = Callable[[str, str, Decimal], Decimal | None]
"""(asset, settle, amount) -> what the amount is worth in the settle asset now; None if unknown."""


def unknown_worth(asset: str, settle: str, amount: Decimal) -> Decimal | None:
    """Where no prices are at hand."""
    return None


def make_fill(
    instrument: Instrument,
    *,
    trade_id: str,
    ticks: int,
    lots: int,
    fee: Decimal,
    fee_asset: str,
    is_maker: bool,
    venue_ns: int,
    worth: Worth,
) -> Fill:
    """`fee_worth` is exact for a fee in the base coin (the fill's own price) and as good as
    `worth` for a third asset. Unreadable when price or quantity is nothing."""
    if lots <= 0 or ticks <= 0:
        raise Unreadable("trade", f"{lots} lots at {ticks} ticks", "must be greater than zero")
    fee_worth: Decimal | None = None
    if fee_asset != instrument.settle:
        if fee_asset == instrument.base:
            fee_worth = tidy(MONEY.multiply(fee, instrument.price(ticks)))
        else:
            fee_worth = ZERO if fee == 0 else worth(fee_asset, instrument.settle, fee)
    return Fill(
        trade_id=trade_id,
        price_ticks=ticks,
        lots=lots,
        fee=tidy(fee),
        fee_asset=fee_asset,
        is_maker=is_maker,
        venue_ns=venue_ns,
        fee_worth=fee_worth,
    )
