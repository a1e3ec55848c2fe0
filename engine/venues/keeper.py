"""One instrument of a feed, without its sockets: what goes on to the market, and what is doubted.

Frames come in as rows and ids. Sequence (`sync`) and guard (`quality`) decide; rows that may be
seen go to the sink, and the sink hears when the book is doubted and when it is trusted again.
"""

from __future__ import annotations

import logging

import msgspec
import numpy as np

from engine.domain.instrument import Instrument
from engine.kernels import layout as k
from engine.kernels.book import best_levels
from engine.kernels.guard import take_depth
from engine.kernels.layout import Rows
from engine.ports.live import BookDoubted, BookTrusted, MarketSink
from engine.venues.quality import FINE, NS_PER_MS, BookGuard, GuardLimits
from engine.venues.sync import BookSync, Step

log = logging.getLogger(__name__)

NOT_YET = "no snapshot yet"
UNPROVEN = "waiting for the first update after the snapshot"


class Counts(msgspec.Struct, kw_only=True):
    """What one instrument's feed has met since it was opened; each counts messages."""

    depth: int = 0
    trades: int = 0
    old: int = 0
    """Depth that the book held already."""
    gaps: int = 0
    repeated_trades: int = 0
    off_book: int = 0
    refused: int = 0
    """Malformed, off the price grid, of another instrument."""
    snapshots: int = 0
    late_snapshots: int = 0
    """Older than the updates that wait for them."""
    rounded: int = 0
    """Sizes between two lots; counts levels."""


class Keeper:
    """Not thread-safe, never waits. `now_ns` is of a clock that only grows."""

    def __init__(self, instrument: Instrument, sink: MarketSink, limits: GuardLimits) -> None:
        self.instrument = instrument
        self.counts = Counts()
        self.doubt = ""
        """Why the book is not to be traded on; "" when it is."""
        self._sink = sink
        self._sync = BookSync()
        self._guard = BookGuard(limits)
        self._market: k.MarketState | None = None
        self._last_trade_id = -1
        self._newest_venue_ns = 0
        self._judged = FINE
        """The last verdict on the book's content."""
        self._is_stale = False
        """By the last look at its age."""
        self._fail(NOT_YET)

    # -- what the feed asks ----------------------------------------------------------------------

    @property
    def wants_snapshot(self) -> bool:
        return not self._sync.is_joined

    @property
    def stands_at(self) -> int:
        """The update id of the book, -1 while a snapshot is wanted."""
        return self._sync.last_id

    @property
    def newest_venue_ns(self) -> int:
        """The venue's time of the last message, 0 before the first."""
        return self._newest_venue_ns

    def is_getting_quiet(self, now_ns: int) -> bool:
        """Nothing has come for so long that a proof is due before the book counts as stale."""
        return self._guard.is_getting_quiet(now_ns)

    def stands_as(self, rows: Rows) -> bool:
        """Whether the best levels of a snapshot's `rows` are the best ones of the book, on both
        sides: then nothing was missed, however quiet it is. Never for a book that is stale."""
        if self._market is None or not self._sync.is_joined or self._is_stale:
            return False
        levels = rows[rows["kind"] == k.ROW_SNAPSHOT]
        bids, asks = levels[levels["side"] == k.BUY], levels[levels["side"] == k.SELL]
        return _are_best(self._market, k.BID, bids) and _are_best(self._market, k.ASK, asks)

    # -- what the feed tells ---------------------------------------------------------------------

    def on_connected(self, now_ns: int) -> None:
        """Subscribed anew: updates were missed in between, so a snapshot is needed."""
        self._sync.restart()
        self._guard.restart(now_ns)
        self._fail(NOT_YET)

    def on_lost(self, reason: str) -> None:
        self._sync.restart()
        self._fail(reason)

    def on_refused(self, reason: str) -> None:
        """A frame that could not be read. It may have been depth: the book needs a snapshot."""
        self.counts.refused += 1
        self._sync.lose()
        self._fail(f"a message was refused: {reason}")

    def on_depth(
        self, rows: Rows, previous_id: int, last_id: int, venue_ms: int, now_ns: int
    ) -> None:
        """`rows` of one whole depth message."""
        self.counts.depth += 1
        self._newest_venue_ns = venue_ms * NS_PER_MS
        self._guard.heard(now_ns, venue_ms)
        step = self._sync.follow(previous_id, last_id, rows)
        if step is Step.APPLY:
            self._put(rows, now_ns)
        elif step is Step.OLD:
            self.counts.old += 1
            self._settle(now_ns)
        elif step is Step.GAP:
            self.counts.gaps += 1
            self._fail(f"updates are missing before {last_id}")

    def on_trade(self, rows: Rows, trade_id: int, venue_ms: int, now_ns: int) -> None:
        """One trade. A trade whose id is not newer than the last one's was told before. It makes
        no book younger: depth may have stopped while trades go on."""
        self._guard.timed(now_ns, venue_ms)
        if trade_id <= self._last_trade_id:
            self.counts.repeated_trades += 1
            return
        self._last_trade_id = trade_id
        self.counts.trades += 1
        is_off = self._guard.traded(rows["price_ticks"].item(0), now_ns)
        self._newest_venue_ns = venue_ms * NS_PER_MS
        if is_off or self.doubt:
            self.on_tick(now_ns)  # Before the trade goes on: a doubt that it raises comes first.
        self._sink.on_rows(self.instrument.instrument_id, rows)

    def on_off_book(self, trade_id: int) -> None:
        self.counts.off_book += 1
        self._last_trade_id = max(self._last_trade_id, trade_id)

    def on_snapshot(self, snapshot_id: int, rows: Rows, now_ns: int) -> bool:
        """False when it is older than what waits for it, or lacks a side: ask again."""
        if len(np.unique(rows["side"][rows["kind"] == k.ROW_SNAPSHOT])) < 2:
            # Updates would fill the side bit by bit, and look like a book long before they are one.
            self._fail("the snapshot has no bids or no asks")
            return False
        joined = self._sync.join(snapshot_id)
        if joined is None:
            self.counts.late_snapshots += 1
            self._fail("the snapshot is older than the updates")
            return False
        self.counts.snapshots += 1
        self._guard.forget_price()
        if self._put(rows, now_ns):
            for diff in joined.diffs:
                if not self._put(diff, now_ns):
                    break
        return self._sync.is_joined

    def on_polled(self, rows: Rows, now_ns: int, words: str) -> None:
        """A whole book that was asked for because the stream fails. It is shown, so that stops are
        checked, and stays doubted."""
        self._sync.restart()
        self._guard.restart(now_ns)
        self._guard.forget_price()
        if self._is_passed(rows, now_ns):
            self._fail(words)

    def on_whole(self, rows: Rows, now_ns: int) -> None:
        """What has changed since the last look at a book that is asked for, for venues without a
        stream: as good as the last answer, and no older than the guard allows."""
        if self._judged.is_broken:
            self._guard.forget_price()  # The second answer that says so.
        self._sync.restart()
        self._sync.join(0)
        self._sync.prove()
        self._guard.heard(now_ns, 0)
        self._put(rows, now_ns)

    def on_proof(self, now_ns: int) -> None:
        """The venue was asked: there was nothing to tell."""
        self._guard.heard(now_ns, 0)
        self._sync.prove()
        self._settle(now_ns)

    def on_tick(self, now_ns: int) -> None:
        """Time has passed, or a trade: look at ages, and at the last price."""
        if self._sync.is_joined:
            self._settle(now_ns)

    # -- inside ----------------------------------------------------------------------------------

    def _put(self, rows: Rows, now_ns: int) -> bool:
        """Rows of one message that joins. False when they were withheld."""
        is_passed = self._is_passed(rows, now_ns)
        if is_passed:
            self._settle(now_ns)
        return is_passed

    def _is_passed(self, rows: Rows, now_ns: int) -> bool:
        market = self._market
        if market is None:
            market = self._market = _new_guard_book(rows)
        top = take_depth(market.book, market.scalars, rows, len(rows))
        self._judged = self._guard.judge(*top)
        if self._judged.is_broken:
            self._sync.lose()
            self._fail(self._judged.reason)
            return False
        if len(rows):
            self._sink.on_rows(self.instrument.instrument_id, rows)
        return True

    def _settle(self, now_ns: int) -> None:
        """Tell the sink if the verdict has changed."""
        age = self._guard.judge_age(now_ns)
        self._is_stale = bool(age.reason)
        reason = self._judged.reason or self._guard.judge_trade(now_ns).reason or age.reason
        if not reason and not self._sync.is_proven:
            reason = UNPROVEN
        if reason:
            self._fail(reason)
        elif self.doubt:
            self.doubt = ""
            self._sink.on_feed(BookTrusted(instrument_id=self.instrument.instrument_id))

    def _fail(self, reason: str) -> None:
        if _kind_of(reason) == _kind_of(self.doubt):
            return
        log.info("%s: book doubted: %s", self.instrument.instrument_id, reason)
        self.doubt = reason
        self._sink.on_feed(BookDoubted(instrument_id=self.instrument.instrument_id, reason=reason))


def _are_best(market: k.MarketState, side: int, levels: Rows) -> bool:
    """Whether `levels` (best first, all of `side`) are the best ones of that side; of an empty
    side, whether it is empty. Levels behind the window are kept by nobody and not compared."""
    book, base = market.book, market.scalars.item(k.M_BASE)
    columns = levels["price_ticks"] - base
    inside = levels[(columns >= 0) & (columns < book.shape[1])]
    if len(levels) and not len(inside):
        return False
    found = np.zeros((max(1, len(inside)), 2), np.int64)
    count = best_levels(book, market.scalars, side, book.shape[1], found)
    if count != len(inside):
        return False
    return bool(
        np.array_equal(found[:count, 0], inside["price_ticks"])
        and np.array_equal(found[:count, 1], inside["qty_lots"])
    )


def _kind_of(reason: str) -> str:
    """A reason without its numbers: the same doubt is told once."""
    return "".join(letter for letter in reason if not letter.isdigit())


def _new_guard_book(rows: Rows) -> k.MarketState:
    """Centred on the first book that is seen."""
    levels = rows[rows["kind"] != k.ROW_CLEAR]
    prices = levels["price_ticks"]
    bids, asks = prices[levels["side"] == k.BUY], prices[levels["side"] == k.SELL]
    best = [int(bids.max())] if len(bids) else []
    best += [int(asks.min())] if len(asks) else []
    mid = sum(best) // len(best) if best else 1
    return k.new_market(mid, (), k.window_for(mid))
