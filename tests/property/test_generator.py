"""Whatever the seed and whenever the button is pressed, the rows describe a book that can exist."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given, settings

from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_TRADE, SELL
from engine.sim.generator import FEED_LATENCY_NS, START_NS, MarketGenerator

SECOND_NS = 1_000_000_000

Row = tuple[int, int, int, int, int, int]


class StrictBook:
    """Applies rows one by one and asserts after each that the market could be real."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.best_bid, self.best_ask = -1, 1 << 40
        self.last_ns = START_NS
        self._printed: tuple[int, int, int, int] | None = None

    def apply(self, row: Row) -> None:
        ts_ns, local_ns, _, lots, kind, _ = row
        assert ts_ns >= self.last_ns
        assert local_ns == ts_ns + FEED_LATENCY_NS
        self.last_ns = ts_ns
        if kind == ROW_CLEAR:
            assert (lots, self.bids, self.asks) == (0, {}, {})
        elif kind == ROW_TRADE:
            self._trade(row)
        else:
            self._level(row)

    def _trade(self, row: Row) -> None:
        ts_ns, _, ticks, lots, _, side = row
        assert self._printed is None, "two trades without the book's answer between them"
        assert lots > 0
        # Market orders take the best level, and never more than rests there.
        assert ticks == (self.best_ask if side == BUY else self.best_bid)
        held = (self.asks if side == BUY else self.bids)[ticks]
        assert lots <= held
        self._printed = (ts_ns, -side, ticks, held - lots)

    def _level(self, row: Row) -> None:
        ts_ns, _, ticks, lots, kind, side = row
        if self._printed is not None:
            printed_ns, printed_side, printed_ticks, left = self._printed
            self._printed = None
            assert (kind, ts_ns, side, ticks) == (
                ROW_DEPTH,
                printed_ns,
                printed_side,
                printed_ticks,
            )
            assert lots <= left
        book = self.bids if side == BUY else self.asks
        assert side in (BUY, SELL)
        assert lots >= 0
        if lots:
            book[ticks] = lots
        else:
            del book[ticks]  # KeyError: a level is taken down that was not there.
        if side == BUY:
            self.best_bid = max(book, default=-1) if ticks >= self.best_bid else self.best_bid
        else:
            self.best_ask = min(book, default=1 << 40) if ticks <= self.best_ask else self.best_ask
        assert self.best_bid < self.best_ask


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**64 - 1),
    block_ms=st.sampled_from([50, 1_000, 3_700]),
    pressed=st.lists(st.integers(0, 25), max_size=3),
)
def test_the_rows_describe_a_possible_book(seed: int, block_ms: int, pressed: list[int]) -> None:
    generator = MarketGenerator(seed, block_ns=block_ms * 1_000_000)
    book = StrictBook()
    for now_ms in range(0, 30_000, block_ms):
        for second in [second for second in pressed if second * 1_000 <= now_ms]:
            pressed = [other for other in pressed if other != second]
            generator.crash(START_NS + second * SECOND_NS)
        block = generator.next_block()
        assert block is not None
        for row in block.tolist():
            book.apply(row)
            assert book.last_ns < START_NS + (now_ms + block_ms) * 1_000_000
    assert book.bids
    assert book.asks
