"""What accounts share over real sockets: rate budget, bans, markets; and a clock that moves."""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.clock import NS_PER_SECOND, Clock, LiveClock
from engine.core.ids import session_rng
from engine.ports.live import FaultKind, Placed, Refused, VenueFault
from engine.runtime.live_time import SteadyClock
from engine.venues.account import VenueAccount, open_account
from engine.venues.quirks import quirks_of
from tests.support.accounts import SPOT, SPOT_INFO, TestKey, spot_order, submit
from tests.support.scripted_venue import ScriptedVenue

ORDER = "POST /api/v3/order"
CANCEL = "DELETE /api/v3/order"
BALANCES = "GET /api/v3/account"
INFO = "GET /api/v3/exchangeInfo"
USED = "X-MBX-USED-WEIGHT-1M"


@pytest.fixture
async def venue(tmp_path: Path) -> AsyncIterator[ScriptedVenue]:
    async with ScriptedVenue(tmp_path) as scripted:
        scripted.answer("GET /api/v3/time", {"serverTime": time.time_ns() // 1_000_000})
        scripted.answer(INFO, SPOT_INFO)
        scripted.answer(ORDER, spot_order())
        scripted.answer(BALANCES, {"balances": []})
        yield scripted


class Engines:
    """Accounts that share a folder, closed together."""

    def __init__(self, venue: ScriptedVenue, folder: Path) -> None:
        self._venue = venue
        self._folder = folder
        self._made: list[VenueAccount] = []

    async def one(self, clock: Clock | None = None) -> VenueAccount:
        account = open_account(
            quirks_of("binance_spot"),
            TestKey(),
            session_factory=self._venue.session,
            clock=clock or LiveClock(),
            rng=session_rng(1),
            folder=self._folder,
        )
        self._made.append(account)
        await account.measure_clock()
        await account.load_instruments(["BTCUSDT"])
        return account

    async def close(self) -> None:
        for account in self._made:
            await account.close()


@pytest.fixture
async def engines(venue: ScriptedVenue, tmp_path: Path) -> AsyncIterator[Engines]:
    made = Engines(venue, tmp_path / "shared")
    yield made
    await made.close()


async def test_what_one_hears_of_the_limit_the_other_obeys(
    venue: ScriptedVenue, engines: Engines
) -> None:
    one, other = await engines.one(), await engines.one()
    venue.answer(BALANCES, {"balances": []}, headers={USED: "5500"})  # Of 6000.
    await one.fetch_balances()
    outcome = await other.place(submit())
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.was_sent) == (FaultKind.LIMITED, False)
    assert outcome.until_ns > time.time_ns()
    assert venue.count(ORDER) == 0
    venue.answer(CANCEL, spot_order(status="CANCELED"))
    await other.cancel(SPOT, "q00000000000000001")  # A cancel has room of its own.
    assert venue.count(CANCEL) == 1


@pytest.mark.parametrize(("status", "kind"), [(429, "limited"), (418, "banned")])
async def test_a_stop_is_for_all_and_for_those_that_come_later(
    venue: ScriptedVenue, engines: Engines, status: int, kind: str
) -> None:
    one, other = await engines.one(), await engines.one()
    venue.answer(
        BALANCES, {"code": -1003, "msg": "no"}, status=status, headers={"Retry-After": "3600"}
    )
    with pytest.raises(VenueFault) as told:
        await one.fetch_balances()
    assert told.value.kind == kind
    asked = len(venue.asked)
    for _ in range(50):  # No storm, whoever asks.
        with pytest.raises(VenueFault) as again:
            await other.fetch_balances()
        assert again.value.kind == kind
        assert abs(again.value.until_ns - time.time_ns() - 3600 * NS_PER_SECOND) < NS_PER_SECOND * 9
    assert isinstance(await other.place(submit()), Refused)
    with pytest.raises(VenueFault):
        await engines.one()
    assert len(venue.asked) == asked


async def test_a_second_start_asks_for_no_markets(venue: ScriptedVenue, engines: Engines) -> None:
    await engines.one()
    again = await engines.one()
    assert venue.count(INFO) == 1
    assert isinstance(await again.place(submit()), Placed)


async def test_a_filter_error_brings_the_new_rules(
    venue: ScriptedVenue, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.venues.markets.DOUBT_NS_MIN", 0)
    account = await engines.one()
    changed: dict[str, Any] = copy.deepcopy(SPOT_INFO)
    changed["symbols"][0]["filters"][0]["minPrice"] = "70000.00"
    venue.answer(INFO, changed)
    venue.answer(ORDER, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"}, status=400)
    assert isinstance(await account.place(submit()), Refused)
    assert account._reloading is not None
    await account._reloading
    refused = await account.place(submit())
    assert isinstance(refused, Refused)
    assert "the venue takes at least 70000" in refused.reason
    assert venue.count(ORDER) == 1


async def test_a_clock_that_is_moved_to_the_venues_signs_with_the_venues_time(
    venue: ScriptedVenue, engines: Engines
) -> None:
    """The runtime moves its clock once it knows the offset; it must not count twice."""
    ahead_ms = 3_600_000
    venue.answer("GET /api/v3/time", {"serverTime": time.time_ns() // 1_000_000 + ahead_ms})
    clock = SteadyClock(LiveClock())
    account = await engines.one(clock)
    reading = await account.measure_clock()
    clock.raise_to(clock.now_ns() + reading.offset_ns)
    assert isinstance(await account.place(submit()), Placed)
    (sent,) = [asked.params for asked in venue.asked if asked.path == "/api/v3/order"]
    assert abs(int(sent["timestamp"]) - time.time_ns() // 1_000_000 - ahead_ms) < 20_000
