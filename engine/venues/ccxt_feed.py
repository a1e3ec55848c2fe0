"""The market of every other exchange, by asking through ccxt: books and trades, every few seconds.

No raw frames are known here, so nothing is decoded fast and no ids are followed: each answer is a
whole book, and what has changed since the last one goes on as rows. A book is trusted while the
answers come. Rows are stamped with our time where the venue tells none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import aiohttp
import msgspec
import numpy as np

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.tasks import Failure, TaskOwner
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal
from engine.kernels import layout as k
from engine.kernels.layout import Rows
from engine.kernels.warm import warm_feeds
from engine.ports.live import FeedLinkChanged, LinkState, MarketSink, VenueFault
from engine.venues.backoff import Backoff
from engine.venues.budget import RateBudget
from engine.venues.ccxt_client import CcxtClient, find_exchange
from engine.venues.fields import JsonObject, Unreadable, as_list, as_object, objects
from engine.venues.fills import unknown_worth
from engine.venues.keeper import Keeper
from engine.venues.quality import GuardLimits
from engine.venues.quirks.shape import Quirks
from engine.venues.rest import SessionFactory
from engine.venues.unified import Unified

LEVELS = 100
TRADES = 100
TRADES_KEPT = 4 * TRADES
NS_PER_MS = 1_000_000


class PollPace(msgspec.Struct, frozen=True, kw_only=True):
    poll_ns: int = 2 * NS_PER_SECOND
    retry_longest_ns: int = 30 * NS_PER_SECOND


class PolledFeed:
    """`engine.ports.live.MarketFeed` of any ccxt exchange. BadInput when ccxt has no such one."""

    def __init__(
        self,
        quirks: Quirks,
        make_session: SessionFactory,
        clock: Clock,
        *,
        budget: RateBudget,
        limits: GuardLimits | None = None,
        pace: PollPace | None = None,
    ) -> None:
        find_exchange(quirks)
        warm_feeds()
        self._quirks = quirks
        self._make_session = make_session
        self._clock = clock
        self._budget = budget
        self._limits = limits or GuardLimits()
        self._pace = pace or PollPace()
        self._session: aiohttp.ClientSession | None = None
        self._client: CcxtClient | None = None
        self._owner: TaskOwner | None = None
        self._sink: MarketSink | None = None

    async def open(self, instruments: Sequence[Instrument], sink: MarketSink) -> None:
        assert self._session is None, "opened twice"
        self._sink = sink
        self._session = self._make_session()
        self._client = CcxtClient(self._quirks, None, self._session, self._clock, self._budget)
        dialect = Unified(self._client, unknown_worth)
        self._owner = TaskOwner(f"{self._quirks.venue} feed", self._on_failure)
        for instrument in instruments:
            market = PolledMarket(instrument, dialect, self._clock, sink, self._limits, self._pace)
            self._owner.start(instrument.instrument_id, market.run())

    async def close(self) -> None:
        if self._owner is not None:
            await self._owner.cancel_all()
            self._owner = None
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._budget.close()

    def _on_failure(self, failure: Failure) -> None:
        assert self._sink is not None
        self._sink.on_feed(
            FeedLinkChanged(state=LinkState.DOWN, reason=f"{failure.name} failed: {failure.error}")
        )


class PolledMarket:
    """One instrument: its last answer, and what has changed since."""

    def __init__(
        self,
        instrument: Instrument,
        dialect: Unified,
        clock: Clock,
        sink: MarketSink,
        limits: GuardLimits,
        pace: PollPace,
    ) -> None:
        self.keeper = Keeper(instrument, sink, limits)
        self._instrument = instrument
        self._dialect = dialect
        self._clock = clock
        self._sink = sink
        self._pace = pace
        self._answer_s = limits.quiet_ns_max / NS_PER_SECOND
        """An answer that takes longer is older than a book may be."""
        self._state = LinkState.DOWN
        self._shown: dict[tuple[int, int], int] = {}
        self._seen: deque[str] = deque(maxlen=TRADES_KEPT)
        self._trades = 0
        self._backoff = Backoff(
            f"{instrument.instrument_id} poll", pace.poll_ns, pace.retry_longest_ns
        )

    async def run(self) -> None:
        self.keeper.on_connected(self._clock.monotonic_ns())
        while True:
            try:
                async with asyncio.timeout(self._answer_s):
                    await self._poll()
            except (VenueFault, Unreadable, BadInput, TimeoutError) as error:
                words = getattr(error, "words", "") or str(error) or "it takes too long"
                self._become(LinkState.DOWN, words)
                self.keeper.on_lost(f"no answer: {words}")
                self._shown.clear()
                until_ns = getattr(error, "until_ns", 0)
                wait_ns = self._backoff.next_wait_ns(self._clock.monotonic_ns())
                await self._clock.sleep(
                    max(wait_ns, self._pace.poll_ns, until_ns - self._clock.now_ns())
                )
            else:
                self._backoff.reset()
                await self._clock.sleep(self._pace.poll_ns)

    async def _poll(self) -> None:
        symbol = self._instrument.symbol
        book = as_object(await self._dialect.fetch_book(symbol, LEVELS))
        trades = objects(await self._dialect.fetch_tape(symbol, TRADES), "trades")
        now_ns = self._clock.monotonic_ns()
        levels = {**self._side(book, "bids", k.BUY), **self._side(book, "asks", k.SELL)}
        rows = self._changes(levels, self._stamp(book))
        if self._state is not LinkState.POLLING:
            self._become(LinkState.POLLING, "the book is asked for every few seconds")
        self.keeper.on_whole(rows, now_ns)
        # A book that was withheld is shown whole the next time.
        self._shown = levels if not self.keeper.wants_snapshot else {}
        self._tell_trades(trades, now_ns)

    def _changes(self, levels: dict[tuple[int, int], int], ts_exch_ns: int) -> Rows:
        """Rows from what was shown last to `levels`; the whole book where nothing was."""
        if self._shown:
            gone = [(side, ticks, 0, k.ROW_DEPTH) for side, ticks in self._shown.keys() - levels]
            new = [
                (*key, lots, k.ROW_DEPTH)
                for key, lots in levels.items()
                if self._shown.get(key) != lots
            ]
            found = sorted(gone) + new
        else:
            clears = [(k.BUY, 1, 0, k.ROW_CLEAR), (k.SELL, k.NO_ASK - 1, 0, k.ROW_CLEAR)]
            best_first = sorted(levels.items(), key=lambda level: -level[0][0] * level[0][1])
            found = clears + [(*key, lots, k.ROW_SNAPSHOT) for key, lots in best_first]
        rows: Rows = np.zeros(len(found), k.ROW)
        for index, name in enumerate(("side", "price_ticks", "qty_lots", "kind")):
            rows[name] = [row[index] for row in found]
        rows["ts_exch_ns"], rows["ts_local_ns"] = ts_exch_ns, self._clock.now_ns()
        return rows

    def _side(self, book: JsonObject, name: str, side: int) -> dict[tuple[int, int], int]:
        found = {}
        for level in as_list(book.get(name), name):
            price, size, *_ = as_list(level, name)
            ticks = self._instrument.ticks(parse_decimal("price", str(price)))
            # Far sizes may lie between two lots: what is there is not nothing.
            lots = max(1, self._instrument.lots_down(parse_decimal("quantity", str(size))))
            if ticks <= 0:
                raise BadInput("price", str(price), "must be greater than zero")
            found[side, ticks] = lots
        return found

    def _tell_trades(self, trades: list[JsonObject], now_ns: int) -> None:
        """Those not told yet, oldest first; of the first answer only the newest."""
        fresh = [trade for trade in trades if _trade_key(trade) not in self._seen]
        fresh.sort(key=lambda trade: int(str(trade.get("timestamp") or 0)))
        is_first = not self._seen
        self._seen.extend(_trade_key(trade) for trade in fresh)
        for trade in fresh[-1:] if is_first else fresh:
            row: Rows = np.zeros(1, k.ROW)
            side = k.SELL if trade.get("side") == "sell" else k.BUY
            ticks = self._instrument.ticks(parse_decimal("price", str(trade.get("price"))))
            lots = self._instrument.lots_down(parse_decimal("amount", str(trade.get("amount"))))
            ts_exch_ns = self._stamp(trade)
            row[0] = (ts_exch_ns, self._clock.now_ns(), ticks, max(1, lots), k.ROW_TRADE, side)
            self._trades += 1
            self.keeper.on_trade(row, self._trades, 0, now_ns)

    def _stamp(self, source: JsonObject) -> int:
        told = source.get("timestamp")
        if isinstance(told, int | str) and str(told).isascii() and str(told).isdigit():
            return int(told) * NS_PER_MS
        return self._clock.now_ns()

    def _become(self, state: LinkState, reason: str) -> None:
        self._state = state
        self._sink.on_feed(
            FeedLinkChanged(
                state=state, instrument_id=self._instrument.instrument_id, reason=reason
            )
        )


def _trade_key(trade: JsonObject) -> str:
    """The venue's id; where it has none, what the trade was."""
    told = trade.get("id")
    if told is not None:
        return str(told)
    return ":".join(str(trade.get(name)) for name in ("timestamp", "price", "amount", "side"))
