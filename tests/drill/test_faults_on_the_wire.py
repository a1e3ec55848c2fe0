"""Every fault of the catalogue strikes a real client over TLS, and its end restores the venue."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from app.drill import new_account, open_drill
from engine.drill.control import Certificate
from engine.drill.faults.catalogue import CATALOGUE, FaultKind, Seam
from engine.drill.faults.plan import NO_FAULTS, FaultPlan, FaultRule
from engine.drill.faults.saboteur import Saboteur
from engine.drill.resolver import drill_session
from engine.drill.server import DrillServer
from tests.drill.waiting import eventually

PATIENCE_S = 1.0
NOT_DONE = {
    FaultKind.DROP_BEFORE, FaultKind.HANG_BEFORE, FaultKind.CAPTIVE_PORTAL, FaultKind.WAF,
    FaultKind.ERROR_BEFORE, FaultKind.TIMEOUT_1007_BEFORE, FaultKind.UNKNOWN_1006_BEFORE,
    FaultKind.OVERLOADED_1008, FaultKind.BAD_TIMESTAMP_1021, FaultKind.KEY_REVOKED_2015,
    FaultKind.ORDER_REFUSED, FaultKind.TOO_MANY_REQUESTS, FaultKind.BAN,
}  # fmt: skip
SLOW = {FaultKind.HANG_BEFORE, FaultKind.HANG_AFTER, FaultKind.SLOW_BODY}
LATE = {FaultKind.DELAY_BEFORE, FaultKind.DELAY_AFTER, FaultKind.REORDER_REQUEST}
BROKEN = {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.RESET_AFTER, FaultKind.CUT_BODY}


class Bench:
    """A drill exchange with a saboteur, and a client without a library."""

    def __init__(
        self, server: DrillServer, saboteur: Saboteur, http: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.saboteur = saboteur
        self.http = http
        self.core = server.venues["binance_spot"].core
        self._orders = 0

    def begin(self, kind: FaultKind, **fields: Any) -> None:
        rule = FaultRule(kind=kind, **fields)
        self.saboteur.begin(FaultPlan(name="test", rules=(rule,)))

    async def ask(self, method: str, path: str, **params: object) -> tuple[int, Any]:
        """(status, text) of a signed request."""
        account = self.core.accounts["ann"]
        stamp = int(time.time() * 1000) + self.server.clock.offset_ns // 1_000_000
        text = urlencode({**params, "timestamp": stamp})
        signature = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        url = f"https://api.binance.com{path}?{text}&signature={signature}"
        headers = {"X-MBX-APIKEY": account.api_key}
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with self.http.request(method, url, headers=headers, timeout=timeout) as reply:
            return reply.status, await reply.text()

    async def place(self) -> tuple[str, int, str]:
        """Its client order id, status and text; a far bid that rests."""
        self._orders += 1
        name = f"q{self._orders}"
        status, text = await self.ask(
            "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="LIMIT",
            timeInForce="GTC", quantity="0.001", price="30000.00", newClientOrderId=name,
        )  # fmt: skip
        return name, status, text

    @property
    def placed(self) -> int:
        return len(self.core.all_orders("ann", "BTCUSDT"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    saboteur = Saboteur(NO_FAULTS)
    drill = open_drill(
        tmp_path,
        accounts=[new_account("ann")],
        symbols=("BTCUSDT",),
        usdm_symbols=(),
        interceptor=saboteur,
    )
    async with (
        drill as server,
        drill_session(Path(server.place.ca_path), server.place.port, server.place.hosts) as http,
    ):
        yield Bench(server, saboteur, http)
    assert not server.failures


def _kinds(seam: Seam) -> list[FaultKind]:
    return sorted(kind for kind in FaultKind if CATALOGUE[kind].seam is seam)


async def _outcome(asking: Awaitable[Any]) -> str:
    try:
        await asking
    except TimeoutError:
        return "timeout"
    except aiohttp.ClientError:
        return "broken"
    return "answered"


async def test_an_order_is_done_or_not_whatever_its_answer(bench: Bench) -> None:
    for kind in _kinds(Seam.REQUEST):
        if "POST" not in CATALOGUE[kind].default_subject and CATALOGUE[kind].default_subject != "*":
            continue
        for_s = 1.2 if kind in LATE else None
        bench.begin(kind, on="POST *order", times=1, for_s=for_s)
        before, is_done = bench.placed, kind not in NOT_DONE
        assert await _outcome(bench.place()) == _expected(kind), kind
        if kind in LATE:
            await eventually(lambda b=before: bench.placed == b + 1)
        assert bench.placed == before + is_done, kind
        assert bench.saboteur.desk.struck == {kind: 1}
        _, status, _ = await bench.place()
        assert (status, bench.placed) == (200, before + 1 + is_done), kind


def _expected(kind: FaultKind) -> str:
    if kind in SLOW | LATE:
        return "timeout"
    return "broken" if kind in BROKEN else "answered"


async def test_a_duplicate_on_the_way_is_refused_by_its_id(bench: Bench) -> None:
    bench.begin(FaultKind.DUPLICATE_REQUEST)
    name, status, _ = await bench.place()
    assert status == 200
    assert [order.client_order_id for order in bench.core.open_orders("ann")] == [name]


async def test_a_new_order_is_not_found_for_a_while(bench: Bench) -> None:
    name, _, _ = await bench.place()
    bench.begin(FaultKind.QUERY_LAG, amount=1.5)
    where: dict[str, object] = {"symbol": "BTCUSDT"}
    status, text = await bench.ask("GET", "/api/v3/order", origClientOrderId=name, **where)
    assert (status, "-2013" in text) == (400, True)
    assert (await bench.ask("GET", "/api/v3/openOrders", **where))[1] == "[]"
    await asyncio.sleep(1.6)
    assert (await bench.ask("GET", "/api/v3/order", origClientOrderId=name, **where))[0] == 200


async def test_half_is_filled_just_before_the_cancel(bench: Bench) -> None:
    name, _, _ = await bench.place()
    bench.begin(FaultKind.FILL_BEFORE_CANCEL)
    status, text = await bench.ask(
        "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=name
    )
    assert status == 200
    assert '"executedQty":"0.00050000"' in text
    assert '"status":"CANCELED"' in text


SNAPSHOTS: dict[FaultKind, Callable[[Any, Any], bool]] = {
    FaultKind.STALE_SNAPSHOT: lambda first, then: then["lastUpdateId"] == first["lastUpdateId"],
    FaultKind.SNAPSHOT_BEHIND: lambda first, then: then["lastUpdateId"] == 1,
    FaultKind.EMPTY_BOOK: lambda first, then: then["bids"] == [] != then["asks"],
}


async def test_snapshots_of_the_book_lie(bench: Bench) -> None:
    url = "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=10"
    async with bench.http.get(url) as reply:
        first = await reply.json()
    update_id = bench.core.listings["BTCUSDT"].update_id
    await eventually(lambda: bench.core.listings["BTCUSDT"].update_id > update_id)
    for kind, is_so in SNAPSHOTS.items():
        bench.begin(kind)
        async with bench.http.get(url) as reply:
            assert is_so(first, await reply.json()), kind


# -- frames ----------------------------------------------------------------------------------------


async def _frames(bench: Bench, wanted: int) -> list[aiohttp.WSMessage]:
    """What a socket of depth brings, up to `wanted` messages or its end."""
    url = "https://stream.binance.com/stream?streams=btcusdt@depth@100ms"
    found = []
    async with bench.http.ws_connect(url, max_msg_size=10_485_760) as ws:
        while len(found) < wanted:
            message = await ws.receive(timeout=5)
            found.append(message)
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
    # Frames of a socket that is about to go must not count for the next rule.
    await eventually(lambda: not bench.server.outlets)
    return found


ENDS = {
    FaultKind.CONNECTION_RESET, FaultKind.CUT_IN_FRAME, FaultKind.FRAME_GARBAGE,
    FaultKind.FRAME_HUGE, FaultKind.STREAM_CLOSED,
}  # fmt: skip


async def test_frames_that_break_the_socket_do(bench: Bench) -> None:
    for kind in sorted(ENDS):
        bench.begin(kind, at=(2,))
        found = await _frames(bench, 5)
        assert [message.type is aiohttp.WSMsgType.TEXT for message in found] == [True, False], kind
        assert bench.saboteur.desk.struck[kind] == 1


async def test_a_half_open_socket_says_nothing_more(bench: Bench) -> None:
    bench.begin(FaultKind.HALF_OPEN, at=(2,), for_s=3.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.0):
            await _frames(bench, 10)


WORDS = {
    FaultKind.NUMBER_NAN: '"NaN"',
    FaultKind.NUMBER_1E400: '"1e400"',
    FaultKind.NUMBER_ZERO: '["0",',
    FaultKind.NUMBER_NEGATIVE: "-1.0",
}


async def test_frames_that_lie_reach_the_client_as_they_were_meant(bench: Bench) -> None:
    kinds = [
        FaultKind.NUMBER_NAN, FaultKind.NUMBER_1E400, FaultKind.NUMBER_ZERO,
        FaultKind.NUMBER_NEGATIVE, FaultKind.FRAME_CUT, FaultKind.PRICE_SPIKE,
    ]  # fmt: skip
    for kind in kinds:
        bench.begin(kind, at=(2,))
        struck = (await _frames(bench, 2))[1].data
        assert WORDS.get(kind, "") in struck, (kind, struck)
        assert bench.saboteur.desk.struck == {kind: 1}


async def test_a_gap_an_overlap_and_a_repetition_show_in_the_numbers(bench: Bench) -> None:
    async def numbers(kind: FaultKind) -> list[tuple[int, int]]:
        bench.begin(kind, at=(3,))
        events = [json.loads(message.data)["data"] for message in await _frames(bench, 5)]
        return [(event["U"], event["u"]) for event in events]

    gap = await numbers(FaultKind.DEPTH_GAP)
    assert [after[0] - before[1] == 1 for before, after in itertools.pairwise(gap)] == [
        True, False, True, True,
    ]  # fmt: skip
    overlap = await numbers(FaultKind.DEPTH_OVERLAP)
    assert overlap[2][0] == overlap[1][1] - 2
    twice = await numbers(FaultKind.FRAME_TWICE)
    assert twice[2] == twice[3]


# -- states ----------------------------------------------------------------------------------------


async def test_every_state_begins_strikes_and_ends(bench: Bench) -> None:
    name, _, _ = await bench.place()
    spec = bench.core.accounts["ann"]
    rules = bench.core.listings["BTCUSDT"].rules
    for kind in _kinds(Seam.VENUE):
        bench.begin(kind, for_s=0.2)
        await eventually(lambda k=kind: bench.saboteur.desk.struck[k] == 1)
        bench.saboteur.switch_off()
    await eventually(lambda: not bench.server.outlets)
    assert bench.core.accounts["ann"] == spec
    assert bench.core.listings["BTCUSDT"].rules == rules
    assert bench.core.listings["BTCUSDT"].is_running
    assert bench.server.certificate is Certificate.GOOD
    assert bench.server.clock.offset_ns == 0
    ended = bench.core.find_order("ann", "BTCUSDT", client_order_id=name)
    assert not ended.status.is_open
    _, status, text = await bench.place()
    assert status == 200, text


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.CERTIFICATE_EXPIRED, "certificate has expired"),
        (FaultKind.CERTIFICATE_WRONG_NAME, "Hostname mismatch"),
        (FaultKind.CERTIFICATE_UNKNOWN_CA, "unable to get local issuer|self.signed"),
        (FaultKind.CUT_IN_TLS, "TLSV1_ALERT|Connection reset|Cannot connect|closed"),
        (FaultKind.NAME_UNKNOWN, "name"),
        (FaultKind.CONNECTION_REFUSED, "Connect call failed|refused"),
    ],
)
async def test_no_connection_can_be_made(bench: Bench, kind: FaultKind, error: str) -> None:
    await bench.place()
    bench.begin(kind, for_s=30.0)
    await eventually(lambda: bench.saboteur.desk.struck[kind] == 1)
    place = bench.server.place
    async with drill_session(Path(place.ca_path), place.port, place.hosts) as fresh:
        with pytest.raises(aiohttp.ClientError, match=error):
            await fresh.get("https://api.binance.com/api/v3/time")
        bench.saboteur.switch_off()
        await asyncio.sleep(0.1)  # Until it listens again.
        async with fresh.get("https://api.binance.com/api/v3/time") as reply:
            assert reply.status == 200


async def test_a_socket_that_is_not_opened(bench: Bench) -> None:
    bench.begin(FaultKind.SOCKET_REFUSED)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await _frames(bench, 1)
    bench.begin(FaultKind.BLACK_HOLE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await _frames(bench, 1)
