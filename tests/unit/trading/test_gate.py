"""Each limit refuses at its edge, says its name, its value and the order's, and never refuses
what only takes risk off."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import OrderType, Purpose, Side, TimeInForce
from engine.trading.risk.limits import RiskLimits
from tests.support.builders import a_spec, inverse, linear, spot
from tests.support.desk import Desk

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> Desk:
    """Capital 100,000 at a price of 60,000: 10 % of equity is 0.1666 BTC, 25 % is 0.4166."""
    desk = Desk()
    desk.book(600_000, 600_001)
    return desk


def test_an_ordinary_order_passes_and_its_intent_comes_before_the_request(desk: Desk) -> None:
    assert desk.place(BUY, 10, 599_990) == ""
    assert [type(event) for event in desk.events[-2:]] == [e.OrderIntended, e.CommandDone]
    assert desk.submits()[0].client_order_id == desk.live[0].client_order_id


def test_order_notional(desk: Desk) -> None:
    assert desk.place(BUY, 166, 600_000) == ""
    refused = desk.place(BUY, 167, 600_000)
    assert refused == "order_notional_max: limit 10000 USDT, order 10020 USDT"


def test_position_counts_what_is_reserved_by_every_bot(desk: Desk) -> None:
    assert desk.place(BUY, 160, 600_000) == ""
    assert desk.place(BUY, 160, 600_000) == ""
    assert desk.place(BUY, 100, 600_000).startswith("position_max: limit 25000 USDT, order 25200")
    assert desk.place(SELL, 160, 600_001) == "", "the other side has room of its own"


def test_position_counts_what_reduce_only_orders_may_still_close(desk: Desk) -> None:
    """Short 160 with a resting close of 160: once that has filled, entries stand alone."""
    desk.place(SELL, 160, 600_001)
    desk.accept(desk.live[0])
    desk.fill(desk.live[0], 160)
    assert desk.place(BUY, 160, 599_000, reduce_only=True) == ""
    assert desk.place(BUY, 160, 600_000) == desk.place(BUY, 160, 600_000) == ""
    assert desk.place(BUY, 160, 600_000).startswith("position_max: limit 25000 USDT, order 28800")
    desk.canceled(next(order for order in desk.live if order.spec.reduce_only))
    assert desk.place(BUY, 160, 600_000) == "", "without the close, the short is still there"


def test_a_cancelled_order_gives_its_reservation_back(desk: Desk) -> None:
    desk.place(BUY, 160, 600_000)
    desk.place(BUY, 160, 600_000)
    desk.accept(desk.live[0])
    desk.canceled(desk.live[0])
    assert desk.place(BUY, 160, 600_000) == ""


@pytest.mark.parametrize("ticks", [631_000, 569_000])
def test_collar(desk: Desk, ticks: int) -> None:
    refused = desk.place(BUY, 10, ticks)
    assert refused.startswith("collar: limit 5 % from 60000.1, order")
    assert desk.place(BUY, 10, 600_001 * 105 // 100) == ""


def test_open_orders() -> None:
    desk = Desk(limits=RiskLimits(open_orders_max=2))
    desk.book(600_000, 600_001)
    assert desk.place(BUY, 1, 599_000) == desk.place(BUY, 1, 599_001) == ""
    assert desk.place(BUY, 1, 599_002) == "open_orders_max: limit 2, order 3"


def test_orders_per_second_is_a_sliding_second() -> None:
    desk = Desk(limits=RiskLimits(orders_per_s_max=2))
    desk.book(600_000, 600_001)
    assert desk.place(BUY, 1, 599_000) == desk.place(BUY, 1, 599_001) == ""
    assert desk.place(BUY, 1, 599_002) == "orders_per_s_max: limit 2, order 3"
    desk.pass_ms(1000)
    assert desk.place(BUY, 1, 599_002) == ""


def test_a_price_that_jumps_is_not_believed_until_it_has_stood(desk: Desk) -> None:
    desk.book(250_000, 250_001)
    refused = desk.place(BUY, 10, 250_000)
    assert refused == "jump_distrust: limit 50 %, order mid 25000.05 against last good 60000.05"
    desk.pass_ms(59_000)
    assert desk.place(BUY, 10, 250_000).startswith("jump_distrust")
    desk.pass_ms(1_250)
    assert desk.place(BUY, 10, 250_000) == ""


def test_no_entry_on_an_incomplete_or_crossed_book(desk: Desk) -> None:
    desk.book(600_005, 600_001)
    assert desk.place(BUY, 10, 600_000).startswith("book:")
    desk.empty_book()
    assert desk.place(BUY, 10, 600_000).startswith("book:")


def test_minimum_quantity_and_notional() -> None:
    desk = Desk(instrument=linear(min_lots=2, min_notional=Decimal(100)))
    desk.book(600_000, 600_001)
    assert desk.place(BUY, 1, 600_000) == "min_qty: limit 0.002, order 0.001"
    assert desk.place(BUY, 2, 600_000) == ""
    desk.book(400_000, 400_001)
    assert desk.place(BUY, 2, 400_000) == "min_notional: limit 100 USDT, order 80 USDT"


@pytest.mark.parametrize(
    ("type_", "price", "trigger"),
    [
        (OrderType.LIMIT, 0, 0),
        (OrderType.MARKET, 600_000, 0),
        (OrderType.STOP, 0, 0),
        (OrderType.STOP_LIMIT, 600_000, 0),
        (OrderType.LIMIT, 600_000, 600_000),
    ],
)
def test_prices_must_fit_the_type(desk: Desk, type_: OrderType, price: int, trigger: int) -> None:
    assert desk.place(BUY, 10, price, type=type_, trigger_ticks=trigger).startswith("order_type")


def test_reducing_passes_whatever_is_broken(desk: Desk) -> None:
    desk.place(BUY, 100, 600_001)
    desk.fill(desk.live[0])
    desk.do(c.Kill)
    desk.empty_book()
    assert desk.place(BUY, 10, 600_000).startswith("kill")
    closing = {"type": OrderType.MARKET, "tif": TimeInForce.IOC, "reduce_only": True}
    assert desk.place(SELL, 100, **closing) == ""
    assert desk.place(BUY, 10, **closing).startswith("reduce_only: limit position 0.1")


def test_a_protective_order_must_be_reduce_only(desk: Desk) -> None:
    refused = desk.place(BUY, 10, 600_000, purpose=Purpose.PROTECTIVE)
    assert refused == "purpose: limit reduce-only, order protective"


def test_spot_sells_what_it_has_and_buys_with_what_it_has() -> None:
    wide = RiskLimits(position_max_pct=Decimal(500), order_notional_max_pct=Decimal(500))
    desk = Desk(instrument=spot(), capital="1000", limits=wide, mid_ticks=6_000_000)
    desk.book(6_000_000, 6_000_001)
    assert desk.place(SELL, 100, 6_000_001).startswith("balance: limit BTC held")
    assert desk.place(BUY, 1700, 6_000_000).startswith("balance: limit 1000 USDT, order 1020 USDT")
    assert desk.place(BUY, 1000, 6_000_000) == ""
    assert desk.place(BUY, 1000, 6_000_000).startswith("balance: limit 400 USDT")
    desk.fill(desk.live[0])
    assert desk.place(SELL, 600, 6_000_001) == desk.place(SELL, 400, 6_000_001) == ""
    assert desk.place(SELL, 1, 6_000_001).startswith("balance: limit BTC held")


def test_a_coin_margined_account_is_limited_in_coin() -> None:
    desk = Desk(instrument=inverse(), capital="1")
    desk.book(600_000, 600_001)
    assert desk.place(BUY, 60, 600_000) == ""
    assert desk.place(BUY, 61, 600_000).startswith("order_notional_max: limit 0.1 BTC, order 0.10")


def test_an_unknown_instrument_is_refused(desk: Desk) -> None:
    desk.id = "test.DOGE"
    assert desk.place(BUY, 10, 600_000).startswith("instrument: limit one of this session")


def test_stubborn_bots_do_not_fill_the_disk(desk: Desk) -> None:
    orders = desk.trader.orders
    for _ in range(50):
        orders.place(a_spec(qty_lots=9999), "bot-1", "bot", desk.now_ns)
    desk.pass_ms(1000)
    orders.place(a_spec(qty_lots=9999), "bot-1", "bot", desk.now_ns)
    desk.collect()
    denied = desk.seen(e.OrderDenied)
    assert [event.repeats for event in denied] == [0, 49]  # type: ignore[attr-defined]
    assert desk.trader.state.denied == 51
