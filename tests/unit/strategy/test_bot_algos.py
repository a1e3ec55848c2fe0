"""Algos that a bot starts: what a pause, a failure, a taken helm and a stop mean for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.order import Fill, Order, Side
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.runtime.trader import BotSpec
from engine.trading.algos.desk import ALGOS_MAX
from tests.support.algos import MID, a_desk, ended, leg, one
from tests.support.desk import Desk


class Puppet(Strategy):
    """Does what the test puts into `todo`, once, at its next timer."""

    name = "puppet"
    summary = "test"
    params_type = Params

    def __init__(self, params: Params, instrument: Instrument) -> None:
        self.todo: Callable[[Context], object] | None = None
        self.got: object = None
        self.fills: list[tuple[str, str, int]] = []
        PUPPETS.append(self)

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=100, on_fill=True)

    def on_timer(self, ctx: Context) -> None:
        if self.todo is None:
            return
        todo, self.todo = self.todo, None
        self.got = todo(ctx)

    def on_fill(self, ctx: Context, order: Order, fill: Fill) -> None:
        self.fills.append((order.algo_id, order.leg, fill.lots))


PUPPETS: list[Puppet] = []


def a_bot_desk() -> tuple[Desk, Puppet]:
    bot = BotSpec(bot_id="bot", strategy="puppet", instrument_id="test.BTCUSDT", params_json="{}")
    desk = a_desk(bots=[bot], build=lambda name, params, inst: Puppet(Params(), inst))
    return desk, PUPPETS[-1]


def do(desk: Desk, puppet: Puppet, wish: Callable[[Context], object]) -> object:
    puppet.todo = wish
    desk.pass_ms(100)
    return puppet.got


def bracketed(lots: int = 10, filled: int = 0) -> tuple[Desk, Puppet]:
    desk, puppet = a_bot_desk()
    wish = lambda ctx: ctx.bracket(  # noqa: E731
        Side.BUY, lots, price_ticks=MID - 5, stop_ticks=MID - 100, target_ticks=MID + 100
    )
    assert do(desk, puppet, wish) == "a1"
    entry = one(desk, "entry")
    desk.accept(entry)
    if filled:
        desk.fill(entry, filled)
    return desk, puppet


def test_a_bot_sees_its_algos_and_the_fills_of_their_orders() -> None:
    desk, puppet = bracketed(filled=4)
    assert list(desk.trader.runners["bot"].context.algos) == ["a1"]
    assert puppet.fills == [("a1", "entry", 4)]


@pytest.mark.parametrize("command", [c.PauseBot, c.StopBot])
def test_a_paused_bot_enters_no_further_and_stays_guarded(command: type[c.Command]) -> None:
    desk, _ = bracketed(filled=4)
    entry = one(desk, "entry")
    desk.do(command, bot_id="bot")
    assert entry.client_order_id in desk.cancels()
    assert (one(desk, "stop").spec.qty_lots, one(desk, "target").spec.qty_lots) == (4, 4)
    desk.fill(entry, 3)
    desk.canceled(entry)
    assert sum(order.leaves_lots for order in leg(desk, "stop")) == 7


def test_a_bot_that_fails_enters_no_further_and_stays_guarded() -> None:
    desk, puppet = bracketed(filled=4)

    def fail(ctx: Context) -> None:
        raise RuntimeError("oh")

    do(desk, puppet, fail)
    assert desk.seen(e.BotFailed)
    assert leg(desk, "entry") == []
    assert one(desk, "stop").spec.qty_lots == 4


def test_a_pause_ends_what_has_not_entered() -> None:
    desk, _ = bracketed()
    desk.do(c.PauseBot, bot_id="bot")
    desk.canceled(desk.live[0])
    assert ended(desk) == "canceled: did not enter: bot is paused"


def test_a_taken_helm_takes_the_algos_along() -> None:
    desk, puppet = bracketed(filled=4)
    order = one(desk, "stop")
    move = {"client_order_id": order.client_order_id, "price_ticks": MID - 50}
    assert "take the helm first" in desk.do(c.MoveOrder, **move)
    desk.do(c.TakeHelm, bot_id="bot")
    assert one(desk, "entry"), "what is under way goes on, in the person's hands"
    assert not desk.do(c.MoveOrder, **move)
    desk.do(c.GiveHelm, bot_id="bot")
    do(desk, puppet, lambda ctx: ctx.cancel("a1"))
    assert one(desk, "entry"), "the bot may not cancel what is the person's now"


def test_a_bot_cancels_its_own_and_keeps_the_guard() -> None:
    desk, puppet = bracketed(filled=4)
    do(desk, puppet, lambda ctx: ctx.cancel("a1"))
    assert leg(desk, "entry") == []
    assert one(desk, "stop")


def test_trail_guards_what_is_held() -> None:
    desk, puppet = a_bot_desk()
    assert do(desk, puppet, lambda ctx: ctx.trail(ticks=50)) is None
    do(desk, puppet, lambda ctx: ctx.buy(5))
    desk.fill(desk.live[0], ticks=MID)
    assert do(desk, puppet, lambda ctx: ctx.trail(ticks=50)) == "a1"
    assert one(desk, "stop").spec.trigger_ticks == MID - 50


def test_a_paused_bot_may_start_what_only_reduces() -> None:
    desk, puppet = a_bot_desk()
    do(desk, puppet, lambda ctx: ctx.buy(5))
    desk.fill(desk.live[0], ticks=MID)
    desk.do(c.PauseBot, bot_id="bot")
    wish = lambda ctx: ctx.bracket(Side.BUY, 5, stop_ticks=MID - 50)  # noqa: E731
    assert do(desk, puppet, wish) is None
    assert do(desk, puppet, lambda ctx: ctx.trail(bp=50)) == "a1"


def test_foreign_numbers_and_nonsense_end_inside_the_strategy() -> None:
    desk, puppet = a_bot_desk()
    spec = a.Twap(instrument_id=desk.id, side=Side.BUY, qty_lots=6, slices=2.5, every_ms=500)  # type: ignore[arg-type]
    do(desk, puppet, lambda ctx: ctx.work(spec))
    failures = desk.seen(e.BotFailed)
    assert isinstance(failures[0], e.BotFailed)
    assert "TypeError" in failures[0].error
    assert not desk.trader.state.algos


def test_a_stubborn_bot_fills_no_disk() -> None:
    desk, puppet = a_bot_desk()

    def stubborn(ctx: Context) -> None:
        for _ in range(20):
            ctx.bracket(Side.BUY, 5, stop_ticks=MID + 50)

    do(desk, puppet, stubborn)
    do(desk, puppet, stubborn)
    assert len(desk.seen(e.AlgoDenied)) == 1
    desk.pass_ms(1000)
    do(desk, puppet, stubborn)
    denied = desk.seen(e.AlgoDenied)
    assert [event.repeats for event in denied] == [0, 39]  # type: ignore[attr-defined]
    assert desk.trader.state.denied == 41


def test_a_book_holds_so_many_algos_and_guards_beyond_that() -> None:
    desk, puppet = a_bot_desk()
    do(desk, puppet, lambda ctx: ctx.buy(5))
    desk.fill(desk.live[0], ticks=MID)

    def many(ctx: Context) -> list[str | None]:
        spec = a.IfTouched(instrument_id=desk.id, side=Side.BUY, qty_lots=1, trigger_ticks=MID - 50)
        return [ctx.work(spec) for _ in range(ALGOS_MAX + 3)]

    started = do(desk, puppet, many)
    assert isinstance(started, list)
    assert sum(one is not None for one in started) == ALGOS_MAX
    assert do(desk, puppet, lambda ctx: ctx.trail(ticks=50)) is not None


def test_a_late_fill_of_a_bot_that_is_gone_is_guarded() -> None:
    desk, _ = bracketed()
    entry = one(desk, "entry")
    desk.do(c.StopBot, bot_id="bot")
    desk.canceled(entry)
    assert not desk.do(c.RemoveBot, bot_id="bot")
    desk.fill(entry, 4)
    assert one(desk, "stop").spec.qty_lots == 4


def test_a_bot_with_a_waiting_algo_is_not_removed() -> None:
    desk, puppet = a_bot_desk()
    spec = a.IfTouched(instrument_id=desk.id, side=Side.BUY, qty_lots=5, trigger_ticks=MID - 50)
    do(desk, puppet, lambda ctx: ctx.work(spec))
    assert "1 orders working" in desk.do(c.RemoveBot, bot_id="bot")
