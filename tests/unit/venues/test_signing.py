"""Our shortcuts in ccxt's signing say byte for byte what ccxt says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.core.clock import SimClock
from engine.venues.account import VenueAccount
from engine.venues.binance.signing import OrderSigner
from engine.venues.budget import RateBudget
from engine.venues.ccxt_client import CcxtClient
from engine.venues.dialect import Request
from engine.venues.quirks import quirks_of
from engine.venues.rest import Wire
from tests.support.accounts import spot_account
from tests.support.scripted_venue import ScriptedVenue


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[VenueAccount]:
    async with ScriptedVenue(tmp_path) as venue:
        made = await spot_account(venue)
        yield made
        await made.close()


_NAMES = st.text("abcXYZ09_.~-&= %é", min_size=1, max_size=8)
_VALUES = (
    st.text("abcXYZ09_.~-&= +%é/", max_size=12)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
    | st.lists(st.text(max_size=3), max_size=2)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(params=st.dictionaries(_NAMES, _VALUES, max_size=6))
@example(params={"a": "1&b=2"})
@example(params={"a": True, "b": 1, "c": 1.5})
async def test_queries_are_the_same(account: VenueAccount, params: dict[str, Any]) -> None:
    exchange = account._client.exchange
    theirs = type(exchange).__mro__[1].urlencode
    assert exchange.urlencode(dict(params)) == theirs(dict(params))
    await asyncio.sleep(0)


class _Key(NamedTuple):
    key: str
    secret: str

    def reveal(self) -> tuple[str, str, str]:
        return self.key, self.secret, ""


HMAC_KEY = _Key("k" * 64, "s" * 64)
ED25519_KEY = _Key(
    "k" * 64,
    ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode(),
)


@asynccontextmanager
async def _client(venue: str, key: _Key = HMAC_KEY) -> AsyncIterator[CcxtClient]:
    """One whose clock stands still: both signatures carry the same time."""
    quirks, clock = quirks_of(venue), SimClock(1_700_000_000_123_456_789)
    async with aiohttp.ClientSession() as session:
        client = CcxtClient(quirks, key, session, clock, RateBudget(None, venue, clock))
        try:
            yield client
        finally:
            await client.close()


def _by_ccxt(client: CcxtClient, request: Request) -> Wire:
    """What `CcxtClient.signed` makes of ccxt's answer."""
    made = client.exchange.sign(request.path, [request.api], request.method, dict(request.params))
    headers = dict(made["headers"] or {}) | {"Accept": "application/json"}
    return Wire(request.method, made["url"], headers, made["body"] or "")


VENUES = {"binance_spot": "private", "binance_usdm": "fapiPrivate"}
_USUAL = st.fixed_dictionaries(
    {"symbol": st.just("BTCUSDT"), "newClientOrderId": st.text("abcXYZ09_-", min_size=1)},
    optional={
        "side": st.sampled_from(["BUY", "SELL"]),
        "quantity": st.decimals(0, 10**6, places=5).map(str),
        "price": st.decimals(0, 10**6, places=2).map(str),
    },
)


@pytest.mark.parametrize("venue", VENUES)
async def test_an_order_is_signed_as_ccxt_signs_it(venue: str) -> None:
    async with _client(venue) as client:

        @settings(max_examples=400, deadline=None)
        @given(
            method=st.sampled_from(["POST", "GET", "DELETE"]),
            params=_USUAL | st.dictionaries(_NAMES, _VALUES, max_size=6),
        )
        @example(method="DELETE", params={"symbol": "BTCUSDT", "recvWindow": "60000"})
        @example(method="GET", params={"timestamp": "1", "signature": "x"})
        @example(method="POST", params={"newClientOrderId": "a&b", "x": ""})
        @example(method="GET", params={})
        def check(method: str, params: dict[str, Any]) -> None:
            if method == "POST":
                params = {"newClientOrderId": "n", **params}
            request = Request(VENUES[venue], method, "order", params)
            theirs = _by_ccxt(client, request)
            ours = client.signed(request)
            assert ours == theirs
            assert list(ours.headers) == list(theirs.headers)

        check()


@pytest.mark.parametrize("venue", VENUES)
async def test_usual_orders_do_not_need_ccxt(venue: str) -> None:
    request = Request(
        VENUES[venue], "POST", "order", {"symbol": "BTCUSDT", "newClientOrderId": "n"}
    )
    async with _client(venue) as client:
        wire = OrderSigner(client.exchange).sign(request, client.venue_ms())
        assert wire == _by_ccxt(client, request)


async def test_what_is_unusual_is_left_to_ccxt() -> None:
    usual = Request("private", "POST", "order", {"symbol": "BTCUSDT", "newClientOrderId": "n"})
    unusual = [
        usual._replace(api="sapi"),
        usual._replace(path="openOrders"),
        usual._replace(params={"symbol": "BTCUSDT"}),
        usual._replace(params={**usual.params, "recvWindow": "1"}),
        usual._replace(params={**usual.params, "note": "a b"}),
    ]
    async with _client("binance_spot") as client:
        signer = OrderSigner(client.exchange)
        assert [signer.sign(request, 1) for request in unusual] == [None] * len(unusual)
    async with _client("binance_spot", ED25519_KEY) as client:
        assert OrderSigner(client.exchange).sign(usual, 1) is None
        assert client.signed(usual) == _by_ccxt(client, usual)
