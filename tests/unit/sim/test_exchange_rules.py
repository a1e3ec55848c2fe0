"""The simulated exchange, rule by rule, on a book of ten lots a level."""

from __future__ import annotations

from decimal import Decimal

from engine.domain import reports as r
from engine.domain.order import OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, Scenario
from tests.support.builders import linear
from tests.support.venue import MID, MS, Tape, Venue, a_book

BUY, SELL = Side.BUY, Side.SELL
IOC, FOK, POST = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY


def test_a_marketable_order_walks_the_book_and_consumes_it() -> None:
    venue = Venue(a_book()).to(1)
    venue.place(BUY, 25)
    venue.to(5)
    assert venue.fills() == [(MID + 1, 10, False), (MID + 2, 10, False), (MID + 3, 5, False)]
    venue.place(BUY, 10)
    venue.to(9)
    assert venue.fills("o2") == [(MID + 3, 5, False), (MID + 4, 5, False)]


def test_a_level_is_whole_again_once_the_market_says_so() -> None:
    venue = Venue(a_book().at(6).ask(MID + 1, 10)).to(1)
    venue.place(BUY, 10)
    venue.to(7)
    venue.place(BUY, 4)
    venue.to(12)
    assert venue.fills("o2") == [(MID + 1, 4, False)]


def test_fees_are_exact() -> None:
    venue = Venue(a_book()).to(1)
    venue.place(BUY, 1)
    venue.to(5)
    fill = next(report.fill for report in venue.reports if isinstance(report, r.FillReport))
    assert fill.fee == Decimal("0.001") * Decimal("5000.1") * Decimal("0.0005")


def test_a_limit_takes_what_is_within_it_and_rests_with_the_remainder() -> None:
    venue = Venue(a_book().at(6).sold(MID + 1, 3)).to(1)
    venue.place(BUY, 14, MID + 1)
    venue.to(5)
    assert (venue.words(), venue.fills()) == (["Accept", "Fill"], [(MID + 1, 10, False)])
    venue.to(9)
    assert venue.fills()[1:] == [(MID + 1, 3, True)], "nobody is ahead in the hole it made"


def test_a_resting_order_waits_for_the_queue_ahead() -> None:
    tape = a_book().at(5).sold(MID - 1, 6).at(6).sold(MID - 1, 7).at(7).sold(MID - 1, 9)
    venue = Venue(tape).to(1)
    venue.place(BUY, 5, MID - 1)
    venue.to(6)
    accept = venue.reports[0]
    assert isinstance(accept, r.AcceptReport)
    assert accept.queue_ahead_lots == 10
    assert venue.fills() == []
    assert venue.world.own_queue_ahead("o1") == 0
    venue.to(10)
    assert venue.fills() == [(MID - 1, 3, True), (MID - 1, 2, True)]


def test_whole_fills_come_in_one_piece() -> None:
    tape = a_book().at(5).sold(MID - 1, 11)
    venue = Venue(tape, fills=FillMode.WHOLE).to(1)
    venue.place(BUY, 5, MID - 1)
    assert venue.to(9).fills() == [(MID - 1, 5, True)]


def test_a_shrinking_level_caps_the_queue_but_does_not_fill() -> None:
    tape = a_book().at(5).bid(MID - 1, 2).at(6).sold(MID - 1, 3)
    venue = Venue(tape).to(1)
    venue.place(BUY, 5, MID - 1)
    venue.to(5)
    assert venue.world.own_queue_ahead("o1") == 2
    assert venue.to(9).fills() == [(MID - 1, 1, True)]


def test_a_trade_or_quote_through_the_price_fills_whole() -> None:
    traded = Venue(a_book().at(5).sold(MID - 2, 1)).to(1)
    traded.place(BUY, 5, MID - 1)
    assert traded.to(9).fills() == [(MID - 1, 5, True)]
    quoted = Venue(a_book().at(5).ask(MID - 1, 4)).to(1)
    quoted.place(BUY, 5, MID - 1)
    assert quoted.to(9).fills() == [(MID - 1, 5, True)]


def test_two_own_orders_share_a_trade_in_time_order() -> None:
    venue = Venue(a_book().at(9).sold(MID - 1, 17)).to(1)
    venue.place(BUY, 5, MID - 1)
    venue.to(4)
    venue.place(BUY, 5, MID - 1)
    venue.to(12)
    assert (venue.fills("o1"), venue.fills("o2")) == (
        [(MID - 1, 5, True)],
        [(MID - 1, 2, True)],
    )


def test_post_only_is_judged_by_the_book_at_arrival() -> None:
    venue = Venue(a_book().at(3).ask(MID, 5), latency_ms=2).to(2)
    venue.place(BUY, 5, MID, POST)
    venue.to(9)
    assert venue.words() == ["Expire"]
    venue.place(BUY, 5, MID - 1, POST)
    assert venue.to(15).words("o2") == ["Accept"]


def test_ioc_never_rests_and_fok_takes_all_or_nothing() -> None:
    venue = Venue(a_book()).to(1)
    venue.place(BUY, 15, MID + 1, IOC)
    venue.place(BUY, 50, MID + 3, FOK)
    venue.place(BUY, 20, MID + 3, FOK)
    venue.to(9)
    assert venue.words("o1") == ["Accept", "Fill", "Expire"]
    assert venue.words("o2") == ["Expire"]
    assert sum(lots for _, lots, _ in venue.fills("o3")) == 20


def test_a_market_order_into_nothing_expires() -> None:
    venue = Venue(Tape().at(0).bid(MID - 1, 5)).to(1)
    venue.place(BUY, 5)
    assert venue.to(5).words() == ["Accept", "Expire"]


def test_reduce_only_is_cut_to_the_position_and_expires_without_one() -> None:
    venue = Venue(a_book()).to(1)
    venue.place(SELL, 5, reduce_only=True)
    venue.place(BUY, 4)
    venue.place(SELL, 9, reduce_only=True)
    venue.to(9)
    assert venue.words("o1") == ["Expire"]
    assert venue.fills("o3") == [(MID - 1, 4, False)]
    assert venue.words("o3")[-1] == "Expire"


def test_a_stop_waits_for_a_trade_at_its_trigger() -> None:
    tape = a_book().at(5).bought(MID + 1, 1).at(7).bought(MID + 2, 1)
    venue = Venue(tape).to(1)
    venue.place(BUY, 3, type=OrderType.STOP, trigger=MID + 2)
    venue.to(6)
    assert venue.words() == ["Accept"]
    venue.to(12)
    assert venue.words() == ["Accept", "Trigger", "Fill"]
    assert venue.fills() == [(MID + 1, 3, False)]


def test_a_stop_limit_rests_once_triggered() -> None:
    tape = a_book().at(5).sold(MID - 2, 1)
    venue = Venue(tape).to(1)
    venue.place(SELL, 3, MID + 4, type=OrderType.STOP_LIMIT, trigger=MID - 2)
    assert venue.to(12).words() == ["Accept", "Trigger"]
    assert venue.world.own_queue_ahead("o1") == 10


def test_a_cancel_that_comes_too_late_is_refused() -> None:
    venue = Venue(a_book().at(5).sold(MID - 2, 1)).to(1)
    key = venue.place(BUY, 5, MID - 1)
    venue.to(4)
    venue.cancel(key)  # Arrives at 5 ms, after the trade of that instant.
    assert venue.to(9).words() == ["Accept", "Fill", "CancelReject"]
    venue.cancel("never-seen")
    assert venue.to(12).words("never-seen") == ["CancelReject"]


def test_answers_and_arrivals_take_their_time() -> None:
    venue = Venue(a_book(), latency_ms=4).to(1)
    venue.place(BUY, 1)
    venue.to(20)
    fill = venue.reports[-1]
    assert (fill.venue_ns, fill.received_ns) == (5 * MS, 9 * MS)


def test_orders_keep_their_rows_until_every_answer_is_out() -> None:
    """Thousands of short lives: rows are used again, and no cancel hits another order."""
    venue = Venue(a_book()).to(1)
    for _ in range(3):
        keys = [venue.place(BUY, 1, MID - 5) for _ in range(1500)]
        venue.to(venue.now_ns // MS + 3)
        for key in keys:
            venue.cancel(key)
        venue.to(venue.now_ns // MS + 3)
        assert all(venue.words(key) == ["Accept", "Cancel"] for key in keys[::100])


def test_bars_follow_the_trades_and_close_on_quiet_markets() -> None:
    tape = a_book()
    for ms, ticks, lots in ((100, MID + 1, 2), (900, MID + 3, 1), (1100, MID + 2, 4)):
        tape.at(ms).bought(ticks, lots)
    tape.at(4200).bid(MID - 1, 9)
    rows = tape.rows()
    world = SimExchange(linear(), rows, Scenario(), (1000 * MS,))
    while not world.advance(10_000 * MS, 0).reasons & k.WAKE_END:
        pass
    market = world.markets["test.BTCUSDT"]
    closed = int(market.bar_scalars[0, k.F_CLOSED])
    bars = market.bars[0, :closed, : k.B_COUNT].tolist()
    assert bars == [
        [0, MID + 1, MID + 3, MID + 1, MID + 3, 3],
        [1000 * MS, MID + 2, MID + 2, MID + 2, MID + 2, 4],
        [2000 * MS, MID + 2, MID + 2, MID + 2, MID + 2, 0],
    ]
