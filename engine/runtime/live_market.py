"""The markets of a live engine: rows from the feed go through the same kernel as in paper.

Rows are applied when they arrive, so the newest picture is always the one that is traded on; what
is put aside for the trader is only why it should look (`reasons`), and that conflates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.core.clock import Clock
from engine.domain.instrument import Instrument
from engine.kernels import layout as k
from engine.kernels.layout import Rows
from engine.kernels.local import local_message
from engine.market.view import MarketView
from engine.ports.live import (
    BookDoubted,
    BookTrusted,
    FeedLinkChanged,
    FeedNews,
    InstrumentChanged,
    InstrumentHalted,
    LinkState,
)

_MARKET_REASONS = k.WAKE_TOP | k.WAKE_TRADE | k.WAKE_BAR
_BOOK_KINDS = (k.ROW_SNAPSHOT, k.ROW_DEPTH)


class Trouble:
    """Why one market cannot be traded on; each cause has its own words, "" when it is gone."""

    def __init__(self) -> None:
        self.link = "no market data yet"
        self.book = ""
        self.halt = ""
        self.rules = ""
        self.unbookable = ""
        """Why no order may fill, not even one that closes: the ledger could not count it."""

    @property
    def words(self) -> str:
        return self.halt or self.rules or self.link or self.book


class LiveMarkets:
    """Implements `engine.ports.live.MarketSink`. `on_change` is called with an instrument's id
    whenever somebody should look at it."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        periods: Mapping[str, int],
        clock: Clock,
        window_ticks: int = k.BOOK_WINDOW_TICKS,
    ) -> None:
        """`periods`: timeframe words and their length in ns."""
        rings = {word: index for index, word in enumerate(periods)}
        self._clock = clock
        self.views = {
            item.instrument_id: MarketView(
                item, k.new_market(0, tuple(periods.values()), window_ticks), rings
            )
            for item in instruments
        }
        self.troubles = {key: Trouble() for key in self.views}
        self.links = dict.fromkeys(self.views, LinkState.DOWN)
        self.reasons = dict.fromkeys(self.views, 0)
        """Why each market should be looked at; whoever looks sets it back to 0."""
        self.changed: dict[str, Instrument] = {}
        """Rules that the trader has not been told of; whoever tells it clears them."""
        self.moved_ns = clock.monotonic_ns()
        """When any market last moved, by the monotonic clock."""
        self.on_change: Callable[[str], None] = _ignore

    @property
    def rows(self) -> int:
        return sum(view.state.scalars.item(k.M_ROWS) for view in self.views.values())

    def unbookable(self, instrument_id: str) -> str:
        """Why nothing that may fill is to be sent there; "" as a rule."""
        return self.troubles[instrument_id].unbookable

    # -- the feed's side -----------------------------------------------------------------------

    def on_rows(self, instrument_id: str, rows: Rows) -> None:
        if len(rows) == 0:
            return
        state = self.views[instrument_id].state
        _fit_window(state, rows)
        before_ns, received_ns = state.scalars.item(k.M_NOW_NS), rows["ts_local_ns"].item(-1)
        _, _, reasons = local_message(*state, rows, len(rows), _MARKET_REASONS)
        state.scalars[k.M_NOW_NS] = max(received_ns, before_ns)
        self.moved_ns = self._clock.monotonic_ns()
        if reasons:
            self.reasons[instrument_id] |= reasons
            self.on_change(instrument_id)

    def on_feed(self, news: FeedNews) -> None:
        match news:
            case FeedLinkChanged(instrument_id=instrument_id):
                keys = [instrument_id] if instrument_id else list(self.views)
                for key in keys:
                    self._set_link(key, news)
            case BookDoubted(instrument_id=key, reason=reason):
                self.troubles[key].book = f"the book is doubted: {reason}"
                self.views[key].is_doubted = True
            case BookTrusted(instrument_id=key):
                self.troubles[key].book = ""
                self.views[key].is_doubted = False
            case InstrumentHalted(instrument_id=key, reason=reason):
                self.troubles[key].halt = f"the venue does not trade it: {reason}" if reason else ""
            case InstrumentChanged(instrument=instrument):
                self._change_rules(instrument)
        self.on_change("")

    def _set_link(self, instrument_id: str, news: FeedLinkChanged) -> None:
        self.links[instrument_id] = news.state
        works = news.state in (LinkState.UP, LinkState.POLLING)
        because = f": {news.reason}" if news.reason else ""
        self.troubles[instrument_id].link = "" if works else f"market data {news.state}{because}"

    def _change_rules(self, new: Instrument) -> None:
        """Positions are counted in lots and prices in ticks: those cannot change under way."""
        view = self.views[new.instrument_id]
        old = view.instrument
        same_units = (old.tick, old.lot, old.contract_size) == (
            new.tick,
            new.lot,
            new.contract_size,
        )
        trouble = self.troubles[new.instrument_id]
        trouble.unbookable = old.unbookable(new)
        trouble.rules = trouble.unbookable or (
            ""
            if same_units
            else f"the venue changed its units (tick {new.tick}, lot {new.lot}): close what is "
            "open, then start a new ledger"
        )
        if same_units:
            view.instrument = self.changed[new.instrument_id] = new


def _ignore(instrument_id: str) -> None:
    """Nobody listens yet."""


def _fit_window(state: k.MarketState, rows: Rows) -> None:
    """Before the first book, and when a fresh one lies elsewhere: move the window to its prices.

    Levels that the rows do not bring anew are forgotten; rows of a whole book bring them all.
    """
    book, scalars = state.book, state.scalars
    is_empty = scalars.item(k.M_BEST_BID) == k.NO_BID and scalars.item(k.M_BEST_ASK) == k.NO_ASK
    # Asked first: nearly every message is a difference to a book that is there, and short.
    if not is_empty and k.ROW_SNAPSHOT not in rows["kind"].tolist():
        return
    prices = rows["price_ticks"][np.isin(rows["kind"], _BOOK_KINDS)]
    if len(prices) == 0:
        return
    window = book.shape[1]
    centre = _middle(rows, prices)
    offset = centre - scalars.item(k.M_BASE)
    if window >> 3 <= offset < window - (window >> 3):
        return
    if not is_empty:
        book[:] = 0
    scalars[k.M_BASE] = centre - window // 2
    scalars[k.M_BEST_BID], scalars[k.M_BEST_ASK] = k.NO_BID, k.NO_ASK
    scalars[k.M_LOW_BID], scalars[k.M_HIGH_ASK] = k.NO_ASK, k.NO_BID


def _middle(rows: Rows, prices: np.ndarray) -> int:
    """Between the best bid and the best ask that the rows bring; any price where a side lacks."""
    held = rows["qty_lots"] > 0
    levels = held & np.isin(rows["kind"], _BOOK_KINDS)
    bids = rows["price_ticks"][levels & (rows["side"] == k.BUY)]
    asks = rows["price_ticks"][levels & (rows["side"] == k.SELL)]
    if len(bids) and len(asks):
        return (int(bids.max()) + int(asks.min())) // 2
    return int(prices[0])
