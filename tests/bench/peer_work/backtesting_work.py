"""backtesting.py: a moving-average cross over bars, one pair, filled at the next open."""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")
from backtesting import Backtest, Strategy  # noqa: E402 - it warns while it is imported


def average(values, window):
    return pd.Series(values).rolling(window).mean().to_numpy()


def cross_of(terms):
    class Cross(Strategy):
        def init(self):
            self.fast = self.I(average, self.data.Close, terms["fast"])
            self.slow = self.I(average, self.data.Close, terms["slow"])

        def next(self):
            if self.fast[-1] > self.slow[-1] and not self.position.is_long:
                self.position.close()
                self.buy(size=1)
            elif self.fast[-1] < self.slow[-1] and not self.position.is_short:
                self.position.close()
                self.sell(size=1)

    return Cross


def run(frame, terms):
    start = time.perf_counter()
    test = Backtest(
        frame, cross_of(terms), cash=1e12, commission=terms["fee"], finalize_trades=True
    )
    result = test.run()
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "check": {"fills": int(result["# Trades"])}}


def main():
    folder = Path(sys.argv[1])
    terms = json.loads((folder / "terms.json").read_text())
    with np.load(folder / "bars.npz") as bars:
        frame = pd.DataFrame(
            {name.title(): bars[name].astype(float) for name in ("open", "high", "low", "close")}
        )
    print(json.dumps({"ready": version("backtesting")}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(frame, terms)), flush=True)


main()
