"""A canary as the key of a real account over real ccxt: whatever fails, nothing repeats it."""

from __future__ import annotations

import contextlib
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app import logs
from app.secrets import Credentials
from engine.core.clock import LiveClock
from engine.core.ids import session_rng
from engine.venues.account import VenueAccount, open_account
from engine.venues.quirks import quirks_of
from tests.support.accounts import SPOT, SPOT_INFO, Remembering, execution_report, submit
from tests.support.canary import Canary
from tests.support.scripted_venue import Asked, ScriptedVenue

ROUTES = (
    "POST /api/v3/order",
    "DELETE /api/v3/order",
    "GET /api/v3/order",
    "GET /api/v3/openOrders",
    "GET /api/v3/account",
    "GET /sapi/v1/account/apiRestrictions",
)


@pytest.fixture
def log_file(own_home: Path) -> Iterator[Path]:
    """The engine's log, at its most talkative."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield logs.start("engine-live", "debug")
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[ScriptedVenue]:
    async with ScriptedVenue(tmp_path) as scripted:
        scripted.answer("GET /api/v3/exchangeInfo", SPOT_INFO)
        scripted.answer("GET /api/v3/time", {"serverTime": 1_790_000_000_000})
        yield scripted


async def _everything(account: VenueAccount) -> list[str]:
    """Ask all there is; the tracebacks of what went wrong, and what was answered."""
    told = []
    for asking in (
        account.place(submit()),
        account.cancel(SPOT, "q00000000000000001"),
        account.find_order(SPOT, "q00000000000000001"),
        account.fetch_open_orders(),
        account.fetch_balances(),
        account.fetch_key_permissions(),
    ):
        try:
            told.append(repr(await asking))
        except Exception as error:
            logging.getLogger("engine").exception("asking")
            told.append("".join(traceback.format_exception(error)))
    return told


async def test_no_fault_of_any_kind_repeats_the_key(
    venue: ScriptedVenue, log_file: Path, own_home: Path, tmp_path: Path
) -> None:
    canary = Canary()
    held = Credentials("binance_spot", key=canary.key, secret=canary.secret)
    account = open_account(
        quirks_of("binance_spot"),
        held,
        session_factory=venue.session,
        clock=LiveClock(),
        rng=session_rng(1),
        folder=own_home / "state" / "venues",
    )
    held.forget()
    await account.measure_clock()
    await account.load_instruments(["BTCUSDT"])

    async def echo(asked: Asked) -> None:
        """Hang up, having seen everything."""
        assert asked.headers["X-MBX-APIKEY"] == canary.key
        assert "signature" in asked.params

    told = []
    for body, status in (
        ("<html>portal</html>", 200),
        ("{ not json", 200),
        ({"code": -2015, "msg": "Invalid API-key"}, 401),
        ({"code": -1021, "msg": "Timestamp"}, 400),
        ({"code": -1, "msg": f"your key {canary.key} is odd"}, 400),
        ("<html>down</html>", 503),
    ):
        for route in ROUTES:
            venue.answer(route, body, status=status)
        told += await _everything(account)
    for route in ROUTES:
        venue.on(route, echo)
    told += await _everything(account)

    sink = Remembering()
    await account.open_user_stream(sink)
    await venue.tell(execution_report())
    await sink.until(lambda: bool(sink.news))
    await venue.tell("{ broken")
    await sink.until(lambda: len(sink.links) > 1)
    venue.ws_refusal = 403
    await venue.drop_sockets()
    told += [repr(sink.links), repr(sink.news), repr(account), str(account), repr(held)]
    with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
        told.append(repr(pickle.dumps(account)))
    await account.close()
    told += await _everything(account)

    assert log_file.stat().st_size > 10_000  # noqa: ASYNC240  Nothing else is in the loop.
    # What the venue itself says is repeated to people; the log cuts out even that.
    mine = [one for one in told if "is odd" not in one]
    canary.assert_not_in(*mine)
    canary.assert_not_in(*(logs.hide_known(one) for one in told))
    canary.assert_silent(own_home, tmp_path)
