"""The dense book against two dicts, in windows so small that it has to move along all the time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import book as b
from engine.kernels import layout as k
from tests.support.naive_exchange import BUY, SELL, NaiveBook

MID = 1_000
SIDES = {BUY: k.BID, SELL: k.ASK}

steps = st.lists(
    st.tuples(
        st.sampled_from(["set"] * 12 + ["clear"]),
        st.sampled_from([BUY, SELL]),
        st.integers(-4, 4),  # from where the price is now
        st.integers(0, 3),
        st.sampled_from([0] * 6 + [-2, -1, 1, 2]),  # where the price goes next
    ),
    max_size=80,
)


def assert_same(market: k.MarketState, naive: NaiveBook) -> None:
    scalars = market.scalars
    assert scalars[k.M_BASE] == naive.base
    bid, ask = naive.best[BUY], naive.best[SELL]
    assert scalars[k.M_BEST_BID] == (k.NO_BID if bid is None else bid)
    assert scalars[k.M_BEST_ASK] == (k.NO_ASK if ask is None else ask)
    for side, row in SIDES.items():
        filled = market.book[row].nonzero()[0]
        held = {naive.base + int(index): int(market.book[row, index]) for index in filled}
        assert held == naive.levels[side]
    assert best(market, k.BID) == sorted(
        (level for level in naive.levels[BUY].items() if bid is not None and level[0] <= bid),
        reverse=True,
    )
    assert best(market, k.ASK) == sorted(
        level for level in naive.levels[SELL].items() if ask is not None and level[0] >= ask
    )


def best(market: k.MarketState, side: int) -> list[tuple[int, int]]:
    """Every level of a side by `best_levels`, by way of fewer levels and a nearer end."""
    book, scalars, found = market.book, market.scalars, np.zeros((1 << 14, 2), np.int64)
    count = b.best_levels(book, scalars, side, 1 << 14, found)
    whole = [(ticks, lots) for ticks, lots in found[:count].tolist()]
    assert b.best_levels(book, scalars, side, 1 << 14, found[:2]) == min(2, len(whole))
    near = [level for level in whole if abs(level[0] - whole[0][0]) <= 2]
    assert b.best_levels(book, scalars, side, 2, found) == len(near)
    assert [(ticks, lots) for ticks, lots in found[: len(near)].tolist()] == near
    return whole


@settings(max_examples=400, deadline=None)
@given(steps=steps, window=st.sampled_from([16, 32, 1 << 14]), plain=st.booleans())
def test_the_book_equals_two_dicts(
    steps: list[tuple[str, int, int, int, int]], window: int, plain: bool
) -> None:
    """`plain`: the same through the functions' plain Python twins."""
    market = k.new_market(MID, (), window)
    naive = NaiveBook(MID - window // 2, window)
    book, scalars, mid = market.book, market.scalars, MID
    kernels = {
        ("set", BUY): b.set_bid,
        ("set", SELL): b.set_ask,
        ("clear", BUY): b.clear_bids,
        ("clear", SELL): b.clear_asks,
    }
    for what, side, away, lots, drift in steps:
        mid += drift
        ticks = mid + away
        kernel = kernels[what, side]
        call = kernel.py_func if plain else kernel  # type: ignore[attr-defined]
        if what == "clear":
            call(book, scalars, ticks)
            naive.clear(side, ticks)
        else:
            before = naive.levels[side].get(ticks, 0) if naive.is_inside(ticks) else -1
            assert call(book, scalars, ticks, lots) == before
            naive.set(side, ticks, lots)
        assert_same(market, naive)
