"""Backtests from the outside: words in, a report out. Shared by every face that starts one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from app.bootstrap import (
    Market,
    build_bot,
    check_gaps,
    check_warm_up,
    data_market,
    session_of,
    trader_of,
)
from app.paths import locate
from app.scenarios import BOUNDS, bound_of
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.errors import BadInput, PilothouseError, WorkFailed
from engine.domain.instrument import Instrument, InstrumentKind
from engine.research.bar_data import is_bar_data, load_bar_data
from engine.research.document import (
    Setting,
    build_document,
    encode_document,
    realism_of,
    stored_run,
)
from engine.research.fills import fill_qualities
from engine.research.metrics import Basis
from engine.runtime.backtest import Backtest, FillRow, TraceRow
from engine.runtime.order_rows import OrderRow
from engine.sim.bar_feed import BarPath
from engine.sim.scenario import Scenario
from engine.store.memory import NoJournal
from engine.store.results import StoredRun, save
from engine.strategy.catalogue import find_strategy, parse_params, with_timeframe
from engine.trading.risk.limits import RiskLimits

BOT_ID = "backtest"
DEFAULT_CAPITAL = Decimal(10_000_000)
DEFAULT_COIN_CAPITAL = Decimal(1_000)
"""Large on purpose: a backtest asks what a strategy does, not what an account could afford.
The limits are shares of it and hold as everywhere else."""


class BacktestRequest(NamedTuple):
    strategy: str
    params: dict[str, str]
    data: Sequence[Path]
    scenario: Scenario
    capital: Decimal | None = None
    limits: RiskLimits = RiskLimits()
    keep_trace: bool = False
    keep_orders: bool = False
    basis: Basis = Basis.DAY
    path: BarPath | None = None
    """Within a bar: the worst first unless it is said."""
    with_bounds: bool = False
    """Run it again under the optimistic and the pessimistic scenario, for the realism line."""
    allow_gaps: bool = False
    tried: int = 1
    """Parameter sets that this one was chosen from; for the probability of skill."""


class BacktestReport(NamedTuple):
    document: dict[str, Any]
    """What `backtest run --json` prints: the same bytes for the same input."""
    trades: list[FillRow]
    trace: list[TraceRow]
    orders: list[OrderRow]
    kept: StoredRun
    """What the results file and the HTML report are made from."""


Progress = Callable[[float, int], None]
"""Told the share of the market's time that is done, and the rows so far."""


def run_backtest(request: BacktestRequest, progress: Progress | None = None) -> BacktestReport:
    """Load, run, report. BadInput for anything wrong with the request, before any work."""
    if not request.with_bounds:
        return _run(request, progress)
    parts = len(BOUNDS) + 1
    done = _run(request, _part_of(progress, 0, parts))
    realism = {"run": realism_of(done.document)}
    for number, name in enumerate(BOUNDS, 1):
        again = request._replace(scenario=bound_of(name, request.scenario), keep_trace=False)
        bound = _run(again, _part_of(progress, number, parts)).document
        realism[name] = realism_of(bound)
    document = done.document | {"realism": realism}
    kept = msgspec.structs.replace(done.kept, document=encode_document(document))
    return done._replace(document=document, kept=kept)


def _part_of(progress: Progress | None, number: int, parts: int) -> Progress | None:
    """`progress` of run `number` out of `parts`, told the share of all of them."""
    if progress is None:
        return None
    return lambda share, rows: progress((number + share) / parts, rows)


def _run(request: BacktestRequest, progress: Progress | None) -> BacktestReport:
    kind = find_strategy(request.strategy)
    parse_params(kind, request.params)
    bars = load_bar_data(request.data) if is_bar_data(request.data) else None
    if bars is not None:
        request = request._replace(params=with_timeframe(kind, request.params, bars.timeframe))
    elif request.path is not None:
        raise BadInput("--path", request.path, "is for bars; this data tells the order of prices")
    params = parse_params(kind, request.params)
    path = request.path or BarPath.WORST_FIRST
    data = request.data if bars is None else bars
    market = data_market(data, request.scenario, params, path)
    instrument = next(iter(market.world.instruments.values()))
    capital = checked_capital(request.capital, instrument)
    bot = build_bot(BOT_ID, request.strategy, request.params, instrument)
    check_warm_up(params, market.world.start_ns, market.end_ns)
    holes = check_gaps(request.data, market.gaps, is_allowed=request.allow_gaps)
    watchdog = Watchdog()
    try:
        backtest = Backtest(
            trader_of(market, request.limits, watchdog),
            market.world,
            NoJournal(),
            keep_trace=request.keep_trace,
            keep_orders=request.keep_orders,
            progress=progress and shares_of(market, progress),
        )
        session = session_of(market, request.scenario, capital, BACKTEST_SALT)
        result = backtest.run(session, bot)
    finally:
        watchdog.close()
    if result.bot_error:
        raise WorkFailed(f"strategy {request.strategy} failed: {result.bot_error}")
    notes = [holes] if holes else []
    if bars is not None:
        notes = [f"path within a bar: {path}", *bars.notes]
    setting = Setting(
        bot, request.scenario.digest(), instrument, capital, notes, request.basis, request.tried
    )
    qualities = fill_qualities(result, instrument)
    document = build_document(setting, result, qualities)
    kept = stored_run(document, result, instrument, qualities)
    return BacktestReport(document, result.trades, result.trace, result.order_rows, kept)


def shares_of(market: Market, progress: Progress) -> Callable[[int, int], None]:
    """`progress`, told the market's time instead of a share of it."""
    start_ns, span_ns = market.world.start_ns, max(1, market.end_ns - market.world.start_ns)
    return lambda now_ns, rows: progress(min(1.0, (now_ns - start_ns) / span_ns), rows)


def checked_capital(capital: Decimal | None, instrument: Instrument) -> Decimal:
    capital = default_capital(instrument) if capital is None else capital
    if capital <= 0:
        raise BadInput("--capital", str(capital), "must be greater than zero")
    return capital


def default_capital(instrument: Instrument) -> Decimal:
    is_coin = instrument.kind is InstrumentKind.INVERSE
    return DEFAULT_COIN_CAPITAL if is_coin else DEFAULT_CAPITAL


def results_file() -> Path:
    return locate().data / "backtests.db"


def save_run(run: StoredRun) -> str:
    """Keep a run and return its id. WorkFailed, with the reason, when that does not succeed."""
    path = results_file()
    try:
        return save(path, run, LiveClock().now_ns())
    except PilothouseError as error:
        raise WorkFailed(f"the result is complete but was not kept: {error}") from error
