"""What is traded: tick, lot, contract, and how fills turn into money, exactly."""

from __future__ import annotations

import enum
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from functools import cached_property

import msgspec

from engine.domain.errors import BadInput
from engine.domain.money import MONEY, decimal_places, plain
from engine.domain.order import Side
from engine.domain.text import is_symbol

INVERSE_UNIT = Decimal("1e-8")
"""Coin-margined amounts are kept in units of 1e-8 coin, as the venues book them."""


class InstrumentKind(enum.StrEnum):
    SPOT = "spot"
    LINEAR = "linear"
    """Perpetual or future paid in the quote currency (USD-M)."""
    INVERSE = "inverse"
    """Perpetual or future paid in the base coin (COIN-M); one contract is worth a fixed USD sum."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One tradable thing at one venue.

    Prices are integer ticks and quantities integer lots everywhere inside the engine; the methods
    here are the only place that turns them into money. `money_unit` is the quantum in which the
    cash flow of a fill is a whole number: tick x lot x contract size, or 1e-8 coin if inverse.
    """

    instrument_id: str
    """`venue.SYMBOL`, for instance `binance_usdm.BTCUSDT`."""
    venue: str
    symbol: str
    kind: InstrumentKind
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    contract_size: Decimal = Decimal(1)
    min_notional: Decimal = Decimal(0)
    min_lots: int = 1

    def __post_init__(self) -> None:
        if not is_symbol(self.symbol):
            raise BadInput("symbol", self.symbol, "expected A-Z, 0-9 and /:_.- only")
        for name in ("tick", "lot", "contract_size"):
            value: Decimal = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise BadInput(name, value, "must be greater than zero")

    # -- words ------------------------------------------------------------------------------

    @cached_property
    def settle(self) -> str:
        """The asset that profit, loss and fees are counted in."""
        return self.base if self.kind is InstrumentKind.INVERSE else self.quote

    @cached_property
    def can_short(self) -> bool:
        return self.kind is not InstrumentKind.SPOT

    @cached_property
    def price_places(self) -> int:
        return decimal_places(self.tick)

    @cached_property
    def qty_places(self) -> int:
        return decimal_places(self.lot)

    @cached_property
    def money_unit(self) -> Decimal:
        if self.kind is InstrumentKind.INVERSE:
            return INVERSE_UNIT
        return MONEY.multiply(MONEY.multiply(self.tick, self.lot), self.contract_size)

    # -- edges: decimals to integers and back ----------------------------------------------

    def price(self, ticks: int) -> Decimal:
        return MONEY.multiply(Decimal(ticks), self.tick)

    def qty(self, lots: int) -> Decimal:
        return MONEY.multiply(Decimal(lots), self.lot)

    def ticks(self, price: Decimal, field: str = "price") -> int:
        """`price` as ticks; BadInput when it does not sit on the tick grid."""
        ticks = MONEY.divide(price, self.tick)
        if ticks != ticks.to_integral_value():
            raise BadInput(
                field, plain(price), f"must be a multiple of the tick {plain(self.tick)}"
            )
        return int(ticks)

    def lots(self, qty: Decimal, field: str = "qty") -> int:
        """`qty` as lots; BadInput when it is not a whole number of lots."""
        lots = MONEY.divide(qty, self.lot)
        if lots != lots.to_integral_value():
            raise BadInput(field, plain(qty), f"must be a multiple of the lot {plain(self.lot)}")
        return int(lots)

    def ticks_down(self, price: Decimal) -> int:
        return int(MONEY.divide(price, self.tick).to_integral_value(ROUND_FLOOR))

    def ticks_up(self, price: Decimal) -> int:
        return int(MONEY.divide(price, self.tick).to_integral_value(ROUND_CEILING))

    def lots_down(self, qty: Decimal) -> int:
        return int(MONEY.divide(qty, self.lot).to_integral_value(ROUND_FLOOR))

    def unbookable(self, now: Instrument) -> str:
        """Why trades in the steps of `now`, which the venue has changed to, cannot be counted in
        ours; "" where they can: coarser steps are whole numbers of ours."""
        steps = (("tick", self.tick, now.tick), ("lot", self.lot, now.lot))
        changed = [(name, old, new) for name, old, new in steps if new % old]
        if self.contract_size != now.contract_size:
            changed.append(("contract size", self.contract_size, now.contract_size))
        if not changed:
            return ""
        name, old, new = changed[0]
        return (
            f"the venue's {name} has changed from {plain(old)} to {plain(new)}, in which this "
            f"ledger cannot count: stop the engine, close {self.symbol} at the venue, then start "
            "a new ledger"
        )

    # -- money ------------------------------------------------------------------------------

    def value_units(self, lots: int, ticks: int) -> int:
        """Value of `lots` at `ticks` in money units, never negative for positive lots.

        Linear: lots x ticks. Inverse: lots x contract / price in coin, rounded half to even at
        1e-8, which is how the venue books it, so the ledger stays exact in its own terms.
        """
        if self.kind is not InstrumentKind.INVERSE:
            return lots * ticks
        contracts_value = MONEY.multiply(self.qty(lots), self.contract_size)
        coin = MONEY.divide(contracts_value, self.price(ticks))
        return int(MONEY.divide(coin, INVERSE_UNIT).to_integral_value(ROUND_HALF_EVEN))

    def fill_cash_units(self, side: Side, lots: int, ticks: int) -> int:
        """Cash flow of a fill in money units: a linear buy pays, an inverse buy receives.

        (Buying an inverse contract is selling its coin value; the signs make
        `cash + inventory` the profit in both worlds.)
        """
        value = self.value_units(lots, ticks)
        pays = (side is Side.BUY) is (self.kind is not InstrumentKind.INVERSE)
        return -value if pays else value

    def inventory_value(self, position_lots: int, mid_ticks_x2: int) -> Decimal:
        """What the position is worth at the mid, signed so that equity = cash + this - fees.

        `mid_ticks_x2` is best bid + best ask in ticks: twice the mid, so that it is an integer.
        """
        if position_lots == 0:
            return Decimal(0)
        if self.kind is InstrumentKind.INVERSE:
            contracts_value = MONEY.multiply(self.qty(position_lots), self.contract_size)
            mid = MONEY.multiply(Decimal(mid_ticks_x2), MONEY.multiply(self.tick, Decimal("0.5")))
            coin = -MONEY.divide(contracts_value, mid)
            return coin.quantize(INVERSE_UNIT, ROUND_HALF_EVEN, context=MONEY)
        half_units = Decimal(position_lots * mid_ticks_x2)
        return MONEY.multiply(half_units, MONEY.multiply(self.money_unit, Decimal("0.5")))

    def notional(self, lots: int, ticks: int) -> Decimal:
        """Absolute value of `lots` at `ticks` in the settle asset."""
        return MONEY.multiply(Decimal(self.value_units(abs(lots), ticks)), self.money_unit)

    def money(self, units: int) -> Decimal:
        return MONEY.multiply(Decimal(units), self.money_unit)

    def entry_ticks(self, lots: int, cost_units: int) -> Decimal | None:
        """Average price in ticks at which `lots` cost `cost_units`, to 0.01 tick, for display."""
        if lots == 0 or cost_units == 0:
            return None
        if self.kind is InstrumentKind.INVERSE:
            contracts_value = MONEY.multiply(self.qty(abs(lots)), self.contract_size)
            price = MONEY.divide(contracts_value, self.money(abs(cost_units)))
            ticks = MONEY.divide(price, self.tick)
        else:
            ticks = MONEY.divide(Decimal(abs(cost_units)), Decimal(abs(lots)))
        return ticks.quantize(Decimal("0.01"), context=MONEY)
