"""Links that go bad: silent, refused, hijacked; questions in the stream's place; no secrets."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from engine.core.clock import NS_PER_SECOND
from engine.domain.claims import ClaimStatus
from engine.ports.live import FaultKind, LinkState, Placed, VenueFault
from engine.venues import user_stream
from engine.venues.account import VenueAccount
from engine.venues.quirks import quirks_of
from tests.support.accounts import (
    SPOT,
    Remembering,
    TestKey,
    execution_report,
    spot_account,
    spot_order,
    submit,
)
from tests.support.scripted_venue import Asked, ScriptedVenue

OURS = "q00000000000000001"


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[ScriptedVenue]:
    async with ScriptedVenue(tmp_path) as scripted:
        yield scripted


async def test_a_half_open_link_is_noticed_and_replaced(venue: ScriptedVenue) -> None:
    quick = msgspec.structs.replace(quirks_of("binance_spot"), ws_ping_s=0.2)
    account = await spot_account(venue, quick)
    venue.ws_answers_pings = False
    sink = Remembering()
    await account.open_user_stream(sink)
    venue.ws_answers_pings = True  # For the next socket.
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    await venue.tell(execution_report())
    await sink.until(lambda: len(sink.orders) == 1)
    await account.close()


async def test_a_stream_that_does_not_tell_of_a_taken_order_is_dead(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "ECHO_WITHIN_S", 0.3)
    account = await spot_account(venue)
    venue.answer("POST /api/v3/order", spot_order())
    sink = Remembering()
    await account.open_user_stream(sink)
    assert isinstance(await account.place(submit()), Placed)
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    assert "does not tell" in next(link.reason for link in sink.links if link.reason)
    await account.close()


async def test_a_stream_that_is_faster_than_the_answer_is_alive(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "ECHO_WITHIN_S", 0.0)
    monkeypatch.setattr(user_stream, "WATCH_EVERY_S", 0.05)
    account = await spot_account(venue)
    sink = Remembering()
    await account.open_user_stream(sink)

    async def tell_first(asked: Asked) -> web.Response:
        await venue.tell(execution_report())
        await sink.until(lambda: len(sink.orders) == 1)
        return web.json_response(spot_order())

    venue.on("POST /api/v3/order", tell_first)
    assert isinstance(await account.place(submit()), Placed)
    await asyncio.sleep(0.5)  # Ten looks around.
    assert sink.states[-1] is LinkState.UP
    await account.close()


async def test_a_mistake_in_supervision_is_loud_and_not_the_end(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(user_stream, "BACKOFF_MAX_S", 0.1)
    account = await spot_account(venue)
    sink = Remembering()
    await account.open_user_stream(sink)
    mistakes = [ZeroDivisionError("ours")]
    subscribe = account._dialect.subscribe

    async def fail_once() -> None:
        if mistakes:
            raise mistakes.pop()
        await subscribe()

    monkeypatch.setattr(account._dialect, "subscribe", fail_once)
    await venue.drop_sockets()
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    assert "user stream" in caplog.text
    await account.close()


@pytest.fixture
async def quick_polling(
    venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[VenueAccount]:
    monkeypatch.setattr(user_stream, "POLL_EVERY_S", 0.2)
    monkeypatch.setattr(user_stream, "BACKOFF_FIRST_S", 0.1)
    made = await spot_account(venue)
    yield made
    await made.close()


async def test_while_the_stream_fails_orders_are_asked_for(
    venue: ScriptedVenue, quick_polling: VenueAccount, caplog: pytest.LogCaptureFixture
) -> None:
    account, sink = quick_polling, Remembering()
    venue.answer("GET /api/v3/openOrders", [spot_order()])
    venue.answer("GET /api/v3/myTrades", [])
    venue.answer("GET /api/v3/account", {"balances": [], "updateTime": 1})
    await account.open_user_stream(sink)
    venue.ws_refusal = 503
    await venue.drop_sockets()
    await sink.until(lambda: LinkState.POLLING in sink.states and len(sink.orders) > 0)

    trade = {
        "symbol": "BTCUSDT",
        "id": 9,
        "orderId": 28,
        "price": "60000",
        "qty": "0.01",
        "commission": "0.6",
        "commissionAsset": "USDT",
        "time": 1499865549590,
        "isBuyer": True,
        "isMaker": True,
    }
    venue.answer("GET /api/v3/myTrades", [trade])
    venue.answer("GET /api/v3/openOrders", [])
    venue.answer("GET /api/v3/order", spot_order(status="FILLED", executedQty="0.01"))
    await sink.until(lambda: sink.orders[-1].status is ClaimStatus.FILLED)
    assert sink.trades[0].fill.trade_id == "9"

    venue.ws_refusal = 0
    await sink.until(lambda: sink.states[-1] is LinkState.UP)
    gc.collect()
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize("is_calm", [False, True])
async def test_a_stream_that_ends_again_and_again_counts_as_failing(
    venue: ScriptedVenue,
    quick_polling: VenueAccount,
    monkeypatch: pytest.MonkeyPatch,
    is_calm: bool,
) -> None:
    """Each UP is a reconciliation: the pauses grow, and orders are asked for meanwhile. Ends that
    lie far apart are single ones."""
    monkeypatch.setattr(user_stream, "CALM_S", 0.0 if is_calm else 60.0)
    account, sink = quick_polling, Remembering()
    venue.answer("GET /api/v3/openOrders", [])
    venue.answer("GET /api/v3/myTrades", [])
    venue.answer("GET /api/v3/account", {"balances": [], "updateTime": 1})
    await account.open_user_stream(sink)
    for count in range(1, 5):
        await sink.until(lambda: sink.states.count(LinkState.UP) == count)  # noqa: B023
        venue.connected.clear()
        await venue.drop_sockets()
        await sink.until(lambda: sink.states.count(LinkState.UP) == count + 1)  # noqa: B023
    assert (LinkState.POLLING in sink.states) is not is_calm
    first_up = sink.states.index(LinkState.UP)
    again = sink.states.index(LinkState.UP, first_up + 1)
    assert LinkState.POLLING not in sink.states[:again], "a single loss is mended at once"


async def test_any_number_of_failures_has_a_pause(
    quick_polling: VenueAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "BACKOFF_MAX_S", 0.01)
    account = quick_polling
    await account.open_user_stream(Remembering())
    assert account._stream is not None
    for failures in (0, 1_023, 1_024, 10**6):
        await account._stream._wait_or_poll(failures, 0.01)


async def test_a_key_that_is_revoked_is_not_asked_about_again_and_again(
    venue: ScriptedVenue, quick_polling: VenueAccount
) -> None:
    account, sink = quick_polling, Remembering()
    await account.open_user_stream(sink)
    refusal = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    venue.ws_answer = lambda message: {"id": message["id"], "status": 401, "error": refusal}
    await venue.drop_sockets()
    await sink.until(lambda: any("Invalid API-key" in link.reason for link in sink.links))
    asked = len(venue.asked)
    await asyncio.sleep(0.5)  # Several backoffs of this test, were it tried again.
    assert len(venue.asked) == asked
    assert sink.states[-1] is LinkState.DOWN


async def test_no_secret_reaches_a_word_of_ours(
    venue: ScriptedVenue, caplog: pytest.LogCaptureFixture
) -> None:
    """With everything logged that can be, and every kind of trouble."""
    caplog.set_level(logging.DEBUG)
    account = await spot_account(venue)
    sink = Remembering()
    await account.open_user_stream(sink)
    venue.answer("POST /api/v3/order", "<html>nothing</html>", status=503)
    outcome = await account.place(submit())
    await venue.tell('{"half')
    await sink.until(lambda: sink.states.count(LinkState.UP) == 2)
    venue.answer("GET /api/v3/order", "", status=302)
    with pytest.raises(VenueFault) as caught:
        await account.find_order(SPOT, OURS)
    assert caught.value.kind is FaultKind.PORTAL
    exchange = account._client.exchange
    with pytest.raises(ValueError, match="verbose"):
        exchange.verbose = True
    await account.close()
    ours = [record for record in caplog.records if record.name != "aiohttp.access"]
    told = "\n".join(
        [*(record.getMessage() for record in ours), repr(outcome), repr(sink.links),
         repr(account), repr(exchange), repr(caught.value)]
    )  # fmt: skip
    for secret in (*TestKey().reveal()[:2], "signature="):
        assert secret not in told


@pytest.mark.parametrize(
    ("is_expired", "kind"), [(True, FaultKind.TLS), (False, FaultKind.NETWORK)]
)
async def test_an_expired_certificate_and_no_network(
    tmp_path: Path, is_expired: bool, kind: FaultKind
) -> None:
    async with ScriptedVenue(tmp_path) as good:
        account = await spot_account(good)
    async with ScriptedVenue(tmp_path, is_expired=True) as bad:
        if is_expired:
            good.session = bad.session  # type: ignore[method-assign]
            await account.close()
            with pytest.raises(VenueFault) as caught:
                await spot_account(good)
        else:
            with pytest.raises(VenueFault) as caught:
                await account.measure_clock()
            await account.close()
    assert caught.value.kind is kind
    assert "api.binance.com" in caught.value.words


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, FaultKind.NETWORK),
        (418, FaultKind.BANNED),
        (429, FaultKind.LIMITED),
        (503, FaultKind.OVERLOADED),
    ],
)
async def test_a_refused_handshake_says_why(
    venue: ScriptedVenue, status: int, kind: FaultKind
) -> None:
    account = await spot_account(venue)
    venue.ws_refusal = status
    with pytest.raises(VenueFault) as caught:
        await account.open_user_stream(Remembering())
    assert caught.value.kind is kind
    assert len(caught.value.words.splitlines()) == 1
    venue.ws_refusal = 0
    sink = Remembering()
    if status in (418, 429):
        with pytest.raises(VenueFault, match="rate limit"):
            await account.fetch_balances()
        with pytest.raises(VenueFault, match="rate limit"):
            await account.open_user_stream(sink)
    else:
        await account.open_user_stream(sink)
    assert (sink.states[-1] is LinkState.UP) is (status not in (418, 429))
    await account.close()


@pytest.mark.parametrize(("status", "kind"), [(418, FaultKind.BANNED), (429, FaultKind.LIMITED)])
async def test_a_stop_told_over_the_socket_is_obeyed_by_all(
    venue: ScriptedVenue, quick_polling: VenueAccount, status: int, kind: FaultKind
) -> None:
    account, sink = quick_polling, Remembering()
    await account.open_user_stream(sink)
    words = "Way too much request weight used; IP banned."
    data = {"serverTime": 1659142907531, "retryAfter": 1659142907531 + 3_600_000}
    error = {"code": -1003, "msg": words, "data": data}
    venue.ws_answer = lambda message: {"id": message["id"], "status": status, "error": error}
    begin_ns = time.time_ns()
    await venue.drop_sockets()
    await sink.until(lambda: any(link.kind is kind for link in sink.links))
    asked = len(venue.asked)
    with pytest.raises(VenueFault, match="rate limit") as told:
        await account.fetch_balances()
    assert told.value.kind is kind
    assert 3_599 < (told.value.until_ns - begin_ns) / NS_PER_SECOND < 3_660
    await asyncio.sleep(0.5)  # Several backoffs of this test, were it tried again.
    assert len(venue.asked) == asked
    assert sink.states[-1] is LinkState.DOWN


async def test_a_stream_that_is_lost_during_a_ban_does_not_come_back_too_soon(
    venue: ScriptedVenue, quick_polling: VenueAccount
) -> None:
    account, sink = quick_polling, Remembering()
    await account.open_user_stream(sink)
    venue.answer("GET /api/v3/account", "{}", status=418, headers={"Retry-After": "3600"})
    with pytest.raises(VenueFault):
        await account.fetch_balances()
    asked = len(venue.asked)
    await venue.drop_sockets()
    await sink.until(lambda: any(link.kind is FaultKind.BANNED for link in sink.links))
    await asyncio.sleep(0.5)
    assert len(venue.asked) == asked  # No socket, either.
