"""The markets and the clock of a live engine."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_SECOND, SimClock
from engine.domain.order import Side
from engine.kernels import layout as k
from engine.kernels.local import local_run
from engine.ports.live import (
    BookDoubted,
    BookTrusted,
    FeedLinkChanged,
    InstrumentChanged,
    InstrumentHalted,
    LinkState,
)
from engine.runtime.live_market import LiveMarkets, _fit_window
from engine.runtime.live_time import SteadyClock
from tests.support.builders import linear

KEY = "test.BTCUSDT"
WINDOW = 1 << 14


def markets() -> LiveMarkets:
    return LiveMarkets([linear()], {"1s": NS_PER_SECOND}, SimClock(NS_PER_SECOND), WINDOW)


def rows(*levels: tuple[int, int, int, int], now_ns: int = NS_PER_SECOND) -> k.Rows:
    """(kind, side, ticks, lots)."""
    found = np.zeros(len(levels), k.ROW)
    for index, (kind, side, ticks, lots) in enumerate(levels):
        found[index] = (now_ns, now_ns, ticks, lots, kind, side)
    return found


def snapshot(bid: int, ask: int, lots: int = 5) -> k.Rows:
    """A whole book of one level a side, as a feed tells it."""
    return rows(
        (k.ROW_CLEAR, k.BUY, 0, 0),
        (k.ROW_CLEAR, k.SELL, 1 << 40, 0),
        (k.ROW_SNAPSHOT, k.BUY, bid, lots),
        (k.ROW_SNAPSHOT, k.SELL, ask, lots),
    )


@given(st.lists(st.integers(100, 1 << 36), min_size=1, max_size=6))
def test_the_window_finds_every_fresh_book_wherever_it_lies(bids: list[int]):
    found = markets()
    for bid in bids:
        found.on_rows(KEY, snapshot(bid, bid + 3))
        view = found.views[KEY]
        assert (view.best_bid, view.best_ask) == (bid, bid + 3)
        assert view.depth(Side.BUY, 10) == [(bid, 5)]
        assert view.depth(Side.SELL, 10) == [(bid + 3, 5)]
        assert view.is_ready


def test_a_doubted_book_is_shown_and_not_traded_on():
    found = markets()
    found.on_feed(FeedLinkChanged(state=LinkState.UP))
    found.on_rows(KEY, snapshot(1_000, 1_002))
    assert found.troubles[KEY].words == ""
    found.on_feed(BookDoubted(instrument_id=KEY, reason="a gap"))
    assert not found.views[KEY].is_ready
    assert found.views[KEY].best_bid == 1_000
    assert found.troubles[KEY].words == "the book is doubted: a gap"
    found.on_feed(BookTrusted(instrument_id=KEY))
    assert found.views[KEY].is_ready


def test_a_halt_wins_over_what_else_is_wrong_and_ends():
    found = markets()
    found.on_feed(InstrumentHalted(instrument_id=KEY, reason="BREAK"))
    assert found.troubles[KEY].words == "the venue does not trade it: BREAK"
    found.on_feed(InstrumentHalted(instrument_id=KEY, reason=""))
    assert found.troubles[KEY].words == "no market data yet"


def test_units_that_change_stop_trading_and_other_rules_are_taken_over():
    found = markets()
    found.on_feed(FeedLinkChanged(state=LinkState.UP))
    found.on_feed(InstrumentChanged(instrument=linear(min_lots=3)))
    assert found.troubles[KEY].words == ""
    assert found.views[KEY].instrument.min_lots == 3
    coarser = linear(tick=linear().tick * 10)
    found.on_feed(InstrumentChanged(instrument=coarser))
    assert "close what is open, then start a new ledger" in found.troubles[KEY].words
    assert found.unbookable(KEY) == ""  # What closes can still be counted.


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tick": linear().tick / 10}, "tick has changed from 0.1 to 0.01"),
        ({"tick": linear().tick * 5 / 2}, "tick has changed from 0.1 to 0.25"),
        ({"lot": linear().lot / 2}, "lot has changed from 0.001 to 0.0005"),
        ({"contract_size": Decimal(10)}, "contract size has changed from 1 to 10"),
    ],
)
def test_units_that_the_ledger_cannot_count_in_let_nothing_fill(
    changes: dict[str, Decimal], words: str
):
    found = markets()
    found.on_feed(FeedLinkChanged(state=LinkState.UP))
    found.on_feed(InstrumentChanged(instrument=linear(**changes)))
    assert words in found.troubles[KEY].words
    assert "close BTCUSDT at the venue, then start a new ledger" in found.unbookable(KEY)
    found.on_feed(InstrumentChanged(instrument=linear()))  # Taken back.
    assert found.unbookable(KEY) == found.troubles[KEY].words == ""


def test_reasons_add_up_until_somebody_looks():
    found = markets()
    seen: list[str] = []
    found.on_change = seen.append
    found.on_rows(KEY, snapshot(1_000, 1_002))
    found.on_rows(KEY, rows((k.ROW_TRADE, k.BUY, 1_002, 1)))
    assert found.reasons[KEY] & k.WAKE_TOP
    assert found.reasons[KEY] & k.WAKE_TRADE
    assert seen == [KEY, KEY]


def test_the_steady_clock_follows_no_step_of_the_wall():
    class Wall(SimClock):
        step_ns = 0

        def now_ns(self) -> int:
            return super().now_ns() + self.step_ns

    wall = Wall(100 * NS_PER_SECOND)
    clock = SteadyClock(wall)
    wall.step_ns = -50 * NS_PER_SECOND
    wall.advance_to(101 * NS_PER_SECOND)
    assert clock.now_ns() == 101 * NS_PER_SECOND
    assert clock.wall_lead_ns() == -50 * NS_PER_SECOND
    clock.raise_to(90 * NS_PER_SECOND)
    assert clock.now_ns() == 101 * NS_PER_SECOND
    clock.raise_to(200 * NS_PER_SECOND)
    assert clock.now_ns() == 200 * NS_PER_SECOND


_MESSAGES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from([k.ROW_DEPTH] * 5 + [k.ROW_TRADE] * 3 + [k.ROW_SNAPSHOT, k.ROW_CLEAR]),
            st.sampled_from([k.BUY, k.SELL]),
            st.integers(990, 1_010),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=6,
    ),
    max_size=12,
)


@given(_MESSAGES, st.lists(st.integers(0, 2 * NS_PER_SECOND), min_size=12, max_size=12))
def test_a_message_at_once_is_its_rows_instant_by_instant(
    messages: list[list[tuple[int, int, int, int]]], pauses_ns: list[int]
) -> None:
    """What a paper market makes of the same rows, and the same reasons to look."""
    found, other = markets(), markets().views[KEY].state
    mask = k.WAKE_TOP | k.WAKE_TRADE | k.WAKE_BAR
    found.on_rows(KEY, snapshot(998, 1_002))
    _advance(other, snapshot(998, 1_002), mask)
    now_ns = NS_PER_SECOND
    for message, pause_ns in zip(messages, pauses_ns, strict=False):
        now_ns += pause_ns
        found.reasons[KEY] = 0
        given_rows = rows(*message, now_ns=now_ns)
        found.on_rows(KEY, given_rows)
        reasons = _advance(other, given_rows, mask)
        assert found.reasons[KEY] & mask == reasons & mask
        for ours, theirs in zip(found.views[KEY].state, other, strict=True):
            assert np.array_equal(ours, theirs)


def _advance(state: k.MarketState, given_rows: k.Rows, mask: int) -> int:
    """As the simulated world does it, in the same window: `local_run` from instant to instant."""
    scalars, index, found = state.scalars, 0, 0
    _fit_window(state, given_rows)
    before_ns = scalars.item(k.M_NOW_NS)
    now_ns = max(int(given_rows["ts_local_ns"][-1]), before_ns)
    while index < len(given_rows):
        index, before_ns, reasons = local_run(
            state, given_rows, index, len(given_rows), before_ns, now_ns, 0, mask
        )
        found |= reasons
    scalars[k.M_NOW_NS] = now_ns
    return found
