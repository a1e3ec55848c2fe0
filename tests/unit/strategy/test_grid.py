"""The grid's prices, in whole numbers, against the formula in decimals."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import BadInput
from engine.strategy.grid import Grid, GridParams
from tests.support.builders import linear, spot

halves = st.integers(0, 2000).map(lambda twice: Decimal(twice) / 2)


def a_grid(**params: object) -> Grid:
    fields: dict[str, object] = {"qty": Decimal("0.01"), "max_position": Decimal("0.05")}
    return Grid(GridParams(**{**fields, **params}), linear())  # type: ignore[arg-type]


@given(
    bid=st.integers(1_000, 2_000_000),
    spread=st.integers(1, 50),
    step=st.integers(1, 500),
    half_spread=halves,
    levels=st.integers(1, 20),
)
def test_the_levels_lie_on_the_grid_around_the_mid(
    bid: int, spread: int, step: int, half_spread: Decimal, levels: int
) -> None:
    """floor((mid - half spread) / interval) x interval downwards, ceil((mid + ...)) upwards;
    where that quotient is whole, the last bit of a double may choose the neighbour."""
    grid = a_grid(interval_ticks=step, half_spread_ticks=half_spread, levels=levels)
    bids, asks = grid.wanted(bid, bid + spread, 0, 0.0)

    mid = Decimal(2 * bid + spread) / 2
    below, above = (mid - half_spread) / step, (mid + half_spread) / step
    first_bid = int(below.to_integral_value(ROUND_FLOOR)) * step
    first_ask = int(above.to_integral_value(ROUND_CEILING)) * step
    assert bids[0] in ((first_bid, first_bid - step) if below == int(below) else (first_bid,))
    assert asks[0] in ((first_ask, first_ask + step) if above == int(above) else (first_ask,))
    assert bids == [bids[0] - step * number for number in range(levels)]
    assert asks == [asks[0] + step * number for number in range(levels)]


@pytest.mark.parametrize(
    ("position", "bids", "asks"),
    [(0, 5, 5), (49, 5, 5), (50, 0, 5), (51, 0, 5), (-49, 5, 5), (-50, 5, 0), (-60, 5, 0)],
)
def test_at_the_largest_position_the_side_that_adds_is_empty(
    position: int, bids: int, asks: int
) -> None:
    found = a_grid(levels=5).wanted(600_000, 600_001, position, position * 0.001)

    assert (len(found[0]), len(found[1])) == (bids, asks)


def test_on_spot_nothing_is_offered_that_is_not_held() -> None:
    grid = Grid(GridParams(qty=Decimal("0.001"), max_position=Decimal("0.002")), spot())

    assert len(grid.wanted(6_000_000, 6_000_001, 0, 1e-17)[1]) == 0
    assert len(grid.wanted(6_000_000, 6_000_001, 1, 0.00001)[1]) == 5


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"qty": Decimal("0.0005")}, "qty"),
        ({"max_position": Decimal("0.0105")}, "max_position"),
    ],
)
def test_what_does_not_fit_the_instrument_is_named(params: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        a_grid(**params)
    assert caught.value.field == field
