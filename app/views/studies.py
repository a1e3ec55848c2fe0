"""Indicators of the chart: bars in, one value a bar out, in ticks.

Floats are right here: a pixel is all they become. Where a value needs more bars than there are,
it is None and nothing is drawn; an average that pretends to know its past would be a lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from engine.domain.snapshots import BarRow

EMA_BARS = 20
BAND_BARS = 20
BAND_WIDTH = 2.0
_DAY_NS = 86_400_000_000_000

Values = list[float | None]


class Study(msgspec.Struct, frozen=True):
    """One drawn line."""

    name: str
    """As in the legend: `EMA20`."""
    tone: str
    glyph: str
    """Name of its glyph in `Glyphs`."""
    values: Values
    """As many as there are bars."""


SETS: tuple[tuple[str, ...], ...] = ((), ("ema",), ("ema", "vwap"), ("ema", "vwap", "bands"))
"""What the indicator key cycles through."""


def studies(names: Sequence[str], bars: Sequence[BarRow]) -> list[Study]:
    made: list[Study] = []
    if "ema" in names:
        made.append(Study(f"EMA{EMA_BARS}", "study_ema", "ema", ema(bars, EMA_BARS)))
    if "vwap" in names:
        made.append(Study("VWAP", "study_vwap", "vwap", vwap(bars)))
    if "bands" in names:
        low, high = bands(bars, BAND_BARS, BAND_WIDTH)
        made.append(Study(f"BB{BAND_BARS}", "study_band", "band", low))
        made.append(Study("", "study_band", "band", high))
    return made


def ema(bars: Sequence[BarRow], length: int) -> Values:
    """Exponential average of the closes, weight 2 / (length + 1), from the plain average of the
    first `length` closes on."""
    values: Values = [None] * len(bars)
    if len(bars) < length:
        return values
    average = sum(bar.close for bar in bars[:length]) / length
    values[length - 1] = average
    weight = 2 / (length + 1)
    for at in range(length, len(bars)):
        average += weight * (bars[at].close - average)
        values[at] = average
    return values


def vwap(bars: Sequence[BarRow]) -> Values:
    """Average of (high + low + close) / 3 by volume since 00:00 UTC, or since the first bar where
    that is later. None until the first trade of the day."""
    values: Values = []
    day, worth, volume = -1, 0.0, 0
    for bar in bars:
        if bar.start_ns // _DAY_NS != day:
            day, worth, volume = bar.start_ns // _DAY_NS, 0.0, 0
        worth += (bar.high + bar.low + bar.close) / 3 * bar.volume
        volume += bar.volume
        values.append(worth / volume if volume else None)
    return values


def bands(bars: Sequence[BarRow], length: int, width: float) -> tuple[Values, Values]:
    """Bollinger: plain average of `length` closes, minus and plus `width` standard deviations
    (of the population, as Bollinger has them)."""
    low: Values = [None] * len(bars)
    high: Values = [None] * len(bars)
    for at in range(length - 1, len(bars)):
        closes = [bar.close for bar in bars[at - length + 1 : at + 1]]
        mean = sum(closes) / length
        spread = width * math.sqrt(sum((close - mean) ** 2 for close in closes) / length)
        low[at], high[at] = mean - spread, mean + spread
    return low, high
