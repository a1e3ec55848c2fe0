"""Algos on the real simulated exchange: backtest, paced paper and a paper engine that is killed
over and over give the same events, and every algo keeps its promises on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest

from engine.domain import algo as a
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.order import Order, Pending, Side
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.runtime.trader import BotSpec, Trader
from engine.sim.generator import SIM_INSTRUMENT
from engine.sim.refusals import Refusals
from engine.sim.scenario import Scenario
from engine.strategy.catalogue import build_strategy
from engine.trading.algos.guard import guarded_lots
from tests.replay.test_worlds_agree import assert_agree
from tests.support.worlds import (
    SECOND,
    Life,
    Script,
    Setting,
    assert_same_state,
    backtested,
    generated,
    killed,
    paced,
    rebuilt,
    unpaced,
)

SIM = SIM_INSTRUMENT.instrument_id
MS = 1_000_000


def specs(side: Side, now_ns: int, bid: int, ask: int) -> list[a.AnyAlgo]:
    """One of every kind that may enter, around the touch, small enough for every limit."""
    sign = side.sign
    own, other = (bid, ask) if side is Side.BUY else (ask, bid)
    base = {"instrument_id": SIM, "side": side, "qty_lots": 12}
    return [
        a.Bracket(**base, stop_ticks=other - 9 * sign, target_ticks=other + 9 * sign),
        a.Bracket(
            **base,
            price_ticks=own,
            stop_ticks=own - 12 * sign,
            target_ticks=own + 8 * sign,
            until_ns=now_ns + SECOND,
        ),
        a.Bracket(**base, price_ticks=own, stop_ticks=own - 12 * sign, trail_ticks=7),
        a.Oco(
            **base,
            price_ticks=own - 4 * sign,
            trigger_ticks=other + 3 * sign,
            reduce_only=False,
        ),
        a.IfTouched(**base, trigger_ticks=own - 3 * sign),
        a.GoodTill(**base, price_ticks=own, until_ns=now_ns + 700 * MS),
        a.Iceberg(**base, price_ticks=own, show_lots=5),
        a.Twap(**base, slices=4, every_ms=250),
        a.Vwap(**base, weights=[3, 1, 2], every_ms=250),
        a.Pov(**base, share_bp=2000, every_ms=250, until_ns=now_ns + 2 * SECOND),
        a.Pegged(**base, chase_ticks=20),
        a.Pegged(**base, improve_ticks=1),
        a.ScaledLadder(**base, first_ticks=own, last_ticks=own - 6 * sign, rungs=3),
        a.ScaledLadder(
            **base,
            first_ticks=own,
            last_ticks=own - 6 * sign,
            rungs=3,
            weighting=a.Weighting.FAR,
            post_only=True,
        ),
    ]


class Bracketeer(Strategy):
    """One narrow bracket after the other, so that stop and target are often near each other."""

    name = "bracketeer"
    summary = "test"
    params_type = Params

    def __init__(self, params: Params, instrument: Instrument) -> None:
        """No parameters."""

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=200)

    def on_timer(self, ctx: Context) -> None:
        if ctx.algos or ctx.position_lots or not ctx.is_ready:
            return
        side = Side.BUY if ctx.now_ns // (200 * MS) % 2 else Side.SELL
        touch = ctx.best_ask if side is Side.BUY else ctx.best_bid
        stop, target = touch - 3 * side.sign, touch + 3 * side.sign
        trail = 3 if ctx.now_ns // (400 * MS) % 2 else 0
        ctx.bracket(side, 40, stop_ticks=stop, target_ticks=target, trail_ticks=trail)


class AlgoUser(Strategy):
    """Starts every kind of algo in turn, and guards or unwinds what it holds. Remembers nothing:
    what it does depends on the instant and on what it sees."""

    name = "algo-user"
    summary = "test"
    params_type = Params

    def __init__(self, params: Params, instrument: Instrument) -> None:
        """No parameters."""

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=300, on_fill=True)

    def on_timer(self, ctx: Context) -> None:
        turn = ctx.now_ns // (300 * MS)
        if not ctx.is_ready:
            return
        if len(ctx.algos) >= 3:
            if turn % 5 == 0:
                ctx.cancel(next(iter(ctx.algos)))
            return
        held = ctx.position_lots
        if abs(held) >= 30:
            ctx.close()
        elif held and turn % 3 == 0:
            self._guard(ctx, turn)
        else:
            side = Side.BUY if turn % 2 else Side.SELL
            wanted = specs(side, ctx.now_ns, ctx.best_bid, ctx.best_ask)
            ctx.work(wanted[turn // 2 % len(wanted)])

    def _guard(self, ctx: Context, turn: int) -> None:
        held = ctx.position_lots
        side = Side.SELL if held > 0 else Side.BUY
        touch, lots = ctx.best_bid if held > 0 else ctx.best_ask, abs(held)
        base = {"instrument_id": SIM, "side": side, "qty_lots": lots}
        if turn % 4 == 0:
            ctx.trail(ticks=6)
        elif turn % 4 == 1:
            ctx.work(a.TakeProfit(**base, trigger_ticks=touch - 5 * side.sign))
        elif turn % 4 == 2:
            price, trigger = touch - 6 * side.sign, touch + 6 * side.sign
            ctx.work(a.Oco(**base, price_ticks=price, trigger_ticks=trigger))
        else:
            ctx.work(a.Twap(**base, slices=2, every_ms=200, reduce_only=True))

    def on_fill(self, ctx: Context, order: Order, fill: object) -> None:
        if order.algo_id:
            ctx.explain(f"{order.algo_id} {order.leg}")


def build(name: str, params_json: str, instrument: Instrument) -> Strategy:
    for kind in (AlgoUser, Bracketeer):
        if name == kind.name:
            return kind(Params(), instrument)
    return build_strategy(name, params_json, instrument)


def users(*bot_ids: str) -> Sequence[BotSpec]:
    return [
        BotSpec(bot_id=bot_id, strategy="algo-user", instrument_id=SIM, params_json="{}")
        for bot_id in bot_ids
    ]


def a_setting(seconds: int, *bot_ids: str, **fields: object) -> Setting:
    return generated(seconds, bots=users(*bot_ids), **fields)._replace(build=build)  # type: ignore[arg-type]


# -- promises ------------------------------------------------------------------------------------


def assert_promises(life: Life, *, is_alone: bool = False) -> None:
    """Read from the journal alone: sizes and sides of every order of every algo, and that what
    reduces never goes beyond the position. `is_alone`: no book held more than one algo."""
    started = {event.algo_id: event for event in life.of(e.AlgoStarted)}  # type: ignore[union-attr]
    traded: Counter[tuple[str, bool]] = Counter()
    books: Counter[str] = Counter()
    owners = {o.order.client_order_id: o.order for o in life.of(e.OrderIntended)}  # type: ignore[union-attr]
    for event in life.events:
        if isinstance(event, e.OrderIntended) and event.order.algo_id:
            spec = started[event.order.algo_id].spec  # type: ignore[union-attr]
            is_exit = isinstance(spec, a.Bracket) and event.order.leg != "entry"
            assert event.order.spec.side is (spec.side.opposite if is_exit else spec.side)
            assert event.order.spec.qty_lots >= SIM_INSTRUMENT.min_lots
        elif isinstance(event, e.OrderFilled):
            order = owners[event.client_order_id]
            signed = order.spec.side.sign * event.fill.lots
            if order.spec.reduce_only:
                assert books[order.bot_id] * signed < 0, "it added to the position"
                assert abs(signed) <= abs(books[order.bot_id]), "it went beyond the position"
            books[order.bot_id] += signed
            if order.algo_id:
                is_exit = order.leg in ("stop", "target", "close")
                traded[order.algo_id, is_exit] += event.fill.lots
    for (algo_id, is_exit), lots in traded.items():
        spec = started[algo_id].spec  # type: ignore[union-attr]
        if a.is_guard(spec) or (isinstance(spec, a.Bracket) and is_exit):
            # In a book that holds more, stop and target may both trade within a round trip.
            whole = traded[algo_id, False] if isinstance(spec, a.Bracket) else spec.qty_lots
            assert not is_alone or lots <= whole, algo_id
        elif isinstance(spec, a.Bracket):
            assert lots <= spec.qty_lots, algo_id
        else:
            assert traded[algo_id, True] + traded[algo_id, False] <= spec.qty_lots, algo_id


def kinds_done(life: Life) -> set[str]:
    done = {event.algo_id for event in life.of(e.AlgoEnded) if event.outcome == "done"}  # type: ignore[union-attr]
    return {
        type(event.spec).__name__  # type: ignore[union-attr]
        for event in life.of(e.AlgoStarted)
        if event.algo_id in done  # type: ignore[union-attr]
    }


# -- worlds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_paper_and_backtest_agree(seed: int) -> None:
    setting = a_setting(40, "one", seed=seed)
    wanted = backtested(setting)

    assert_promises(wanted)
    assert_agree(paced(setting, seed), wanted)


def test_every_kind_of_algo_comes_to_its_end() -> None:
    life = unpaced(a_setting(150, "one", "two", seed=3))

    assert_promises(life)
    assert not life.of(e.BotFailed)
    assert not life.of(e.AlgoAlarmed)
    every = {kind.__name__ for kind in a.AnyAlgo.__args__}
    assert kinds_done(life) == every
    assert_same_state(life.trader.state, rebuilt(life.events))


def test_killed_over_and_over_it_ends_the_same() -> None:
    setting = a_setting(25, "one", "two", seed=4)
    wanted = unpaced(setting)

    found = killed(setting, 5)
    assert found.restarts > 5
    assert_agree(found, wanted)


def test_slow_venue_agrees() -> None:
    slow = Scenario(entry_latency_ns=180 * MS, response_latency_ns=120 * MS)
    setting = a_setting(25, "one", "two", seed=6, scenario=slow)
    wanted = unpaced(setting)

    assert_promises(wanted)
    assert_agree(paced(setting, 2), wanted)


@pytest.mark.parametrize("latency_ms", [0, 10, 300])
def test_brackets_alone_in_their_book_never_exit_more_than_they_entered(latency_ms: int) -> None:
    scenario = Scenario(entry_latency_ns=latency_ms * MS, response_latency_ns=latency_ms * MS // 2)
    bot = BotSpec(bot_id="one", strategy="bracketeer", instrument_id=SIM, params_json="{}")
    life = unpaced(generated(60, seed=9, bots=[bot], scenario=scenario)._replace(build=build))

    assert len(life.of(e.AlgoEnded)) > 20
    assert_promises(life, is_alone=True)
    legs = Counter(o.order.leg for o in life.of(e.OrderIntended))  # type: ignore[union-attr]
    assert legs["stop"] >= legs["target"] > 20


HARSH = {
    "rejects": Refusals(reject_rate=Decimal("0.35")),
    "outages": Refusals(outage_rate=Decimal("0.4")),
}


@pytest.mark.parametrize("name", list(HARSH))
def test_a_venue_that_refuses_leaves_nothing_unguarded_in_silence(name: str) -> None:
    """After every batch: each open bracket has its stop resting or on its way, or the alarm."""
    bot = BotSpec(bot_id="one", strategy="bracketeer", instrument_id=SIM, params_json="{}")
    scenario = Scenario(refusals=HARSH[name])
    setting = generated(90, seed=12, bots=[bot], scenario=scenario)._replace(build=build)
    alarms: set[str] = set()

    def watch(trader: Trader) -> None:
        for algo in trader.state.algos.values():
            net = algo.entered_lots - algo.exited_lots
            held = trader.state.position(algo.bot_id, SIM).lots
            open_lots = guarded_lots(net, algo.spec.side.opposite, held)
            missing = open_lots - sum(
                order.leaves_lots
                for order in algo.orders.values()
                if order.leg in ("stop", "close") and order.pending is not Pending.CANCELLING
            )
            if missing > 0:
                assert algo.alarm, (algo, missing)
                alarms.add(algo.algo_id)

    life = unpaced(setting, watch)
    assert len(life.of(e.OrderRejected)) > 20
    assert len(life.of(e.AlgoEnded)) > 5
    assert alarms or name == "outages"
    assert_promises(life, is_alone=True)
    assert_agree(paced(setting, 4), life)


def test_a_person_with_algos_agrees_and_is_resumed() -> None:
    base = {"instrument_id": SIM, "qty_lots": 15}
    wishes: list[c.AnyCommand | None] = [
        c.PlaceAlgo(
            command_id="a",
            bot_id="manual",
            spec=a.Bracket(side=Side.BUY, stop_ticks=599_000, trail_ticks=30, **base),
        ),
        c.PlaceAlgo(
            command_id="b",
            bot_id="manual",
            spec=a.Twap(side=Side.BUY, slices=5, every_ms=900, **base),
        ),
        c.PauseBot(command_id="d", bot_id="one"),
        c.CancelAlgo(command_id="e", algo_id="a2"),
        None,
        c.ResumeBot(command_id="f", bot_id="one"),
        c.TakeHelm(command_id="g", bot_id="two"),
        c.CancelAll(command_id="h"),
        c.GiveHelm(command_id="i", bot_id="two"),
        c.Flatten(command_id="j"),
        c.Kill(command_id="k"),
    ]
    script = Script([(2 * SECOND * n + n, wish) for n, wish in enumerate(wishes, 1)])
    setting = a_setting(30, "one", "two", seed=8)
    wanted = paced(setting, 1, script)

    assert len(wanted.of(e.CommandDone)) == sum(wish is not None for wish in wishes)
    assert not wanted.trader.state.algos
    assert_agree(paced(setting, 2, script), wanted)
    assert_agree(killed(setting, 3, script), wanted)
