"""Decimal text to integer steps and back, exactly: no binary float on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.domain.errors import BadInput
from engine.domain.money import decimal_places, plain

MAX_STEPS = 10**15
"""Largest number of ticks or lots; anything above is taken for rubbish."""
_MAX_TEXT = 40
_MAX_MEMO = 1 << 16
"""Texts that are remembered, some 8 MB: the sizes of a busy market never stop being new."""


class Step(NamedTuple):
    """A tick or lot as `units` x 10^-`places`."""

    units: int
    places: int

    @classmethod
    def of(cls, step: Decimal) -> Step:
        places = decimal_places(step)
        return cls(int(step.scaleb(places)), places)

    def decimal(self) -> Decimal:
        return Decimal(self.units).scaleb(-self.places)


def split_decimal(text: str) -> tuple[int, int]:
    """`text` as (digits, places): "0.50" -> (5, 1). ValueError unless it is plain and not negative.

    No sign, exponent, NaN or infinity is accepted.
    """
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    plain_digits = digits.isdigit() and digits.isascii() and len(text) <= _MAX_TEXT
    if not plain_digits or not whole or (point and not fraction):
        raise ValueError(text)
    fraction = fraction.rstrip("0")
    return int(whole + fraction), len(fraction)


class StepTexts(dict[str, int]):
    """Decimal texts to whole steps, each distinct text worked out once.

    `field`, `step` ("tick" or "lot") and the `hint` how to mend it are named in errors. With
    `rounds`, texts between two steps go to the nearest one, but never to 0; `off_grid` holds them.
    Otherwise they are refused. Lookups raise BadInput for anything that is not a plain number of
    ordinary size.
    """

    def __init__(self, field: str, step: Decimal, *, rounds: bool = False, hint: str = "") -> None:
        super().__init__()
        self._hint = hint
        self._field = field
        self._word = "lot" if rounds else "tick"
        self._step = step
        units, own_places = Step.of(step)
        self._scales: list[tuple[int, int]] = [
            (10 ** max(0, own_places - places), units * 10 ** max(0, places - own_places))
            for places in range(_MAX_TEXT)
        ]
        """By places of a text: digits x scale // divisor = steps."""
        self._rounds = rounds
        self.off_grid: set[str] = set()

    def __missing__(self, text: str) -> int:
        if max(len(self), len(self.off_grid)) >= _MAX_MEMO:
            self.clear()
        if len(self.off_grid) >= _MAX_MEMO:
            self.off_grid.clear()  # Never without the texts: each is put in when it is worked out.
        steps = self[text] = self._parse(text)
        return steps

    def _parse(self, text: str) -> int:
        try:
            digits, places = split_decimal(text)
        except ValueError:
            raise BadInput(
                self._field, text, "expected a plain number, not negative, such as 61800.1"
            ) from None
        scale, divisor = self._scales[places]
        steps = digits * scale // divisor
        rest = digits * scale % divisor
        if rest and not self._rounds:
            remedy = f"must be a multiple of the {self._word} {plain(self._step)}"
            raise BadInput(self._field, text, remedy + self._hint)
        if rest:
            self.off_grid.add(text)
            steps = max(1, steps + (2 * rest >= divisor))
        if steps > MAX_STEPS:
            raise BadInput(self._field, text, f"more than {MAX_STEPS:.0e} {self._word}s")
        return steps


def common_step(texts: Iterable[str]) -> Decimal | None:
    """The largest step of which every text in `texts` is a multiple; None when all are zero."""
    divisor = places = 0
    for text in texts:
        digits, own_places = split_decimal(text)
        if own_places > places:
            divisor *= 10 ** (own_places - places)
            places = own_places
        divisor = math.gcd(divisor, digits * 10 ** (places - own_places))
    return Step(divisor, places).decimal() if divisor else None
