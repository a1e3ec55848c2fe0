"""Twenty made-up series of daily returns and of a market, the same on every machine and version.

Standard library only: the interpreter that holds the oracles imports it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SEEDS = range(20)
_MODULUS = 1 << 64


class Series(NamedTuple):
    returns: list[float]
    market: list[float]


def series(seed: int) -> Series:
    """40 to 420 days: drift of either sign, fat tails, a market that it follows a little. Rounded
    to 1e-6, so that every library starts from the same bits."""
    noise = _noise(seed)
    days = 40 + 20 * seed
    drift, size = (seed % 7 - 3) * 4e-4, 0.004 + 0.002 * (seed % 5)
    returns, market = [], []
    for _ in range(days):
        outside = next(noise)
        shock = next(noise)
        fat = shock**3 if seed % 2 else shock
        market.append(round(0.0003 + 0.02 * outside, 6))
        returns.append(round(drift + size * (0.5 * outside + fat), 6) or 1e-6)
    return Series(returns, market)


def _noise(seed: int) -> Iterator[float]:
    """About normal: sums of twelve uniform numbers less six, from a 64-bit congruence."""
    state = seed * 2_654_435_761 + 1
    while True:
        total = 0.0
        for _ in range(12):
            state = (6_364_136_223_846_793_005 * state + 1_442_695_040_888_963_407) % _MODULUS
            total += (state >> 11) / (1 << 53)
        yield total - 6.0
