"""The arithmetic of algos, and algos that cut a size into orders: sums are exact, parts are as the
venue wants them, and no interleaving of answers makes them trade more."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import algo as a
from engine.domain.order import OrderStatus, Pending, Side
from engine.ports.venue import VenueAbilities
from engine.trading.algos.core import fair_parts, floor_lots
from engine.trading.algos.iceberg import next_clip
from engine.trading.algos.ladder import rungs
from engine.trading.algos.pegged import peg_ticks
from engine.trading.algos.trail import trailed_ticks
from engine.trading.risk.limits import RiskLimits
from tests.support.algos import MID, a_desk, held, hold, try_start
from tests.support.builders import linear
from tests.support.desk import Desk

sides = st.sampled_from(list(Side))
prices = st.integers(1, 10_000_000)
WIDE = RiskLimits(order_notional_max_pct=Decimal(90), position_max_pct=Decimal(90))


# -- arithmetic --------------------------------------------------------------------------------


@given(st.integers(0, 10**12), st.lists(st.integers(0, 1000), min_size=1).filter(any))
def test_fair_parts_sum_exactly_and_stay_within_one_of_their_share(
    total: int, weights: list[int]
) -> None:
    parts = fair_parts(total, weights)
    whole = sum(weights)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * whole - total * weight) < whole


@given(st.integers(1, 10_000), st.integers(1, 500), st.integers(1, 50))
def test_clips_sum_exactly_and_none_is_too_small(total: int, show: int, least: int) -> None:
    show, total = max(show, least), max(total, least)
    left, clips = total, []
    while left:
        clips.append(next_clip(left, show, least))
        left -= clips[-1]
    assert sum(clips) == total
    assert min(clips) >= least
    assert max(clips) < show + least


@given(
    sides,
    prices,
    prices,
    st.integers(1, 100),
    st.integers(1, 100_000),
    st.sampled_from(list(a.Weighting)),
)
def test_rungs_lie_within_their_ends_and_sum_exactly(
    side: Side, first: int, last: int, count: int, lots: int, weighting: a.Weighting
) -> None:
    spec = a.ScaledLadder(
        instrument_id="x",
        side=side,
        qty_lots=lots,
        first_ticks=first,
        last_ticks=last,
        rungs=count,
        weighting=weighting,
    )
    made = rungs(spec)
    ticks = [price for _, price, _ in made]
    assert sum(size for _, _, size in made) == lots
    assert ticks[0] == first
    assert ticks[-1] == (last if count > 1 else first)
    assert ticks == sorted(ticks, reverse=last < first)
    if abs(last - first) >= count - 1:
        assert len(set(ticks)) == count


@given(
    sides,
    prices,
    st.integers(1, 1000),
    st.integers(-50, 50),
    st.integers(0, 100),
    st.integers(0, 10_000_000),
    prices,
)
def test_a_peg_never_crosses_nor_passes_its_limits(
    side: Side, bid: int, spread: int, improve: int, chase: int, limit: int, anchor: int
) -> None:
    ask = bid + spread
    spec = a.Pegged(
        instrument_id="x",
        side=side,
        qty_lots=1,
        improve_ticks=improve,
        chase_ticks=chase,
        limit_ticks=limit,
    )
    price = peg_ticks(spec, bid, ask, anchor)
    assert price >= 1
    if side is Side.BUY:
        assert price < ask
        assert not limit or price <= limit
        assert not chase or price <= anchor + chase
    else:
        assert price > bid
        assert not limit or price >= limit


@given(sides, prices, st.integers(1, 9_999))
def test_a_trailing_stop_in_percent_is_never_nearer_than_asked(
    side: Side, last: int, points: int
) -> None:
    stop = trailed_ticks(last, side, 0, points)
    distance = (stop - last) * side.sign
    assert distance * a.BP >= last * points or stop == 1
    assert (distance - 1) * a.BP < last * points


@given(st.integers(1, 10**7), st.decimals("0.01", "1000", places=2), st.integers(1, 20))
def test_the_smallest_order_is_the_smallest_that_is_worth_enough(
    ticks: int, least: Decimal, min_lots: int
) -> None:
    instrument = linear(min_notional=least, min_lots=min_lots)
    lots = floor_lots(instrument, ticks, reduce_only=False)
    assert instrument.notional(lots, ticks) >= least
    assert lots >= min_lots
    if lots > min_lots:
        assert instrument.notional(lots - 1, ticks) < least
    assert floor_lots(instrument, ticks, reduce_only=True) == min_lots


# -- orders ------------------------------------------------------------------------------------

moods = st.lists(
    st.tuples(
        st.sampled_from(["accept", "fill", "end", "time", "move", "cancelled"]),
        st.integers(0, 99),
        st.integers(1, 100),
    ),
    max_size=60,
)


def live_through(desk: Desk, moods: list[tuple[str, int, int]]) -> None:
    """Anything a venue may answer, in any order."""
    mid = MID
    for what, pick, share in moods:
        live = desk.live
        order = live[pick % len(live)] if live else None
        if what == "time":
            desk.pass_ms(share * 20)
        elif what == "move":
            mid += share - 50
            desk.book(mid - 1, mid + 1)
            desk.trade(mid, share)
        elif order is None:
            continue
        elif what == "accept" and order.status is OrderStatus.INTENT:
            desk.accept(order)
        elif what == "fill" and order.leaves_lots:
            if order.spec.reduce_only:
                room = max(0, -held(desk) * order.spec.side.sign)
                lots = min(order.leaves_lots, room)
            else:
                lots = max(1, order.leaves_lots * share // 100)
            if lots:
                desk.fill(order, lots, order.spec.price_ticks or mid)
        elif what == "end":
            desk.expired(order)
        elif what == "cancelled" and order.pending is Pending.CANCELLING:
            desk.canceled(order)


SLICED = st.sampled_from(
    [
        (a.Twap, {"slices": 5, "every_ms": 500}),
        (a.Vwap, {"weights": [4, 1, 0, 3], "every_ms": 500}),
        (a.Pov, {"share_bp": 2500, "every_ms": 300, "until_ns": 1 << 61}),
        (a.Iceberg, {"price_ticks": MID - 20, "show_lots": 17}),
        (a.Pegged, {"every_ms": 200, "chase_ticks": 30}),
        (a.GoodTill, {"price_ticks": MID - 20, "until_ns": 1 << 61}),
        (a.IfTouched, {"trigger_ticks": MID - 20}),
        (a.ScaledLadder, {"first_ticks": MID - 5, "last_ticks": MID - 50, "rungs": 4}),
        (
            a.Oco,
            {"price_ticks": MID - 30, "trigger_ticks": MID + 30, "reduce_only": False},
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(SLICED, st.integers(60, 200), moods, st.sampled_from(["0", "120"]))
def test_no_answers_make_an_algo_trade_more_than_its_size(
    kind: tuple[type[a.AnyAlgo], dict[str, object]],
    lots: int,
    moods: list[tuple[str, int, int]],
    least: str,
) -> None:
    desk = a_desk(instrument=linear(min_notional=Decimal(least)), limits=WIDE)
    if try_start(desk, kind[0], Side.BUY, lots, **kind[1]):
        return  # Parts too small for this venue: refused as a whole.
    live_through(desk, moods)
    algo = desk.trader.state.find_algo("a1")
    assert algo is not None
    out = sum(order.leaves_lots for order in algo.orders.values())
    assert algo.entered_lots + out <= lots
    assert held(desk) == algo.entered_lots
    for submit in desk.submits():
        assert desk.instrument.notional(submit.spec.qty_lots, MID) >= Decimal(least)
        assert submit.spec.side is Side.BUY


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), moods)
def test_without_reduce_only_two_exits_are_never_out_together(
    lots: int, guarded: int, moods: list[tuple[str, int, int]]
) -> None:
    """The venue would fill both: so the engine never has more out than there is to close."""
    desk = a_desk(abilities=VenueAbilities(has_reduce_only=False), limits=WIDE)
    hold(desk, lots)
    assert not try_start(
        desk, a.Oco, Side.SELL, guarded, price_ticks=MID + 40, trigger_ticks=MID - 40
    )
    for number in range(len(moods)):
        live_through(desk, moods[number : number + 1])
        algo = desk.trader.state.find_algo("a1")
        assert algo is not None
        resting = [o for o in algo.orders.values() if o.leg in ("stop", "target")]
        assert len({order.leg for order in resting}) <= 1
        if not algo.memory.is_stopping:
            assert sum(order.leaves_lots for order in resting) <= guarded
