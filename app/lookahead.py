"""The look-ahead check of a strategy, from the outside: `pilothouse backtest check`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from app.backtests import BOT_ID, default_capital
from app.bootstrap import (
    build_bot,
    check_warm_up,
    housekeeping_of_bars,
    market_of,
    periods_of,
    session_of,
    trader_of,
)
from engine.archive.catalogue import load_rows
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.errors import BadInput, WorkFailed
from engine.domain.instrument import Instrument
from engine.kernels.layout import Rows
from engine.research.bar_data import BarData, is_bar_data, load_bar_data, period_of
from engine.research.lookahead import (
    Change,
    CutSource,
    cut_rows,
    decisions_of,
    find_changes,
    impossible_fills,
)
from engine.runtime.backtest import Backtest
from engine.sim.bar_feed import BarFeed, BarPath
from engine.sim.exchange import SimExchange
from engine.sim.replay_feed import with_feed_latency
from engine.sim.scenario import Scenario
from engine.store.memory import MemoryJournal
from engine.strategy.catalogue import find_strategy, params_to_dict, parse_params, with_timeframe
from engine.trading.risk.limits import RiskLimits

CUTS_MAX = 10_000


class CheckRequest(NamedTuple):
    strategy: str
    params: dict[str, str]
    data: Sequence[Path]
    scenario: Scenario = Scenario()
    cuts: int = 25
    path: BarPath = BarPath.WORST_FIRST


class CheckReport(NamedTuple):
    document: dict[str, Any]
    is_clean: bool


class Trial:
    """A strategy on data, of which it may be given the beginning only."""

    def __init__(
        self,
        data: BarData | tuple[Instrument, Rows],
        strategy: str,
        params: dict[str, str],
        scenario: Scenario,
        path: BarPath = BarPath.WORST_FIRST,
        *,
        exchange: type[SimExchange] = SimExchange,
    ) -> None:
        self.bars = data if isinstance(data, BarData) else None
        self.instrument = data.instrument if isinstance(data, BarData) else data[0]
        # The recorder's clock is set right by all rows, once, not anew by each beginning of them.
        self._rows = None if isinstance(data, BarData) else with_feed_latency(data[1], 0)
        self._strategy, self._params = strategy, params
        self._scenario, self._path = scenario, path
        self._exchange = exchange

    def events(self, cut_ns: int | None) -> list[e.AnyEvent]:
        """All that happened, on data up to `cut_ns`, or on all of it."""
        bot = build_bot(BOT_ID, self._strategy, self._params, self.instrument)
        timeframe = self._params.get("timeframe")
        words = [timeframe] if timeframe else []
        periods = periods_of(words)
        if self.bars is not None:
            periods = {word: period_of(self.bars, word) for word in words}
        world = self._exchange(
            self.instrument, self._source(cut_ns), self._scenario, tuple(periods.values())
        )
        market = market_of(world, periods, None, 0, self.instrument.instrument_id)
        if self.bars is not None:
            market = market._replace(housekeeping_ns=housekeeping_of_bars(self.bars))
        journal, watchdog = MemoryJournal(), Watchdog()
        try:
            trader = trader_of(market, RiskLimits(), watchdog)
            capital = default_capital(self.instrument)
            session = session_of(market, self._scenario, capital, BACKTEST_SALT)
            result = Backtest(trader, world, journal).run(session, bot)
        finally:
            watchdog.close()
        if result.bot_error:
            raise WorkFailed(f"strategy {self._strategy} failed: {result.bot_error}")
        return list(journal.replay())

    def _source(self, cut_ns: int | None) -> Any:
        if self._rows is not None:
            return self._rows if cut_ns is None else cut_rows(self._rows, cut_ns)
        assert self.bars is not None
        feed = BarFeed(self.bars.bars, self._path)
        return feed if cut_ns is None else CutSource(feed, cut_ns)

    def impossible_fills(self, events: Sequence[e.AnyEvent]) -> list[str]:
        """Only bars can be worked out again; for ticks the simulator's own tests must do."""
        if self.bars is None:
            return []
        entry_ns = self._scenario.entry_latency_ns if self._scenario.latency is None else 0
        return impossible_fills(self.bars.bars, self._path, events, entry_ns)


def check_strategy(
    request: CheckRequest, progress: Callable[[int, int], None] | None = None
) -> CheckReport:
    """BadInput for anything wrong with the request, before any work."""
    kind = find_strategy(request.strategy)
    if not 1 <= request.cuts <= CUTS_MAX:
        raise BadInput("--cuts", request.cuts, f"must be between 1 and {CUTS_MAX}")
    parse_params(kind, request.params)
    data: BarData | tuple[Instrument, Rows]
    values = request.params
    if is_bar_data(request.data):
        data = load_bar_data(request.data)
        values = with_timeframe(kind, values, data.timeframe)
        span = int(data.bars.start_ns[0]), data.bars.end_ns
    else:
        data = load_rows(request.data)
        times = data[1]["ts_local_ns"]
        span = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
    params = parse_params(kind, values)
    check_warm_up(params, *span)
    trial = Trial(data, kind.name, params_to_dict(params), request.scenario, request.path)
    whole = trial.events(None)
    fills = trial.impossible_fills(whole)

    def run(cut_ns: int | None) -> list[Any]:
        return decisions_of(whole if cut_ns is None else trial.events(cut_ns))

    tried, changes = find_changes(run, request.cuts, progress)
    document = {
        "strategy": kind.name,
        "params": params_to_dict(params),
        "instrument": trial.instrument.instrument_id,
        "decisions": len(run(None)),
        "instants_tried": tried,
        "looks_ahead": bool(changes),
        "changes": [_shown(change) for change in changes],
        "fills_checked": sum(isinstance(event, e.OrderFilled) for event in whole)
        if trial.bars is not None
        else 0,
        "impossible_fills": fills,
    }
    return CheckReport(document, not changes and not fills)


def _shown(change: Change) -> dict[str, Any]:
    return {
        "data_ends_ns": change.cut_ns,
        "on_all_data": None if change.whole is None else change.whole._asdict(),
        "on_data_so_far": None if change.part is None else change.part._asdict(),
    }
