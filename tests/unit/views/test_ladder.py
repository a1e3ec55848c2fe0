"""The static ladder: rows are prices and stay."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views.ladder import (
    AIM_NS,
    SETTLE_NS,
    SIZES_NS,
    CalmSizes,
    Ladder,
    LadderRow,
    ladder_rows,
    next_own,
    orders_in_row,
)
from engine.domain.order import Side
from tests.support.session import BTC, MID, a_market, a_stop, a_working_order, some_orders

S = 1_000_000_000


def a_ladder(rows: int = 21, group: int = 1, at: int = MID) -> Ladder:
    ladder = Ladder()
    ladder.rows = rows
    ladder.follow(at, 0, None)
    if ladder.group != group:
        ladder.group = group
        ladder.centre(at)
    return ladder


def test_the_market_moves_inside_and_the_rows_stay() -> None:
    ladder = a_ladder()
    before = [ladder.price_at(row) for row in range(ladder.rows)]
    for drift in (1, 3, -2, 0, 2):
        ladder.follow(MID + drift * ladder.group, S, None)
    assert [ladder.price_at(row) for row in range(ladder.rows)] == before


def test_it_recentres_when_the_price_leaves_the_middle_third() -> None:
    ladder = a_ladder()
    ladder.follow(MID + 4 * ladder.group, S, None)
    assert ladder.recentred_ns == S
    assert ladder.row_of(MID + 4 * ladder.group) == ladder.rows // 2


def test_it_never_recentres_just_after_a_key() -> None:
    ladder = a_ladder()
    ladder.follow(MID + 9 * ladder.group, S, S - AIM_NS + 1)
    assert ladder.recentred_ns is None
    ladder.follow(MID + 9 * ladder.group, S, S - AIM_NS)
    assert ladder.recentred_ns == S


def test_after_recentring_it_settles_for_a_moment() -> None:
    ladder = a_ladder()
    ladder.follow(MID + 90, S, None)
    assert ladder.is_settling(S + SETTLE_NS - 1)
    assert not ladder.is_settling(S + SETTLE_NS)


def test_locked_it_never_moves() -> None:
    ladder = a_ladder()
    ladder.centre(MID)
    assert ladder.is_locked
    ladder.follow(MID + 900, S, None)
    assert ladder.recentred_ns is None
    ladder.centre(MID + 900)
    assert not ladder.is_locked


def test_the_cursor_stays_at_its_price() -> None:
    ladder = a_ladder()
    ladder.move_cursor(3)
    price = ladder.cursor_ticks
    ladder.follow(MID + 8 * ladder.group, S, None)
    assert ladder.cursor_ticks == price


def test_the_rows_follow_a_cursor_that_would_leave_them() -> None:
    ladder = a_ladder()
    ladder.move_cursor(30)
    assert ladder.row_of(ladder.cursor_ticks) == 0
    assert ladder.is_locked
    ladder.move_cursor(-60)
    assert ladder.row_of(ladder.cursor_ticks) == ladder.rows - 1


def test_centring_brings_a_lost_cursor_back() -> None:
    ladder = a_ladder()
    ladder.follow(MID + 500, S, None)
    assert not ladder.is_cursor_painted
    ladder.centre(MID + 500)
    assert ladder.is_cursor_painted


def test_grouping_never_shows_a_better_price() -> None:
    ladder = a_ladder(group=10, at=600_000)
    market = a_market(bids=[(599_999, 5), (599_991, 7)], asks=[(600_001, 11), (600_010, 13)])
    rows = {row.ticks: row for row in ladder_rows(ladder, market, [])}
    assert rows[599_990].bid_lots == 12
    assert rows[600_010].ask_lots == 24
    assert rows[600_000].bid_lots == rows[600_000].ask_lots == 0


def test_own_orders_stand_in_their_rows() -> None:
    ladder = a_ladder()
    ladder.group = 1
    ladder.centre(MID)
    orders = [
        a_working_order("a", Side.BUY, MID - 2, 5),
        a_working_order("b", Side.BUY, MID - 2, 7, queue_ahead_lots=30),
        a_stop("c", Side.SELL, MID - 5, 12),
        a_working_order("d", Side.SELL, MID + 3, 4, instrument_id="test.OTHER"),
    ]
    rows = {row.ticks: row for row in ladder_rows(ladder, a_market(), orders)}
    assert (rows[MID - 2].own_buys, rows[MID - 2].own_buy_lots) == (2, 12)
    assert rows[MID - 2].queue_ahead_lots == 30
    assert rows[MID - 5].is_stop
    assert rows[MID + 3].own_sells == 0
    assert orders_in_row(ladder, orders, BTC, ladder.row_of(MID - 2)) == ("a", "b")


def test_the_next_own_order_wraps_around() -> None:
    ladder = a_ladder()
    ladder.group = 1
    ladder.cursor_ticks = MID
    visited = []
    for _ in range(7):
        ladder.put_cursor(next_own(ladder, some_orders(), BTC))
        visited.append(ladder.cursor_ticks - MID)
    assert visited == [-10, -20, -30, 30, 20, 10, -10]


@pytest.mark.parametrize("ticks", [2, 500, 60_000, 600_125, 30_000_000])
def test_a_fresh_ladder_chooses_a_useful_span(ticks: int) -> None:
    ladder = a_ladder(rows=20, group=0, at=ticks) if ticks < 0 else Ladder()
    ladder.rows = 20
    ladder.follow(ticks, 0, None)
    span = ladder.group * ladder.rows
    assert span <= max(20, ticks // 2_000)


def test_resizing_keeps_the_middle() -> None:
    ladder = a_ladder(rows=21)
    middle = ladder.price_at(10)
    ladder.resize(9)
    assert ladder.price_at(4) == middle


def a_row(ticks: int = 100, **changes: int | bool) -> LadderRow:
    return LadderRow(**{"ticks": ticks, "bid_lots": 5, **changes})  # type: ignore[arg-type]


def test_digits_of_sizes_wait_for_the_next_look() -> None:
    calm = CalmSizes()
    assert calm.rows([a_row()], 1, S) == [a_row()]
    assert calm.rows([a_row(bid_lots=7)], 1, S + 1) == [a_row()]
    assert calm.rows([a_row(bid_lots=8)], 1, S + SIZES_NS) == [a_row(bid_lots=8)]


def test_another_grouping_waits_for_nothing() -> None:
    calm = CalmSizes()
    calm.rows([a_row()], 1, S)
    assert calm.rows([a_row(bid_lots=7)], 5, S + 1) == [a_row(bid_lots=7)]


rows = st.builds(
    LadderRow,
    ticks=st.integers(1, 4),
    bid_lots=st.integers(0, 3),
    ask_lots=st.integers(0, 3),
    own_buy_lots=st.integers(0, 2),
    own_sell_lots=st.integers(0, 2),
    queue_ahead_lots=st.integers(-1, 2),
    is_last=st.booleans(),
    is_cursor=st.booleans(),
)


@given(st.lists(st.lists(rows, unique_by=lambda row: row.ticks), min_size=1, max_size=5))
def test_nothing_but_digits_is_ever_held_back(pictures: list[list[LadderRow]]) -> None:
    calm = CalmSizes()
    for number, true in enumerate(pictures):
        for row, shown in zip(true, calm.rows(true, 1, number * SIZES_NS // 3), strict=True):
            assert bool(shown.bid_lots) is bool(row.bid_lots)
            assert bool(shown.ask_lots) is bool(row.ask_lots)
            assert (shown.queue_ahead_lots < 0) is (row.queue_ahead_lots < 0)
            held = {
                "bid_lots": row.bid_lots,
                "ask_lots": row.ask_lots,
                "queue_ahead_lots": row.queue_ahead_lots,
            }
            assert msgspec.structs.replace(shown, **held) == row
