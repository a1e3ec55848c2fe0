"""One instrument's stream: connect, read, notice what has died, ask for what is missing.

Three loops a link, each owned by the feed: `run_stream` keeps the socket, `run_books` asks for
snapshots while the book wants one, `run_watch` looks at ages and polls while there is no stream.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Literal, Protocol

import aiohttp
import msgspec

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.errors import BadInput, shorten
from engine.domain.instrument import Instrument
from engine.kernels.frames import FRAME_DEPTH, FRAME_NEWS, FRAME_OFF_BOOK, FRAME_TRADE
from engine.ports.live import FeedLinkChanged, LinkState, MarketSink, VenueFault
from engine.venues.asker import PublicAsker
from engine.venues.backoff import Backoff
from engine.venues.feed_dialect import FeedDialect, Question
from engine.venues.keeper import Keeper
from engine.venues.quality import GuardLimits
from engine.venues.rest import no_answer

if TYPE_CHECKING:
    from aiohttp.http import WSMessageTextBytes

log = logging.getLogger(__name__)

REFUSED_MAX = 100
"""Frames of one connection that could not be read; then it is opened anew."""
_DATA = (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)


class FeedPace(msgspec.Struct, frozen=True, kw_only=True):
    """When a link acts. Tests hurry it."""

    connect_s: float = 10.0
    """From the first packet to the acknowledged subscription."""
    ping_s: float = 10.0
    """A half-open link is noticed after one and a half of it."""
    watch_ns: int = NS_PER_SECOND
    poll_after_ns: int = 3 * NS_PER_SECOND
    """Without a stream for so long, the book is asked for."""
    poll_ns: int = 2 * NS_PER_SECOND
    retry_first_ns: int = NS_PER_SECOND // 2
    retry_longest_ns: int = 30 * NS_PER_SECOND
    renew_ns: int = 23 * 3600 * NS_PER_SECOND
    """The venue cuts every connection after a day; we are first."""


class FrameTap(Protocol):
    """Is shown what was received and could be read, as it came."""

    def on_raw(self, instrument: Instrument, kind: int, raw: bytes, received_ns: int) -> None:
        """`kind` is a FRAME_ code of depth or trades, or FRAME_NEWS for a snapshot that joined."""


class _Gone(Exception):
    """The connection is over; the words say why."""


class InstrumentLink:
    def __init__(
        self,
        instrument: Instrument,
        dialect: FeedDialect,
        session: aiohttp.ClientSession,
        asker: PublicAsker,
        clock: Clock,
        sink: MarketSink,
        limits: GuardLimits,
        pace: FeedPace,
        tap: FrameTap | None = None,
    ) -> None:
        self.instrument = instrument
        self.keeper = Keeper(instrument, sink, limits)
        self.state = LinkState.DOWN
        self._dialect = dialect
        self._session = session
        self._asker = asker
        self._clock = clock
        self._sink = sink
        self._pace = pace
        self._tap = tap
        self._reader = dialect.reader(instrument)
        self._polled = dialect.reader(instrument)
        name, wait = instrument.instrument_id, (pace.retry_first_ns, pace.retry_longest_ns)
        self._stream_backoff = Backoff(f"{name} stream", *wait)
        self._book_backoff = Backoff(f"{name} book", *wait)
        self._poll_backoff = Backoff(f"{name} poll", *wait)
        self._wants_book = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse[Literal[False]] | None = None
        self._connection = 0
        self._refused = 0
        self._down_since_ns = clock.monotonic_ns()

    # -- the stream --------------------------------------------------------------------------------

    async def run_stream(self) -> None:
        """Connected for as long as this runs."""
        while True:
            now_ns = self._clock.monotonic_ns()
            await self._clock.sleep(self._stream_backoff.next_wait_ns(now_ns))
            if self.state is not LinkState.POLLING:
                self._become(LinkState.CONNECTING)
            reason = await self._stream()
            log.info("%s: no stream: %s", self.instrument.instrument_id, reason)
            if self.state is not LinkState.POLLING:
                self._become(LinkState.DOWN, reason)
                self.keeper.on_lost(f"no stream: {reason}")

    async def _stream(self) -> str:
        """One connection, from opening to its end; returns why it ended."""
        try:
            await self._connect_and_read()
        except _Gone as gone:
            return str(gone)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return no_answer(error, "the stream", self._pace.connect_s).words
        except Exception as error:
            # A fault of ours or of whoever takes the rows: the link must outlive it, loudly.
            log.exception("%s: the stream's reader failed", self.instrument.instrument_id)
            return f"its reader failed: {shorten(str(error))}"
        finally:
            socket, self._socket = self._socket, None
            if socket is not None:
                await socket.close()
        return "closed"

    async def _connect_and_read(self) -> None:
        pace = self._pace
        async with asyncio.timeout(pace.connect_s):
            socket = self._socket = await self._session.ws_connect(
                self._dialect.stream_url,
                heartbeat=pace.ping_s,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                max_msg_size=self._dialect.frame_bytes_max,
                decode_text=False,
            )
            self._connection += 1
            self._refused = 0
            await socket.send_str(self._dialect.subscription(self.instrument))
            while self.state is not LinkState.UP:
                self._on_message(await socket.receive())
        end_ns = self._clock.monotonic_ns() + pace.renew_ns
        while self._clock.monotonic_ns() < end_ns:
            self._on_message(await socket.receive())
        raise _Gone("opened anew before the venue's daily cut")

    def _on_message(self, message: aiohttp.WSMessage | WSMessageTextBytes) -> None:
        if message.type in _DATA:
            self.on_frame(message.data)
        elif message.type is aiohttp.WSMsgType.ERROR:
            raise _Gone(f"broken: {shorten(str(message.data))}")
        elif message.type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSING,
            aiohttp.WSMsgType.CLOSED,
        ):
            raise _Gone(_close_words(self._socket))

    def on_frame(self, raw: bytes) -> None:
        """One message of the stream. Raises _Gone when the connection is to be given up."""
        reader, keeper, now_ns = self._reader, self.keeper, self._clock.monotonic_ns()
        received_ns = self._clock.now_ns()
        try:
            kind, count, previous_id, last_id, venue_ms, rounded = reader.read(raw, received_ns)
        except BadInput as error:
            self._on_refused(error)
            return
        keeper.counts.rounded += rounded
        if self._tap is not None and kind != FRAME_NEWS:
            self._tap.on_raw(self.instrument, kind, raw, received_ns)
        if kind == FRAME_TRADE:
            keeper.on_trade(reader.rows[:count], last_id, venue_ms, now_ns)
        elif kind == FRAME_DEPTH:
            keeper.on_depth(reader.rows[:count], previous_id, last_id, venue_ms, now_ns)
            if keeper.wants_snapshot:
                self._wants_book.set()
        elif kind == FRAME_OFF_BOOK:
            keeper.on_off_book(last_id)
        elif kind == FRAME_NEWS:
            self._on_notice()

    def _on_notice(self) -> None:
        notice = self._reader.last_notice()
        if notice.goodbye:
            raise _Gone(notice.goodbye)
        if notice.is_ready and self.state is not LinkState.UP:
            now_ns = self._clock.monotonic_ns()
            self._stream_backoff.succeeded(now_ns)
            self.keeper.on_connected(now_ns)
            self._become(LinkState.UP)
            self._wants_book.set()

    def _on_refused(self, error: BadInput) -> None:
        self._refused += 1
        if self._refused == 1:
            log.warning("%s: a message was refused: %s", self.instrument.instrument_id, error)
        if self._refused > REFUSED_MAX:
            raise _Gone(f"more than {REFUSED_MAX} messages could not be read, the last: {error}")
        self.keeper.on_refused(str(error))
        self._wants_book.set()

    # -- whole books -------------------------------------------------------------------------------

    async def run_books(self) -> None:
        """Ask for the book while it is wanted, more slowly each time that it does not help."""
        while True:
            await self._wants_book.wait()
            self._wants_book.clear()
            while self.state is LinkState.UP and self.keeper.wants_snapshot:
                now_ns = self._clock.monotonic_ns()
                await self._clock.sleep(self._book_backoff.next_wait_ns(now_ns))
                if await self._fetch_book():
                    self._book_backoff.succeeded(self._clock.monotonic_ns())

    async def _fetch_book(self) -> bool:
        connection = self._connection
        if self.state is not LinkState.UP:
            return False
        try:
            answer = await self._get(self._dialect.book(self.instrument))
            received_ns = self._clock.now_ns()
            book = self._polled.read_book(answer, received_ns, self._exch_ns())
        except VenueFault as fault:
            log.warning("%s: no snapshot: %s", self.instrument.instrument_id, fault.words)
            await self._clock.sleep(fault.until_ns - self._clock.now_ns())
            return False
        except BadInput as error:
            log.warning("%s: the snapshot was refused: %s", self.instrument.instrument_id, error)
            return False
        if connection != self._connection or self.state is not LinkState.UP:
            return False
        has_joined = self.keeper.on_snapshot(book.last_id, book.rows, self._clock.monotonic_ns())
        if has_joined and self._tap is not None:
            self._tap.on_raw(self.instrument, FRAME_NEWS, answer, received_ns)
        return has_joined

    # -- watching ----------------------------------------------------------------------------------

    async def run_watch(self) -> None:
        """Ages while there is a stream; without one, the book and the trades by asking."""
        while True:
            await self._clock.sleep(self._pace.watch_ns)
            now_ns = self._clock.monotonic_ns()
            if self.state is LinkState.UP:
                if self.keeper.is_getting_quiet(now_ns):
                    await self._prove_quiet()
                self.keeper.on_tick(self._clock.monotonic_ns())
            elif now_ns - self._down_since_ns >= self._pace.poll_after_ns:
                if await self._poll():
                    self._poll_backoff.reset()
                    await self._clock.sleep(self._pace.poll_ns)
                else:
                    await self._clock.sleep(self._poll_backoff.next_wait_ns(now_ns))

    async def _prove_quiet(self) -> None:
        """No depth has come for a while: ask whether there was anything to tell."""
        connection, heard = self._connection, self.keeper.counts.depth
        stands = await self._stands()
        if stands is False:
            # The answer may be older or newer than the stream: its next word settles that.
            await self._clock.sleep(self._pace.watch_ns)
            if (connection, heard) != (self._connection, self.keeper.counts.depth):
                return
            stands = await self._stands()
        if (connection, heard) != (self._connection, self.keeper.counts.depth):
            return
        if stands:
            self.keeper.on_proof(self._clock.monotonic_ns())
        elif stands is False and self._socket is not None:
            log.warning(
                "%s: the stream is silent while the book moves", self.instrument.instrument_id
            )
            self.keeper.on_lost("the stream is silent while the book moves")
            await self._socket.close()

    async def _stands(self) -> bool | None:
        """Whether the venue's best levels are ours; None without an answer."""
        try:
            answer = await self._get(self._dialect.touch(self.instrument))
            book = self._polled.read_book(answer, self._clock.now_ns(), self._exch_ns())
        except (VenueFault, BadInput) as error:
            log.info("%s: quiet, and no proof: %s", self.instrument.instrument_id, error)
            return None
        return self.keeper.stands_as(book.rows)

    async def _poll(self) -> bool:
        """One look at book and trades. A stream that came up meanwhile goes first."""
        try:
            book_answer = await self._get(self._dialect.near_book(self.instrument))
            trades_answer = await self._get(self._dialect.trades(self.instrument))
            book = self._polled.read_book(book_answer, self._clock.now_ns(), self._exch_ns())
            trades = self._polled.read_trades(trades_answer, self._clock.now_ns())
        except (VenueFault, BadInput) as error:
            if self.state is LinkState.POLLING:
                self._become(LinkState.DOWN, f"no stream, and no answer either: {error}")
                self.keeper.on_lost("no stream, and no answer either")
            return False
        now_ns = self._clock.monotonic_ns()
        if self.state is LinkState.UP:
            return True
        if self.state is not LinkState.POLLING:
            self._become(LinkState.POLLING, "the stream fails: book and trades are asked for")
        self.keeper.on_polled(book.rows, now_ns, "the stream fails: the book is only asked for")
        # Of the past only the last price counts: what traded before we looked is not news.
        for trade in trades if self.keeper.counts.trades else trades[-1:]:
            self.keeper.on_trade(trade.rows, trade.trade_id, trade.venue_ms, now_ns)
        return True

    # -- inside ------------------------------------------------------------------------------------

    async def _get(self, question: Question) -> bytes:
        return await self._asker.get(question.url, question.weight)

    def _exch_ns(self) -> int:
        """Stands in for the time of a snapshot that carries none."""
        return self.keeper.newest_venue_ns or self._clock.now_ns()

    def _become(self, state: LinkState, reason: str = "") -> None:
        if self.state is LinkState.UP:
            self._down_since_ns = self._clock.monotonic_ns()
        self.state = state
        self._sink.on_feed(
            FeedLinkChanged(state=state, instrument_id=self.instrument.instrument_id, reason=reason)
        )


def _close_words(socket: aiohttp.ClientWebSocketResponse[Literal[False]] | None) -> str:
    if socket is None:
        return "closed"
    error = socket.exception()
    if error is not None:
        return f"broken: {shorten(str(error) or type(error).__name__)}"
    return f"closed by the venue (code {socket.close_code})"
