"""The same work by us and by other backtesters, in turns, on the same machine in the same minutes.

Both sides have their data in memory and are warm: what is loaded, converted or compiled is not
timed, and neither is making the simulated world. A ratio is theirs / ours of one turn, by wall
time: 2.0 means that we need half of it. Beside it stands what both found, so that anyone sees that
it was the same work.

replay_idle, replay_grid  hftbacktest, array depth: a recording with nobody trading, waking every
                          100 ms; then with a quoting grid of 40 post-only orders
bars                      vectorbt and backtesting.py: a cross 10/30 over a million one-minute bars
sweep                     vectorbt: 1,000 pairs of averages over 100,000 bars, on one core each
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.paths import locate
from app.progress import Step
from engine.archive.catalogue import load_rows
from engine.domain.instrument import Instrument
from engine.kernels.layout import Rows
from engine.research import bar_run
from engine.sim.bar_feed import BarColumns
from engine.sim.generator import MarketGenerator
from engine.sim.replay_feed import with_feed_latency
from tests.bench import bars as b
from tests.bench.figures import Context, figure, seconds_of
from tests.bench.peer_homes import BACKTESTING, HFTBACKTEST, VECTORBT, Line, Peer, home_of
from tests.bench.replay import GRID, SCENARIO, grid_seconds, idle_seconds
from tests.bench.sweep import BARS as SWEEP_BARS
from tests.bench.sweep import CHUNK, PAIRS

GENERATED_S = 1_200
SWEEP_RUNS_MAX = 3
Ours = Callable[[], tuple[float, dict[str, Any]]]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    unit: str
    median: float
    min: float
    max: float
    runs: int
    n: int
    peer: str
    ours_s: float
    theirs_s: float
    ours_found: dict[str, Any]
    theirs_found: dict[str, Any]


def run_peers(
    context: Context, names: tuple[str, ...] = ("replay", "bars", "sweep")
) -> list[Ratio]:
    """WorkFailed where a peer cannot be installed or stops."""
    folder = locate().data / "peers"
    wanted = {HFTBACKTEST: "replay", VECTORBT: "bars sweep", BACKTESTING: "bars"}
    homes = {
        peer: home_of(peer, folder)
        for peer, works in wanted.items()
        if not set(works.split()).isdisjoint(names)
    }
    found: list[Ratio] = []
    with tempfile.TemporaryDirectory() as data:
        if "replay" in names:
            found += _replay(context, homes[HFTBACKTEST], Path(data))
        if "bars" in names or "sweep" in names:
            _write_bars(Path(data))
        if "bars" in names:
            found += _bars(context, homes, Path(data))
        if "sweep" in names:
            found += _sweep(context, homes[VECTORBT], Path(data))
    return found


def _turns(name: str, line: Line, work: str, ours: Ours, runs: int, n: int) -> Ratio:
    """One warm-up of both, then one after the other, `runs` times."""
    ratios, our_s, their_s = [], [], []
    with Step(f"peers {name}: ours and {line.peer.words} in turns") as step:
        for number in range(runs + 1):
            our_seconds, our_check = ours()
            their_seconds, their_check = line.ask(work)
            step.show(f"{number} of {runs}")
            if number:
                our_s.append(our_seconds)
                their_s.append(their_seconds)
                ratios.append(their_seconds / our_seconds)
    shared = msgspec.to_builtins(figure(name, "times as fast", ratios, n))
    return Ratio(
        **shared,
        peer=line.peer.words,
        ours_s=figure(name, "s", our_s, n).median,
        theirs_s=figure(name, "s", their_s, n).median,
        ours_found=our_check,
        theirs_found=their_check,
    )


# -- recordings ----------------------------------------------------------------------------------


def _recording(capture: Path) -> tuple[Instrument, Rows]:
    """The capture, or where there is none a generated market."""
    if capture.exists():
        instrument, rows = load_rows(capture)
        return instrument, with_feed_latency(rows, 0)
    generator = MarketGenerator(1)
    blocks = [generator.next_block() for _ in range(GENERATED_S)]
    return generator.instrument, np.concatenate([block for block in blocks if block is not None])


def _replay(context: Context, home: Path, data: Path) -> list[Ratio]:
    instrument, rows = _recording(context.capture)
    write_rows(instrument, rows, data)

    def idle() -> tuple[float, dict[str, Any]]:
        return idle_seconds(instrument, rows), {"rows": len(rows)}

    def grid() -> tuple[float, dict[str, Any]]:
        seconds, fills = grid_seconds(instrument, rows, GRID)
        return seconds, {"rows": len(rows), "fills": fills}

    with Line(HFTBACKTEST, home, data) as line:
        return [
            _turns("replay_idle", line, "idle", idle, context.runs, len(rows)),
            _turns("replay_grid", line, "grid", grid, context.runs, len(rows)),
        ]


def write_rows(instrument: Instrument, rows: Rows, data: Path) -> None:
    """The rows as plain columns, and the terms of the trade."""
    np.savez(
        data / "rows.npz",
        exch=rows["ts_exch_ns"],
        local=rows["ts_local_ns"],
        ticks=rows["price_ticks"],
        lots=rows["qty_lots"],
        kind=rows["kind"],
        side=rows["side"],
    )
    top = float(instrument.price(int(rows["price_ticks"].max())))
    interval, half = Decimal(GRID["interval_ticks"]), Decimal(GRID["half_spread_ticks"])
    terms = {
        "tick": instrument.tick.as_integer_ratio(),
        "lot": instrument.lot.as_integer_ratio(),
        "entry_ns": SCENARIO.entry_latency_ns,
        "response_ns": SCENARIO.response_latency_ns,
        "maker": float(SCENARIO.maker),
        "taker": float(SCENARIO.taker),
        "roi": [0.0, 2.0 * top],
        "grid": {
            "levels": int(GRID["levels"]),
            "interval": float(interval * instrument.tick),
            "half_spread": float(half * instrument.tick),
            "max_position": float(GRID["max_position"]),
            "qty": float(GRID["qty"]),
        },
    }
    (data / "terms.json").write_text(json.dumps(terms))


# -- bars ------------------------------------------------------------------------------------------


def _write_bars(data: Path) -> None:
    for name, count in (("bars", b.BARS), ("sweep_bars", SWEEP_BARS)):
        bars = b.bars_of(count)
        np.savez(
            data / f"{name}.npz", open=bars.open, high=bars.high, low=bars.low, close=bars.close
        )
    terms = {"fast": b.FAST, "slow": b.SLOW, "fee": float(b.TAKER), "pairs": PAIRS}
    (data / "terms.json").write_text(json.dumps(terms))


def _cross(bars: BarColumns) -> dict[str, Any]:
    market = bar_run.cross_market(bars, b.MINUTE_NS)
    found, _ = bar_run.run_cross(market, b.rules_of(market, 0), b.FAST, b.SLOW)
    return {"fills": bar_run.outcome_of(found, market, b.INSTRUMENT, b.TAKER).fills}


def _crosses(bars: BarColumns) -> dict[str, Any]:
    market = bar_run.cross_market(bars, b.MINUTE_NS)
    rules, fills = b.rules_of(market, 0), 0
    for first in range(0, len(PAIRS), CHUNK):
        for row in bar_run.run_crosses(market, rules, PAIRS[first : first + CHUNK]):
            fills += bar_run.outcome_of(row, market, b.INSTRUMENT, b.TAKER).fills
    return {"fills": fills}


def _timed(work: Callable[[BarColumns], dict[str, Any]], bars: BarColumns) -> Ours:
    def once() -> tuple[float, dict[str, Any]]:
        check: dict[str, Any] = {}
        return seconds_of(lambda: check.update(work(bars))), check

    return once


def _bars(context: Context, homes: dict[Peer, Path], data: Path) -> list[Ratio]:
    ours, found = _timed(_cross, b.bars_of(b.BARS)), []
    for peer, runs in ((VECTORBT, context.runs), (BACKTESTING, min(context.runs, SWEEP_RUNS_MAX))):
        with Line(peer, homes[peer], data) as line:
            found.append(_turns("bars", line, "bars", ours, runs, b.BARS))
    return found


def _sweep(context: Context, home: Path, data: Path) -> list[Ratio]:
    ours = _timed(_crosses, b.bars_of(SWEEP_BARS))
    with Line(VECTORBT, home, data) as line:
        runs = min(context.runs, SWEEP_RUNS_MAX)
        return [_turns("sweep", line, "sweep", ours, runs, len(PAIRS) * SWEEP_BARS)]
