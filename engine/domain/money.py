"""Exact money. Decimals come in through `parse_decimal`; no binary float is ever summed.

Amounts inside one instrument are integers of its `money_unit` (see `Instrument`); `Decimal` is
for the edges and for amounts of several instruments together.
"""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

from engine.domain.errors import BadInput

MONEY = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow, Clamped])
"""Wide enough that sums and products of real amounts are exact: 60 digits, traps on nonsense."""

ZERO = Decimal(0)
_MAX_TEXT = 40
_MAX_EXPONENT = 24


def parse_decimal(field: str, value: str | int | Decimal) -> Decimal:
    """A finite decimal from text or an integer; never from a float.

    Raises BadInput naming `field` for NaN, infinities, over-long text or a huge exponent.
    """
    if isinstance(value, bool | float):
        raise BadInput(field, value, "give the number as text or integer, not as a binary float")
    text = value.strip() if isinstance(value, str) else str(value)
    if not text or len(text) > _MAX_TEXT or not text.isascii() or "_" in text:
        raise BadInput(field, value, "expected a plain number such as 0.001")
    try:
        number = Decimal(text)
    except (InvalidOperation, ValueError):
        raise BadInput(field, value, "expected a plain number such as 0.001") from None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_EXPONENT:
        raise BadInput(field, value, "expected a finite number of ordinary size")
    return number


def plain(number: Decimal) -> str:
    """`number` without exponent and without trailing zeros: 0.10 -> "0.1", 1E+2 -> "100"."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def tidy(number: Decimal) -> Decimal:
    """The same value with the shortest digits, so that equal amounts print the same bytes."""
    return Decimal(plain(number))


def decimal_places(step: Decimal) -> int:
    """Digits after the point that multiples of `step` need: 0.01 -> 2, 10 -> 0."""
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int), step
    return max(0, -exponent)
