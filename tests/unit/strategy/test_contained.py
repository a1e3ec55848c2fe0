"""A strategy that raises, hangs or floods stops itself and nobody else.

Each story has two bots at one desk: `bad`, whose callbacks do what the test says, and `good`, a
quoting grid that must not notice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.core.messages import MarketAdvanced
from engine.core.watchdog import Watchdog
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.events import Helm
from engine.domain.instrument import Instrument
from engine.domain.order import Order, OrderType, Purpose, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.strategy import Context, Strategy, WakeFilter
from engine.runtime.trader import BotSpec
from engine.store import codec
from engine.strategy.catalogue import build_strategy
from engine.strategy.context import VERBS_PER_WAKE_MAX
from tests.support.desk import Desk, no_guard

Deed = Callable[[Context], object]
CALLBACKS = ["on_timer", "on_book", "on_trade", "on_bar", "on_fill"]


class Obedient(Strategy):
    """Does in each callback what `deeds` says, and notes what it was called for."""

    def __init__(self) -> None:
        self.deeds: dict[str, Deed] = {}
        self.called: list[str] = []

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=50, on_fill=True, on_top=True, on_trade=True, timeframe="1s")

    def _do(self, name: str, ctx: Context) -> None:
        self.called.append(name)
        self.deeds.get(name, lambda ctx: None)(ctx)

    def on_start(self, ctx: Context) -> None:
        self._do("on_start", ctx)

    def on_timer(self, ctx: Context) -> None:
        self._do("on_timer", ctx)

    def on_book(self, ctx: Context) -> None:
        self._do("on_book", ctx)

    def on_trade(self, ctx: Context) -> None:
        self._do("on_trade", ctx)

    def on_bar(self, ctx: Context, bar: object) -> None:
        self._do("on_bar", ctx)

    def on_fill(self, ctx: Context, order: Order, fill: object) -> None:
        self._do("on_fill", ctx)


GRID_PARAMS = (
    '{"levels": "2", "qty": "0.01", "interval_ticks": "10", "half_spread_ticks": "5",'
    ' "every_ms": "50"}'
)


class Story:
    """The desk with `bad` and `good`; `bad` has an entry with 4 of 10 lots filled and a stop."""

    def __init__(self, *, guard: Any = no_guard, deeds: dict[str, Deed] | None = None) -> None:
        self.bad = Obedient()
        self.bad.deeds = deeds or {}
        bots = [
            BotSpec(bot_id=name, strategy=kind, instrument_id="test.BTCUSDT", params_json=params)
            for name, kind, params in (("bad", "obedient", "{}"), ("good", "grid", GRID_PARAMS))
        ]
        self.desk = Desk(bots=bots, guard=guard, build=self._build)

    def _build(self, name: str, params_json: str, instrument: Instrument) -> Strategy:
        if name == "obedient":
            return self.bad
        return build_strategy(name, params_json, instrument)

    def in_position(self) -> Story:
        desk = self.desk
        desk.book(600_000, 600_002)
        self.bad.deeds["on_timer"] = lambda ctx: ctx.buy(10, 599_900)
        desk.pass_ms(50)
        del self.bad.deeds["on_timer"]
        for order in desk.live:
            desk.accept(order)
        self.entry = next(order for order in desk.live if order.bot_id == "bad")
        desk.fill(self.entry, lots=4)
        stop: dict[str, object] = {"type": OrderType.STOP, "trigger_ticks": 590_000}
        stop |= {"reduce_only": True, "purpose": Purpose.PROTECTIVE}
        assert desk.place(Side.SELL, 4, bot_id="bad", **stop) == ""
        self.stop = desk.live[-1]
        desk.accept(self.stop)
        desk.requests.clear()
        return self

    def trigger(self, callback: str) -> None:
        """Let happen what `callback` is called for."""
        desk = self.desk
        match callback:
            case "on_timer":
                desk.pass_ms(50)
            case "on_book":
                desk.book(600_000, 600_003)
            case "on_trade":
                self._market(k.WAKE_TRADE)
            case "on_bar":
                desk.state_arrays.bar_scalars[0, k.F_CLOSED] += 1
                self._market(k.WAKE_BAR)
            case "on_fill":
                desk.fill(self.entry, lots=1)

    def _market(self, reasons: int) -> None:
        message = MarketAdvanced(instrument_id=self.desk.id, reasons=reasons)
        self.desk.trader.process(message, self.desk.now_ns)
        self.desk.collect()

    @property
    def helm(self) -> Helm:
        return self.desk.trader.state.bots["bad"].helm

    @property
    def errors(self) -> list[str]:
        return [event.error for event in self.desk.seen(e.BotFailed)]  # type: ignore[attr-defined]

    def assert_contained(self) -> None:
        """`bad` alone is paused, with an alert; its entry goes, its stop stays; `good` goes on."""
        desk = self.desk
        assert self.helm is Helm.PAUSED
        assert len(self.errors) == 1
        assert desk.cancels().count(self.entry.client_order_id) == 1
        assert self.stop.client_order_id not in desk.cancels()
        assert desk.trader.state.bots["good"].helm is Helm.AUTO
        self.bad.called.clear()
        desk.requests.clear()
        desk.book(601_000, 601_002)
        desk.pass_ms(100)
        assert self.bad.called == [], "a failed strategy is not asked again"
        assert {item.bot_id for item in desk.submits()} == {"good"}


def fails(ctx: Context) -> None:
    raise ZeroDivisionError("spread / 0")


@pytest.mark.parametrize("callback", CALLBACKS)
def test_one_that_raises(callback: str) -> None:
    story = Story().in_position()
    story.bad.deeds[callback] = fails
    story.trigger(callback)

    assert story.errors == ["ZeroDivisionError: spread / 0"]
    story.assert_contained()


def test_one_that_raises_at_its_start() -> None:
    story = Story(deeds={"on_start": fails})

    assert story.helm is Helm.PAUSED
    assert story.errors == ["ZeroDivisionError: spread / 0"]
    story.desk.book(600_000, 600_002)
    story.desk.pass_ms(100)
    assert {item.bot_id for item in story.desk.submits()} == {"good"}


def test_orders_placed_before_it_raised_are_cancelled_too() -> None:
    def half_done(ctx: Context) -> None:
        assert ctx.buy(1, 599_950)
        raise RuntimeError("second thoughts")

    story = Story().in_position()
    story.bad.deeds["on_timer"] = half_done
    story.trigger("on_timer")

    placed = [item.client_order_id for item in story.desk.submits() if item.bot_id == "bad"]
    assert len(placed) == 1
    assert placed[0] in story.desk.cancels()
    story.assert_contained()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit: "),
        (asyncio.CancelledError(), "CancelledError: "),
        (RecursionError("deep"), "RecursionError: deep"),
        (Unspeakable(), "Unspeakable: its text cannot be shown"),
        (
            ValueError("\x1b[2J[red]evil\u202e\n" + "x" * 500),
            "ValueError: [2J[red]evil " + "x" * 20,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_it_raises_is_contained_and_safe_to_show(error: BaseException, words: str) -> None:
    def raises(ctx: Context) -> None:
        raise error

    story = Story().in_position()
    story.bad.deeds["on_book"] = raises
    story.trigger("on_book")

    assert story.errors[0].startswith(words)
    assert len(story.errors[0]) < 200
    assert story.errors[0].isprintable()
    story.assert_contained()


def test_ctrl_c_is_the_persons_and_not_contained() -> None:
    def interrupted(ctx: Context) -> None:
        raise KeyboardInterrupt

    story = Story().in_position()
    story.bad.deeds["on_book"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        story.trigger("on_book")
    assert story.errors == []


# -- hanging and flooding ----------------------------------------------------------------------


@contextmanager
def a_watchdog(limit_s: float) -> Iterator[Watchdog]:
    watchdog = Watchdog(limit_s)
    try:
        yield watchdog
    finally:
        watchdog.close()


def hangs(ctx: Context) -> None:
    while True:
        pass


def hangs_and_catches_all(ctx: Context) -> None:
    while True:
        with suppress(Exception):  # What careless strategies do.
            ctx.depth(Side.BUY, 5)


@pytest.mark.parametrize("deed", [hangs, hangs_and_catches_all])
def test_one_that_hangs(deed: Deed) -> None:
    with a_watchdog(0.1) as watchdog:
        story = Story(guard=watchdog.guard).in_position()
        story.bad.deeds["on_trade"] = deed
        story.trigger("on_trade")
        story.assert_contained()

    assert story.errors == ["StrategyHung: bad: still running after 0.1 s"]


def floods(ctx: Context) -> None:
    for number in range(VERBS_PER_WAKE_MAX + 1):
        ctx.buy(1, 590_000 + number)


def cancels_without_end(ctx: Context) -> None:
    while True:
        ctx.cancel("q00000000000000000")


def floods_and_catches_all(ctx: Context) -> None:
    for number in range(VERBS_PER_WAKE_MAX * 2):
        with suppress(Exception):
            ctx.buy(1, 590_000 + number)


@pytest.mark.parametrize("deed", [floods, cancels_without_end, floods_and_catches_all])
def test_one_that_floods(deed: Deed) -> None:
    story = Story().in_position()
    story.bad.deeds["on_timer"] = deed
    story.trigger("on_timer")

    assert story.errors[0].startswith("StrategyFlooded: ")
    assert len(story.desk.submits()) <= 200 + 4, "the gate's orders per second came first"
    assert len(story.desk.seen(e.OrderDenied)) <= 2, "the disk is not flooded in its place"
    # The limits are the account's: until its orders are gone and the second is over, `good` is
    # refused as well. Then it goes on.
    for order in story.desk.live:
        if order.bot_id == "bad" and order.spec.purpose is Purpose.ENTRY:
            assert order.client_order_id in story.desk.cancels()
            if order is not story.entry:
                story.desk.canceled(order)
    story.desk.pass_ms(1000)
    story.assert_contained()


def test_just_under_the_flood_is_allowed() -> None:
    def busy(ctx: Context) -> None:
        for _ in range(VERBS_PER_WAKE_MAX):
            ctx.cancel("q00000000000000000")

    story = Story().in_position()
    story.bad.deeds["on_timer"] = busy
    story.desk.pass_ms(100)

    assert story.errors == []
    assert story.helm is Helm.AUTO


# -- nonsense as arguments -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed",
    [
        lambda ctx: ctx.buy(0.5, 599_950),
        lambda ctx: ctx.buy(1, float("nan")),
        lambda ctx: ctx.buy("1", 599_950),
        lambda ctx: ctx.buy(1 << 80, 599_950),
        lambda ctx: ctx.sell(1, -(1 << 80)),
        lambda ctx: ctx.sell(1, 599_950, "tomorrow"),
        lambda ctx: ctx.cancel(["q"]),
        lambda ctx: ctx.orders.clear(),
        lambda ctx: ctx.bars("many"),
    ],
)
def test_nonsense_fails_inside_the_strategy(deed: Deed) -> None:
    story = Story().in_position()
    story.bad.deeds["on_timer"] = deed
    story.trigger("on_timer")

    story.assert_contained()
    assert all(codec.encode(event) for event in story.desk.events)


@pytest.mark.parametrize(("lots", "ticks"), [(0, 599_950), (-5, 599_950), (5, -1)])
def test_sizes_and_prices_no_venue_would_take_are_refused(lots: int, ticks: int) -> None:
    story = Story().in_position()
    got: list[object] = []
    story.bad.deeds["on_timer"] = lambda ctx: got.append(ctx.buy(lots, ticks))
    story.trigger("on_timer")

    assert got == [None]
    assert len(story.desk.seen(e.OrderDenied)) == 1
    assert story.helm is Helm.AUTO


def test_numbers_of_numpy_become_ours_before_they_reach_the_ledger() -> None:
    """Found by thinking: a price out of an array would have ended the engine when journalled."""

    def computes(ctx: Context) -> None:
        price = np.array([599_950], np.int64)[0]
        ctx.buy(np.int32(3), price, TimeInForce.POST_ONLY)
        ctx.explain(price)

    story = Story().in_position()
    story.bad.deeds["on_timer"] = computes
    story.trigger("on_timer")

    spec = next(order.spec for order in story.desk.live if order.spec.price_ticks == 599_950)
    assert (type(spec.qty_lots), type(spec.price_ticks)) == (int, int)
    intended = story.desk.seen(e.OrderIntended)
    assert [codec.decode(codec.encode(event)) for event in intended] == intended


def test_what_it_says_is_cleaned_and_short() -> None:
    story = Story()
    story.bad.deeds["on_timer"] = lambda ctx: ctx.explain("\x1b[31mred\u202e" + "!" * 5000)
    story.desk.book(600_000, 600_002)
    story.trigger("on_timer")

    said = story.desk.trader.runners["bad"].context.said
    assert said.startswith("[31mred!")
    assert len(said) <= 160


# -- what the helm allows ------------------------------------------------------------------------


def everything(got: list[object]) -> Deed:
    """All verbs, one after the other; notes what buy and sell gave back."""

    def deed(ctx: Context) -> None:
        got.append(ctx.buy(3, 599_950))
        got.append(ctx.sell(30, 600_050))
        for key in ctx.orders:
            ctx.cancel(key)
        ctx.close()

    return deed


def test_with_the_helm_taken_its_verbs_do_nothing() -> None:
    story = Story().in_position()
    story.desk.do(c.TakeHelm, bot_id="bad")
    got: list[object] = []
    story.bad.deeds["on_timer"] = everything(got)
    story.desk.requests.clear()
    story.trigger("on_timer")

    assert got == [None, None]
    assert [item for item in story.desk.submits() if item.bot_id == "bad"] == []
    assert story.entry.client_order_id not in story.desk.cancels()


def test_paused_it_may_only_reduce() -> None:
    story = Story().in_position()
    story.desk.do(c.PauseBot, bot_id="bad")
    got: list[object] = []
    story.bad.deeds["on_timer"] = everything(got)
    story.desk.requests.clear()
    story.trigger("on_timer")

    assert got[0] is None
    specs = [item.spec for item in story.desk.submits() if item.bot_id == "bad"]
    assert [(spec.side, spec.qty_lots, spec.reduce_only) for spec in specs] == [
        (Side.SELL, 4, True),  # Asked for 30: cut to the position.
        (Side.SELL, 4, True),  # `close`; the venue cuts both to what is held.
    ]
    assert all(spec.purpose is Purpose.EXIT for spec in specs)


def test_paused_and_flat_it_may_do_nothing() -> None:
    story = Story()
    story.desk.book(600_000, 600_002)
    story.desk.do(c.PauseBot, bot_id="bad")
    got: list[object] = []
    story.bad.deeds["on_timer"] = everything(got)
    story.trigger("on_timer")

    assert got == [None, None]


def test_it_cannot_cancel_what_a_person_placed_for_it() -> None:
    story = Story().in_position()
    story.bad.deeds["on_timer"] = lambda ctx: [ctx.cancel(key) for key in ctx.orders]
    story.trigger("on_timer")

    assert story.stop.client_order_id not in story.desk.cancels()
    assert story.entry.client_order_id in story.desk.cancels()


def test_stopped_it_is_not_called() -> None:
    story = Story().in_position()
    story.desk.do(c.StopBot, bot_id="bad")
    story.bad.called.clear()
    for callback in CALLBACKS:
        story.trigger(callback)

    assert story.bad.called == []


def test_failing_under_a_persons_hand_leaves_the_orders_to_the_person() -> None:
    story = Story().in_position()
    story.desk.do(c.TakeHelm, bot_id="bad")
    story.bad.deeds["on_timer"] = fails
    story.desk.requests.clear()
    story.trigger("on_timer")

    assert story.helm is Helm.MANUAL
    assert len(story.errors) == 1
    assert story.entry.client_order_id not in story.desk.cancels()


def test_resumed_it_gets_another_chance_and_fails_alone_again() -> None:
    story = Story().in_position()
    story.bad.deeds["on_timer"] = fails
    story.trigger("on_timer")
    assert story.desk.do(c.ResumeBot, bot_id="bad") == ""
    assert story.desk.trader.state.bots["bad"].error == ""
    story.trigger("on_timer")

    assert len(story.errors) == 2
    assert story.helm is Helm.PAUSED


def test_after_a_restart_a_failed_bot_still_rests() -> None:
    story = Story().in_position()
    story.bad.deeds["on_timer"] = fails
    story.trigger("on_timer")

    again = Story()
    again.desk.trader.state.__init__()  # type: ignore[misc]
    again.desk.trader.restore(
        msgspec.msgpack.decode(codec.encode(event), type=e.AnyEvent)  # type: ignore[arg-type]
        for event in story.desk.events
    )
    again.desk.book(600_000, 600_002)
    again.bad.called.clear()
    again.desk.trader.resume()
    again.desk.now_ns = story.desk.now_ns
    again.desk.pass_ms(200)

    assert again.bad.called == []
    assert again.helm is Helm.PAUSED
    assert again.desk.trader.state.bots["bad"].error == "ZeroDivisionError: spread / 0"
