"""Text becomes parameters, or one line that names the field, the value and the remedy."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import BadInput, ConfigError
from engine.strategy.catalogue import (
    STRATEGIES,
    build_strategy,
    by_name,
    describe_params,
    find_strategy,
    params_to_json,
    parse_params,
)
from engine.strategy.grid import GridParams
from tests.support.builders import linear

GRID, TREND = STRATEGIES["grid"], STRATEGIES["trend"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("level", "5", "parameter of grid: level: did you mean levels?"),
        ("zzz", "5", "parameter of grid: zzz: known are: levels, max_position, interval_ticks"),
        ("levels", "0", "levels: 0: must be >= 1, <= 100"),
        ("levels", "101", "levels: 101: must be >= 1, <= 100"),
        ("levels", "2.5", "levels: 2.5: expected a whole number"),
        ("levels", "many", "levels: many: expected a plain number"),
        ("levels", "", 'levels: "": expected a plain number'),
        ("levels", "1_0", "levels: 1_0: expected a plain number"),
        ("levels", "٣", "levels: ٣: expected a plain number"),
        ("levels", "1e999999", "levels: 1e999999: expected a finite number"),
        ("qty", "NaN", "qty: NaN: expected a finite number"),
        ("qty", "-inf", "qty: -inf: expected a finite number"),
        ("qty", "0", "qty: 0: must be > 0"),
        ("qty", "-0.001", "qty: -0.001: must be > 0"),
        ("every_ms", "0", "every_ms: 0: must be >= 1, <= 3600000"),
        ("half_spread_ticks", "-1", "half_spread_ticks: -1: must be >= 0"),
    ],
)
def test_what_is_wrong_is_named(name: str, text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_params(GRID, {name: text})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_an_unknown_strategy() -> None:
    with pytest.raises(BadInput, match="strategy: gird: known are: grid, trend"):
        find_strategy("gird")


@given(
    levels=st.integers(1, 100),
    interval=st.integers(1, 100_000),
    qty=st.decimals("0.001", "1000", places=3),
    twice=st.integers(0, 200_000),
)
def test_parameters_survive_the_journal(
    levels: int, interval: int, qty: Decimal, twice: int
) -> None:
    params = GridParams(
        levels=levels, interval_ticks=interval, qty=qty, half_spread_ticks=Decimal(twice) / 2
    )
    text = params_to_json(params)
    again = build_strategy("grid", text, linear(lot=Decimal("0.001")))

    assert parse_params(GRID, json.loads(text)) == params
    assert vars(again) == vars(GRID(params, linear(lot=Decimal("0.001"))))


@pytest.mark.parametrize("kind", [GRID, TREND], ids=["grid", "trend"])
def test_every_parameter_is_described_and_its_default_allowed(kind: type) -> None:
    described = describe_params(kind)

    assert all(meaning for *_, meaning in described)
    defaults = {name: default for name, default, _, _ in described}
    assert parse_params(kind, defaults) == kind.params_type()


def test_a_copy_with_the_name_of_its_original_is_refused() -> None:
    copy = type("Mine", (TREND,), {"__module__": "engine.strategy.mine"})
    with pytest.raises(ConfigError, match=r"engine\.strategy\.mine: Mine\.name: trend is the name"):
        by_name(GRID, TREND, copy)
    assert by_name(GRID, TREND) == STRATEGIES
