"""Backtests of several bots, on one instrument or several, in one account and on one clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from app.backtests import (
    BacktestRequest,
    Progress,
    checked_capital,
    shares_of,
)
from app.bootstrap import (
    Market,
    bars_market,
    build_bot,
    check_gaps,
    check_warm_up,
    combined_market,
    recorded_market,
    session_of,
    trader_of,
)
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO, tidy
from engine.research.bar_data import BarData, is_bar_data, load_bar_data
from engine.research.document import Setting, build_document, stored_run
from engine.research.fills import fill_qualities
from engine.research.headline import share_pct
from engine.runtime.backtest import Backtest, BacktestResult, Outcome
from engine.runtime.trader import BotSpec
from engine.sim.bar_feed import BarPath
from engine.store.memory import NoJournal
from engine.store.results import StoredRun
from engine.strategy.catalogue import find_strategy, parse_params, with_timeframe

BOTS_MAX = 64
_SUMS = ("orders", "cancels", "fills", "denied")
_MONEY_SUMS = ("cash", "inventory", "fees", "funding", "equity")


class BotWish(NamedTuple):
    strategy: str
    params: dict[str, str]
    instrument: str = ""
    """Id or symbol; "" for a bot on every instrument of the data."""


class BotReport(NamedTuple):
    bot_id: str
    result: BacktestResult
    kept: StoredRun


class ManyReport(NamedTuple):
    document: dict[str, Any]
    """Sums of the account, and under `bots` the document of each."""
    bots: list[BotReport]


def parse_bot(text: str, parse_params_of: Callable[[Sequence[str]], dict[str, str]]) -> BotWish:
    """`grid@BTCUSDT levels=3 qty=0.1` as a wish; BadInput for anything else."""
    words = text.split()
    strategy, _, instrument = words[0].partition("@") if words else ("", "", "")
    if not strategy or "=" in strategy:
        raise BadInput("--bot", text, "expected STRATEGY[@INSTRUMENT] name=value ...")
    return BotWish(strategy, parse_params_of(words[1:]), instrument)


def has_many(data: Sequence[Path]) -> bool:
    """Whether `data` names several instruments: files of bars, or several recordings."""
    return len(data) > 1 and len(_sources(data)) > 1


def run_many(
    request: BacktestRequest, wishes: Sequence[BotWish], progress: Progress | None = None
) -> ManyReport:
    """Load, run, report; `request` holds what all bots share. BadInput before any work."""
    sources = _sources(request.data)
    frames = [source.timeframe for source in sources if isinstance(source, BarData)]
    wishes = [_with_timeframe(wish, frames) for wish in wishes]
    market = combined_market([_open(source, request, wishes) for source in sources])
    instruments = dict(market.world.instruments)
    capital = checked_capital(request.capital, next(iter(instruments.values())))
    bots = _bots(wishes, instruments)
    for wish in wishes:
        params = parse_params(find_strategy(wish.strategy), wish.params)
        check_warm_up(params, market.world.start_ns, market.end_ns)
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
        outcome = backtest.run_all(session, bots)
    finally:
        watchdog.close()
    notes = [note for source in sources if isinstance(source, BarData) for note in source.notes]
    return _report(request, market, bots, outcome, capital, notes)


# -- data ------------------------------------------------------------------------------------------


def _sources(data: Sequence[Path]) -> list[BarData | Sequence[Path]]:
    """One entry an instrument. Several raw captures are parts of one recording, as everywhere."""
    if is_bar_data(data):
        by_instrument: dict[str, list[Path]] = {}
        for path in data:
            key = load_bar_data([path]).instrument.instrument_id
            by_instrument.setdefault(key, []).append(path)
        return [load_bar_data(paths) for paths in by_instrument.values()]
    if len(data) > 1 and all(path.is_dir() for path in data):
        return [[path] for path in data]
    return [data]


def _with_timeframe(wish: BotWish, frames: Sequence[str]) -> BotWish:
    kind = find_strategy(wish.strategy)
    parse_params(kind, wish.params)
    return wish._replace(params=with_timeframe(kind, wish.params, frames[0])) if frames else wish


def _open(
    source: BarData | Sequence[Path], request: BacktestRequest, wishes: Sequence[BotWish]
) -> Market:
    timeframes = [
        timeframe
        for wish in wishes
        if (
            timeframe := getattr(
                parse_params(find_strategy(wish.strategy), wish.params), "timeframe", ""
            )
        )
    ]
    if isinstance(source, BarData):
        path = request.path or BarPath.WORST_FIRST
        return bars_market(source, request.scenario, timeframes, path)
    if request.path is not None:
        raise BadInput("--path", request.path, "is for bars; this data tells the order of prices")
    market = recorded_market(source, request.scenario, timeframes)
    check_gaps(source, market.gaps, is_allowed=request.allow_gaps)
    return market


def _bots(wishes: Sequence[BotWish], instruments: Mapping[str, Instrument]) -> list[BotSpec]:
    bots: list[BotSpec] = []
    for wish in wishes:
        for instrument in _meant(wish.instrument, instruments):
            bot_id = f"{wish.strategy}-{len(bots) + 1}"
            bots.append(build_bot(bot_id, wish.strategy, wish.params, instrument))
    if len(bots) > BOTS_MAX:
        raise BadInput("--bot", str(len(bots)), f"at most {BOTS_MAX} bots in one run")
    return bots


def _meant(word: str, instruments: Mapping[str, Instrument]) -> list[Instrument]:
    """The instruments that `word` names."""
    found = [one for key, one in instruments.items() if word in ("", key, key.rpartition(".")[2])]
    if not found:
        raise BadInput("--bot", word, f"the data holds {', '.join(instruments)}")
    return found


# -- report ----------------------------------------------------------------------------------------


def _report(
    request: BacktestRequest,
    market: Market,
    bots: Sequence[BotSpec],
    outcome: Outcome,
    capital: Decimal,
    notes: Sequence[str],
) -> ManyReport:
    scenario, reports, documents = request.scenario.digest(), [], []
    for bot, result in zip(bots, outcome.bots, strict=True):
        if result.bot_error:
            raise WorkFailed(f"strategy {bot.strategy} ({bot.bot_id}) failed: {result.bot_error}")
        instrument = market.world.instruments[bot.instrument_id]
        setting = Setting(bot, scenario, instrument, capital, tuple(notes), request.basis)
        qualities = fill_qualities(result, instrument)
        document = build_document(setting, result, qualities)
        documents.append({"bot_id": bot.bot_id, **document})
        kept = stored_run(document, result, instrument, qualities)
        reports.append(BotReport(bot.bot_id, result, kept))
    return ManyReport(_document(scenario, market, outcome, capital, documents), reports)


def _document(
    scenario: str,
    market: Market,
    outcome: Outcome,
    capital: Decimal,
    bots: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    first = outcome.bots[0]
    total = {name: sum(getattr(one, name) for one in outcome.bots) for name in _SUMS}
    money = {name: _sum(outcome, name) for name in _MONEY_SUMS}
    assert money["equity"] == outcome.equity, "the bots' books make up the account"
    holds = {bot["instrument"]: bot["metrics"]["benchmark_buy_and_hold"] for bot in bots}
    share = Decimal(len(holds))
    positions: dict[str, Decimal] = {}
    for bot in bots:
        key = bot["instrument"]
        positions[key] = MONEY.add(positions.get(key, ZERO), bot["position"])
    return {
        "strategy": " + ".join(dict.fromkeys(bot["strategy"] for bot in bots)),
        "params": {bot["bot_id"]: bot["params"] for bot in bots},
        "instruments": list(market.world.instruments),
        "settle": next(iter(market.world.instruments.values())).settle,
        "scenario": scenario,
        "capital": tidy(capital),
        "rows": first.rows,
        "start_ns": first.start_ns,
        "end_ns": first.end_ns,
        **total,
        "position": positions,
        **{name: tidy(value) for name, value in money.items()},
        "metrics": {
            "profit_pct": share_pct(outcome.equity, capital),
            "benchmark_cash": ZERO,
            # The capital in equal parts in every instrument traded.
            "benchmark_buy_and_hold": tidy(MONEY.divide(sum(holds.values(), ZERO), share)),
            "max_drawdown": tidy(outcome.max_drawdown),
            "max_drawdown_pct": share_pct(outcome.max_drawdown, capital),
            "traded_notional": tidy(_sum(outcome, "traded_notional")),
        },
        "bots": list(bots),
    }


def _sum(outcome: Outcome, name: str) -> Decimal:
    total = ZERO
    for one in outcome.bots:
        total = MONEY.add(total, getattr(one, name))
    return total
