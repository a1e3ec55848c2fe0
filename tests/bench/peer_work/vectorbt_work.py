"""vectorbt: a moving-average cross over bars, one pair or many, filled at the next open."""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt

CHUNK = 50
"""Pairs at a time: a thousand at once take 15 GB."""


def cross(close, opens, fasts, slows, fee):
    fast = vbt.MA.run(close, fasts, short_name="fast").ma.to_numpy()
    slow = vbt.MA.run(close, slows, short_name="slow").ma.to_numpy()
    above, below = np.zeros(fast.shape, bool), np.zeros(fast.shape, bool)
    # Decided at a close, filled at the next open.
    above[1:], below[1:] = fast[:-1] > slow[:-1], fast[:-1] < slow[:-1]
    shape = {"index": close.index}
    above, below = (
        (pd.DataFrame(part, **shape) if part.ndim > 1 else pd.Series(part, **shape))
        for part in (above, below)
    )
    return vbt.Portfolio.from_signals(
        close,
        above,
        below,
        direction="both",
        price=opens,
        size=1.0,
        fees=fee,
        init_cash=1e12,
    )


def single(data, terms):
    start = time.perf_counter()
    portfolio = cross(data["close"], data["open"], terms["fast"], terms["slow"], terms["fee"])
    orders, profit = portfolio.orders.values, portfolio.total_profit()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": {"fills": len(orders), "profit": float(profit)}}


def sweep(data, terms):
    pairs = terms["pairs"]
    fills, best = 0, -np.inf
    start = time.perf_counter()
    for first in range(0, len(pairs), CHUNK):
        fasts, slows = zip(*pairs[first : first + CHUNK], strict=True)
        portfolio = cross(data["close"], data["open"], list(fasts), list(slows), terms["fee"])
        fills += int(portfolio.orders.count().sum())
        best = max(best, float(portfolio.total_profit().max()))
        portfolio.max_drawdown()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": {"fills": fills, "profit": best}}


def load(path):
    with np.load(path) as bars:
        return {name: pd.Series(bars[name].astype(float)) for name in ("open", "close")}


def main():
    folder = Path(sys.argv[1])
    terms = json.loads((folder / "terms.json").read_text())
    works = {
        "bars": (single, load(folder / "bars.npz")),
        "sweep": (sweep, load(folder / "sweep_bars.npz")),
    }
    print(json.dumps({"ready": version("vectorbt")}), flush=True)
    for line in sys.stdin:
        work, data = works[json.loads(line)["work"]]
        print(json.dumps(work(data, terms)), flush=True)


main()
