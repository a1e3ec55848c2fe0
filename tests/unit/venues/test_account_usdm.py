"""The Binance USD-M account against a scripted venue, over real sockets and real ccxt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.domain.claims import CashKind, ClaimStatus, OrderClaim
from engine.domain.order import OrderType, Side, TimeInForce
from engine.ports.live import (
    DeadMan,
    FaultKind,
    LinkState,
    Placed,
    Refused,
    VenueFault,
)
from engine.venues.account import VenueAccount
from tests.support.accounts import USDM, Remembering, submit, usdm_account
from tests.support.scripted_venue import Asked, ScriptedVenue

ORDER = "POST /fapi/v1/order"
ALGO_ORDER = "POST /fapi/v1/algoOrder"
OURS = "q00000000000000001"
ABSENT = {"code": -2013, "msg": "Order does not exist."}


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[ScriptedVenue]:
    async with ScriptedVenue(tmp_path) as scripted:
        yield scripted


@pytest.fixture
async def account(venue: ScriptedVenue) -> AsyncIterator[VenueAccount]:
    made = await usdm_account(venue)
    yield made
    await made.close()


def _order(**changes: Any) -> Mapping[str, Any]:
    return {
        "orderId": 12345678,
        "symbol": "BTCUSDT",
        "status": "NEW",
        "clientOrderId": OURS,
        "price": "50000.00",
        "avgPrice": "0.00",
        "origQty": "0.100",
        "executedQty": "0.000",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "reduceOnly": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "stopPrice": "0.00",
        "origType": "LIMIT",
        "updateTime": 1625474304765,
        **changes,
    }


def _algo(**changes: Any) -> Mapping[str, Any]:
    return {
        "algoId": 4000001,
        "clientAlgoId": OURS,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "quantity": "0.100",
        "algoStatus": "NEW",
        "triggerPrice": "45000.00",
        "price": "0",
        "actualOrderId": "",
        "reduceOnly": True,
        "updateTime": 1625474304765,
        **changes,
    }


def test_what_the_venue_can(account: VenueAccount) -> None:
    assert account.traits.dead_man is DeadMan.VENUE_TIMER
    assert account.traits.has_positions
    assert account.traits.abilities.has_reduce_only


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (submit(), {"type": "LIMIT", "timeInForce": "GTC", "price": "600000"}),
        (submit(tif=TimeInForce.POST_ONLY), {"type": "LIMIT", "timeInForce": "GTX"}),
        (submit(type=OrderType.MARKET, price_ticks=0, reduce_only=True), {"reduceOnly": "true"}),
    ],
)
async def test_orders_in_the_venues_words(
    venue: ScriptedVenue, account: VenueAccount, wish: Any, expected: Mapping[str, str]
) -> None:
    venue.answer(ORDER, _order())
    assert isinstance(await account.place(_at_usdm(wish)), Placed)
    sent = venue.asked[-1].params
    assert expected.items() <= sent.items()
    assert sent["newClientOrderId"] == OURS


def _at_usdm(wish: Any) -> Any:
    spec = wish.spec
    return submit(
        spec.side,
        100,
        spec.price_ticks,
        instrument_id=USDM,
        type=spec.type,
        trigger_ticks=spec.trigger_ticks,
        tif=spec.tif,
        reduce_only=spec.reduce_only,
    )


STOP = submit(
    Side.SELL,
    100,
    0,
    instrument_id=USDM,
    type=OrderType.STOP,
    trigger_ticks=450_000,
    reduce_only=True,
)


async def test_a_stop_is_an_algo_order_until_it_triggers(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer(ALGO_ORDER, _algo())
    placed = await account.place(STOP)
    assert isinstance(placed, Placed)
    assert placed.order.type is OrderType.STOP
    assert (placed.order.trigger_ticks, placed.order.reduce_only) == (450_000, True)
    sent = venue.asked[-1].params
    assert (sent["algoType"], sent["type"]) == ("CONDITIONAL", "STOP_MARKET")
    assert (sent["triggerPrice"], sent["clientAlgoId"]) == ("45000", OURS)

    venue.answer("GET /fapi/v1/algoOrder", _algo(algoStatus="TRIGGERED", actualOrderId="777"))
    done = _order(
        orderId=777,
        clientOrderId="the-venues-own",
        side="SELL",
        type="MARKET",
        origType="MARKET",
        price="0",
        status="FILLED",
        executedQty="0.100",
    )
    venue.answer("GET /fapi/v1/order", done)
    found = await account.find_order(USDM, OURS)
    assert found is not None
    assert (found.client_order_id, found.venue_order_id) == (OURS, "777")
    assert (found.status, found.filled_lots, found.is_triggered) == (ClaimStatus.FILLED, 100, True)

    venue.answer("GET /fapi/v1/userTrades", [_trade(orderId=777)])
    [trade] = await account.fetch_trades(USDM, venue_order_id=placed.order.venue_order_id)
    assert (trade.client_order_id, trade.fill.lots) == (OURS, 100)
    assert venue.asked[-1].params["orderId"] == "777"


def _trade(**changes: Any) -> Mapping[str, Any]:
    return {
        "buyer": False,
        "commission": "2.25",
        "commissionAsset": "USDT",
        "id": 698759,
        "maker": False,
        "orderId": 25851813,
        "price": "45000.0",
        "qty": "0.100",
        "side": "SELL",
        "symbol": "BTCUSDT",
        "time": 1569514978020,
        **changes,
    }


async def test_a_waiting_stop_has_no_trades(venue: ScriptedVenue, account: VenueAccount) -> None:
    venue.answer("GET /fapi/v1/algoOrder", _algo())
    assert await account.fetch_trades(USDM, venue_order_id="algo-4000001") == []
    assert venue.count("GET /fapi/v1/userTrades") == 0


async def test_cancelling_a_stop(venue: ScriptedVenue, account: VenueAccount) -> None:
    """Also one placed by an earlier process: then it is looked for among the plain ones first."""
    venue.answer("DELETE /fapi/v1/order", {"code": -2011, "msg": "Unknown order."}, status=400)
    venue.answer("DELETE /fapi/v1/algoOrder", {"algoId": 4000001, "code": "200", "msg": "success"})
    venue.answer("GET /fapi/v1/algoOrder", _algo(algoStatus="CANCELED"))
    claim = await account.cancel(USDM, OURS)
    assert isinstance(claim, OrderClaim)
    assert claim.status is ClaimStatus.CANCELED


async def test_cancelling_a_stop_that_has_triggered(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer(ALGO_ORDER, _algo())
    await account.place(STOP)
    refused = {"code": -2011, "msg": "Unknown order sent."}
    venue.answer("DELETE /fapi/v1/algoOrder", refused, status=400)
    venue.answer("GET /fapi/v1/algoOrder", _algo(algoStatus="TRIGGERED", actualOrderId="777"))
    venue.answer("DELETE /fapi/v1/order", _order(orderId=777, clientOrderId="x", status="CANCELED"))
    claim = await account.cancel(USDM, OURS)
    assert isinstance(claim, OrderClaim)
    assert (claim.client_order_id, claim.status) == (OURS, ClaimStatus.CANCELED)


async def test_an_order_that_neither_side_knows(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer("GET /fapi/v1/order", ABSENT, status=400)
    venue.answer("GET /fapi/v1/algoOrder", ABSENT, status=400)
    assert await account.find_order(USDM, OURS) is None


async def test_open_orders_of_both_kinds(venue: ScriptedVenue, account: VenueAccount) -> None:
    venue.answer("GET /fapi/v1/openOrders", [_order()])
    venue.answer("GET /fapi/v1/openAlgoOrders", [_algo(clientAlgoId="q2")])
    found = await account.fetch_open_orders()
    assert {claim.client_order_id for claim in found} == {OURS, "q2"}


async def test_a_flat_position_is_told(venue: ScriptedVenue, account: VenueAccount) -> None:
    venue.answer("GET /fapi/v3/positionRisk", [])
    assert [claim.lots for claim in await account.fetch_positions()] == [0]
    row = {
        "symbol": "BTCUSDT",
        "positionAmt": "-0.010",
        "entryPrice": "50000.0",
        "liquidationPrice": "61000.5",
        "positionSide": "BOTH",
        "updateTime": 1625474304765,
    }
    venue.answer("GET /fapi/v3/positionRisk", [row])
    [claim] = await account.fetch_positions()
    assert (claim.lots, claim.entry_price) == (-10, Decimal(50000))
    assert claim.liquidation_price == Decimal("61000.5")


async def test_balances_and_all_pages_of_income(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer(
        "GET /fapi/v3/balance",
        [{"asset": "USDT", "balance": "122.5", "availableBalance": "100.1", "updateTime": 1}],
    )
    [balance] = await account.fetch_balances()
    assert (balance.total, balance.free) == (Decimal("122.5"), Decimal("100.1"))

    def row(number: int) -> Mapping[str, Any]:
        return {
            "symbol": "BTCUSDT",
            "incomeType": "FUNDING_FEE" if number % 2 else "COMMISSION",
            "income": "-0.01",
            "asset": "USDT",
            "time": 1_000 + number // 4,  # Several in one millisecond, over the page's edge.
            "tranId": number,
        }

    async def income(asked: Asked) -> web.Response:
        rows = [row(n) for n in range(2_500) if row(n)["time"] >= int(asked.params["startTime"])]
        return web.json_response(rows[:1_000])

    venue.on("GET /fapi/v1/income", income)
    cash = await account.fetch_cash(0)
    assert {claim.kind for claim in cash} == {CashKind.FUNDING}
    assert len(cash) == len({claim.cash_id for claim in cash}) == 1_250


async def test_the_dead_mans_timer(venue: ScriptedVenue, account: VenueAccount) -> None:
    route = "POST /fapi/v1/countdownCancelAll"
    venue.answer(route, {"symbol": "BTCUSDT", "countdownTime": "60000"})
    await account.renew_dead_man(60)
    assert venue.count(route) == 1
    assert venue.asked[-1].params["countdownTime"] == "60000"


async def test_a_renewal_leaves_the_one_try_after_a_warning_to_a_cancel(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer("GET /fapi/v3/balance", "{}", status=429, headers={"Retry-After": "3600"})
    with pytest.raises(VenueFault):
        await account.fetch_balances()
    route = "POST /fapi/v1/countdownCancelAll"
    venue.answer(route, {"symbol": "BTCUSDT", "countdownTime": "60000"})
    with pytest.raises(VenueFault, match="rate limit"):
        await account.renew_dead_man(60)
    assert venue.count(route) == 0
    venue.answer("DELETE /fapi/v1/order", _order(status="CANCELED"))
    assert isinstance(await account.cancel(USDM, OURS), OrderClaim)


async def test_too_many_orders_of_the_account_stop_nothing_else(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    words = "Too many new orders; current limit is 300 per TEN_SECONDS."
    venue.answer(ORDER, {"code": -1015, "msg": words}, status=429)
    outcome = await account.place(_at_usdm(submit()))
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.code, outcome.was_sent) == (FaultKind.LIMITED, "-1015", True)
    assert words in outcome.reason
    venue.answer("GET /fapi/v3/balance", [])
    assert await account.fetch_balances() == []
    venue.answer("DELETE /fapi/v1/order", _order(status="CANCELED"))
    for _ in range(2):
        assert isinstance(await account.cancel(USDM, OURS), OrderClaim)
    venue.answer(ORDER, _order())
    assert isinstance(await account.place(_at_usdm(submit())), Placed)


async def test_hedge_mode_is_refused_in_the_venues_words(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    words = "Order's position side does not match user's setting."
    venue.answer(ORDER, {"code": -4061, "msg": words}, status=400)
    outcome = await account.place(submit(qty_lots=100, instrument_id=USDM))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.was_sent) == ("-4061", True)
    assert words in outcome.reason


async def test_the_user_stream(venue: ScriptedVenue, account: VenueAccount) -> None:
    venue.answer("POST /fapi/v1/listenKey", {"listenKey": "listen-here"})
    sink = Remembering()
    await account.open_user_stream(sink)
    assert sink.states == [LinkState.CONNECTING, LinkState.UP]
    event = {
        "e": "ORDER_TRADE_UPDATE",
        "T": 1568879465651,
        "E": 1568879465651,
        "o": {
            "s": "BTCUSDT",
            "c": OURS,
            "S": "BUY",
            "o": "LIMIT",
            "f": "GTC",
            "q": "0.100",
            "p": "50000.00",
            "sp": "0",
            "x": "TRADE",
            "X": "PARTIALLY_FILLED",
            "i": 8886774,
            "l": "0.040",
            "z": "0.040",
            "L": "50000.00",
            "N": "USDT",
            "n": "0.8",
            "T": 1568879465651,
            "t": 12345678,
            "m": True,
            "R": False,
            "ot": "LIMIT",
            "ps": "BOTH",
        },
    }
    await venue.tell(event)
    await sink.until(lambda: len(sink.news) == 2)
    assert sink.trades[0].fill.lots == sink.orders[0].filled_lots == 40

    await venue.tell({"e": "listenKeyExpired", "E": 1736996475556, "listenKey": "listen-here"})
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    assert venue.count("POST /fapi/v1/listenKey") == 2
    assert not any("listen-here" in link.reason for link in sink.links)
