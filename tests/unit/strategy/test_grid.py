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
    mid_x2=st.integers(2_000, 4_000_000),
    step=st.integers(1, 500),
    half_spread=halves,
    levels=st.integers(1, 30),
)
def test_levels_are_those_of_the_formula(
    mid_x2: int, step: int, half_spread: Decimal, levels: int
) -> None:
    """floor((mid - half spread) / interval) x interval downwards, ceil((mid + ...)) upwards."""
    grid = a_grid(interval_ticks=step, half_spread_ticks=half_spread, levels=levels)
    bids, asks = grid.wanted(mid_x2, 0)

    mid = Decimal(mid_x2) / 2
    first_bid = int(((mid - half_spread) / step).to_integral_value(ROUND_FLOOR)) * step
    first_ask = int(((mid + half_spread) / step).to_integral_value(ROUND_CEILING)) * step
    assert list(bids) == [first_bid - step * number for number in range(levels)]
    assert list(asks) == [first_ask + step * number for number in range(levels)]


@given(mid_x2=st.integers(2_000, 4_000_000), step=st.integers(1, 500), half_spread=halves)
def test_no_bid_is_nearer_to_the_mid_than_half_the_spread(
    mid_x2: int, step: int, half_spread: Decimal
) -> None:
    grid = a_grid(interval_ticks=step, half_spread_ticks=half_spread)
    bids, asks = grid.wanted(mid_x2, 0)

    mid = Decimal(mid_x2) / 2
    assert mid - half_spread - step < bids[0] <= mid - half_spread
    assert mid + half_spread <= asks[0] < mid + half_spread + step


@pytest.mark.parametrize(
    ("position", "bids", "asks"),
    [(0, 5, 5), (49, 5, 5), (50, 0, 5), (51, 0, 5), (-49, 5, 5), (-50, 5, 0), (-60, 5, 0)],
)
def test_at_the_largest_position_the_side_that_adds_is_empty(
    position: int, bids: int, asks: int
) -> None:
    found = a_grid(levels=5).wanted(1_200_001, position)

    assert (len(found[0]), len(found[1])) == (bids, asks)


def test_on_spot_nothing_is_offered_that_is_not_held() -> None:
    grid = Grid(GridParams(qty=Decimal("0.001"), max_position=Decimal("0.002")), spot())

    assert len(grid.wanted(12_000_001, 0)[1]) == 0
    assert len(grid.wanted(12_000_001, 1)[1]) == 5


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"qty": Decimal("0.0005")}, "qty"),
        ({"max_position": Decimal("0.0105")}, "max_position"),
        ({"half_spread_ticks": Decimal("0.3")}, "half_spread_ticks"),
    ],
)
def test_what_does_not_fit_the_instrument_is_named(params: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        a_grid(**params)
    assert caught.value.field == field
