"""What `why` tells of a fill: the way to the venue, the place in the line, the price afterwards."""

from __future__ import annotations

from decimal import Decimal

from app.views.story import bot_story, order_story
from engine.domain import events as e
from engine.domain.order import Side
from tests.support.builders import a_fill, an_order, linear

INSTRUMENT = linear()
INSTRUMENTS = {INSTRUMENT.instrument_id: INSTRUMENT}
ORDER = an_order(qty_lots=10, side=Side.SELL, price_ticks=600_000)


def told(*events: e.AnyEvent) -> list[str]:
    intent = e.OrderIntended(ts_ns=1, order=ORDER)
    return [one.text for one in order_story([intent, *events], INSTRUMENTS)][1:]


def accepted(**fields: int) -> e.OrderAccepted:
    return e.OrderAccepted(
        ts_ns=2, client_order_id=ORDER.client_order_id, venue_order_id="s1", **fields
    )


def filled(**fields: int) -> e.OrderFilled:
    return e.OrderFilled(
        ts_ns=3,
        client_order_id=ORDER.client_order_id,
        fill=a_fill(lots=10, ticks=600_000, **fields),
        value_units=1,
    )


def marked(after_s: int, mid_x2: int) -> e.FillMarked:
    return e.FillMarked(
        ts_ns=4,
        client_order_id=ORDER.client_order_id,
        trade_id="t1",
        after_s=after_s,
        mid_x2=mid_x2,
    )


def test_the_way_there_and_the_line() -> None:
    assert told(accepted(queue_ahead_lots=140, queue_rank_tenths=35, latency_ns=62_500_000)) == [
        "the venue took it as s1 after 62.5 ms, behind 0.140 (3.5 average trades)"
    ]
    deep = told(accepted(queue_ahead_lots=140, queue_rank_tenths=101))[0]
    assert deep.endswith("(10.1 average trades): deep in the line, where fills tend to be bad ones")
    assert told(accepted()) == ["the venue took it as s1"]


def test_a_fill_says_how_the_line_moved() -> None:
    text = told(filled(queue_ahead_lots=140, queue_left_lots=0, level_volume_lots=150))[0]
    assert text.endswith("joined behind 0.140, 0.150 traded at its price or beyond meanwhile")
    text = told(filled(queue_ahead_lots=140, queue_left_lots=90, level_volume_lots=1))[0]
    assert "0.090 of that still ahead when the price went through its level" in text
    assert "joined" not in told(filled())[0]


def test_the_price_afterwards_counts_for_the_order() -> None:
    story = told(filled(), marked(1, 1_199_880), marked(5, 1_200_120), marked(60, 0))
    assert story[1:] == [
        "1 s after that fill the mid stood at 59994: +1.00 bp for it",
        "5 s after that fill the mid stood at 60006: -1.00 bp for it",
        "where the mid stood 60 s after that fill is not known",
    ]


def test_a_liquidation_is_the_venues_order_and_part_of_the_bots_story() -> None:
    order = an_order(client_order_id="liquidation-1", side=Side.SELL, qty_lots=10, price_ticks=0)
    event = e.PositionLiquidated(ts_ns=5, bot_id="bot-1", order=order, due_ticks=572_865)
    (sentence,) = order_story([event], INSTRUMENTS)
    assert sentence.text.startswith("the venue liquidated the position of bot-1 at 57286.5: sell")
    paid = e.FundingPaid(
        ts_ns=6,
        bot_id="bot-1",
        instrument_id=INSTRUMENT.instrument_id,
        amount=Decimal("-1.5"),
        rate=Decimal("-0.0001"),
        mark=Decimal(60_000),
    )
    story = [one.text for one in bot_story([event, paid], "bot-1", INSTRUMENTS)]
    assert story[0].startswith("LIQUIDATED by the venue at 57286.5")
    assert story[1] == "funding received: 1.5, rate -0.0001 at 60000"
