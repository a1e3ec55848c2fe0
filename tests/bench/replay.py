"""Replaying recorded order books: with nobody trading, and with the quoting grid.

`replay_idle`    rows per second of the kernel when no order is there
`replay_kernel`  rows per second spent inside the kernel while the grid trades through the engine
`replay_grid`    rows per second of the whole backtest: kernel, strategy, risk gate, order manager,
                 state and an in-memory journal
"""

from __future__ import annotations

from decimal import Decimal

from app.bootstrap import build_bot, market_of, session_of, trader_of
from engine.archive.catalogue import load_rows
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.instrument import Instrument
from engine.ports.world import Wake
from engine.runtime.backtest import Backtest
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits
from tests.bench.figures import Context, Figure, figure, need_capture, seconds_of

GRID = {
    "levels": "20",
    "max_position": "5",
    "interval_ticks": "10",
    "half_spread_ticks": "20",
    "qty": "0.1",
}
SCENARIO = Scenario(fills=FillMode.WHOLE, maker=Decimal("-0.00005"), taker=Decimal("0.0007"))


class TimedExchange(SimExchange):
    """Counts the time spent inside the kernel."""

    inside_ns = 0

    def advance(self, until_ns: int, wake_mask: int) -> Wake:
        clock = LiveClock()
        start_ns = clock.monotonic_ns()
        wake = super().advance(until_ns, wake_mask)
        self.inside_ns += clock.monotonic_ns() - start_ns
        return wake


def run(context: Context) -> list[Figure]:
    instrument, rows = load_rows(need_capture(context.capture))
    idle, inside, whole = [], [], []
    for number in range(context.runs + 1):
        world = SimExchange(instrument, rows, SCENARIO)
        idle_s = seconds_of(lambda world=world: world.advance(NEVER_NS, 0))
        timed = TimedExchange(instrument, rows, SCENARIO)
        whole_s = _trade(timed, instrument)
        if number:  # The first one warms up.
            idle.append(len(rows) / idle_s)
            inside.append(len(rows) / (timed.inside_ns / 1e9))
            whole.append(len(rows) / whole_s)
    return [
        figure("replay_idle", "rows/s", idle, len(rows)),
        figure("replay_kernel", "rows/s", inside, len(rows)),
        figure("replay_grid", "rows/s", whole, len(rows)),
    ]


def _trade(world: SimExchange, instrument: Instrument) -> float:
    market = market_of(world, {}, None, 0, "bench")
    watchdog = Watchdog()
    try:
        trader = trader_of(market, RiskLimits(), watchdog)
        session = session_of(market, SCENARIO, Decimal(10_000_000), BACKTEST_SALT)
        bot = build_bot("bench", "grid", GRID, instrument)
        backtest = Backtest(trader, world, MemoryJournal())
        return seconds_of(lambda: backtest.run(session, bot))
    finally:
        watchdog.close()
