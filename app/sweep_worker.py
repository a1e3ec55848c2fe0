"""One process of a sweep through the full engine; `app.sweeps` starts it, see `workers`.

The setup names files that all workers share; each job is a parameter set as JSON, each answer a
`SetResult`. What goes wrong inside a set is its result, not the end of the worker.
"""

from __future__ import annotations

import os
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from app.bootstrap import bars_market, build_bot, replayed_market, session_of, trader_of
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.errors import PilothouseError, shorten
from engine.domain.instrument import Instrument
from engine.domain.money import tidy
from engine.research.bar_data import BarData
from engine.research.shared_rows import FileRows
from engine.research.sweep import SetResult, profit_pct
from engine.research.workers import READY
from engine.runtime.backtest import Backtest
from engine.sim.bar_feed import BarColumns, BarPath
from engine.sim.scenario import Scenario
from engine.store.memory import MemoryJournal
from engine.trading.risk.limits import RiskLimits

BOT_ID = "sweep"
_LIMIT_EVENTS = (e.OrderDenied, e.FlattenStarted, e.RiskTripped)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    strategy: str
    instrument: Instrument
    scenario: Scenario
    capital: Decimal
    file: str
    """Rows (`shared_rows`) or, with a timeframe, bars: int64[6, n], `BarColumns` row by row."""
    starts: list[int] = []
    """Where blocks of rows may begin."""
    timeframe: str = ""
    period_ns: int = 0
    path: BarPath = BarPath.WORST_FIRST


def main() -> None:
    """Answer every line of stdin with one line, until there is none."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # What a strategy prints is no answer.
    jobs = sys.stdin.buffer
    setup = msgspec.json.decode(jobs.readline(), type=Setup)
    bars = _bars(setup) if setup.timeframe else None
    answer = READY
    while True:
        try:
            answers.write(answer + b"\n")
            answers.flush()
        except BrokenPipeError:
            return
        job = jobs.readline()
        if not job.endswith(b"\n"):
            return
        answer = msgspec.json.encode(run_set(setup, bars, msgspec.json.decode(job)))


def run_set(setup: Setup, bars: BarData | None, params: dict[str, str]) -> SetResult:
    """A whole backtest of one set; its error, if it fails, in one line."""
    watchdog = Watchdog()
    try:
        return _run(setup, bars, params, watchdog)
    except PilothouseError as error:
        return SetResult(params=params, error=str(error))
    except Exception as error:  # noqa: BLE001 - a set that fails must not end the others
        return SetResult(params=params, error=f"{type(error).__name__}: {shorten(str(error), 160)}")
    finally:
        watchdog.close()


def _run(
    setup: Setup, bars: BarData | None, params: dict[str, str], watchdog: Watchdog
) -> SetResult:
    timeframe = params.get("timeframe", "")
    timeframes = [timeframe] if timeframe else []
    if bars is not None:
        market = bars_market(bars, setup.scenario, timeframes, setup.path)
    else:
        source = FileRows(Path(setup.file), setup.starts)
        market = replayed_market(setup.instrument, source, setup.scenario, timeframes)
    bot = build_bot(BOT_ID, setup.strategy, params, setup.instrument)
    journal = MemoryJournal()
    backtest = Backtest(trader_of(market, RiskLimits(), watchdog), market.world, journal)
    session = session_of(market, setup.scenario, setup.capital, BACKTEST_SALT)
    result = backtest.run(session, bot)
    return SetResult(
        params=params,
        fills=result.fills,
        equity=tidy(result.equity),
        fees=tidy(result.fees),
        max_drawdown=tidy(result.max_drawdown),
        profit_pct=profit_pct(result.equity, setup.capital),
        reaches_limits=any(isinstance(event, _LIMIT_EVENTS) for event in journal.replay()),
        error=f"the strategy failed: {result.bot_error}" if result.bot_error else "",
    )


def _bars(setup: Setup) -> BarData:
    columns = np.load(setup.file, mmap_mode="r")
    return BarData(
        instrument=setup.instrument,
        bars=BarColumns(setup.period_ns, *columns),
        timeframe=setup.timeframe,
        words="",
        notes=(),
    )
