"""Replaying recorded order books: with nobody trading, and with the quoting grid.

`replay_idle`    rows per second when a compiled strategy wakes every 100 ms and does nothing
`replay_grid`    the same with the grid compiled into the replay: 40 quotes, queues, fills
`replay_engine`  the grid in Python through the whole engine: strategy, risk gate, order manager,
                 state, recorder and an in-memory journal
`replay_kernel`  rows per second of the time that run spends inside the kernel
`replay_python`  percent that the whole run takes longer than one whose decisions in Python cost
                 nothing: the same orders again, read from a list
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from app.bootstrap import build_bot, market_of, session_of
from engine.archive.catalogue import load_rows
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.order import Side, TimeInForce
from engine.kernels.layout import Rows
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.ports.world import Wake
from engine.research.grid_run import new_desk, run_desk
from engine.runtime.backtest import Backtest
from engine.runtime.trader import BuildStrategy, Trader
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import build_strategy
from engine.strategy.grid import Grid, GridParams
from engine.trading.risk.limits import RiskLimits
from tests.bench.figures import Context as BenchContext
from tests.bench.figures import Figure, figure, need_capture, seconds_of
from tests.bench.idle import run_idle

GRID = {
    "levels": "20",
    "max_position": "5",
    "interval_ticks": "10",
    "half_spread_ticks": "20",
    "qty": "0.1",
}
SCENARIO = Scenario(fills=FillMode.WHOLE, maker=Decimal("-0.00005"), taker=Decimal("0.0007"))
WAKE_NS = 100_000_000


class TimedExchange(SimExchange):
    """Counts the time spent inside the kernel."""

    inside_ns = 0

    def advance(self, until_ns: int, wake_mask: int) -> Wake:
        clock = LiveClock()
        start_ns = clock.monotonic_ns()
        wake = super().advance(until_ns, wake_mask)
        self.inside_ns += clock.monotonic_ns() - start_ns
        return wake


class Recited(Strategy):
    """Does at each wake-up what a list says: a strategy whose decisions cost nothing."""

    name: ClassVar[str] = "recited"
    summary: ClassVar[str] = "repeats the orders of an earlier run"
    params_type: ClassVar[type[Params]] = GridParams

    def __init__(self, script: dict[int, list[tuple[str, int, int]]]) -> None:
        self._script = script

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=WAKE_NS // 1_000_000)

    def on_timer(self, ctx: Context) -> None:
        for order_id, lots, ticks in self._script.get(ctx.now_ns, ()):
            if order_id:
                ctx.cancel(order_id)
            elif lots > 0:
                ctx.buy(lots, ticks, TimeInForce.POST_ONLY)
            else:
                ctx.sell(-lots, ticks, TimeInForce.POST_ONLY)


def run(context: BenchContext) -> list[Figure]:
    instrument, rows = load_rows(need_capture(context.capture))
    script = _script_of(instrument, rows)
    taken: dict[str, list[float]] = {}
    for _ in range(context.runs + 1):
        for name, seconds in _one_round(instrument, rows, script).items():
            taken.setdefault(name, []).append(seconds)
    figures = [
        figure(f"replay_{name}", "rows/s", [len(rows) / s for s in taken[name][1:]], len(rows))
        for name in ("idle", "grid", "engine", "kernel")
    ]
    pairs = zip(taken["engine"][1:], taken["recited"][1:], strict=True)
    dearer = [100 * (engine / recited - 1) for engine, recited in pairs]
    return [*figures, figure("replay_python", "%", dearer, len(rows))]


def idle_seconds(instrument: Instrument, rows: Rows, scenario: Scenario = SCENARIO) -> float:
    world = SimExchange(instrument, rows, scenario)
    return seconds_of(lambda: world.run_compiled(lambda *parts: run_idle(*parts, WAKE_NS)))


def grid_seconds(instrument: Instrument, rows: Rows, params: dict[str, str]) -> tuple[float, int]:
    """Seconds, and fills."""
    bot = build_bot("bench", "grid", params, instrument)
    strategy = build_strategy("grid", bot.params_json, instrument)
    assert isinstance(strategy, Grid), strategy
    world = SimExchange(instrument, rows, SCENARIO)
    desk = new_desk(strategy, instrument, SCENARIO, world.start_ns)
    fills: list[object] = []
    seconds = seconds_of(lambda: fills.extend(run_desk(world, desk)))
    return seconds, len(fills)


def _one_round(
    instrument: Instrument, rows: Rows, script: dict[int, list[tuple[str, int, int]]]
) -> dict[str, float]:
    timed = TimedExchange(instrument, rows, SCENARIO)
    engine_s = _trade(timed, instrument, MemoryJournal())
    recited = SimExchange(instrument, rows, SCENARIO)
    recited_s = _trade(recited, instrument, MemoryJournal(), lambda *_: Recited(script))
    return {
        "idle": idle_seconds(instrument, rows),
        "grid": grid_seconds(instrument, rows, GRID)[0],
        "engine": engine_s,
        "kernel": timed.inside_ns / 1e9,
        "recited": recited_s,
    }


def _trade(
    world: SimExchange,
    instrument: Instrument,
    journal: MemoryJournal,
    build: BuildStrategy = build_strategy,
) -> float:
    market = market_of(world, {}, None, 0, "bench")
    watchdog = Watchdog()
    try:
        trader = Trader(
            limits=RiskLimits(),
            markets=market.views,
            guard=watchdog.guard,
            shield=watchdog,
            build=build,
            housekeeping_ns=market.housekeeping_ns,
        )
        session = session_of(market, SCENARIO, Decimal(10_000_000), BACKTEST_SALT)
        bot = build_bot("bench", "grid", GRID, instrument)
        backtest = Backtest(trader, world, journal)
        return seconds_of(lambda: backtest.run(session, bot))
    finally:
        watchdog.close()


def _script_of(instrument: Instrument, rows: Rows) -> dict[int, list[tuple[str, int, int]]]:
    """By time: (order to cancel, 0, 0) or ("", signed lots to place, price in ticks)."""
    journal = MemoryJournal()
    _trade(SimExchange(instrument, rows, SCENARIO), instrument, journal)
    script: dict[int, list[tuple[str, int, int]]] = {}
    for event in journal.replay():
        if isinstance(event, e.OrderIntended):
            spec = event.order.spec
            lots = spec.qty_lots if spec.side is Side.BUY else -spec.qty_lots
            script.setdefault(event.ts_ns, []).append(("", lots, spec.price_ticks))
        elif isinstance(event, e.CancelIntended):
            script.setdefault(event.ts_ns, []).append((event.client_order_id, 0, 0))
    return script
