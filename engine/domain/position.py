"""A position and its profit, exact to the instrument's money unit.

Average-cost accounting in whole units: `cost_units` is what the open position has cost (signed
like a cash flow turned round). When part of it is closed, its share of the cost is rounded once to
a whole unit and the rest stays with the open part, so that at any moment, with no tolerance,

    realised + (inventory value - open cost) = all cash flows + inventory value.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Fill, Side


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Holdings of one bot in one instrument. Units are the instrument's `money_unit`."""

    lots: int = 0
    """Signed: short is negative."""
    cost_units: int = 0
    """Cash spent on the open lots, minus cash received for them."""
    cash_units: int = 0
    """Sum of all cash flows of fills, fees not included."""
    realised_units: int = 0
    fees: Decimal = ZERO
    """Paid so far, in the settle asset; rebates are negative. What was paid in another counts as
    it was worth when it was paid."""
    funding: Decimal = ZERO
    """Paid so far; received is negative."""
    fills: int = 0
    opened_ns: int = 0
    """When the present position left zero."""
    summed_in_floats: float = 0.0
    """The signed fills summed one by one in binary floating point, in the instrument's own unit.
    A feature that strategies may look at; no balance, limit or profit is made of it."""

    dust: Decimal = ZERO
    """Base coins held beside the lots, less than one of them: what a fee in the base coin has
    left of a lot. It cannot be sold; profit counts it."""

    @property
    def is_flat(self) -> bool:
        return self.lots == 0


def apply_fill(
    position: Position,
    instrument: Instrument,
    side: Side,
    fill: Fill,
    value_units: int,
    now_ns: int,
) -> Position:
    """The position after a fill of `value_units` (price x quantity in money units)."""
    assert fill.lots > 0, fill
    assert value_units >= 0, value_units
    pays = (side is Side.BUY) is (instrument.kind is not InstrumentKind.INVERSE)
    cash = -value_units if pays else value_units
    closing = min(fill.lots, abs(position.lots)) if position.lots * side.sign < 0 else 0
    # The fill's own cash is split the same way as the position's cost: once, remainder opens.
    closing_cash = _share(cash, closing, fill.lots)
    released_cost = _share(position.cost_units, closing, abs(position.lots))
    lots = position.lots + side.sign * fill.lots
    opened_ns = position.opened_ns
    if lots == 0:
        opened_ns = 0
    elif position.lots == 0 or (lots > 0) is not (position.lots > 0):
        opened_ns = now_ns
    booked = msgspec.structs.replace(
        position,
        lots=lots,
        cost_units=position.cost_units - released_cost - (cash - closing_cash),
        cash_units=position.cash_units + cash,
        realised_units=position.realised_units + closing_cash - released_cost,
        fees=MONEY.add(position.fees, _fee_worth(instrument, fill)),
        fills=position.fills + 1,
        opened_ns=opened_ns,
        summed_in_floats=position.summed_in_floats + side.sign * float(instrument.qty(fill.lots)),
    )
    if instrument.kind is InstrumentKind.SPOT and fill.fee_asset == instrument.base:
        return _pay_in_base(booked, position.fees, instrument, fill)
    return booked


def _fee_worth(instrument: Instrument, fill: Fill) -> Decimal:
    """The fee in the settle asset. What nobody could put a price on counts nothing here; the
    asset itself is accounted for all the same."""
    if fill.fee_worth is None and fill.fee_asset != instrument.settle:
        return ZERO
    return fill.settle_fee


def _pay_in_base(
    position: Position, fees_before: Decimal, instrument: Instrument, fill: Fill
) -> Position:
    """A fee that was taken out of the coins bought: as if they had been sold at the fill's own
    price to pay it. Lots go down by whole ones, what is left of the last stays as dust."""
    coins = MONEY.subtract(position.dust, fill.fee)
    whole = instrument.lots_down(coins)
    worth = MONEY.multiply(MONEY.divide(fill.fee, instrument.lot), Decimal(fill.price_ticks))
    units = int(worth.to_integral_value(ROUND_HALF_EVEN))
    lots = position.lots + whole
    return msgspec.structs.replace(
        position,
        lots=lots,
        dust=MONEY.subtract(coins, instrument.qty(whole)),
        cost_units=position.cost_units - units,
        cash_units=position.cash_units + units,
        fees=MONEY.add(fees_before, instrument.money(units)),
        opened_ns=position.opened_ns if lots else 0,
    )


def _share(amount: int, part: int, whole: int) -> int:
    """`amount` x part / whole, rounded half to even; exact ends: 0 and the whole."""
    if part == 0 or amount == 0:
        return 0
    if part == whole:
        return amount
    quotient, remainder = divmod(amount * part, whole)
    twice = 2 * remainder
    if twice > whole or (twice == whole and quotient % 2 == 1):
        quotient += 1
    return quotient


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """A position in money of the settle asset, at one mid price."""

    cash: Decimal
    inventory: Decimal
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    equity: Decimal
    """cash + inventory - fees - funding: profit or loss since the start, exactly."""


def value(position: Position, instrument: Instrument, mid_ticks_x2: int) -> Valuation:
    """`position` marked at the mid; `mid_ticks_x2` is best bid + best ask in ticks."""
    inventory = instrument.inventory_value(position.lots, mid_ticks_x2)
    if position.dust:
        half = MONEY.multiply(instrument.tick, Decimal("0.5"))
        mid = MONEY.multiply(Decimal(mid_ticks_x2), half)
        inventory = MONEY.add(inventory, MONEY.multiply(position.dust, mid))
    return _valuation(position, instrument, inventory)


def at_cost(position: Position, instrument: Instrument) -> Valuation:
    """`position` where nobody knows a price: worth what was paid for it."""
    return _valuation(position, instrument, instrument.money(position.cost_units))


def _valuation(position: Position, instrument: Instrument, inventory: Decimal) -> Valuation:
    cash = instrument.money(position.cash_units)
    unrealised = MONEY.subtract(inventory, instrument.money(position.cost_units))
    costs = MONEY.add(position.fees, position.funding)
    return Valuation(
        cash=cash,
        inventory=inventory,
        realised=instrument.money(position.realised_units),
        unrealised=unrealised,
        fees=position.fees,
        funding=position.funding,
        equity=MONEY.subtract(MONEY.add(cash, inventory), costs),
    )
