"""Bars for the chart: those the engine keeps, and weeks made of days."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain.snapshots import BarRow, MarketSnapshot

NS_PER_S = 1_000_000_000
WEEK = "1w"
_DAY = "1d"
_WEEK_NS = 7 * 86_400 * NS_PER_S
_FIRST_MONDAY_NS = 4 * 86_400 * NS_PER_S
"""1970 began on a Thursday; weeks begin on Mondays, as on the venues' charts."""
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def words(market: MarketSnapshot) -> list[str]:
    """The time frames there are, shortest first."""
    found = sorted(market.bars, key=seconds)
    return [*found, WEEK] if _DAY in market.bars and WEEK not in market.bars else found


def seconds(word: str) -> int:
    """Length of a time frame: `5m` is 300."""
    return int(word[:-1]) * _UNIT_S[word[-1]]


def bars_of(market: MarketSnapshot, word: str) -> Sequence[BarRow]:
    """Oldest first, the last one still forming; empty where nothing is known."""
    if word == WEEK and WEEK not in market.bars:
        return weeks(market.bars.get(_DAY, ()))
    return market.bars.get(word, ())


def weeks(days: Sequence[BarRow]) -> list[BarRow]:
    """Days added up to weeks from Monday to Sunday, UTC. The first may begin inside its week."""
    made: list[BarRow] = []
    for day in days:
        start = day.start_ns - (day.start_ns - _FIRST_MONDAY_NS) % _WEEK_NS
        if made and made[-1].start_ns == start:
            week = made[-1]
            made[-1] = BarRow(
                start,
                week.open,
                max(week.high, day.high),
                min(week.low, day.low),
                day.close,
                week.volume + day.volume,
            )
        else:
            made.append(BarRow(start, day.open, day.high, day.low, day.close, day.volume))
    return made
