"""Statistics as text: the same few digits on every machine."""

from __future__ import annotations

import math
from decimal import Decimal

from engine.domain.money import tidy

DIGITS = 10
"""Significant; what lies behind is at the mercy of the order in which sums are taken."""


def rounded(value: float) -> Decimal | None:
    """`value` to `DIGITS` significant digits; None for infinities and NaN, which JSON lacks."""
    if not math.isfinite(value):
        return None
    return tidy(Decimal(f"{value:.{DIGITS}g}"))
