"""The ticket: text in, an order out, and errors that name field, value and remedy."""

from decimal import Decimal

import pytest

from app.views.ticket import Ticket, describe, parse_ticket, prefilled
from app.views.viewstate import ViewState
from engine.domain.errors import BadInput
from engine.domain.order import OrderType, Purpose, Side, TimeInForce
from tests.support.builders import linear
from tests.support.session import BTC, MID, a_snapshot


def a_ticket(**changes: str) -> Ticket:
    return Ticket(**{"qty": "0.005", "price": "60010", **changes})


def test_a_limit_order() -> None:
    spec = parse_ticket(a_ticket(flags="post"), linear())
    assert (spec.side, spec.type, spec.qty_lots) == (Side.BUY, OrderType.LIMIT, 5)
    assert (spec.price_ticks, spec.tif) == (600_100, TimeInForce.POST_ONLY)
    assert spec.purpose is Purpose.ENTRY


def test_a_market_order_needs_no_price() -> None:
    spec = parse_ticket(a_ticket(side="S", type="market", price=""), linear())
    assert (spec.side, spec.type, spec.price_ticks) == (Side.SELL, OrderType.MARKET, 0)


def test_a_reduce_only_stop_is_protective() -> None:
    spec = parse_ticket(a_ticket(side="sell", type="stop", flags="reduce"), linear())
    assert (spec.trigger_ticks, spec.price_ticks, spec.reduce_only) == (600_100, 0, True)
    assert spec.purpose is Purpose.PROTECTIVE


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"side": "long"}, "side", "buy or sell"),
        ({"type": "hedge"}, "type", "limit, market, stop, stop-limit"),
        ({"qty": ""}, "qty", "plain number"),
        ({"qty": "0.0055"}, "qty", "multiple of the lot 0.001"),
        ({"qty": "0"}, "qty", "at least 0.001"),
        ({"qty": "-0.005"}, "qty", "at least 0.001"),
        ({"qty": "nan"}, "qty", "finite"),
        ({"qty": "1e30"}, "qty", "ordinary size"),
        ({"price": "60,010.0"}, "price", "plain number"),
        ({"price": "60010.05"}, "price", "multiple of the tick 0.1"),
        ({"price": ""}, "price", "plain number"),
        ({"price": "-1"}, "price", "greater than zero"),
        ({"flags": "post later"}, "flags", "post, ioc, fok, reduce"),
        ({"type": "market", "flags": "post"}, "flags", "limit orders only"),
    ],
)
def test_errors_name_the_field(changes: dict[str, str], field: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_ticket(a_ticket(**changes), linear())
    assert caught.value.field == field
    assert words in str(caught.value)


def test_it_is_filled_from_the_cursor() -> None:
    view = ViewState(snapshot=a_snapshot(), instrument_id=BTC, cursor_ticks=MID + 40, qty_lots=20)
    assert prefilled(view) == Ticket(side="sell", qty="0.020", price="60016.5")
    assert prefilled(ViewState()) == Ticket()


def test_it_is_described_in_one_line() -> None:
    spec = parse_ticket(a_ticket(flags="post reduce"), linear(min_notional=Decimal(5)))
    assert describe(spec, linear()) == (
        "BUY 0.005 BTC limit @ 60,010.0 post-only reduce-only, worth 300.05 USDT"
    )
