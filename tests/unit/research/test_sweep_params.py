"""Ranges in words: what they hold, and one clear line for all that is wrong with them."""

from __future__ import annotations

import pytest

from engine.domain.errors import BadInput
from engine.research.param_grid import make_grid, parse_axes
from engine.strategy.grid import Grid
from engine.strategy.trend import Trend
from tests.support.builders import linear


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=5:20:5", ["5", "10", "15", "20"]),
        ("fast=5:19:5", ["5", "10", "15"]),
        ("fast=20:5:-5", ["20", "15", "10", "5"]),
        ("fast=3:5", ["3", "4", "5"]),
        ("fast=7:7:3", ["7"]),
        ("fast = 3, 1,2", ["3", "1", "2"]),
        ("qty=0.1:0.3:0.1", ["0.1", "0.2", "0.3"]),
        ("qty=0.5", ["0.5"]),
        ("timeframe=1m,5m", ["1m", "5m"]),
    ],
)
def test_ranges_hold_their_ends(text: str, values: list[str]) -> None:
    assert list(parse_axes(Trend, [text]).values()) == [values]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fsat=1,2"], "did you mean fast"),
        (["fast=5:20:0"], "never ends"),
        (["fast=5:20:-1"], "never ends"),
        (["fast=20:5:1"], "never ends"),
        (["fast=5:inf:1"], "fast: inf"),
        (["fast=1:1e9:1"], "more than 100,000 values"),
        (["qty=1:2:1e-20"], "more than 100,000 values"),
        (["fast=1:400", "slow=2:400"], "more than 100,000"),
        (["fast=0:5"], "fast: 0: must be >= 1, <= 1000"),
        (["slow=10:3000:10"], "slow: 2010: must be"),
        (["fast=1:2:0.5"], "fast: 1.5: expected a whole number"),
        (["fast=1,1"], "twice"),
        (["fast=1,,2"], "twice, or none"),
        (["fast=1", "fast=2"], "given twice"),
        (["fast"], "expected name="),
        (["fast="], "expected name="),
        (["fast=1:2:3:4"], "expected name=a:b:step"),
        (["fast=a:b"], "fast: a"),
        (["fast=nan"], "fast: nan"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(texts: list[str], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_axes(Trend, texts)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_order_is_that_of_the_values_not_of_the_words() -> None:
    one = make_grid(Trend, parse_axes(Trend, ["slow=10,9", "fast=2,1"]), linear())
    other = make_grid(Trend, parse_axes(Trend, ["fast=1:2", "slow=9:10"]), linear())
    assert one.sets == other.sets
    pairs = [(s.fast, s.slow) for s in one.sets]  # type: ignore[attr-defined]
    assert pairs == [(1, 9), (1, 10), (2, 9), (2, 10)]


def test_combinations_that_make_no_sense_are_left_out_and_counted() -> None:
    grid = make_grid(Trend, parse_axes(Trend, ["fast=5:10:5", "slow=5:10:5"]), linear())
    assert (len(grid.sets), grid.skipped) == (1, 3)
    assert "must be less than slow" in grid.skipped_why


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(BadInput, match="must be less than slow"):
        make_grid(Trend, parse_axes(Trend, ["fast=50", "slow=20"]), linear())
    with pytest.raises(BadInput, match="multiple of the lot"):
        make_grid(Grid, parse_axes(Grid, ["qty=0.00001"]), linear())
