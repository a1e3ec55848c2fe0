"""Markets on disk: asked for once, aged, reloaded, and read again after a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND, SimClock
from engine.domain.instrument import Instrument, InstrumentKind
from engine.ports.live import FaultKind, VenueFault
from engine.venues.markets import DOUBT_NS_MIN, RELOAD_NS, USABLE_NS, Markets
from engine.venues.rules import MarketRules

START_NS = 1_800_000_000 * NS_PER_SECOND


def rules(symbol: str, tick: str = "0.01", *, is_trading: bool = True) -> MarketRules:
    return MarketRules(
        instrument=Instrument(
            instrument_id=f"v.{symbol}",
            venue="v",
            symbol=symbol,
            kind=InstrumentKind.SPOT,
            base="BTC",
            quote="USDT",
            tick=Decimal(tick),
            lot=Decimal("0.00001"),
            min_notional=Decimal(5),
        ),
        is_trading=is_trading,
        status="TRADING" if is_trading else "BREAK",
        notional_max=Decimal("9000000.0"),
        price_ratio_up=Decimal("1.2"),
        orders_max=200,
    )


class Venue:
    def __init__(self, *known: MarketRules) -> None:
        self.known = {one.instrument.symbol: one for one in known}
        self.asked: list[tuple[str, ...]] = []
        self.fault: VenueFault | None = None

    async def fetch(self, symbols: Sequence[str]) -> Mapping[str, MarketRules]:
        self.asked.append(tuple(symbols))
        if self.fault is not None:
            raise self.fault
        return {symbol: self.known[symbol] for symbol in symbols if symbol in self.known}


SILENT = VenueFault(FaultKind.NETWORK, "no route")


async def test_a_restart_with_a_fresh_file_asks_nothing(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"), rules("ETHUSDT"))
    markets = Markets(tmp_path / "cache", "v", venue.fetch, clock)
    first = await markets.get(["BTCUSDT", "NOPE"])
    assert list(first) == ["BTCUSDT"]
    clock.advance_to(START_NS + RELOAD_NS - 1)
    again = Markets(tmp_path / "cache", "v", venue.fetch, clock)
    assert await again.get(["BTCUSDT"]) == first
    assert again.age_ns(["BTCUSDT"]) == RELOAD_NS - 1
    assert len(venue.asked) == 1
    await again.get(["BTCUSDT", "ETHUSDT"])
    assert venue.asked[1:] == [("ETHUSDT",)]
    clock.advance_to(START_NS + RELOAD_NS)
    await again.get(["BTCUSDT"])
    assert venue.asked[2:] == [("BTCUSDT",)]


async def test_a_silent_venue_leaves_old_rules_but_not_ancient_ones(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"))
    markets = Markets(tmp_path, "v", venue.fetch, clock)
    await markets.get(["BTCUSDT"])
    venue.fault = SILENT
    clock.advance_to(START_NS + USABLE_NS - 1)
    assert list(await markets.get(["BTCUSDT"])) == ["BTCUSDT"]
    assert markets.age_ns(["BTCUSDT"]) == USABLE_NS - 1
    with pytest.raises(VenueFault):
        await markets.get(["BTCUSDT", "ETHUSDT"])
    clock.advance_to(START_NS + USABLE_NS)
    with pytest.raises(VenueFault):
        await markets.get(["BTCUSDT"])


async def test_changed_and_delisted_markets_are_found_when_it_is_time(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"), rules("ETHUSDT"), rules("OLDUSDT"))
    markets = Markets(tmp_path, "v", venue.fetch, clock)
    symbols = ["BTCUSDT", "ETHUSDT", "OLDUSDT"]
    before = await markets.get(symbols)
    venue.known["BTCUSDT"] = rules("BTCUSDT", "0.1")
    venue.known["ETHUSDT"] = rules("ETHUSDT", is_trading=False)
    del venue.known["OLDUSDT"]
    assert await markets.get(symbols) == before
    clock.advance_to(clock.now_ns() + RELOAD_NS)
    after = await markets.get(symbols)
    assert after["BTCUSDT"].instrument.tick == Decimal("0.1")
    assert not after["ETHUSDT"].is_trading
    assert (after["OLDUSDT"].is_trading, after["OLDUSDT"].status) == (
        False,
        "not listed any more",
    )


async def test_doubt_asks_again_and_once_a_minute_at_most(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"))
    markets = Markets(tmp_path, "v", venue.fetch, clock)
    await markets.get(["BTCUSDT"])
    markets.doubt()
    await markets.get(["BTCUSDT"])
    assert len(venue.asked) == 1  # They are a moment old.
    clock.advance_to(START_NS + DOUBT_NS_MIN)
    venue.known["BTCUSDT"] = rules("BTCUSDT", "0.1")
    markets.doubt()
    assert (await markets.get(["BTCUSDT"]))["BTCUSDT"].instrument.tick == Decimal("0.1")
    await markets.get(["BTCUSDT"])
    assert len(venue.asked) == 2
    clock.advance_to(clock.now_ns() + DOUBT_NS_MIN)
    venue.fault = SILENT
    markets.doubt()
    assert list(await markets.get(["BTCUSDT"])) == ["BTCUSDT"]  # Better old rules than none.


async def test_without_a_folder_nothing_is_kept() -> None:
    venue = Venue(rules("BTCUSDT"))
    for _ in range(2):
        await Markets(None, "v", venue.fetch, SimClock(START_NS)).get(["BTCUSDT"])
    assert len(venue.asked) == 2


async def test_exact_numbers_come_back_exact(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    exact = msgspec.structs.replace(rules("BTCUSDT"), notional_max=Decimal("0.1000000000000000001"))
    venue = Venue(exact)
    await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    again = await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    assert again["BTCUSDT"] == exact
    assert str(again["BTCUSDT"].notional_max) == "0.1000000000000000001"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 10_000), st.sampled_from([b"", b"\x00", b"}", b'"', b"9", b"-"]), st.booleans()
)
async def test_a_broken_file_is_as_good_as_none(
    tmp_path: Path, place: int, change: bytes, is_cut: bool
) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"))
    path = tmp_path / "markets-v.json"
    path.unlink(missing_ok=True)
    await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    whole = path.read_bytes()
    place %= len(whole)
    path.write_bytes(whole[:place] + change + (b"" if is_cut else whole[place + 1 :]))
    found = await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    assert list(found) == ["BTCUSDT"]


async def test_of_another_venue_or_format_it_is_not_read(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    venue = Venue(rules("BTCUSDT"))
    path = tmp_path / "markets-v.json"
    await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    for change in ({"venue": "w"}, {"format": 99}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        await Markets(tmp_path, "v", venue.fetch, clock).get(["BTCUSDT"])
    assert len(venue.asked) == 3


async def test_a_cache_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    venue = Venue(rules("BTCUSDT"))
    markets = Markets(tmp_path / "file", "v", venue.fetch, SimClock(START_NS))
    assert list(await markets.get(["BTCUSDT"])) == ["BTCUSDT"]
