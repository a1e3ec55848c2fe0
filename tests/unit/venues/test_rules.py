"""Orders against a venue's rules, and rules told in the units of a ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.order import OrderType
from engine.venues.binance.rules import read_symbol
from engine.venues.rules import MarketRules, broken_rule, in_units
from tests.support.accounts import SPOT_INFO, submit


def _rules(tick: str = "0.01", lot: str = "0.00001") -> MarketRules:
    row: dict[str, Any] = {**SPOT_INFO["symbols"][0]}
    steps = {"PRICE_FILTER": {"tickSize": tick}, "LOT_SIZE": {"stepSize": lot}}
    row["filters"] = [{**item, **steps.get(str(item["filterType"]), {})} for item in row["filters"]]
    return read_symbol(row, "binance_spot")


def test_the_same_units_change_nothing() -> None:
    rules = _rules()
    assert in_units(rules, rules.instrument) is rules


def test_coarser_steps_are_asked_for_in_the_old_units() -> None:
    old = _rules()
    rules = in_units(_rules(tick="0.1", lot="0.001"), old.instrument)
    assert rules.instrument.tick == old.instrument.tick
    assert (rules.ticks_max, rules.lots_max) == (old.ticks_max, old.lots_max)
    assert broken_rule(rules, submit(price_ticks=6_000_010).spec) == ""
    assert "multiples of 0.1" in broken_rule(rules, submit(price_ticks=6_000_001).spec)
    assert "multiples of 0.001" in broken_rule(rules, submit(qty_lots=1_001).spec)


@given(
    tick=st.integers(1, 500),
    lot=st.integers(1, 500),
    ticks=st.integers(1, 10**8),
    lots=st.integers(1, 10**6),
    at_market=st.booleans(),
)
def test_an_order_breaks_a_rule_in_any_units_or_in_none(
    tick: int, lot: int, ticks: int, lots: int, at_market: bool
) -> None:
    """Told in the finest units, the venue's rules refuse what they refuse in its own."""
    fine = _rules(tick="0.01", lot="0.00001").instrument
    rules = _rules(tick=str(Decimal(tick) / 100), lot=str(Decimal(lot) / 100_000))
    kind = OrderType.MARKET if at_market else OrderType.LIMIT
    wish = submit(qty_lots=lots, price_ticks=0 if at_market else ticks, type=kind).spec
    told = broken_rule(in_units(rules, fine), wish)
    on_grid = lots % lot == 0 and (at_market or ticks % tick == 0)
    if not on_grid:
        assert told
        return
    own = submit(
        qty_lots=lots // lot, price_ticks=0 if at_market else ticks // tick, type=kind
    ).spec
    assert bool(told) is bool(broken_rule(rules, own))
