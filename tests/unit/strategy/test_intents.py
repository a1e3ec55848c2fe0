"""A bot whose helm a person holds says what it would do, and does nothing."""

from __future__ import annotations

from engine.domain import commands as c
from engine.domain.order import Side
from engine.strategy.context import BotContext
from engine.strategy.intents import Intents
from tests.support.builders import linear
from tests.unit.strategy.test_contained import Story


def context(story: Story, bot_id: str) -> BotContext:
    return story.desk.trader.runners[bot_id].context


def test_a_grid_in_a_persons_hand_tells_its_quotes() -> None:
    """The screens said that it goes on saying what it would do, and showed its last fill."""
    story = Story().in_position()
    assert context(story, "good").would is None
    story.desk.do(c.TakeHelm, bot_id="good")
    story.desk.requests.clear()
    story.desk.book(601_000, 601_002)
    story.desk.pass_ms(50)

    assert {item.bot_id for item in story.desk.submits()} == set()
    would = context(story, "good").would
    assert would is not None
    assert would.at_ns == story.desk.now_ns
    assert would.words(linear()) == (
        "buy 2 x 0.010 @ 60098.0 to 60099.0, sell 2 x 0.010 @ 60101.0 to 60102.0, cancel 4 orders"
    )


def test_what_it_wanted_stays_until_it_steers_again() -> None:
    story = Story().in_position()
    story.desk.do(c.TakeHelm, bot_id="bad")
    story.bad.deeds["on_timer"] = lambda ctx: ctx.sell(6, 0)
    story.desk.pass_ms(50)
    del story.bad.deeds["on_timer"]
    then_ns = story.desk.now_ns
    story.desk.pass_ms(50)
    would = context(story, "bad").would
    assert would is not None
    assert (would.at_ns, would.words(linear())) == (then_ns, "sell 0.006 at market")
    story.desk.do(c.GiveHelm, bot_id="bad")
    story.desk.pass_ms(50)
    assert context(story, "bad").would is None


def test_words() -> None:
    one = Intents(0)
    one.place(Side.BUY, 5, 600_000)
    one.place(Side.SELL, 5, 600_100)
    one.place(Side.SELL, 7, 600_200)
    one.cancel()
    one.work("bracket")
    assert one.words(linear()) == (
        "buy 0.005 @ 60000.0, sell 2 orders @ 60010.0 to 60020.0, start bracket, cancel 1 order"
    )
    assert Intents(0).words(linear()) == ""
