"""Trades to bars."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.kernels.layout import ROW_TRADE, Rows

BAR = np.dtype(
    [
        ("start_ns", np.int64),
        ("open", np.int64),  # ticks
        ("high", np.int64),
        ("low", np.int64),
        ("close", np.int64),
        ("volume", np.int64),  # lots
        ("trades", np.int64),
    ]
)
Bars = npt.NDArray[np.void]


def bars_from_trades(rows: Rows, period_ns: int) -> Bars:
    """Bars of the trades in `rows`, by the venue's time, as the venue itself makes them.

    Periods begin at multiples of `period_ns` since 1970; one without a trade has no bar. Bars at
    the ends may be partial. Trades of one moment keep the order of receipt.
    """
    trades = rows[rows["kind"] == ROW_TRADE]
    trades = trades[np.argsort(trades["ts_exch_ns"], kind="stable")]
    periods = trades["ts_exch_ns"] // period_ns
    starts = np.flatnonzero(np.diff(periods, prepend=periods[:1] - 1))
    bars: Bars = np.zeros(len(starts), BAR)
    if not len(starts):
        return bars
    ends = np.append(starts[1:], len(trades))
    prices = trades["price_ticks"]
    bars["start_ns"] = periods[starts] * period_ns
    bars["open"] = prices[starts]
    bars["high"] = np.maximum.reduceat(prices, starts)
    bars["low"] = np.minimum.reduceat(prices, starts)
    bars["close"] = prices[ends - 1]
    bars["volume"] = np.add.reduceat(trades["qty_lots"], starts)
    bars["trades"] = ends - starts
    return bars
