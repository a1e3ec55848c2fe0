"""The live market feed at the drill exchange: the right book, and through faults never a wrong one
that is trusted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.drill import new_account, open_drill
from engine.core.clock import LiveClock
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Side
from engine.drill.faults.catalogue import FaultKind
from engine.drill.faults.plan import NO_FAULTS, FaultPlan, FaultRule
from engine.drill.faults.saboteur import Saboteur
from engine.drill.resolver import drill_session
from engine.drill.server import DrillServer
from engine.kernels import layout as k
from engine.kernels.local import local_message
from engine.market.view import MarketView
from engine.ports.live import (
    BookDoubted,
    BookTrusted,
    FeedLinkChanged,
    FeedNews,
    InstrumentHalted,
    LinkState,
)
from engine.venues.feed import StreamFeed, binance_feed
from engine.venues.link import FeedPace
from engine.venues.quality import GuardLimits
from tests.drill.waiting import eventually

MS = 1_000_000
TOP = 20
Top = list[list[tuple[Decimal, Decimal]]]
"""Bids and asks, best first."""
HURRIED = FeedPace(
    connect_s=2.0,
    ping_s=0.5,
    watch_ns=50 * MS,
    poll_after_ns=200 * MS,
    poll_ns=100 * MS,
    retry_first_ns=50 * MS,
    retry_longest_ns=400 * MS,
)
WATCHFUL = GuardLimits(quiet_ns_max=1_500 * MS)
SPOT_TICK, USDM_TICK = Decimal("0.01"), Decimal("0.1")


class Watcher:
    """A sink that keeps the market, and remembers the worst that it was asked to trust."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        mid = int(60_000 / instrument.tick)
        self.state = k.new_market(mid, (), k.window_for(mid))
        self.view = MarketView(instrument, self.state, {})
        self.is_trusted = False
        self.link = LinkState.DOWN
        self.doubts: set[str] = set()
        self.halt = ""
        self.trusted_mids: list[int] = []
        self.untrustworthy = 0
        """Messages after which a trusted book was one-sided or crossed."""
        self.trades = 0
        self.tops: dict[int, Top] = {}
        """Best levels by the update id at which the book showed them."""
        self.stands_at: Callable[[], int] = lambda: -1

    def on_rows(self, instrument_id: str, rows: k.Rows) -> None:
        local_message(*self.state, rows, len(rows), 0)
        self.tops[self.stands_at()] = self.top()
        self.trades += int((rows["kind"] == k.ROW_TRADE).sum())
        if self.is_trusted:
            self.untrustworthy += not self.view.is_ready
            self.trusted_mids.append(self.view.mid_x2 // 2)

    def on_feed(self, news: FeedNews) -> None:
        match news:
            case BookDoubted(reason=reason):
                self.is_trusted = False
                self.doubts.add(reason)
            case BookTrusted():
                self.is_trusted = True
            case FeedLinkChanged(state=state):
                self.link = state
            case InstrumentHalted(reason=reason):
                self.halt = reason
            case _:
                raise AssertionError(news)

    def top(self) -> Top:
        price, qty = self.instrument.price, self.instrument.qty
        return [
            [(price(ticks), qty(lots)) for ticks, lots in self.view.depth(side, TOP)]
            for side in (Side.BUY, Side.SELL)
        ]


class Practice:
    def __init__(
        self,
        server: DrillServer,
        saboteur: Saboteur,
        watcher: Watcher,
        feed: StreamFeed,
        http: aiohttp.ClientSession,
    ) -> None:
        self.server = server
        self.saboteur = saboteur
        self.watcher = watcher
        self.feed = feed
        self._http = http

    @property
    def counts(self) -> Any:
        return self.feed.counts[self.watcher.instrument.instrument_id]

    def begin(self, kind: FaultKind, **fields: Any) -> None:
        rule = FaultRule(kind=kind, **fields)
        self.saboteur.begin(FaultPlan(name="test", rules=(rule,)))

    async def settled(self) -> None:
        """Without faults: trusted again, and at some update id the venue's book exactly."""
        self.saboteur.begin(NO_FAULTS)
        await eventually(lambda: self.watcher.is_trusted and self.watcher.link is LinkState.UP)
        assert self.watcher.untrustworthy == 0
        self.watcher.tops.clear()
        for _ in range(600):
            update_id, top = await self._their_top()
            await asyncio.sleep(0.01)
            if update_id in self.watcher.tops:
                assert self.watcher.tops[update_id] == top
                return
        raise AssertionError("never at an update id that the venue answered")

    async def _their_top(self) -> tuple[int, Top]:
        is_spot = self.watcher.instrument.venue == "binance_spot"
        base = "api.binance.com/api/v3" if is_spot else "fapi.binance.com/fapi/v1"
        url = f"https://{base}/depth?symbol=BTCUSDT&limit={TOP}"
        async with self._http.get(url) as answer:
            book = await answer.json()
        sides = [
            [(Decimal(price), Decimal(qty)) for price, qty in book[side]]
            for side in ("bids", "asks")
        ]
        return book["lastUpdateId"], sides


@asynccontextmanager
async def practice(folder: Path, venue: str = "binance_spot") -> AsyncIterator[Practice]:
    is_spot = venue == "binance_spot"
    instrument = Instrument(
        instrument_id=f"{venue}.BTCUSDT",
        venue=venue,
        symbol="BTCUSDT",
        kind=InstrumentKind.SPOT if is_spot else InstrumentKind.LINEAR,
        base="BTC",
        quote="USDT",
        tick=SPOT_TICK if is_spot else USDM_TICK,
        lot=Decimal("0.00001") if is_spot else Decimal("0.001"),
    )
    saboteur = Saboteur(NO_FAULTS)
    drill = open_drill(
        folder,
        accounts=[new_account("ann")],
        symbols=("BTCUSDT",),
        usdm_symbols=() if is_spot else ("BTCUSDT",),
        interceptor=saboteur,
    )
    watcher = Watcher(instrument)
    async with drill as server:
        place = server.place

        def session() -> aiohttp.ClientSession:
            return drill_session(Path(place.ca_path), place.port, place.hosts)

        feed = binance_feed(venue, session, LiveClock(), limits=WATCHFUL, pace=HURRIED)
        http = session()
        try:
            await feed.open([instrument], watcher)
            keeper = feed.keeper(instrument.instrument_id)
            watcher.stands_at = lambda: keeper.stands_at
            yield Practice(server, saboteur, watcher, feed, http)
        finally:
            await feed.close()
            await http.close()
    assert not server.failures


@pytest.mark.parametrize("venue", ["binance_spot", "binance_usdm"])
async def test_the_book_is_the_exchanges(tmp_path: Path, venue: str) -> None:
    async with practice(tmp_path, venue) as drill:
        await drill.settled()
        counts = drill.counts
        assert (counts.gaps, counts.refused) == (0, 0)
        assert drill.watcher.trades == counts.trades


ON_FRAMES = {
    FaultKind.FRAME_LOST: {"rate": 0.2},
    FaultKind.FRAME_TWICE: {"rate": 0.3},
    FaultKind.FRAMES_SWAPPED: {"rate": 0.3},
    FaultKind.FRAME_CUT: {"rate": 0.1},
    FaultKind.FRAME_GARBAGE: {"rate": 0.1},
    FaultKind.FRAME_HUGE: {"every": 15},
    FaultKind.CUT_IN_FRAME: {"every": 10},
    FaultKind.CONNECTION_RESET: {"every": 10},
    FaultKind.STREAM_CLOSED: {"every": 10},
    FaultKind.HALF_OPEN: {"times": 1},
    FaultKind.DEPTH_GAP: {"rate": 0.2},
    FaultKind.DEPTH_OVERLAP: {"rate": 0.2},
    FaultKind.CROSSED_BOOK: {"rate": 0.1},
    FaultKind.LOCKED_BOOK: {"rate": 0.1},
    FaultKind.NUMBER_ZERO: {"rate": 0.1},
    FaultKind.NUMBER_NEGATIVE: {"rate": 0.1},
    FaultKind.NUMBER_NAN: {"rate": 0.1},
    FaultKind.NUMBER_1E400: {"rate": 0.1},
}


@pytest.mark.parametrize("kind", ON_FRAMES)
async def test_faulty_frames(tmp_path: Path, kind: FaultKind) -> None:
    async with practice(tmp_path) as drill:
        await eventually(lambda: drill.watcher.is_trusted)
        drill.begin(kind, on="*@*", **ON_FRAMES[kind])
        await eventually(lambda: drill.saboteur.desk.struck.get(kind, 0) >= 1)
        await asyncio.sleep(1.0)
        await drill.settled()
        mids = drill.watcher.trusted_mids
        assert max(mids) < min(mids) * 1.05, "no trusted mid was far from the others"


ON_REQUESTS = {
    FaultKind.STALE_SNAPSHOT: {},
    FaultKind.SNAPSHOT_BEHIND: {},
    FaultKind.EMPTY_BOOK: {},
    FaultKind.CAPTIVE_PORTAL: {"on": "GET *depth*"},
    FaultKind.TRUNCATED_JSON: {"on": "GET *depth*"},
    FaultKind.CUT_BODY: {"on": "GET *depth*"},
    FaultKind.DROP_BEFORE: {"on": "GET *depth*"},
    FaultKind.ERROR_BEFORE: {"on": "GET *depth*"},
}


@pytest.mark.parametrize("kind", ON_REQUESTS)
async def test_faulty_snapshots(tmp_path: Path, kind: FaultKind) -> None:
    """The stream breaks while snapshots are no good: doubt, few questions, then the book again."""
    async with practice(tmp_path) as drill:
        await eventually(lambda: drill.watcher.is_trusted)
        gap = FaultRule(kind=FaultKind.CONNECTION_RESET, on="*@*", times=1)
        bad = FaultRule(kind=kind, **ON_REQUESTS[kind])
        drill.saboteur.begin(FaultPlan(name="test", rules=(gap, bad)))
        await eventually(lambda: drill.saboteur.desk.struck.get(kind, 0) >= 2)
        assert not drill.watcher.is_trusted
        await drill.settled()


async def test_a_halted_symbol_is_told(tmp_path: Path) -> None:
    async with practice(tmp_path) as drill:
        drill.begin(FaultKind.SYMBOL_BREAK, for_s=60.0)
        listing = drill.server.venues["binance_spot"].core.listing("BTCUSDT")
        await eventually(lambda: listing.rules.status == "BREAK")
        await drill.feed.close()
        feed = StreamFeed(drill.feed._dialect, drill.feed._make_session, LiveClock(), pace=HURRIED)
        await feed.open([drill.watcher.instrument], drill.watcher)
        try:
            await eventually(lambda: "BREAK" in drill.watcher.halt)
        finally:
            await feed.close()


async def test_without_streams_the_book_is_asked_for(tmp_path: Path) -> None:
    async with practice(tmp_path) as drill:
        await eventually(lambda: drill.watcher.is_trusted)
        cut = FaultRule(kind=FaultKind.CONNECTION_RESET, on="*@*", times=1)
        no_streams = FaultRule(kind=FaultKind.SOCKET_REFUSED)
        drill.saboteur.begin(FaultPlan(name="test", rules=(cut, no_streams)))
        await eventually(lambda: drill.watcher.link is LinkState.POLLING)
        assert not drill.watcher.is_trusted
        asked = drill.watcher.view.state.scalars.item(k.M_ROWS)
        await eventually(lambda: drill.watcher.view.state.scalars.item(k.M_ROWS) > asked + 100)
        await drill.settled()
