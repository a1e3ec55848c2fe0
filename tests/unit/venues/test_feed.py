"""The market feed over real sockets: joining, gaps, cuts, silence, polling, halts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.core.clock import LiveClock
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Side
from engine.kernels import layout as k
from engine.kernels.local import local_run
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
from tests.support.scripted_binance import ScriptedBinance

BTC = Instrument(
    instrument_id="binance_spot.BTCUSDT",
    venue="binance_spot",
    symbol="BTCUSDT",
    kind=InstrumentKind.SPOT,
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
)
MS = 1_000_000
HURRIED = FeedPace(
    connect_s=5.0,
    ping_s=0.2,
    watch_ns=20 * MS,
    poll_after_ns=50 * MS,
    poll_ns=20 * MS,
    retry_first_ns=10 * MS,
    retry_longest_ns=100 * MS,
)


class Watcher:
    """A `MarketSink` with a book of its own, as the runtime keeps one."""

    def __init__(self) -> None:
        self.state = k.new_market(10_000, (), 1 << 14)
        self.view = MarketView(BTC, self.state, {})
        self.news: list[FeedNews] = []
        self.trades = 0
        self.is_trusted = False
        self._changed = asyncio.Event()

    def on_rows(self, instrument_id: str, rows: k.Rows) -> None:
        assert instrument_id == BTC.instrument_id
        local_run(self.state, rows, 0, len(rows), 0, 1 << 62, 0, 0)
        self.trades += int((rows["kind"] == k.ROW_TRADE).sum())
        self._changed.set()

    def on_feed(self, news: FeedNews) -> None:
        self.news.append(news)
        if isinstance(news, BookDoubted | BookTrusted):
            self.is_trusted = isinstance(news, BookTrusted)
        self._changed.set()

    @property
    def link(self) -> LinkState:
        states = [news.state for news in self.news if isinstance(news, FeedLinkChanged)]
        return states[-1] if states else LinkState.DOWN

    @property
    def doubts(self) -> str:
        return " | ".join(news.reason for news in self.news if isinstance(news, BookDoubted))

    def shows(self, venue: ScriptedBinance) -> bool:
        """Whether our book is the venue's, level by level."""
        ours = {
            side: [(str(BTC.price(t)), str(BTC.qty(q))) for t, q in self.view.depth(side, 1000)]
            for side in Side
        }
        theirs = venue.book_answer()
        return all(
            [(Decimal(p), Decimal(q)) for p, q in ours[side]]
            == [(Decimal(p), Decimal(q)) for p, q in theirs[name]]
            for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks"))
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.02)
                except TimeoutError:
                    continue


@asynccontextmanager
async def opened(
    folder: Path, limits: GuardLimits | None = None, **changes: Any
) -> AsyncIterator[tuple[ScriptedBinance, Watcher, StreamFeed]]:
    venue = ScriptedBinance(folder)
    for name, value in changes.items():
        setattr(venue, name, value)
    await venue.start()
    watcher = Watcher()
    feed = binance_feed("binance_spot", venue.session, LiveClock(), limits=limits, pace=HURRIED)
    try:
        await feed.open([BTC], watcher)
        yield venue, watcher, feed
    finally:
        await feed.close()
        await venue.stop()


def in_loop(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        asyncio.run(test(tmp_path))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def joined(venue: ScriptedBinance, watcher: Watcher) -> None:
    await watcher.until(lambda: venue.subscribed.is_set() and watcher.link is LinkState.UP)
    await venue.send(venue.change([("99.98", "1.00000")], []))
    await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))


@in_loop
async def test_joins_snapshot_and_stream(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        assert "no snapshot yet" in watcher.doubts
        await venue.send(
            venue.change([("100.01", "0.50000"), ("99.99", "0.00000")], [("100.01", "0.00000")]),
            venue.trade("100.01", "0.25000"),
        )
        await watcher.until(lambda: watcher.shows(venue) and watcher.trades == 1)
        assert (watcher.view.best_bid, watcher.view.last_ticks) == (10_001, 10_001)
        assert watcher.is_trusted


@in_loop
async def test_a_gap_is_doubted_and_mended_by_a_snapshot(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, feed):
        await joined(venue, watcher)
        before = watcher.view.best_bid
        venue.change([("100.00", "0.00000")], [])  # Never sent.
        await venue.send(venue.change([("99.97", "5.00000")], []))
        await watcher.until(lambda: not watcher.is_trusted)
        assert "updates are missing" in watcher.doubts
        assert watcher.view.best_bid == before
        await venue.send(venue.change([("99.96", "5.00000")], []))
        await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))
        assert feed.counts[BTC.instrument_id].gaps == 1


@in_loop
async def test_repeats_change_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, feed):
        await joined(venue, watcher)
        depth, trade = venue.change([("99.95", "1.00000")], []), venue.trade("100.00", "1.00000")
        await venue.send(depth, depth, trade, trade, depth, trade)
        counts = feed.counts[BTC.instrument_id]
        await watcher.until(lambda: counts.old == 2 and counts.repeated_trades == 2)
        assert watcher.shows(venue)
        assert watcher.trades == 1
        assert watcher.is_trusted


@pytest.mark.parametrize(
    "rubbish",
    [
        b'{"e":"depthUpdate","E":1,"s":"BTCUSDT"',
        b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":102,"b":[["NaN","1"]],"a":[]}',
        b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":102,"b":[["1e400","1"]],"a":[]}',
        b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":102,"b":[["-1","1"]],"a":[]}',
        b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":101,"u":102,"b":[["100.001","1"]],"a":[]}',
        b'{"e":"trade","s":"ETHUSDT","t":1,"p":"1","q":"1","T":1,"m":true}',
        b"[" * 5000,
        b"<html>log in</html>",
    ],
)
def test_rubbish_is_refused_and_the_book_is_mended(tmp_path: Path, rubbish: bytes) -> None:
    async def run() -> None:
        async with opened(tmp_path) as (venue, watcher, feed):
            await joined(venue, watcher)
            await venue.send(rubbish)
            await watcher.until(lambda: "refused" in watcher.doubts)
            await venue.send(venue.change([("99.94", "1.00000")], []))
            await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))
            assert feed.counts[BTC.instrument_id].refused == 1
            assert watcher.link is LinkState.UP

    asyncio.run(run())


@in_loop
async def test_a_frame_over_ten_megabytes_ends_the_connection_not_the_feed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        await venue.send(b'"' + b"x" * (11 << 20) + b'"')
        await watcher.until(lambda: watcher.link is not LinkState.UP)
        venue.sockets.clear()
        await joined(venue, watcher)


@in_loop
async def test_a_cut_link_is_polled_and_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        venue.refuses_streams = True
        await venue.cut()
        await watcher.until(lambda: not watcher.is_trusted)
        venue.change([("99.90", "7.00000")], [])
        venue.trade("100.00", "1.00000")
        await watcher.until(lambda: watcher.link is LinkState.POLLING and watcher.shows(venue))
        assert not watcher.is_trusted, "a book that is only asked for is not traded on"
        assert watcher.trades == 1
        venue.refuses_streams = False
        await watcher.until(venue.subscribed.is_set)
        await joined(venue, watcher)


@in_loop
async def test_crossed_rows_never_reach_the_market(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        await venue.send(venue.change([("100.05", "1.00000")], []))
        await watcher.until(lambda: "stand at or above" in watcher.doubts)
        assert watcher.view.best_bid == 10_000
        await venue.send(venue.change([("100.05", "0.00000")], []))
        await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))


@in_loop
async def test_one_side_gone_is_doubted_until_it_is_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        await venue.send(venue.change([], [("100.01", "0.00000"), ("100.02", "0.00000")]))
        await watcher.until(lambda: "no asks" in watcher.doubts)
        await venue.send(venue.change([], [("100.03", "1.00000")]))
        await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))


@pytest.mark.parametrize(
    ("bid", "ask", "next_bid"),
    [("160.00", "160.01", "159.99"), ("900.00", "900.01", "899.99"), ("40.00", "40.01", "39.99")],
)
def test_a_jump_is_believed_once_a_snapshot_says_so(
    tmp_path: Path, bid: str, ask: str, next_bid: str
) -> None:
    asyncio.run(_jump(tmp_path, bid, ask, next_bid))


async def _jump(folder: Path, bid: str, ask: str, next_bid: str) -> None:
    async with opened(folder) as (venue, watcher, _):
        await joined(venue, watcher)
        gone_bids = [(price, "0.00000") for price in venue.bids]
        gone_asks = [(price, "0.00000") for price in venue.asks]
        await venue.send(
            venue.change([*gone_bids, (bid, "1.00000")], [*gone_asks, (ask, "1.00000")])
        )
        await watcher.until(lambda: "jumped" in watcher.doubts)
        assert watcher.view.best_bid == 10_000
        await venue.send(venue.change([(next_bid, "1.00000")], []))
        await watcher.until(lambda: watcher.is_trusted and watcher.shows(venue))


@in_loop
async def test_a_quiet_market_is_proven_by_asking(tmp_path: Path) -> None:
    limits = GuardLimits(quiet_ns_max=300 * MS)
    async with opened(tmp_path, limits) as (venue, watcher, _):
        await joined(venue, watcher)
        asked = venue.asked("limit=5")
        await watcher.until(lambda: venue.asked("limit=5") >= asked + 3)
        assert watcher.is_trusted
        assert watcher.link is LinkState.UP


@in_loop
async def test_a_stream_that_fell_silent_is_opened_anew(tmp_path: Path) -> None:
    limits = GuardLimits(quiet_ns_max=300 * MS)
    async with opened(tmp_path, limits) as (venue, watcher, _):
        await joined(venue, watcher)
        silent = venue.sockets.copy()
        venue.change([("99.99", "9.00000")], [])  # The stream does not tell.
        await watcher.until(lambda: len(venue.sockets) > len(silent))
        del venue.sockets[0]
        await joined(venue, watcher)
        assert "silent" in watcher.doubts


@in_loop
async def test_trades_do_not_keep_a_dead_book_alive(tmp_path: Path) -> None:
    """Depth stops, trades go on: the book is doubted, and the stream opened anew."""
    limits = GuardLimits(quiet_ns_max=300 * MS)
    async with opened(tmp_path, limits) as (venue, watcher, _):
        await joined(venue, watcher)
        first = venue.sockets.copy()
        venue.change([("99.99", "9.00000")], [])  # The stream does not tell.
        trading = asyncio.create_task(_trade_on(venue))
        try:
            await watcher.until(lambda: "silent" in watcher.doubts)
            assert watcher.trades > 0
            await watcher.until(lambda: len(venue.sockets) > len(first))
        finally:
            trading.cancel()
            await asyncio.wait([trading])
        del venue.sockets[0]
        await joined(venue, watcher)


async def _trade_on(venue: ScriptedBinance) -> None:
    while True:
        for stream in venue.sockets.copy():
            if not stream.closed:
                await stream.send_str(venue.trade("100.00", "0.01000").decode())
        await asyncio.sleep(0.02)


@in_loop
async def test_one_answer_that_differs_reopens_nothing(tmp_path: Path) -> None:
    """It was older, or newer, than the stream: it is asked again first."""
    limits = GuardLimits(quiet_ns_max=1000 * MS)
    async with opened(tmp_path, limits) as (venue, watcher, _):
        await joined(venue, watcher)
        other = {**venue.book_answer(5), "asks": [["100.02", "3.00000"]]}
        answers = [web.json_response(other)]
        asked = venue.asked("limit=5")
        venue.answer_instead = lambda path: (
            answers.pop() if answers and path.endswith("depth") else None
        )
        await watcher.until(lambda: venue.asked("limit=5") >= asked + 4)
        assert not answers
        assert len(venue.sockets) == 1
        assert watcher.is_trusted


@in_loop
async def test_a_trade_far_off_the_book_doubts_it_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        await venue.send(venue.trade("150.00", "0.10000"))
        await watcher.until(lambda: watcher.trades == 1)
        assert not watcher.is_trusted
        assert "off the last trade" in watcher.doubts
        await venue.send(venue.trade("100.00", "0.10000"))
        await watcher.until(lambda: watcher.is_trusted)


@in_loop
async def test_no_proof_means_stale(tmp_path: Path) -> None:
    limits = GuardLimits(quiet_ns_max=300 * MS)
    async with opened(tmp_path, limits) as (venue, watcher, _):
        await joined(venue, watcher)
        venue.answer_instead = lambda path: web.Response(status=503)
        await watcher.until(lambda: "stale" in watcher.doubts)
        await venue.send(venue.change([("99.93", "1.00000")], []))
        await watcher.until(lambda: watcher.is_trusted)


@in_loop
async def test_a_venue_that_limits_us_is_not_asked_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        venue.answer_instead = lambda path: web.Response(
            status=429, headers={"Retry-After": "1"}, text='{"code":-1003,"msg":"Too many"}'
        )
        asked = len(venue.requests)
        for _ in range(50):
            venue.change([("99.92", "1.00000")], [])
            await venue.send(venue.change([("99.91", "1.00000")], []))
        await watcher.until(lambda: len(venue.requests) > asked)
        await asyncio.sleep(0.5)
        assert len(venue.requests) == asked + 1
        venue.answer_instead = lambda path: None
        await watcher.until(lambda: watcher.view.is_ready and watcher.shows(venue))


@in_loop
async def test_a_shutdown_notice_is_obeyed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        first = venue.sockets.copy()
        await venue.send(b'{"e":"serverShutdown","E":1770123456789}')
        await watcher.until(lambda: len(venue.sockets) > len(first))
        venue.sockets.remove(first[0])
        await joined(venue, watcher)


@in_loop
async def test_a_halt_is_told(tmp_path: Path) -> None:
    async with opened(tmp_path, status="BREAK") as (_, watcher, _feed):
        await watcher.until(
            lambda: any(
                isinstance(n, InstrumentHalted) and "BREAK" in n.reason for n in watcher.news
            )
        )


@in_loop
async def test_a_half_open_link_is_noticed(tmp_path: Path) -> None:
    """The other side stays connected and says nothing, not even to a ping."""
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        stream = venue.sockets[0]
        transport = stream._req.transport
        assert transport is not None
        transport.pause_reading()
        await watcher.until(lambda: len(venue.sockets) > 1)
        del venue.sockets[0]
        await joined(venue, watcher)


@in_loop
async def test_a_sink_that_fails_does_not_end_the_feed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (venue, watcher, _):
        await joined(venue, watcher)
        take, watcher.on_rows = watcher.on_rows, _fail  # type: ignore[method-assign]
        await venue.send(venue.trade("100.00", "1.00000"))
        await watcher.until(lambda: watcher.link is not LinkState.UP)
        watcher.on_rows = take  # type: ignore[method-assign]
        venue.sockets.clear()
        await joined(venue, watcher)


def _fail(instrument_id: str, rows: k.Rows) -> Awaitable[None]:
    raise RuntimeError("the sink fails")
