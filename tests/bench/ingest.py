"""From a venue's bytes to a book whose top is known, message by message: ours and ccxt.pro's.

The depth and trade frames of the shared spot capture, in their order, behind its snapshot. Ours go
the way of the live feed: frame to rows, sequence, guard, sink, the kernel that keeps the market.
ccxt's go through a real client object: JSON, `handle_message`, its order book and trade cache.

`ingest_mixed`, `_depth`, `_trade`       messages per second, ours
`ccxt_mixed`, `ccxt_depth`, `ccxt_trade` the same frames in the same run through ccxt.pro
`times_mixed`, `times_depth`, `times_trade`  how many times as many messages we take
`ingest_p50`, `ingest_p99`               one message of the mixed run, in microseconds

Both must end with the same book and the same number of trades, or the benchmark fails.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import statistics
from collections.abc import Callable
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from engine.archive.instruments import known_instruments
from engine.core.clock import LiveClock
from engine.domain.errors import WorkFailed
from engine.domain.order import Side
from engine.kernels import layout as k
from engine.kernels.local import local_message
from engine.kernels.warm import warm_feeds
from engine.market.view import MarketView
from engine.ports.live import FeedNews
from engine.venues.asker import PublicAsker
from engine.venues.binance.feed import BinanceFeed
from engine.venues.link import FeedPace, InstrumentLink
from engine.venues.quality import GuardLimits
from engine.venues.quirks import quirks_of
from tests.bench.figures import SHARED, Context, Figure, figure, need_capture

CAPTURE = SHARED / "data" / "captures" / "binance" / "spot_btcusdt_20240808.gz"
SYMBOL = "BTC/USDT"
LEVELS = 100
"""Of each side, compared at the end."""
KINDS = ("mixed", "depth", "trade")


class Recorded(NamedTuple):
    before: list[bytes]
    """Depth frames up to the snapshot."""
    snapshot: bytes
    frames: list[bytes]

    def of(self, kind: str) -> list[bytes]:
        if kind == "mixed":
            return self.frames
        return [frame for frame in self.frames if f"@{kind}".encode() in frame[:60]]


class Market:
    """A sink with the market that strategies look at."""

    def __init__(self, mid_ticks: int) -> None:
        self.state = k.new_market(mid_ticks, (), k.window_for(mid_ticks))
        self.top = (k.NO_BID, k.NO_ASK)
        self._arrays = tuple(self.state)

    def on_rows(self, instrument_id: str, rows: k.Rows) -> None:
        self.top = local_message(*self._arrays, rows, len(rows), 0)[:2]

    def on_feed(self, news: FeedNews) -> None:
        """What the guard says is not part of it."""


def run(context: Context) -> list[Figure]:
    recorded = read_frames()
    warm_feeds()
    found: dict[str, list[float]] = {}
    latencies: list[list[int]] = []
    for turn in range(context.runs + 1):
        for kind in KINDS:
            frames = recorded.of(kind)
            ours = asyncio.run(_ours(recorded, frames))
            theirs = asyncio.run(_theirs(recorded, frames))
            if turn == 0:
                _must_agree(kind, ours, theirs)
                continue
            found.setdefault(f"ingest_{kind}", []).append(len(frames) / ours.seconds)
            found.setdefault(f"ccxt_{kind}", []).append(len(frames) / theirs.seconds)
            found.setdefault(f"times_{kind}", []).append(theirs.seconds / ours.seconds)
        if turn:
            latencies.append(asyncio.run(_latencies(recorded)))
    count = {kind: len(recorded.of(kind)) for kind in KINDS}
    figures = [
        figure(
            name, "x" if name.startswith("times") else "msg/s", values, count[name.split("_")[1]]
        )
        for name, values in found.items()
    ]
    for percent in (50, 99):
        values = [
            statistics.quantiles(run_ns, n=100, method="inclusive")[percent - 1] / 1e3
            for run_ns in latencies
        ]
        figures.append(figure(f"ingest_p{percent}", "us", values, count["mixed"]))
    return figures


def read_frames() -> Recorded:
    """The shared spot capture's depth and trade frames, as they came, without our stamps."""
    lines = gzip.decompress(need_capture(CAPTURE).read_bytes()).splitlines()
    bodies = [line.partition(b" ")[2] for line in lines]
    at = next(i for i, body in enumerate(bodies) if body.startswith(b'{"lastUpdateId"'))
    before = [body for body in bodies[:at] if b"@depth" in body[:60]]
    frames = [body for body in bodies[at + 1 :] if b"@depth" in body[:60] or b"@trade" in body[:60]]
    return Recorded(before, bodies[at], frames)


class Ended(NamedTuple):
    seconds: float
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    trades: int


# -- ours ------------------------------------------------------------------------------------------


async def _ours(recorded: Recorded, frames: list[bytes]) -> Ended:
    link, market = await _joined_link(recorded)
    take = link.on_frame
    seconds = _seconds(lambda: [take(frame) for frame in frames])
    instrument = link.instrument
    view = MarketView(instrument, market.state, {})
    sides = [
        [
            (instrument.price(ticks), instrument.qty(lots))
            for ticks, lots in view.depth(side, LEVELS)
        ]
        for side in (Side.BUY, Side.SELL)
    ]
    return Ended(seconds, *sides, int(market.state.scalars[k.M_TRADES]))


async def _latencies(recorded: Recorded) -> list[int]:
    link, _ = await _joined_link(recorded)
    clock, spent_ns = LiveClock(), []
    gc.collect()
    for frame in recorded.frames:
        start_ns = clock.monotonic_ns()
        link.on_frame(frame)
        spent_ns.append(clock.monotonic_ns() - start_ns)
    return spent_ns


async def _joined_link(recorded: Recorded) -> tuple[InstrumentLink, Market]:
    """A link as the feed makes it, but for its socket: the frames are handed to it."""
    instrument = known_instruments()["binance_spot.BTCUSDT"]
    dialect, clock = BinanceFeed("binance_spot"), LiveClock()
    reader = dialect.reader(instrument)
    book = reader.read_book(recorded.snapshot, clock.now_ns(), clock.now_ns())
    market = Market(int(book.rows["price_ticks"][2]))
    unused: Any = None
    link = InstrumentLink(
        instrument,
        dialect,
        unused,
        PublicAsker(unused, quirks_of("binance_spot"), clock),
        clock,
        market,
        GuardLimits(lag_ns_max=1 << 62),  # The recording's clock is not ours.
        FeedPace(),
    )
    link.keeper.on_connected(clock.monotonic_ns())
    for frame in recorded.before:
        link.on_frame(frame)
    if not link.keeper.on_snapshot(book.last_id, book.rows, clock.monotonic_ns()):
        raise WorkFailed("bench ingest: the capture's snapshot does not join its diffs")
    return link, market


# -- ccxt's ----------------------------------------------------------------------------------------


async def _theirs(recorded: Recorded, frames: list[bytes]) -> Ended:
    import ccxt.pro

    exchange = ccxt.pro.binance({"enableRateLimit": False})
    exchange.set_markets([_ccxt_market()])
    try:
        client = exchange.client("wss://stream.binance.com:9443/ws/0")
        book = exchange.order_book({}, 1000)
        exchange.orderbooks[SYMBOL] = book
        book.reset(
            exchange.parse_order_book(exchange.parse_json(recorded.snapshot.decode()), SYMBOL)
        )
        book["nonce"] = exchange.parse_json(recorded.snapshot.decode())["lastUpdateId"]
        for frame in recorded.before:
            client.handle_text_or_binary_message(frame.decode())
        texts = [frame.decode() for frame in frames]
        seconds = _seconds(lambda: _take_all(client, book, texts))
        sides = [
            [(Decimal(str(price)), Decimal(str(size))) for price, size, *_ in islice(side, LEVELS)]
            for side in (book["bids"], book["asks"])
        ]
        trades = exchange.trades.get(SYMBOL)
        return Ended(seconds, *sides, 0 if trades is None else len(trades))
    finally:
        await exchange.close()


def _take_all(client: Any, book: Any, texts: list[str]) -> None:
    bids, asks = book["bids"], book["asks"]
    for text in texts:
        client.handle_text_or_binary_message(text)
        _ = bids[0][0], asks[0][0]


def _ccxt_market() -> dict[str, Any]:
    return {
        "id": "BTCUSDT",
        "lowercaseId": "btcusdt",
        "symbol": SYMBOL,
        "base": "BTC",
        "quote": "USDT",
        "baseId": "BTC",
        "quoteId": "USDT",
        "type": "spot",
        "spot": True,
        "swap": False,
        "future": False,
        "option": False,
        "contract": False,
        "linear": None,
        "inverse": None,
        "active": True,
        "precision": {"price": 0.01, "amount": 0.00001},
        "limits": {},
        "info": {},
    }


def _seconds(work: Callable[[], object]) -> float:
    clock = LiveClock()
    gc.collect()
    start_ns = clock.monotonic_ns()
    work()
    return (clock.monotonic_ns() - start_ns) / 1e9


def _must_agree(kind: str, ours: Ended, theirs: Ended) -> None:
    for name in ("bids", "asks"):
        mine, other = getattr(ours, name), getattr(theirs, name)
        if kind != "trade" and mine != other:
            raise WorkFailed(f"bench ingest: {kind}: our {name} differ from ccxt's at the end")
    # ccxt's cache holds the latest thousand.
    if min(ours.trades, 1000) != theirs.trades:
        raise WorkFailed(f"bench ingest: {kind}: {ours.trades} trades, ccxt holds {theirs.trades}")
