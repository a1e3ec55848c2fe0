"""Backtests from the outside: words in, a report out. Shared by every face that starts one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from app.bootstrap import build_bot, check_warm_up, data_market, session_of, trader_of
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import tidy
from engine.research.bar_data import is_bar_data, load_bar_data
from engine.runtime.backtest import Backtest, BacktestResult, FillRow, TraceRow
from engine.runtime.metrics import headline_metrics
from engine.runtime.trader import BotSpec
from engine.sim.scenario import Scenario
from engine.store.memory import MemoryJournal
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


class BacktestReport(NamedTuple):
    document: dict[str, Any]
    """What `backtest run --json` prints: the same bytes for the same input."""
    trades: list[FillRow]
    trace: list[TraceRow]


def run_backtest(
    request: BacktestRequest, progress: Callable[[int], None] | None = None
) -> BacktestReport:
    """Load, run, report. BadInput for anything wrong with the request, before any work."""
    kind = find_strategy(request.strategy)
    parse_params(kind, request.params)
    bars = load_bar_data(request.data) if is_bar_data(request.data) else None
    if bars is not None:
        request = request._replace(params=with_timeframe(kind, request.params, bars.timeframe))
    params = parse_params(kind, request.params)
    market = data_market(request.data if bars is None else bars, request.scenario, params)
    instrument = next(iter(market.world.instruments.values()))
    capital = default_capital(instrument) if request.capital is None else request.capital
    if capital <= 0:
        raise BadInput("--capital", str(capital), "must be greater than zero")
    bot = build_bot(BOT_ID, request.strategy, request.params, instrument)
    check_warm_up(params, market.world.start_ns, market.end_ns)
    watchdog = Watchdog()
    try:
        backtest = Backtest(
            trader_of(market, request.limits, watchdog),
            market.world,
            MemoryJournal(),
            keep_trace=request.keep_trace,
            progress=progress,
        )
        session = session_of(market, request.scenario, capital, BACKTEST_SALT)
        result = backtest.run(session, bot)
    finally:
        watchdog.close()
    if result.bot_error:
        raise WorkFailed(f"strategy {request.strategy} failed: {result.bot_error}")
    document = _document(request, bot, result, instrument, capital)
    return BacktestReport(document, result.trades, result.trace)


def default_capital(instrument: Instrument) -> Decimal:
    is_coin = instrument.kind is InstrumentKind.INVERSE
    return DEFAULT_COIN_CAPITAL if is_coin else DEFAULT_CAPITAL


def _document(
    request: BacktestRequest,
    bot: BotSpec,
    result: BacktestResult,
    instrument: Instrument,
    capital: Decimal,
) -> dict[str, Any]:
    return {
        "strategy": bot.strategy,
        "params": json.loads(bot.params_json),
        "instrument": instrument.instrument_id,
        "settle": instrument.settle,
        "scenario": request.scenario.digest(),
        "capital": tidy(capital),
        "rows": result.rows,
        "start_ns": result.start_ns,
        "end_ns": result.end_ns,
        "orders": result.orders,
        "cancels": result.cancels,
        "fills": result.fills,
        "denied": result.denied,
        "position": tidy(result.position),
        "mid": tidy(result.mid),
        "cash": tidy(result.cash),
        "inventory": tidy(result.inventory),
        "fees": tidy(result.fees),
        "funding": tidy(result.funding),
        "equity": tidy(result.equity),
        "metrics": headline_metrics(result, instrument, capital),
    }
