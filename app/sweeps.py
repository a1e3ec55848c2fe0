"""Sweeps from the outside: ranges in words in, every set's result out. Shared by every face.

Two roads. `trend` on bars goes through one compiled kernel, in threads that share the arrays. All
else goes through the full engine, in processes that share one mapped file of the data. Neither
the number of workers nor an interruption changes a result: sets are independent, and they are
reported in the order of their parameters.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

import app
from app import VERSION
from app.backtests import default_capital
from app.bootstrap import check_gaps, check_warm_up
from app.sweep_worker import Setup
from engine.archive.catalogue import load_counted
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import tidy
from engine.kernels.layout import Rows
from engine.research import bar_run
from engine.research.bar_data import BarData, is_bar_data, load_bar_data, period_of
from engine.research.param_grid import ParamGrid, make_grid, parse_axes, set_key
from engine.research.shared_rows import write_rows
from engine.research.sweep import METRICS, SetResult, check_metric, profit_pct, ranked, selection
from engine.research.sweep_file import Header, SweepFile
from engine.research.workers import run_jobs
from engine.sim.bar_feed import BarColumns, BarPath
from engine.sim.scenario import Scenario
from engine.strategy.catalogue import find_strategy, params_to_dict, with_timeframe
from engine.strategy.trend import Trend, TrendParams
from engine.trading.risk.limits import RiskLimits

WORKERS_MAX = 256
CHUNK_BARS = 8_000_000
"""Bars times sets of one compiled call: some 100 ms, so that Ctrl+C and progress stay lively."""
_ROOT = Path(app.__file__).resolve().parents[1]


class SweepRequest(NamedTuple):
    strategy: str
    axes: Sequence[str]
    """`name=a:b:step` or `name=value,value`, see `param_grid`."""
    data: Sequence[Path]
    scenario: Scenario
    capital: Decimal | None = None
    workers: int = 1
    sort: str = "equity"
    top: int = 10
    resume: Path | None = None
    through_engine: bool = False
    """Not the compiled road, whatever the strategy: account limits apply then."""
    path: BarPath = BarPath.WORST_FIRST
    allow_gaps: bool = False
    patience: int = 0
    """Stop when so many sets in a row, by their parameters, brought no better one; 0: never."""


class SweepReport(NamedTuple):
    document: dict[str, Any]
    """What `backtest sweep --json` prints: the same bytes for the same input."""
    results: list[SetResult]
    """By parameters; those not reached before an interruption are missing."""
    top: list[SetResult]
    was_interrupted: bool


Progress = Callable[[int, int, Sequence[SetResult]], None]
"""Sets done, sets in all, the latest ones."""


class _Enough(Exception):
    """The patience of the request is at an end."""


class _Data(NamedTuple):
    instrument: Instrument
    bars: BarData | None
    rows: Rows | None
    start_ns: int
    end_ns: int


def run_sweep(request: SweepRequest, progress: Progress | None = None) -> SweepReport:
    """Check, run, report. BadInput for anything wrong with the request, before any work.

    Ctrl+C ends it with what is done so far.
    """
    kind = find_strategy(request.strategy)
    axes = parse_axes(kind, request.axes)
    _check(request)
    data = _load(request.data, allow_gaps=request.allow_gaps)
    if data.bars is not None:
        timeframes = with_timeframe(kind, {}, data.bars.timeframe)
        axes = {**{name: [word] for name, word in timeframes.items()}, **axes}
    grid = make_grid(kind, axes, data.instrument)
    for params in grid.sets:
        if data.bars is not None and hasattr(params, "timeframe"):
            period_of(data.bars, params.timeframe)
        check_warm_up(params, data.start_ns, data.end_ns)
    sweep = _Sweep(request, data, grid, progress)
    was_interrupted = sweep.run()
    return sweep.report(was_interrupted)


def _check(request: SweepRequest) -> None:
    check_metric(request.sort)
    if not 1 <= request.workers <= WORKERS_MAX:
        raise BadInput("--workers", request.workers, f"must be between 1 and {WORKERS_MAX}")
    if request.patience < 0:
        raise BadInput("--patience", request.patience, "must be 0 or more")
    if request.top < 1:
        raise BadInput("--top", request.top, "must be 1 or more")
    if request.capital is not None and request.capital <= 0:
        raise BadInput("--capital", str(request.capital), "must be greater than zero")


def _load(paths: Sequence[Path], *, allow_gaps: bool) -> _Data:
    if is_bar_data(paths):
        bars = load_bar_data(paths)
        return _Data(bars.instrument, bars, None, int(bars.bars.start_ns[0]), bars.bars.end_ns)
    instrument, rows, gaps = load_counted(paths)
    check_gaps(paths, gaps, is_allowed=allow_gaps)
    times = rows["ts_local_ns"]
    return _Data(instrument, None, rows, int(times[0]), int(times[-1]))


class _Sweep:
    def __init__(
        self, request: SweepRequest, data: _Data, grid: ParamGrid, progress: Progress | None
    ) -> None:
        self._request = request
        self._data = data
        self._grid = grid
        self._progress = progress
        self._capital = request.capital or default_capital(data.instrument)
        self._keys = [set_key(params) for params in grid.sets]
        self._done: dict[str, SetResult] = {}
        self._file: SweepFile | None = None
        self._is_compiled = (
            request.strategy == Trend.name
            and not request.through_engine
            and data.bars is not None
            and bar_run.can_compile(data.instrument, request.scenario, data.bars.bars)
        )

    def run(self) -> bool:
        """Run what is not done yet; whether Ctrl+C ended it early."""
        resume = self._request.resume
        with SweepFile(resume, self._header()) if resume else nullcontext() as self._file:
            if self._file is not None:
                self._done.update(self._file.done)
            open_sets = [index for index, key in enumerate(self._keys) if key not in self._done]
            try:
                if self._tried() < len(self._keys):
                    return False  # What was kept is enough.
                if open_sets and self._is_compiled:
                    self._run_compiled(open_sets)
                elif open_sets:
                    self._run_engine(open_sets)
            except KeyboardInterrupt:
                return True
            except _Enough:
                return False
        return False

    def _tried(self) -> int:
        """How many sets, from the first on, belong to the sweep: all, unless patience ended
        before. Whoever finished first, the same ones: only their order decides."""
        patience, better = self._request.patience, METRICS[self._request.sort]
        best: Decimal | int | None = None
        since = 0
        for count, key in enumerate(self._keys, 1):
            result = self._done.get(key)
            if result is None or not patience:
                return len(self._keys)
            value = getattr(result, self._request.sort)
            is_best = best is None or (value > best if better else value < best)
            if not result.error and is_best:
                best, since = value, 0
            else:
                since += 1
            if since >= patience:
                return count
        return len(self._keys)

    def _take(self, results: Iterable[SetResult], indices: Iterable[int]) -> None:
        """Finished sets. Failed ones are not kept on disk, so that another run tries again."""
        found = {self._keys[index]: result for index, result in zip(indices, results, strict=True)}
        if self._file is not None:
            self._file.add({key: result for key, result in found.items() if not result.error})
        self._done.update(found)
        if self._progress is not None:
            self._progress(len(self._done), len(self._keys), list(found.values()))
        if self._tried() < len(self._keys):
            raise _Enough

    # -- the compiled road -------------------------------------------------------------------------

    def _run_compiled(self, indices: Sequence[int]) -> None:
        groups: dict[tuple[str, Decimal], list[int]] = {}
        for index in indices:
            params = self._trend(index)
            groups.setdefault((params.timeframe, params.qty), []).append(index)
        markets: dict[str, bar_run.CrossMarket] = {}
        with ThreadPoolExecutor(self._request.workers) as pool:
            futures = {}
            for (timeframe, _), members in groups.items():
                if timeframe not in markets:
                    markets[timeframe] = self._cross_market(timeframe)
                market = markets[timeframe]
                size = max(1, CHUNK_BARS // max(1, len(market.series.ends)))
                for first in range(0, len(members), size):
                    part = members[first : first + size]
                    futures[pool.submit(self._compiled_part, market, part)] = part
            try:
                for future in as_completed(futures):
                    self._take(future.result(), futures[future])
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _trend(self, index: int) -> TrendParams:
        params = self._grid.sets[index]
        assert isinstance(params, TrendParams), params
        return params

    def _cross_market(self, timeframe: str) -> bar_run.CrossMarket:
        bars = self._data.bars
        assert bars is not None
        return bar_run.cross_market(bars.bars, period_of(bars, timeframe))

    def _compiled_part(
        self, market: bar_run.CrossMarket, indices: Sequence[int]
    ) -> list[SetResult]:
        """Sets of one timeframe and quantity."""
        instrument, taker = self._data.instrument, self._request.scenario.taker
        sets = [self._trend(index) for index in indices]
        rules = bar_run.cross_rules(
            instrument, Trend(sets[0], instrument), market, taker, self._capital, RiskLimits()
        )
        rows = bar_run.run_crosses(market, rules, [(one.fast, one.slow) for one in sets])
        outcomes = [bar_run.outcome_of(row, market, instrument, taker) for row in rows]
        return [
            SetResult(
                params=params_to_dict(params),
                fills=outcome.fills,
                equity=tidy(outcome.equity),
                fees=tidy(outcome.fees),
                max_drawdown=tidy(outcome.max_drawdown),
                profit_pct=profit_pct(outcome.equity, self._capital),
                reaches_limits=outcome.reaches_limits,
            )
            for params, outcome in zip(sets, outcomes, strict=True)
        ]

    # -- the engine's road -------------------------------------------------------------------------

    def _run_engine(self, indices: Sequence[int]) -> None:
        jobs = [msgspec.json.encode(params_to_dict(self._grid.sets[index])) for index in indices]

        def on_done(number: int, answer: bytes, why: str) -> None:
            index = indices[number]
            if answer:
                result = msgspec.json.decode(answer, type=SetResult)
            else:
                result = SetResult(params=params_to_dict(self._grid.sets[index]), error=why)
            self._take([result], [index])

        with tempfile.TemporaryDirectory(prefix="pilothouse-sweep-") as folder:
            setup = self._write_setup(Path(folder) / "data.npy")
            # Its path decides what `-m app...` finds, wherever this process was started.
            command = [sys.executable, "-c", _WORKER, str(_ROOT)]
            run_jobs(command, msgspec.json.encode(setup), jobs, self._request.workers, on_done)

    def _write_setup(self, file: Path) -> Setup:
        request, bars = self._request, self._data.bars
        setup = Setup(
            strategy=request.strategy,
            instrument=self._data.instrument,
            scenario=request.scenario,
            capital=self._capital,
            file=str(file),
            path=request.path,
        )
        if bars is None:
            assert self._data.rows is not None
            return msgspec.structs.replace(setup, starts=write_rows(file, self._data.rows))
        np.save(file, np.stack(bars.bars[1:]))
        return msgspec.structs.replace(
            setup, timeframe=bars.timeframe, period_ns=bars.bars.period_ns
        )

    # -- report ------------------------------------------------------------------------------------

    def _header(self) -> Header:
        """Which sweep this is: results of another may not be taken over."""
        request = self._request
        road = "compiled" if self._is_compiled else f"engine, path {request.path}"
        about = (
            f"{request.strategy} on {self._data.instrument.instrument_id}; "
            f"{request.scenario.digest()}; capital {self._capital}; {road}; version {VERSION}"
        )
        digest = hashlib.sha256(about.encode())
        for name, array in _arrays(self._data).items():
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
        digest.update(msgspec.json.encode(self._data.instrument))
        return Header(digest=digest.hexdigest(), about=about)

    def report(self, was_interrupted: bool) -> SweepReport:
        request, data = self._request, self._data
        tried = self._tried()
        results = [self._done[key] for key in self._keys[:tried] if key in self._done]
        top = ranked(results, request.sort)[: request.top]
        document = {
            "strategy": request.strategy,
            "instrument": data.instrument.instrument_id,
            "settle": data.instrument.settle,
            "scenario": request.scenario.digest(),
            "capital": tidy(self._capital),
            "start_ns": data.start_ns,
            "end_ns": data.end_ns,
            "road": "compiled" if self._is_compiled else "engine",
            "assumptions": self._assumptions(),
            "sets": len(self._keys),
            "finished": sum(not result.error for result in results),
            "failed": sum(bool(result.error) for result in results),
            "skipped": self._grid.skipped,
            "skipped_why": self._grid.skipped_why,
            "interrupted": was_interrupted,
            "stopped_early": (
                f"{request.patience} sets in a row brought no better one; "
                f"{len(self._keys) - tried} were not tried"
                if tried < len(self._keys)
                else ""
            ),
            "sort": request.sort,
            "selection": selection(results, request.sort),
            "top": top,
            "results": results,
        }
        return SweepReport(document, results, top, was_interrupted)

    def _assumptions(self) -> list[str]:
        bars = self._data.bars
        if bars is None:
            return []
        if self._is_compiled:
            road = [
                "orders fill where the next bar opens, one tick against us, at most a "
                "thirteenth of its volume, with the taker's fee",
                "account limits are left out; where they would have stepped in, a set is marked "
                "reaches_limits",
            ]
        else:
            road = [f"path within a bar: {self._request.path}, see engine/sim/bar_feed.py"]
        return [*road, *bars.notes]


def _arrays(data: _Data) -> Mapping[str, np.ndarray[Any, Any]]:
    if data.rows is not None:
        return {name: data.rows[name] for name in data.rows.dtype.names or ()}
    assert data.bars is not None
    columns: BarColumns = data.bars.bars
    return {name: getattr(columns, name) for name in BarColumns._fields[1:]}


_WORKER = "import sys; sys.path.insert(0, sys.argv[1]); from app.sweep_worker import main; main()"


def default_workers() -> int:
    return min(WORKERS_MAX, os.cpu_count() or 1)
