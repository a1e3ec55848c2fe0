"""1,000 pairs of averages over 100,000 one-minute bars: every pair's fills, equity, fees, fall.

`sweep_one_core`   seconds of one warm run in one thread
`sweep_all_cores`  the same on all cores, as `backtest sweep` does it
`sweep_peak`       most memory that this process has held, in MB, libraries and all
"""

from __future__ import annotations

import resource
import sys
from concurrent.futures import ThreadPoolExecutor

from app.sweeps import default_workers
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from tests.bench.bars import INSTRUMENT, MINUTE_NS, TAKER, bars_of, rules_of
from tests.bench.figures import Context, Figure, figure, seconds_of

BARS = 100_000
PAIRS = [(5 + fast, 60 + 3 * slow) for fast in range(25) for slow in range(40)]
CHUNK = 50


def run_all(bars: BarColumns, workers: int) -> list[bar_run.CrossOutcome]:
    market = bar_run.cross_market(bars, MINUTE_NS)
    rules = rules_of(market)
    chunks = [PAIRS[first : first + CHUNK] for first in range(0, len(PAIRS), CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda chunk: bar_run.run_crosses(market, rules, chunk), chunks)
        return [
            bar_run.outcome_of(row, market, INSTRUMENT, TAKER) for rows in found for row in rows
        ]


def run(context: Context) -> list[Figure]:
    bars = bars_of(BARS)
    figures = []
    for name, workers in (("sweep_one_core", 1), ("sweep_all_cores", default_workers())):
        taken = [seconds_of(lambda w=workers: run_all(bars, w)) for _ in range(context.runs + 1)]
        figures.append(figure(name, "s", taken[1:], len(PAIRS) * BARS))
    return [*figures, figure("sweep_peak", "MB", [_peak_mb()], len(PAIRS))]


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
