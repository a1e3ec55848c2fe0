"""What a venue demands of orders on one instrument, exact, and the check before sending.

The engine's own `Instrument` carries tick, lot, smallest quantity and value; a venue has more:
largest quantities, bounds of the price, how many orders may rest. An order that breaks a rule is
refused here, in our words, and never leaves.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, plain
from engine.domain.order import OrderSpec, OrderType


class MarketRules(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument as its venue describes it. 0 or None: the venue sets no such limit."""

    instrument: Instrument
    is_trading: bool
    status: str
    """The venue's word: TRADING, BREAK, HALT, ..."""
    lots_max: int = 0
    market_lots_min: int = 0
    market_lots_max: int = 0
    ticks_min: int = 0
    ticks_max: int = 0
    notional_max: Decimal | None = None
    notional_applies_to_market: bool = False
    price_ratio_up: Decimal | None = None
    """A limit price may be at most this times the reference price (mark or average)."""
    price_ratio_down: Decimal | None = None
    price_step: Decimal | None = None
    qty_step: Decimal | None = None
    """The venue's tick and lot where they are not those of `instrument` (`in_units`)."""
    orders_max: int = 0
    """How many orders may rest."""
    stops_max: int = 0
    """How many of them may be stops."""


def in_units(rules: MarketRules, unit: Instrument) -> MarketRules:
    """The same rules told in the ticks and lots of `unit`, which a ledger counts in: a venue may
    change its steps, a ledger may not."""
    own = rules.instrument
    if (own.tick, own.lot, own.contract_size) == (unit.tick, unit.lot, unit.contract_size):
        return rules
    told = msgspec.structs.replace(
        unit,
        min_notional=own.min_notional,
        min_lots=max(1, _up(own.qty(own.min_lots), unit.lot)),
    )
    return msgspec.structs.replace(
        rules,
        instrument=told,
        lots_max=_down(own.qty(rules.lots_max), unit.lot),
        market_lots_min=_up(own.qty(rules.market_lots_min), unit.lot),
        market_lots_max=_down(own.qty(rules.market_lots_max), unit.lot),
        ticks_min=_up(own.price(rules.ticks_min), unit.tick),
        ticks_max=_down(own.price(rules.ticks_max), unit.tick),
        price_step=own.tick,
        qty_step=own.lot,
    )


def _up(value: Decimal, step: Decimal) -> int:
    return int(MONEY.divide(value, step).to_integral_value(ROUND_CEILING))


def _down(value: Decimal, step: Decimal) -> int:
    return int(MONEY.divide(value, step).to_integral_value(ROUND_FLOOR))


def broken_rule(rules: MarketRules, spec: OrderSpec) -> str:
    """Which rule `spec` breaks, in words for a person; "" if none that can be known here.

    Value limits of market orders and price bands need the venue's own reference price, and whether
    it trades now the venue knows best: those it judges itself.
    """
    instrument = rules.instrument
    at_market = spec.type in (OrderType.MARKET, OrderType.STOP)
    lots_min = max(instrument.min_lots, rules.market_lots_min if at_market else 0, 1)
    if spec.qty_lots < lots_min:
        return _qty_words(instrument, spec.qty_lots, "at least", lots_min)
    for lots_max in (rules.lots_max, rules.market_lots_max if at_market else 0):
        if lots_max and spec.qty_lots > lots_max:
            return _qty_words(instrument, spec.qty_lots, "at most", lots_max)
    if rules.qty_step is not None and instrument.qty(spec.qty_lots) % rules.qty_step:
        words = f"{instrument.symbol} now takes multiples of {plain(rules.qty_step)}"
        return f"qty: {plain(instrument.qty(spec.qty_lots))}: {words}"
    needed = {
        "price": (spec.price_ticks, spec.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)),
        "trigger": (spec.trigger_ticks, spec.type in (OrderType.STOP, OrderType.STOP_LIMIT)),
    }
    for field, (ticks, is_needed) in needed.items():
        words = _price_words(rules, field, ticks) if is_needed else ""
        if words:
            return words
    return "" if at_market else _value_words(rules, spec)


def _qty_words(instrument: Instrument, lots: int, relation: str, bound: int) -> str:
    return (
        f"qty: {plain(instrument.qty(lots))}: {instrument.symbol} takes {relation} "
        f"{plain(instrument.qty(bound))}"
    )


def _price_words(rules: MarketRules, field: str, ticks: int) -> str:
    instrument = rules.instrument
    shown = plain(instrument.price(ticks))
    if ticks <= 0:
        return f"{field}: {shown}: must be greater than zero"
    if rules.price_step is not None and instrument.price(ticks) % rules.price_step:
        return f"{field}: {shown}: the venue now takes multiples of {plain(rules.price_step)}"
    if rules.ticks_min and ticks < rules.ticks_min:
        return (
            f"{field}: {shown}: the venue takes at least {plain(instrument.price(rules.ticks_min))}"
        )
    if rules.ticks_max and ticks > rules.ticks_max:
        return (
            f"{field}: {shown}: the venue takes at most {plain(instrument.price(rules.ticks_max))}"
        )
    return ""


def _value_words(rules: MarketRules, spec: OrderSpec) -> str:
    instrument = rules.instrument
    value = instrument.notional(spec.qty_lots, spec.price_ticks)
    # Futures venues take a reduce-only order of any value: a small rest must be closable.
    if value < instrument.min_notional and not spec.reduce_only:
        return (
            f"value: {plain(value)} {instrument.settle}: {instrument.symbol} takes at least "
            f"{plain(instrument.min_notional)}"
        )
    if rules.notional_max is not None and value > rules.notional_max:
        return (
            f"value: {plain(value)} {instrument.settle}: {instrument.symbol} takes at most "
            f"{plain(rules.notional_max)}"
        )
    return ""
