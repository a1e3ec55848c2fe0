"""`pilothouse data record`: a venue's public stream into captures that `data import` reads."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import msgspec

from app.live import drill_folder, drill_key
from app.live_venues import PROVEN_VENUES, plain_session, venue_folder
from app.paths import locate, make_private
from app.processes import end_on_signals, stop_on_signals
from engine.core.clock import Clock, LiveClock
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels.frames import FRAME_DEPTH, FRAME_NEWS
from engine.kernels.layout import Rows
from engine.ports.live import BookDoubted, FeedNews, VenueFault
from engine.venues.asker import PublicAsker
from engine.venues.binance.feed import BinanceFeed
from engine.venues.budget import RateBudget
from engine.venues.feed import StreamFeed, binance_feed
from engine.venues.quirks import quirks_of
from engine.venues.rest import SessionFactory

NS_PER_S = 1_000_000_000


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One capture. All but `file` count messages."""

    file: str
    depth: int
    trades: int
    snapshots: int
    refused: int


def record_market(
    venue: str,
    symbols: Sequence[str],
    folder: Path,
    seconds: float,
    say: Callable[[str], None],
    *,
    is_drill: bool,
) -> list[Recorded]:
    """Record until `seconds` have passed (0: until Ctrl+C); `say` hears where a recording has a
    hole. BadInput for an unknown venue or symbol, WorkFailed when the venue does not answer."""
    if venue not in PROVEN_VENUES:
        raise BadInput("VENUE", venue, f"known are: {', '.join(PROVEN_VENUES)}")
    if len(set(symbols)) < len(symbols):
        raise BadInput("SYMBOL", ", ".join(symbols), "name each of them once")
    for symbol in symbols:
        if not symbol.replace("_", "").isalnum():
            raise BadInput("SYMBOL", symbol, "letters and digits, as BTCUSDT")
    sessions, shared = _world(venue, is_drill)
    make_private(folder, "choose another --out")
    return asyncio.run(record(venue, symbols, folder, seconds, say, sessions, shared))


async def record(
    venue: str,
    symbols: Sequence[str],
    folder: Path,
    seconds: float,
    say: Callable[[str], None],
    sessions: SessionFactory,
    shared: Path,
) -> list[Recorded]:
    """As `record_market`, into a `folder` that is there; what the venue allows this address is in
    `shared`, see `venue_folder`."""
    clock = LiveClock()
    with ExitStack() as files:
        budget = files.enter_context(closing(RateBudget(shared, venue, clock)))
        instruments = await _listed(venue, symbols, sessions, clock, budget)
        writer = CaptureWriter(folder, instruments, clock.now_ns() // NS_PER_S, files)
        feed = binance_feed(venue, sessions, clock, budget=budget, tap=writer)
        await feed.open(instruments, Watcher(say))
        try:
            await _until(seconds)
        finally:
            await feed.close()
        return [_told(feed, writer, instrument) for instrument in instruments]


async def _until(seconds: float) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        async with asyncio.timeout(seconds or None):
            await stop.wait()
    except TimeoutError:
        return
    finally:
        end_on_signals()


async def _listed(
    venue: str,
    symbols: Sequence[str],
    sessions: SessionFactory,
    clock: Clock,
    budget: RateBudget,
) -> list[Instrument]:
    """The instruments with the steps that the venue tells."""
    dialect = BinanceFeed(venue)
    kind = InstrumentKind.SPOT if venue == "binance_spot" else InstrumentKind.LINEAR
    asked = [
        Instrument(
            instrument_id=f"{venue}.{symbol}",
            venue=venue,
            symbol=symbol,
            kind=kind,
            base=symbol,
            quote=symbol,
            tick=Decimal("1e-8"),
            lot=Decimal("1e-8"),
        )
        for symbol in symbols
    ]
    async with sessions() as session:
        question = dialect.listing(asked)
        try:
            asker = PublicAsker(session, quirks_of(venue), clock, budget)
            answer = await asker.get(question.url, question.weight)
        except VenueFault as fault:
            if fault.code in ("-1121", "-1100"):
                raise BadInput("SYMBOL", ", ".join(symbols), f"{venue} lists no such one") from None
            raise WorkFailed(f"data record: {fault.words}") from None
    states = dialect.read_listing(answer, asked)
    for state in states:
        if "lists it no more" in state.halt:
            raise BadInput("SYMBOL", state.instrument.symbol, f"{venue} lists no such one")
    return [state.instrument for state in states]


class CaptureWriter:
    """A file per instrument, each line our time, a space, and the message as it came, in a
    combined stream's envelope; snapshots as they were answered."""

    def __init__(
        self, folder: Path, instruments: Sequence[Instrument], start_s: int, files: ExitStack
    ) -> None:
        self.names: dict[str, Path] = {}
        self._files: dict[str, gzip.GzipFile] = {}
        for instrument in instruments:
            name = f"{instrument.venue}_{instrument.symbol.lower()}_{start_s}.gz"
            path = self.names[instrument.instrument_id] = folder / name
            # A recording never overwrites another one.
            file = files.enter_context(gzip.GzipFile(path, "xb", compresslevel=4))
            self._files[instrument.instrument_id] = file

    def on_raw(self, instrument: Instrument, kind: int, raw: bytes, received_ns: int) -> None:
        body = raw.replace(b"\n", b" ")
        if kind != FRAME_NEWS:
            stream = "depth@100ms" if kind == FRAME_DEPTH else "trade"
            head = f'{{"stream":"{instrument.symbol.lower()}@{stream}","data":'.encode()
            body = head + body + b"}"
        self._files[instrument.instrument_id].write(b"%d %s\n" % (received_ns, body))


class Watcher:
    """Says when a book is doubted: there, the recording has a hole."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def on_rows(self, instrument_id: str, rows: Rows) -> None:
        """What is recorded is the message itself."""

    def on_feed(self, news: FeedNews) -> None:
        if isinstance(news, BookDoubted):
            self._say(f"{news.instrument_id}: {news.reason}")


def _told(feed: StreamFeed, writer: CaptureWriter, instrument: Instrument) -> Recorded:
    counts = feed.counts[instrument.instrument_id]
    return Recorded(
        file=str(writer.names[instrument.instrument_id]),
        depth=counts.depth,
        trades=counts.trades,
        snapshots=counts.snapshots,
        refused=counts.refused,
    )


def _world(venue: str, is_drill: bool) -> tuple[SessionFactory, Path]:
    """Who carries the requests, and the folder in which the venue's limits are shared."""
    paths = locate()
    if not is_drill:
        return plain_session, venue_folder(paths, None, "")
    drill = drill_folder(paths)
    key, sessions = drill_key(venue, drill)
    return sessions, venue_folder(paths, drill, key.fingerprint)
