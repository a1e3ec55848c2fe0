"""The compiled exchange against a naive one, and what must hold whatever the market does."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import layout as k
from engine.sim.exchange import SimExchange
from engine.sim.latency import Latency
from tests.support.builders import linear
from tests.support.naive_exchange import BUY, Ask, Filters, NaiveBook, Said
from tests.support.sim_orders import (
    FILTERS,
    LATENCIES,
    Blocks,
    Case,
    cases,
    margin_cases,
    play,
    to_array,
)

ENDS = {"Cancel", "Expire"}


def orders_of(case: Case) -> dict[str, Ask]:
    return {ask.order_id: ask for _, ask in case.requests if not ask.is_cancel}


def by_order(said: list[Said]) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = defaultdict(list)
    for one in said:
        found[one.order_id].append(one)
    return found


@settings(max_examples=500, deadline=None)
@given(case=cases())
def test_it_says_what_the_naive_one_says(case: Case) -> None:
    assert play(case) == case.naive()


@settings(max_examples=150, deadline=None)
@given(case=cases(), steps=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_how_the_time_is_cut_does_not_matter(case: Case, steps: list[int]) -> None:
    assert play(case, steps) == play(case)


@settings(max_examples=200, deadline=None)
@given(
    case=cases(),
    latency=LATENCIES,
    seed=st.integers(0, 1 << 31),
    steps=st.lists(st.integers(1, 9), max_size=4),
    mask=st.sampled_from([0, k.WAKE_TRADE, k.WAKE_TRADE | k.WAKE_TOP]),
)
def test_latencies_that_vary_are_those_of_the_naive_one(
    case: Case, latency: Latency, seed: int, steps: list[int], mask: int
) -> None:
    """Same seed, same answers at the same times, however the time is cut and whoever watches."""
    case = case._replace(latency=latency, seed=seed)
    assert play(case, steps, mask=mask) == case.naive()


@settings(max_examples=200, deadline=None)
@given(case=cases(), filters=FILTERS)
def test_it_refuses_what_the_naive_one_refuses(case: Case, filters: Filters) -> None:
    case = case._replace(filters=filters)
    assert play(case) == case.naive()


@settings(max_examples=200, deadline=None)
@given(
    case=cases(),
    every_ns=st.integers(1, 40),
    steps=st.lists(st.integers(1, 9), max_size=4),
    cuts=st.lists(st.integers(1, 60), max_size=4),
    mask=st.sampled_from([0, k.WAKE_TRADE | k.WAKE_TOP]),
)
def test_funding_is_settled_as_the_naive_one_settles_it(
    case: Case, every_ns: int, steps: list[int], cuts: list[int], mask: int
) -> None:
    case = case._replace(funding_every_ns=every_ns)
    assert play(case, steps, cuts, mask) == case.naive()


@settings(max_examples=500, deadline=None)
@given(
    case=margin_cases(),
    steps=st.lists(st.integers(1, 9), max_size=4),
    mask=st.sampled_from([0, k.WAKE_TRADE | k.WAKE_TOP]),
)
def test_positions_are_liquidated_where_the_naive_one_does(
    case: Case, steps: list[int], mask: int
) -> None:
    assert play(case, steps, mask=mask) == case.naive()


@settings(max_examples=300, deadline=None)
@given(
    case=st.one_of(cases(), margin_cases()),
    mode=st.sampled_from(["expire-taker", "expire-maker", "expire-both"]),
)
def test_orders_of_one_account_do_not_meet(case: Case, mode: str) -> None:
    case = case._replace(self_trade=mode)
    assert play(case) == case.naive()


@settings(max_examples=300, deadline=None)
@given(
    case=st.one_of(cases(), margin_cases()),
    half_life_ns=st.sampled_from([0, 1, 7, 1000]),
    beyond=st.sampled_from([0.0, 0.0001, 0.5]),
    steps=st.lists(st.integers(1, 9), max_size=3),
)
def test_what_we_take_is_missed_as_the_naive_one_misses_it(
    case: Case, half_life_ns: int, beyond: float, steps: list[int]
) -> None:
    case = case._replace(half_life_ns=half_life_ns, beyond=beyond)
    assert play(case, steps) == case.naive()


@settings(max_examples=150, deadline=None)
@given(case=cases(), cuts=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_how_the_rows_are_cut_into_blocks_does_not_matter(case: Case, cuts: list[int]) -> None:
    assert play(case, cuts=cuts) == play(case)


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_no_lot_is_lost_and_no_rule_broken(case: Case) -> None:
    said, orders = by_order(play(case)), orders_of(case)
    for order_id, order in orders.items():
        words = [one.word for one in said[order_id] if one.word != "CancelReject"]
        fills = [one for one in said[order_id] if one.word == "Fill"]
        filled = sum(fill.lots for fill in fills)
        ends = [word for word in words if word in ENDS]
        # Filled + still working + ended without a fill = ordered.
        assert len(ends) <= 1
        assert filled <= order.lots
        assert not (ends and filled == order.lots)
        if ends:
            assert words[-1] == ends[0]
        assert all(fill.lots > 0 for fill in fills)
        if order.ticks:
            assert all((order.ticks - fill.ticks) * order.side >= 0 for fill in fills)
        if order.tif == "post_only":
            assert all(fill.is_maker for fill in fills)
        if order.tif in ("ioc", "fok") or not order.ticks:
            assert not any(fill.is_maker for fill in fills)
        if order.tif == "fok":
            assert filled in (0, order.lots)


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_reduce_only_never_flips_a_position(case: Case) -> None:
    orders = orders_of(case)
    held: dict[str, int] = defaultdict(int)
    for one in play(case):
        if one.word != "Fill":
            continue
        order = orders[one.order_id]
        before = held[order.owner]
        held[order.owner] += one.lots * order.side
        if order.reduce_only:
            assert before * order.side < 0
            assert held[order.owner] * before >= 0


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_latency_is_kept_and_answers_never_overtake(case: Case) -> None:
    said = play(case)
    sent = {ask.order_id: ns for ns, ask in case.requests if not ask.is_cancel}
    assert all(one.received_ns == one.venue_ns + case.response_ns for one in said)
    assert all(a.received_ns <= b.received_ns for a, b in pairwise(said))
    for order_id, answers in by_order(said).items():
        if order_id in sent and answers[0].word == "Accept":
            assert answers[0].venue_ns == sent[order_id] + case.entry_ns


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_a_stop_fills_only_after_a_trade_at_its_trigger(case: Case) -> None:
    trades = [row for row in case.rows if row.kind == "trade"]
    said = by_order(play(case))
    for order_id, order in orders_of(case).items():
        if not order.trigger:
            continue
        words = [one.word for one in said[order_id]]
        if "Fill" in words:
            assert words.index("Trigger") < words.index("Fill")
        for one in said[order_id]:
            if one.word == "Trigger":
                sign = 1 if order.side == BUY else -1
                assert any(
                    row.venue_ns == one.venue_ns and (row.ticks - order.trigger) * sign >= 0
                    for row in trades
                )


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_own_orders_at_one_price_share_what_reaches_them(case: Case) -> None:
    """With partial fills, a trade at a price gives no more than its size to our orders there."""
    case = case._replace(whole_fills=False)
    limit: dict[tuple[int, int], int] = defaultdict(int)
    for row in case.rows:
        if row.kind == "trade":
            limit[row.venue_ns, row.ticks] += row.lots
    beyond = {row.venue_ns for row in case.rows if row.kind == "depth"}
    orders = orders_of(case)
    given_lots: dict[tuple[int, int], int] = defaultdict(int)
    for one in play(case):
        if one.word == "Fill" and one.is_maker and one.venue_ns not in beyond:
            given_lots[one.venue_ns, one.ticks] += one.lots
            assert orders[one.order_id].ticks == one.ticks
    for (venue_ns, ticks), lots in given_lots.items():
        through = any(
            row.venue_ns == venue_ns and row.kind == "trade" and row.ticks != ticks
            for row in case.rows
        )
        assert through or lots <= limit[venue_ns, ticks]


@settings(max_examples=150, deadline=None)
@given(case=cases(), mask=st.sampled_from([k.WAKE_TRADE, k.WAKE_TOP, k.WAKE_TRADE | k.WAKE_TOP]))
def test_watching_the_market_changes_no_report(case: Case, mask: int) -> None:
    """Stopping at every trade or change of the top: the same answers, at the same times."""
    stops: list[tuple[int, int]] = []
    assert play(case, mask=mask, stops=stops) == play(case)
    assert all(a < b for (a, _), (b, _) in pairwise(stops) if a != b)
    if mask & k.WAKE_TRADE:
        traded = {row.local_ns for row in case.rows if row.kind == "trade"}
        assert {ns for ns, reasons in stops if reasons & k.WAKE_TRADE} == traded


@settings(max_examples=100, deadline=None)
@given(case=cases())
def test_it_stops_whenever_the_top_changes_and_knows_nothing_later(case: Case) -> None:
    """The book at each stop is the one made of all rows received by then, and of no other."""
    world = SimExchange(linear(), Blocks(to_array(case.rows), []), case.scenario())
    market = world.markets["test.BTCUSDT"]
    while not (wake := world.advance(1 << 60, k.WAKE_TOP)).reasons & k.WAKE_END:
        book = NaiveBook()
        for row in case.rows:
            if row.local_ns <= wake.ts_ns and row.kind == "depth":
                book.set(row.side, row.ticks, row.lots)
            elif row.local_ns <= wake.ts_ns and row.kind == "clear":
                book.clear(row.side, row.ticks)
        best_bid, best_ask = market.scalars[[k.M_BEST_BID, k.M_BEST_ASK]]
        assert best_bid == (k.NO_BID if book.best[1] is None else book.best[1])
        assert best_ask == (k.NO_ASK if book.best[-1] is None else book.best[-1])
