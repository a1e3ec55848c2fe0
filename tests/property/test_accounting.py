"""Profit and loss add up to the last digit, whatever is traded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Side
from engine.domain.position import Position, apply_fill, value
from tests.support.builders import a_fill, inverse, linear, spot

trades = st.lists(
    st.tuples(st.sampled_from(list(Side)), st.integers(1, 50), st.integers(1_000, 900_000)),
    max_size=40,
)


def trade_all(instrument: Instrument, fills: list[tuple[Side, int, int]]) -> Position:
    position = Position()
    for number, (side, lots, ticks) in enumerate(fills):
        fill = a_fill(
            f"t{number}", lots, ticks, fee=Decimal("0.00731"), fee_asset=instrument.settle
        )
        position = apply_fill(
            position, instrument, side, fill, instrument.value_units(lots, ticks), number + 1
        )
    return position


@pytest.mark.parametrize("instrument", [linear(), spot(), inverse()], ids=lambda i: str(i.kind))
@given(fills=trades, mid_x2=st.integers(2_000, 1_800_000))
def test_realised_and_unrealised_are_all_there_is(
    instrument: Instrument, fills: list[tuple[Side, int, int]], mid_x2: int
) -> None:
    position = trade_all(instrument, fills)
    worth = value(position, instrument, mid_x2)
    assert position.cash_units == position.realised_units - position.cost_units
    assert MONEY.add(worth.realised, worth.unrealised) == MONEY.add(worth.cash, worth.inventory)
    assert worth.equity == worth.cash + worth.inventory - worth.fees
    assert worth.fees == Decimal("0.00731") * len(fills)
    assert position.lots == sum(side.sign * lots for side, lots, _ in fills)
    if position.lots == 0:
        assert position.cost_units == 0
        assert worth.inventory == worth.unrealised == 0


@given(fills=trades, mid_x2=st.integers(2_000, 1_800_000))
def test_a_linear_account_equals_plain_arithmetic(
    fills: list[tuple[Side, int, int]], mid_x2: int
) -> None:
    """The independent twin: sum of (mid - price) x quantity over all fills, in Decimal."""
    instrument = linear()
    worth = value(trade_all(instrument, fills), instrument, mid_x2)
    mid = Decimal(mid_x2) * instrument.tick / 2
    expected = sum(
        (side.sign * instrument.qty(lots) * (mid - instrument.price(ticks)))
        for side, lots, ticks in fills
    )
    assert worth.equity + worth.fees == expected


def test_an_inverse_contract_gains_in_coin() -> None:
    """Long 10 contracts of 100 USD from 50,000 to 100,000: 1000/50000 - 1000/100000 coin."""
    instrument = inverse()
    position = trade_all(instrument, [(Side.BUY, 10, 500_000), (Side.SELL, 10, 1_000_000)])
    assert instrument.money(position.realised_units) == Decimal("0.01")


def test_partial_closes_round_once_and_forget_nothing() -> None:
    instrument = linear()
    fills = [(Side.BUY, 3, 100_001), *[(Side.SELL, 1, 100_000)] * 3]
    position = trade_all(instrument, fills)
    assert position.realised_units == position.cash_units == -3


coins = st.decimals("0", "0.00004", places=8, allow_nan=False)


@given(
    fills=st.lists(
        st.tuples(
            st.sampled_from(list(Side)), st.integers(1, 50), st.integers(1_000, 900_000), coins
        ),
        max_size=40,
    ),
    mid_x2=st.integers(2_000, 1_800_000),
)
def test_a_fee_in_the_base_coin_leaves_lots_and_dust_that_are_what_the_venue_holds(
    fills: list[tuple[Side, int, int, Decimal]], mid_x2: int
) -> None:
    instrument = spot()
    position, coins_held, cash = Position(), ZERO, ZERO
    for number, (side, lots, ticks, fee) in enumerate(fills):
        in_base = side is Side.BUY
        asset = instrument.base if in_base else instrument.quote
        fill = a_fill(f"t{number}", lots, ticks, fee=fee, fee_asset=asset)
        value_units = instrument.value_units(lots, ticks)
        position = apply_fill(position, instrument, side, fill, value_units, number + 1)
        coins_held += side.sign * instrument.qty(lots) - (fee if in_base else ZERO)
        cash -= side.sign * instrument.money(value_units) + (ZERO if in_base else fee)
        # Whole lots and less than one of them: exactly what the venue's balance is.
        assert instrument.qty(position.lots) + position.dust == coins_held
        assert 0 <= position.dust < instrument.lot
    worth = value(position, instrument, mid_x2)
    mid = instrument.tick * mid_x2 / 2
    assert worth.equity == cash + coins_held * mid
    assert worth.equity == worth.realised + worth.unrealised - worth.fees
