"""The Binance spot account against a scripted venue, over real sockets and real ccxt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from engine.domain.claims import ClaimStatus, OrderClaim
from engine.domain.errors import BadInput
from engine.domain.order import OrderType, Side, TimeInForce
from engine.ports.live import (
    FaultKind,
    LinkState,
    NotWorking,
    Placed,
    Refused,
    Unanswered,
    VenueFault,
)
from engine.venues.account import VenueAccount
from tests.support.accounts import (
    SPOT,
    Remembering,
    execution_report,
    spot_account,
    spot_order,
    submit,
)
from tests.support.scripted_venue import Asked, ScriptedVenue

ORDER = "POST /api/v3/order"


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[ScriptedVenue]:
    async with ScriptedVenue(tmp_path) as scripted:
        yield scripted


@pytest.fixture
async def account(venue: ScriptedVenue) -> AsyncIterator[VenueAccount]:
    made = await spot_account(venue)
    yield made
    await made.close()


async def test_an_order_goes_out_once_and_exactly(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.answer(ORDER, spot_order())
    placed = await account.place(submit())
    assert isinstance(placed, Placed)
    assert placed.order.status is ClaimStatus.OPEN
    assert (placed.order.qty_lots, placed.order.price_ticks) == (1_000, 6_000_000)
    assert venue.count(ORDER) == 1
    sent = venue.asked[-1].params
    assert sent["quantity"] == "0.01"
    assert sent["price"] == "60000"
    assert sent["newClientOrderId"] == "q00000000000000001"
    assert sent["recvWindow"] == "5000"


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (submit(type=OrderType.MARKET, price_ticks=0), {"type": "MARKET"}),
        (submit(tif=TimeInForce.POST_ONLY), {"type": "LIMIT_MAKER", "price": "60000"}),
        (submit(tif=TimeInForce.IOC), {"type": "LIMIT", "timeInForce": "IOC"}),
        (submit(tif=TimeInForce.FOK), {"type": "LIMIT", "timeInForce": "FOK"}),
        (
            submit(Side.SELL, type=OrderType.STOP, price_ticks=0, trigger_ticks=5_900_001),
            {"type": "STOP_LOSS", "stopPrice": "59000.01", "side": "SELL"},
        ),
        (
            submit(Side.SELL, type=OrderType.STOP_LIMIT, trigger_ticks=5_900_000),
            {"type": "STOP_LOSS_LIMIT", "stopPrice": "59000", "timeInForce": "GTC"},
        ),
    ],
)
async def test_every_kind_of_order_in_the_venues_words(
    venue: ScriptedVenue, account: VenueAccount, wish: object, expected: dict[str, str]
) -> None:
    venue.answer(ORDER, {"symbol": "BTCUSDT", "orderId": 28, "clientOrderId": "q00000000000000001"})
    assert isinstance(await account.place(wish), Placed)  # type: ignore[arg-type]
    sent = venue.asked[-1].params
    assert expected.items() <= sent.items()
    assert ("price" in sent) is ("LIMIT" in sent["type"])
    assert ("timeInForce" in sent) is (sent["type"] in ("LIMIT", "STOP_LOSS_LIMIT"))


async def test_fills_in_the_answer_are_told_with_their_fees(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    fills = [
        {"price": "60000", "qty": "0.004", "commission": "0.000004", "commissionAsset": "BTC"},
        {"price": "59999.99", "qty": "0.006", "commission": "0.0006", "commissionAsset": "BNB"},
    ]
    rows = [{**fill, "tradeId": 50 + n} for n, fill in enumerate(fills)]
    venue.answer(ORDER, spot_order(status="FILLED", executedQty="0.01", fills=rows))
    placed = await account.place(submit())
    assert isinstance(placed, Placed)
    first, second = (trade.fill for trade in placed.trades)
    assert (first.trade_id, first.lots, first.price_ticks) == ("50", 400, 6_000_000)
    assert first.fee_worth == Decimal("0.24")
    assert (second.fee_asset, second.fee_worth) == ("BNB", Decimal("0.36"))
    assert not first.is_maker


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        (submit(qty_lots=0), "qty"),
        (submit(price_ticks=0), "price"),
        (submit(price_ticks=100_000_001), "at most 1000000"),
        (submit(qty_lots=1, price_ticks=100), "at least 5"),
        (submit(type=OrderType.MARKET, price_ticks=0, qty_lots=12_050_001), "at most 120.5"),
        (submit(type=OrderType.STOP, price_ticks=0), "trigger"),
        (submit(instrument_id="binance_spot.ETHUSDT"), "not been loaded"),
    ],
)
async def test_what_breaks_a_rule_never_leaves(
    venue: ScriptedVenue, account: VenueAccount, wish: object, word: str
) -> None:
    outcome = await account.place(wish)  # type: ignore[arg-type]
    assert isinstance(outcome, Refused)
    assert not outcome.was_sent
    assert word in outcome.reason
    assert venue.count(ORDER) == 0


async def test_without_the_venues_clock_nothing_is_sent(venue: ScriptedVenue) -> None:
    account = await spot_account(venue)
    account._venue_clock.estimate = None
    outcome = await account.place(submit())
    await account.close()
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.was_sent) == (FaultKind.CLOCK, False)


async def test_a_dropped_connection_leaves_the_order_unknown(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    async def drop(_: Asked) -> None:
        return None

    venue.on(ORDER, drop)
    outcome = await account.place(submit())
    assert isinstance(outcome, Unanswered)
    assert outcome.kind is FaultKind.NETWORK
    assert venue.count(ORDER) == 1
    assert "signature" not in outcome.reason


async def test_cancel_find_and_open_orders(venue: ScriptedVenue, account: VenueAccount) -> None:
    cancelled = spot_order(
        status="CANCELED", clientOrderId="of-the-request", origClientOrderId="q00000000000000001"
    )
    venue.answer("DELETE /api/v3/order", cancelled)
    claim = await account.cancel(SPOT, "q00000000000000001")
    assert isinstance(claim, OrderClaim)
    assert (claim.client_order_id, claim.status) == ("q00000000000000001", ClaimStatus.CANCELED)

    unknown = {"code": -2011, "msg": "Unknown order sent."}
    venue.answer("DELETE /api/v3/order", unknown, status=400)
    assert isinstance(await account.cancel(SPOT, "q2"), NotWorking)
    venue.answer("GET /api/v3/order", {"code": -2013, "msg": "Order does not exist."}, status=400)
    assert await account.find_order(SPOT, "q2") is None

    venue.answer("GET /api/v3/openOrders", [spot_order(), spot_order(symbol="NOTLOADED")])
    assert [claim.client_order_id for claim in await account.fetch_open_orders()] == [
        "q00000000000000001"
    ]


async def test_all_pages_of_trades(venue: ScriptedVenue, account: VenueAccount) -> None:
    def row(number: int) -> dict[str, object]:
        return {
            "symbol": "BTCUSDT",
            "id": number,
            "orderId": 28,
            "price": "60000",
            "qty": "0.001",
            "commission": "0.06",
            "commissionAsset": "USDT",
            "time": 1499865549590 + number,
            "isBuyer": number % 2 == 0,
            "isMaker": True,
        }

    async def trades(asked: Asked) -> web.Response:
        first = int(asked.params.get("fromId", "0"))
        rows = [row(number) for number in range(first, min(first + 1_000, 2_500))]
        return web.json_response(rows)

    venue.on("GET /api/v3/myTrades", trades)
    found = await account.fetch_trades(SPOT)
    assert [trade.fill.trade_id for trade in found] == [str(number) for number in range(1, 2_500)]
    assert found[0].side is Side.SELL
    assert found[0].fill.fee_worth is None


async def test_unknown_symbols_are_named(venue: ScriptedVenue, account: VenueAccount) -> None:
    venue.answer("GET /api/v3/exchangeInfo", {"code": -1121, "msg": "Invalid symbol."}, status=400)
    with pytest.raises(BadInput, match="NOSUCH"):
        await account.load_instruments(["NOSUCH"])


async def test_a_burst_loses_nothing(venue: ScriptedVenue, account: VenueAccount) -> None:
    """ccxt's watch_orders returns once for these four and hangs on the last."""
    sink = Remembering()
    await account.open_user_stream(sink)
    assert sink.states == [LinkState.CONNECTING, LinkState.UP]
    await venue.tell(execution_report())
    for number, (part, total, state) in enumerate(
        [("0.002", "0.002", "PARTIALLY_FILLED"), ("0.004", "0.006", "PARTIALLY_FILLED"),
         ("0.004", "0.010", "FILLED")]
    ):  # fmt: skip
        await venue.tell(
            execution_report(
                x="TRADE", X=state, l=part, z=total, L="60000", n="0.01", N="BNB", t=70 + number
            )
        )
    await sink.until(lambda: len(sink.news) == 7)
    assert [claim.filled_lots for claim in sink.orders] == [0, 200, 600, 1_000]
    assert [trade.fill.trade_id for trade in sink.trades] == ["70", "71", "72"]
    assert sum(trade.fill.lots for trade in sink.trades) == 1_000


@pytest.mark.parametrize(
    "end",
    [
        {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1757896885229}},
        {"event": {"e": "serverShutdown", "E": 1770123456789}},
        '{"half',
        "not json at all",
        execution_report(q="NaN"),
        execution_report(q=0.01),
    ],
)
async def test_a_stream_that_ends_or_talks_rubbish_is_opened_again(
    venue: ScriptedVenue, account: VenueAccount, end: object
) -> None:
    sink = Remembering()
    await account.open_user_stream(sink)
    await venue.tell(end)
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    assert LinkState.DOWN in sink.states
    await venue.tell(execution_report())
    await sink.until(lambda: len(sink.orders) == 1)


async def test_a_lost_socket_is_opened_again(venue: ScriptedVenue, account: VenueAccount) -> None:
    sink = Remembering()
    await account.open_user_stream(sink)
    await venue.drop_sockets()
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    await venue.tell(execution_report())
    await sink.until(lambda: len(sink.orders) == 1)


async def test_a_refused_key_is_told_in_the_venues_words(
    venue: ScriptedVenue, account: VenueAccount
) -> None:
    venue.ws_answer = lambda message: {
        "id": message["id"],
        "status": 401,
        "error": {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    }
    sink = Remembering()
    with pytest.raises(VenueFault) as caught:
        await account.open_user_stream(sink)
    assert caught.value.kind is FaultKind.KEY
    assert "Invalid API-key" in caught.value.words
    assert sink.states == [LinkState.CONNECTING, LinkState.DOWN]
