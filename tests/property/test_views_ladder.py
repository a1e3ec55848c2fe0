"""The ladder under any market and any keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.views.ladder import AIM_NS, GROUPS, Ladder, ladder_rows, orders_in_row
from engine.domain.order import Side
from tests.support.session import BTC, a_market, a_working_order

MS = 1_000_000
rows_counts = st.integers(3, 60)
walks = st.lists(st.tuples(st.integers(-40, 40), st.integers(1, 900)), max_size=40)


def a_ladder(rows: int, group: int, at: int = 600_000) -> Ladder:
    ladder = Ladder(group)
    ladder.rows = rows
    ladder.follow(at, 0, None)
    while ladder.group != group:
        ladder.change_group(1 if ladder.group < group else -1, at)
    return ladder


@given(rows_counts, st.sampled_from(GROUPS), walks)
def test_rows_move_only_outside_the_middle_third_and_the_cursor_never(
    rows: int, group: int, walk: list[tuple[int, int]]
) -> None:
    ladder = a_ladder(rows, group)
    cursor = ladder.cursor_ticks
    ticks, now_ns = 600_000, 0
    for step, wait_ms in walk:
        ticks, now_ns = max(1, ticks + step * group), now_ns + wait_ms * MS
        prices = [ladder.price_at(row) for row in range(rows)]
        row = prices[0] // group - ticks // group
        ladder.follow(ticks, now_ns, None)
        if rows // 3 <= row <= rows - 1 - rows // 3:
            assert [ladder.price_at(one) for one in range(rows)] == prices
        else:
            assert ladder.row_of(ticks) == rows // 2
        assert ladder.cursor_ticks == cursor


@given(rows_counts, walks, st.integers(0, AIM_NS - 1))
def test_rows_stand_still_around_a_key(
    rows: int, walk: list[tuple[int, int]], since_ns: int
) -> None:
    ladder = a_ladder(rows, 1)
    before = ladder.price_at(0)
    for step, _ in walk:
        ladder.follow(600_000 + step * 100, 10**12, 10**12 - since_ns)
    assert ladder.price_at(0) == before


@given(
    rows_counts,
    st.sampled_from(GROUPS),
    st.lists(st.tuples(st.sampled_from(list(Side)), st.integers(-3_000, 3_000)), max_size=20),
)
def test_own_orders_are_in_the_row_of_their_price(
    rows: int, group: int, placed: list[tuple[Side, int]]
) -> None:
    ladder = a_ladder(rows, group)
    orders = [
        a_working_order(f"o{number}", side, 600_000 + offset, 3)
        for number, (side, offset) in enumerate(placed)
    ]
    shown = ladder_rows(ladder, a_market(600_000), orders)
    for row, line in enumerate(shown):
        here = orders_in_row(ladder, orders, BTC, row)
        assert line.own_buys + line.own_sells == len(here)
        for order_id in here:
            spec = orders[int(order_id[1:])].order.spec
            if spec.side is Side.BUY:
                assert line.ticks <= spec.price_ticks < line.ticks + group
            else:
                assert line.ticks - group < spec.price_ticks <= line.ticks


@given(rows_counts, st.sampled_from(GROUPS))
def test_the_whole_book_is_in_the_rows_that_show_it(rows: int, group: int) -> None:
    ladder = a_ladder(rows, group)
    market = a_market(600_000)
    shown = ladder_rows(ladder, market, [])
    lowest, highest = ladder.price_at(rows - 1), ladder.price_at(0)
    bids = sum(lots for ticks, lots in market.bids if lowest <= ticks < highest + group)
    asks = sum(lots for ticks, lots in market.asks if lowest - group < ticks <= highest)
    assert sum(row.bid_lots for row in shown) == bids
    assert sum(row.ask_lots for row in shown) == asks


@given(rows_counts, st.lists(st.integers(-90, 90), max_size=30))
def test_a_moved_cursor_is_always_on_the_screen(rows: int, steps: list[int]) -> None:
    ladder = a_ladder(rows, 1)
    for step in steps:
        ladder.move_cursor(step)
        assert ladder.is_cursor_painted
