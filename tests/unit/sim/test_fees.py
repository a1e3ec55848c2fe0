"""Fees: tiers by the volume of 30 days, a third asset, rebates; every digit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.money import MONEY
from engine.domain.order import Side
from engine.domain.position import Position, apply_fill
from engine.sim.fees import DAY_NS, FeeBook, FeePlan, Tier
from tests.support.builders import a_fill, inverse, linear

D = Decimal
TIERS = (
    Tier(D(0), D("0.0002"), D("0.0005")),
    Tier(D(10_000), D("0.0001"), D("0.0004")),
    Tier(D(50_000), D("-0.0001"), D("0.0003")),
)
LOTS, TICKS = 100, 600_000
"""0.1 BTC at 60,000: worth 6,000 USDT."""


def book(plan: FeePlan | None = None) -> FeeBook:
    return FeeBook(linear(), D("0.0002"), D("0.0005"), plan)


def test_two_rates_in_the_settle_asset() -> None:
    charge = book().charge(LOTS, TICKS, 0, is_maker=True)
    assert charge == (D("1.2"), "USDT", None)
    assert book().charge(LOTS, TICKS, 0, is_maker=False).fee == D("3")


def test_the_tier_is_that_of_the_30_days_before_today() -> None:
    fees = book(FeePlan(tiers=TIERS))

    def on(day: int) -> Decimal:
        return fees.charge(LOTS, TICKS, day * DAY_NS + 5, is_maker=False).fee / 6_000

    assert on(0) == on(0) == D("0.0005"), "today's own volume does not count yet"
    assert on(1) == D("0.0004"), "12,000 traded yesterday"
    assert on(30) == D("0.0004"), "day 0 is 30 days ago: 18,000 in all"
    assert on(31) == D("0.0004"), "days 1 and 30"
    assert on(62) == D("0.0005"), "6,000 on day 31 is 31 days ago"


def test_volume_elsewhere_counts_and_the_highest_tier_pays_a_rebate() -> None:
    fees = book(FeePlan(tiers=TIERS, volume_30d=D(50_000)))
    assert fees.rates() == (D("-0.0001"), D("0.0003"))
    assert fees.charge(LOTS, TICKS, 0, is_maker=True).fee == D("-0.6")
    assert fees.charge(LOTS, TICKS, 0, is_maker=False).fee == D("1.8")


def test_volume_of_coin_margined_contracts_is_their_face_value() -> None:
    fees = FeeBook(inverse(), D(0), D(0), FeePlan(tiers=TIERS))
    fees.charge(100, TICKS, 0, is_maker=True)  # 100 contracts of 100 USD
    coin = inverse().notional(1, TICKS)
    assert fees.charge(1, TICKS, DAY_NS, is_maker=False).fee == MONEY.multiply(coin, D("0.0004"))


def test_a_third_asset_is_booked_at_its_price() -> None:
    plan = FeePlan(asset="BNB", asset_price=D(700), discount=D("0.25"))
    charge = book(plan).charge(LOTS, TICKS, 0, is_maker=False)
    assert charge.fee == D("0.00321429")  # 3 x 0.75 / 700, to 1e-8
    assert charge.asset == "BNB"
    assert charge.worth == D("2.250003")
    fill = a_fill(lots=LOTS, ticks=TICKS, fee=charge.fee, fee_asset="BNB", fee_worth=charge.worth)
    assert apply_fill(Position(), linear(), Side.BUY, fill, 1, 1).fees == D("2.250003")


def test_a_rebate_stays_in_the_settle_asset() -> None:
    plan = FeePlan(asset="BNB", asset_price=D(700), discount=D("0.25"))
    fees = FeeBook(linear(), D("-0.0001"), D("0.0005"), plan)
    assert fees.charge(LOTS, TICKS, 0, is_maker=True) == (D("-0.6"), "USDT", None)


@given(
    lots=st.integers(1, 10**9),
    ticks=st.integers(1, 10**8),
    maker=st.decimals("-0.01", "0.01", places=6),
    price=st.decimals("0.01", "100000", places=4),
    discount=st.decimals(0, 1, places=4),
)
def test_the_amount_is_worth_the_fee_to_half_a_unit(
    lots: int, ticks: int, maker: Decimal, price: Decimal, discount: Decimal
) -> None:
    plan = FeePlan(asset="BNB", asset_price=price, discount=discount)
    charge = FeeBook(linear(), maker, D(0), plan).charge(lots, ticks, 0, is_maker=True)
    exact = MONEY.multiply(linear().notional(lots, ticks), maker)
    if exact <= 0:
        assert (charge.fee, charge.worth) == (exact, None)
        return
    assert charge.worth == MONEY.multiply(charge.fee, price)
    assert abs(charge.worth - MONEY.multiply(exact, 1 - discount)) <= price * D("0.5e-8")
