"""Every other kind of algo, answer by answer."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import OrderType, Purpose, TimeInForce
from engine.trading.algos.check import refusal_words
from engine.trading.risk.limits import RiskLimits
from tests.support.algos import (
    BUY,
    MID,
    SELL,
    a_desk,
    ended,
    held,
    hold,
    leg,
    one,
    start,
    try_start,
)
from tests.support.builders import linear
from tests.support.desk import Desk

SECOND = 1_000_000_000


def ack(desk: Desk) -> None:
    """The venue confirms every cancel that is under way."""
    for order in desk.live:
        if order.pending == "cancelling":
            desk.canceled(order)


# -- good-till --------------------------------------------------------------------------------


def test_good_till_is_cancelled_at_its_end() -> None:
    desk = a_desk()
    start(desk, a.GoodTill, BUY, 5, price_ticks=MID - 10, until_ns=desk.now_ns + 3 * SECOND)
    order = one(desk, "limit")
    desk.accept(order)
    desk.fill(order, 2)
    desk.pass_ms(2999)
    assert one(desk, "limit")
    desk.pass_ms(1)
    ack(desk)
    assert ended(desk) == "canceled: its time is up; 0.002 of 0.005 traded"


def test_good_till_moves_with_its_price() -> None:
    desk = a_desk()
    start(desk, a.GoodTill, BUY, 5, price_ticks=MID - 10, until_ns=desk.now_ns + 30 * SECOND)
    order = one(desk, "limit")
    desk.accept(order)
    desk.fill(order, 2)
    assert not desk.do(c.MoveOrder, client_order_id=order.client_order_id, price_ticks=MID - 4)
    ack(desk)
    assert (one(desk, "limit").spec.price_ticks, one(desk, "limit").spec.qty_lots) == (MID - 4, 3)


# -- if-touched, take-profit ------------------------------------------------------------------


def test_if_touched_waits_in_the_engine() -> None:
    desk = a_desk()
    start(desk, a.IfTouched, BUY, 5, trigger_ticks=MID - 50)
    desk.trade(MID - 49)
    assert desk.live == []
    desk.trade(MID - 50)
    order = one(desk, "order")
    assert order.spec.type is OrderType.MARKET
    desk.fill(order, ticks=MID - 49)
    assert ended(desk) == "done: filled"


def test_if_touched_with_a_limit_rests_there() -> None:
    desk = a_desk()
    start(desk, a.IfTouched, SELL, 5, trigger_ticks=MID + 50, price_ticks=MID + 45)
    desk.trade(MID + 60)
    assert (one(desk, "order").spec.price_ticks, one(desk, "order").spec.tif) == (
        MID + 45,
        TimeInForce.GTC,
    )


def test_take_profit_closes_what_is_held_and_no_more() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.TakeProfit, SELL, 8, trigger_ticks=MID + 50)
    desk.trade(MID + 50)
    order = one(desk, "order")
    assert (order.spec.qty_lots, order.spec.reduce_only) == (5, True)
    assert order.spec.purpose is Purpose.PROTECTIVE
    desk.expired(order, "nothing more within its limit")
    assert one(desk, "order").spec.qty_lots == 5, "it tries again until it is closed"


# -- trailing stop ----------------------------------------------------------------------------


def test_trailing_stop_in_percent_with_a_step() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.TrailingStop, SELL, 5, distance_bp=100, step_ticks=100)
    assert one(desk, "stop").spec.trigger_ticks == MID - 6000
    desk.accept(one(desk, "stop"))
    desk.trade(MID + 99)
    assert one(desk, "stop").spec.trigger_ticks == MID - 6000
    desk.trade(MID + 200)
    assert {o.spec.trigger_ticks for o in leg(desk, "stop")} == {MID - 6000, MID + 200 - 6002}


def test_trailing_stop_waits_for_its_activation() -> None:
    desk = a_desk()
    hold(desk, -5)
    start(desk, a.TrailingStop, BUY, 5, distance_ticks=20, activate_ticks=MID - 100)
    assert leg(desk, "stop") == []
    desk.trade(MID - 100)
    assert one(desk, "stop").spec.trigger_ticks == MID - 80


def test_trailing_stop_without_a_position_is_refused() -> None:
    desk = a_desk()
    assert "reduce_only" in try_start(desk, a.TrailingStop, SELL, 5, distance_ticks=20)


# -- OCO --------------------------------------------------------------------------------------


def test_oco_guard_rests_both_legs_and_one_ends_the_other() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.Oco, SELL, 5, price_ticks=MID + 80, trigger_ticks=MID - 80)
    stop, target = one(desk, "stop"), one(desk, "target")
    desk.accept(stop)
    desk.accept(target)
    desk.fill(target)
    assert stop.client_order_id in desk.cancels()
    ack(desk)
    assert ended(desk) == "done: filled"


def test_oco_stop_limit_goes_on_as_a_limit() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(
        desk,
        a.Oco,
        SELL,
        5,
        price_ticks=MID + 80,
        trigger_ticks=MID - 80,
        stop_price_ticks=MID - 90,
    )
    stop = one(desk, "stop")
    assert (stop.spec.type, stop.spec.price_ticks) == (OrderType.STOP_LIMIT, MID - 90)
    desk.accept(stop)
    desk.triggered(stop)
    desk.trade(MID - 200)
    assert leg(desk, "close") == []
    assert one(desk, "stop")


def test_entry_oco_never_has_both_orders_out() -> None:
    desk = a_desk()
    start(desk, a.Oco, BUY, 6, price_ticks=MID - 40, trigger_ticks=MID + 40, reduce_only=False)
    limit = one(desk, "limit")
    desk.accept(limit)
    desk.fill(limit, 2)
    desk.trade(MID + 40)
    assert leg(desk, "stop") == []
    assert limit.client_order_id in desk.cancels()
    desk.fill(limit, 1)
    desk.canceled(limit)
    stop = one(desk, "stop")
    assert (stop.spec.qty_lots, stop.spec.type) == (3, OrderType.MARKET)
    desk.fill(stop, ticks=MID + 41)
    assert held(desk) == 6
    assert ended(desk) == "done: filled"


# -- iceberg ----------------------------------------------------------------------------------


def test_iceberg_shows_one_clip_and_sums_exactly() -> None:
    desk = a_desk()
    start(desk, a.Iceberg, SELL, 23, price_ticks=MID + 10, show_lots=5)
    shown = []
    while desk.trader.state.algos:
        clip = one(desk, "clip")
        shown.append(clip.spec.qty_lots)
        desk.accept(clip)
        desk.fill(clip)
    assert shown == [5, 5, 5, 5, 3]
    assert held(desk) == -23


def test_iceberg_joins_a_rest_that_is_too_small_with_the_last_clip() -> None:
    desk = a_desk(instrument=linear(min_lots=4))
    start(desk, a.Iceberg, BUY, 12, price_ticks=MID - 10, show_lots=5)
    desk.fill(one(desk, "clip"))
    assert one(desk, "clip").spec.qty_lots == 7


def test_iceberg_whose_clip_is_refused_fails_and_says_why() -> None:
    desk = a_desk()
    start(desk, a.Iceberg, BUY, 12, price_ticks=MID - 10, show_lots=5, post_only=True)
    desk.expired(one(desk, "clip"), "post-only: it would have taken")
    assert ended(desk) == "failed: post-only: it would have taken"


# -- slices -----------------------------------------------------------------------------------


def slices(desk: Desk, share: int = 100) -> list[int]:
    """Every slice that is sent, filled to `share` percent at once, until the algo ends."""
    sent = []
    for _ in range(100):
        for order in leg(desk, "slice"):
            sent.append(order.spec.qty_lots)
            lots = order.spec.qty_lots * share // 100
            if lots:
                desk.fill(order, lots)
            if lots < order.spec.qty_lots:
                desk.expired(order, "nothing more within its limit")
        if not desk.trader.state.algos:
            return sent
        desk.pass_ms(100)
    raise AssertionError("it did not end")


def test_twap_sends_equal_parts_on_time() -> None:
    desk = a_desk()
    start(desk, a.Twap, BUY, 10, slices=4, every_ms=1000)
    first = one(desk, "slice")
    assert (first.spec.qty_lots, first.spec.tif) == (2, TimeInForce.IOC)
    desk.fill(first)
    desk.pass_ms(999)
    assert desk.live == []
    desk.pass_ms(1)
    assert one(desk, "slice").spec.qty_lots == 3
    assert slices(desk) == [3, 2, 3]
    assert held(desk) == 10
    assert ended(desk) == "done: filled"


def test_twap_adds_what_a_slice_left_to_the_next() -> None:
    desk = a_desk()
    start(desk, a.Twap, BUY, 12, slices=3, every_ms=500)
    assert slices(desk, share=50) == [4, 6, 7]
    assert ended(desk) == "canceled: its time is up; 0.008 of 0.012 traded"


def test_vwap_follows_its_weights() -> None:
    desk = a_desk()
    start(desk, a.Vwap, SELL, 100, weights=[5, 1, 1, 3], every_ms=1000)
    assert slices(desk) == [50, 10, 10, 30]
    assert held(desk) == -100


def test_pov_takes_its_share_of_the_volume() -> None:
    desk = a_desk()
    until = desk.now_ns + 60 * SECOND
    start(desk, a.Pov, BUY, 10, share_bp=1000, every_ms=1000, until_ns=until)
    desk.trade(MID, 45)
    desk.pass_ms(1000)
    assert one(desk, "slice").spec.qty_lots == 4
    desk.fill(one(desk, "slice"))
    desk.trade(MID, 15)
    desk.pass_ms(1000)
    assert one(desk, "slice").spec.qty_lots == 2
    desk.fill(one(desk, "slice"))
    desk.trade(MID, 10_000)
    desk.pass_ms(1000)
    assert one(desk, "slice").spec.qty_lots == 4
    desk.fill(one(desk, "slice"))
    assert ended(desk) == "done: filled"


def test_slices_wait_while_the_book_cannot_be_believed() -> None:
    desk = a_desk()
    start(desk, a.Twap, BUY, 10, slices=5, every_ms=1000)
    desk.fill(one(desk, "slice"))
    desk.empty_book()
    desk.pass_ms(1500)
    assert desk.live == []
    desk.book(MID - 1, MID + 1)
    desk.pass_ms(500)
    assert one(desk, "slice").spec.qty_lots == 4


# -- pegged -----------------------------------------------------------------------------------


def test_pegged_follows_the_touch_not_faster_than_asked() -> None:
    desk = a_desk()
    start(desk, a.Pegged, BUY, 5, every_ms=500, chase_ticks=10)
    first = one(desk, "peg")
    assert (first.spec.price_ticks, first.spec.tif) == (MID - 1, TimeInForce.POST_ONLY)
    desk.accept(first)
    desk.book(MID + 4, MID + 6)
    assert desk.cancels() == []
    desk.pass_ms(500)
    ack(desk)
    assert one(desk, "peg").spec.price_ticks == MID + 4
    desk.accept(one(desk, "peg"))
    desk.pass_ms(500)
    desk.book(MID + 100, MID + 102)
    ack(desk)
    assert one(desk, "peg").spec.price_ticks == MID - 1 + 10, "the chase has a cap"


def test_pegged_improves_without_crossing() -> None:
    desk = a_desk()
    start(desk, a.Pegged, SELL, 5, improve_ticks=5)
    assert one(desk, "peg").spec.price_ticks == MID


def test_pegged_keeps_its_limit() -> None:
    desk = a_desk()
    start(desk, a.Pegged, BUY, 5, limit_ticks=MID - 30)
    assert one(desk, "peg").spec.price_ticks == MID - 30


# -- ladder -----------------------------------------------------------------------------------


def test_ladder_spreads_price_and_size() -> None:
    desk = a_desk()
    start(
        desk,
        a.ScaledLadder,
        BUY,
        20,
        first_ticks=MID - 10,
        last_ticks=MID - 40,
        rungs=4,
        weighting=a.Weighting.FAR,
    )
    assert [(o.spec.price_ticks, o.spec.qty_lots) for o in desk.live] == [
        (MID - 10, 2),
        (MID - 20, 4),
        (MID - 30, 6),
        (MID - 40, 8),
    ]
    for order in desk.live:
        desk.fill(order)
    assert ended(desk) == "done: filled"


# -- limits -----------------------------------------------------------------------------------


def test_slicing_does_not_pass_the_size_limit_of_one_order() -> None:
    desk = a_desk(limits=RiskLimits(order_notional_max_pct=Decimal(1)))
    whole = {"slices": 10, "every_ms": 1000}
    assert try_start(desk, a.Twap, BUY, 20, **whole).startswith("order_notional_max")
    assert not try_start(desk, a.Twap, BUY, 16, **whole)


def test_what_an_algo_has_not_sent_yet_is_spoken_for() -> None:
    """25 % of 100,000 is 416 lots at 60,000: two algos of 150 leave room for 116."""
    desk = a_desk()
    for _ in range(2):
        assert not try_start(desk, a.Twap, BUY, 150, slices=10, every_ms=1000)
    assert "position_max" in desk.place(BUY, 120, MID)
    assert not desk.place(BUY, 110, MID)
    assert not desk.place(SELL, 110, MID)


def test_a_ladder_longer_than_the_order_limit_is_refused_whole() -> None:
    desk = a_desk(limits=RiskLimits(open_orders_max=5))
    fields = {"first_ticks": MID - 10, "last_ticks": MID - 100}
    assert "open_orders_max" in try_start(desk, a.ScaledLadder, BUY, 60, rungs=6, **fields)
    assert desk.live == []
    assert not try_start(desk, a.ScaledLadder, BUY, 60, rungs=5, **fields)


def test_a_risk_limit_is_told_as_the_most_there_may_be() -> None:
    words = refusal_words("position_max", "24969.00 USDT", "30000.00 USDT")
    assert words == "position_max: must be at most 24969.00 USDT, is 30000.00 USDT"
    words = refusal_words("stop", "below the market at 59999.9", "60000.5")
    assert words == "stop: must be below the market at 59999.9, is 60000.5"


@pytest.mark.parametrize(
    ("kind", "lots", "fields", "words"),
    [
        (a.Twap, 3, {"slices": 4, "every_ms": 1000}, "min_qty: must be 0.001 for every part"),
        (a.Twap, 30, {"slices": 4, "every_ms": 10}, "every_ms: must be 100 to"),
        (a.Vwap, 30, {"weights": [], "every_ms": 1000}, "weights: must be 1 to"),
        (a.Vwap, 30, {"weights": [1, -1], "every_ms": 1000}, "weights: must be zero or more"),
        (a.Iceberg, 30, {"price_ticks": 0, "show_lots": 5}, "price: must be greater than zero"),
        (a.IfTouched, 30, {"trigger_ticks": 0}, "trigger: must be greater than zero"),
        (a.GoodTill, 30, {"price_ticks": MID, "until_ns": 0}, "until: must be an end"),
        (a.Pov, 30, {"share_bp": 0, "every_ms": 1000, "until_ns": 0}, "share_bp: must be 1 to"),
        (a.GoodTill, 30, {"price_ticks": MID * 2, "until_ns": 1 << 62}, "collar"),
        (a.GoodTill, 0, {"price_ticks": MID, "until_ns": 1 << 62}, "qty: must be 1 to"),
        (
            a.Oco,
            5,
            {"price_ticks": MID + 9, "trigger_ticks": MID, "reduce_only": False},
            "trigger: must be above the limit",
        ),
        (
            a.ScaledLadder,
            30,
            {"first_ticks": MID, "last_ticks": MID - 2, "rungs": 6},
            "rungs: must be a tick apart",
        ),
    ],
)
def test_nonsense_is_refused_by_name(
    kind: type[a.AnyAlgo], lots: int, fields: dict[str, object], words: str
) -> None:
    desk = a_desk()
    assert words in try_start(desk, kind, BUY, lots, **fields)
    assert desk.seen(e.AlgoDenied)
    assert desk.live == []


# -- who may ----------------------------------------------------------------------------------


def test_cancel_all_spares_guards_unless_told() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.TrailingStop, SELL, 5, distance_ticks=50)
    start(desk, a.Iceberg, BUY, 12, price_ticks=MID - 10, show_lots=5)
    desk.do(c.CancelAll)
    ack(desk)
    assert list(desk.trader.state.algos) == ["a1"]
    assert one(desk, "stop")
    desk.do(c.CancelAll, with_protective=True)
    ack(desk)
    assert not desk.trader.state.algos


def test_a_kill_of_the_first_level_stops_entries_and_keeps_guards() -> None:
    desk = a_desk()
    hold(desk, 5)
    start(desk, a.TrailingStop, SELL, 5, distance_ticks=50)
    start(desk, a.Twap, BUY, 12, slices=3, every_ms=1000)
    desk.do(c.Kill, level=c.KillLevel.NO_ENTRIES)
    ack(desk)
    assert ended(desk).startswith("canceled: kill switch")
    assert list(desk.trader.state.algos) == ["a1"]


def test_amending_keeps_kind_and_side() -> None:
    desk = a_desk()
    algo = start(desk, a.Iceberg, BUY, 12, price_ticks=MID - 10, show_lots=5)
    other = a.Iceberg(
        instrument_id=desk.id, side=SELL, qty_lots=12, price_ticks=MID + 10, show_lots=5
    )
    assert "only its figures" in desk.do(c.AmendAlgo, algo_id=algo.algo_id, spec=other)
    assert "is not working" in desk.do(c.AmendAlgo, algo_id="a9", spec=other)
    bigger = a.Iceberg(
        instrument_id=desk.id, side=BUY, qty_lots=300, price_ticks=MID - 10, show_lots=5
    )
    assert "order_notional_max" in desk.do(c.AmendAlgo, algo_id=algo.algo_id, spec=bigger)
