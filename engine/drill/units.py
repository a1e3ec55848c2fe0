"""Numbers inside the drill exchange: whole units of 1e-8, of prices, quantities and money alike.

Venues print eight decimals. Ticks and lots are chosen so that a price times a quantity is whole in
these units, too (`InstrumentRules` insists), so nothing is ever rounded but fees.
"""

from __future__ import annotations

from decimal import Decimal

from engine.domain.errors import BadInput
from engine.domain.money import MONEY

ONE = 10**8


def units(field: str, amount: Decimal) -> int:
    """`amount` in units; BadInput when it has more than eight decimals."""
    scaled = MONEY.scaleb(amount, 8)
    if scaled != scaled.to_integral_value():
        raise BadInput(field, format(amount, "f"), "at most eight decimals")
    return int(scaled)


def amount(number: int) -> Decimal:
    return MONEY.scaleb(Decimal(number), -8)


def text(number: int) -> str:
    """As venues print it: eight decimals, always."""
    sign = "-" if number < 0 else ""
    whole, part = divmod(abs(number), ONE)
    return f"{sign}{whole}.{part:08d}"


def value(price: int, qty: int) -> int:
    """Price times quantity. Exact for multiples of the instrument's tick and lot."""
    return price * qty // ONE
