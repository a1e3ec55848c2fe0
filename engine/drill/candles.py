"""Candles of every width, made from one-minute ones."""

from __future__ import annotations

from typing import NamedTuple

MINUTE_NS = 60_000_000_000
MINUTES_KEPT = 3 * 1440


class Candle(NamedTuple):
    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    taker_volume: int
    taker_quote_volume: int


class Candles:
    def __init__(self) -> None:
        self.minutes: dict[int, Candle] = {}
        """By start, oldest first."""

    def add(self, ts_ns: int, price: int, qty: int, *, is_taker_buy: bool) -> None:
        start_ns = ts_ns - ts_ns % MINUTE_NS
        cost = price * qty // 10**8
        new = Candle(
            start_ns,
            price,
            price,
            price,
            price,
            qty,
            cost,
            1,
            qty if is_taker_buy else 0,
            cost if is_taker_buy else 0,
        )
        old = self.minutes.get(start_ns)
        self.minutes[start_ns] = new if old is None else joined(start_ns, old, new)
        if len(self.minutes) > MINUTES_KEPT:
            del self.minutes[next(iter(self.minutes))]

    def of(self, width_ns: int, from_ns: int = 0, until_ns: int = 1 << 62) -> list[Candle]:
        """Of `width_ns`, whole minutes, oldest first; empty ones are left out."""
        found: dict[int, Candle] = {}
        for minute in self.minutes.values():
            start_ns = minute.start_ns - minute.start_ns % width_ns
            if from_ns <= start_ns <= until_ns:
                old = found.get(start_ns)
                found[start_ns] = (
                    minute._replace(start_ns=start_ns)
                    if old is None
                    else joined(start_ns, old, minute)
                )
        return list(found.values())

    def since(self, from_ns: int) -> Candle | None:
        """Everything of the minutes from `from_ns` on as one."""
        found: Candle | None = None
        for minute in self.minutes.values():
            if minute.start_ns >= from_ns:
                found = minute if found is None else joined(found.start_ns, found, minute)
        return found


def joined(start_ns: int, first: Candle, then: Candle) -> Candle:
    return Candle(
        start_ns,
        first.open,
        max(first.high, then.high),
        min(first.low, then.low),
        then.close,
        first.volume + then.volume,
        first.quote_volume + then.quote_volume,
        first.trades + then.trades,
        first.taker_volume + then.taker_volume,
        first.taker_quote_volume + then.taker_quote_volume,
    )
