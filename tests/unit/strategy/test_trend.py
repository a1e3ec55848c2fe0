"""The trend follower against two averages computed the slow way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.order import Order, TimeInForce
from engine.ports.strategy import Bar
from engine.strategy.trend import Trend, TrendParams
from tests.support.builders import an_order, linear, spot


class BarsOnly:
    """A desk that fills every order whole and at once, as far as a trend follower can see."""

    def __init__(self) -> None:
        self.history: list[int] = []
        self.position_lots = 0
        self.orders: Mapping[str, Order] = {}
        self.said: list[str] = []

    def bars(self, count: int) -> Sequence[Bar]:
        return [Bar(number, c, c, c, c, 1) for number, c in enumerate(self.history)][-count:]

    def closes(self, count: int) -> Sequence[int]:
        return self.history[-count:]

    def buy(self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC) -> str:
        return self._trade(lots, lots, price_ticks, tif)

    def sell(self, lots: int, price_ticks: int = 0, tif: TimeInForce = TimeInForce.GTC) -> str:
        return self._trade(lots, -lots, price_ticks, tif)

    def _trade(self, lots: int, change: int, price_ticks: int, tif: TimeInForce) -> str:
        assert lots > 0
        assert (price_ticks, tif) == (0, TimeInForce.IOC)
        self.position_lots += change
        return "q"

    def explain(self, text: str) -> None:
        self.said.append(text)


def a_trend(fast: int = 2, slow: int = 4, instrument: Instrument | None = None) -> Trend:
    params = TrendParams(fast=fast, slow=slow, qty=Decimal("0.01"))
    return Trend(params, instrument or linear())


def positions(trend: Trend, closes: Sequence[int]) -> list[int]:
    """The position after each bar."""
    desk = BarsOnly()
    found = []
    for close in closes:
        desk.history.append(close)
        trend.on_bar(desk, desk.bars(1)[0])  # type: ignore[arg-type]
        found.append(desk.position_lots)
    return found


def average(closes: Sequence[int]) -> Fraction:
    return Fraction(sum(closes), len(closes))


@given(
    closes=st.lists(st.integers(599_000, 601_000) | st.integers(1, 10**9), max_size=60),
    fast=st.integers(1, 8),
    longer=st.integers(1, 12),
)
def test_the_position_follows_the_averages(closes: list[int], fast: int, longer: int) -> None:
    slow = fast + longer
    held = 0
    wanted = []
    for end in range(1, len(closes) + 1):
        if end >= slow:
            above = average(closes[end - fast : end]) - average(closes[end - slow : end])
            held = held if above == 0 else 10 if above > 0 else -10
        wanted.append(held)

    assert positions(a_trend(fast, slow), closes) == wanted


def test_on_spot_it_is_long_or_flat() -> None:
    trend = a_trend(2, 4, spot())
    found = positions(trend, [10, 11, 12, 13, 9, 5, 4, 3, 20])

    assert found == [0, 0, 0, 1000, 0, 0, 0, 0, 1000]


def test_it_waits_while_an_order_of_its_own_is_under_way() -> None:
    desk = BarsOnly()
    desk.history = [1, 2, 3, 4]
    desk.orders = {"q": an_order()}
    a_trend().on_bar(desk, desk.bars(1)[0])  # type: ignore[arg-type]

    assert desk.position_lots == 0


def test_it_says_that_it_is_warming_up() -> None:
    desk = BarsOnly()
    desk.history = [1, 2, 3]
    a_trend().on_bar(desk, desk.bars(1)[0])  # type: ignore[arg-type]

    assert desk.said == ["warming up: 3 of 4 bars"]


@pytest.mark.parametrize(("fast", "slow"), [(4, 4), (5, 4)])
def test_fast_must_be_less_than_slow(fast: int, slow: int) -> None:
    with pytest.raises(BadInput, match="must be less than slow"):
        a_trend(fast, slow)
