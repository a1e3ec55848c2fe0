"""Compiles every kernel ahead of time, so that no first tick waits for a compiler."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.kernels import cross as x
from engine.kernels import layout as k
from engine.kernels.book import best_levels
from engine.kernels.frames import read_frame, step_scales
from engine.kernels.guard import take_depth
from engine.kernels.local import local_message, local_run
from engine.kernels.replay import advance_parts, catch_up


def warm_all(progress: Callable[[str], None] | None = None) -> None:
    """Run the entry points once with the types they are called with; cached from then on."""
    if progress is not None:
        progress("replay")
    rows = np.zeros(1, k.ROW)
    rows["kind"] = k.ROW_TRADE
    rows["side"] = k.BUY
    exchange, market = k.new_exchange(1 << 20), k.new_market(1 << 20, (1_000_000_000,))
    exchange.control[k.X_ROWS] = 1
    advance_parts(rows, np.zeros(1, np.int64), k.NO_ASK, 0, *market, *exchange)
    catch_up(rows, np.zeros(1, np.int64), exchange)
    if progress is not None:
        progress("live feeds")
    warm_feeds()
    if progress is not None:
        progress("bars")
    one = np.ones(1, np.int64)
    rules = x.CrossRules(np.zeros(x.RULES, np.int64), np.zeros(x.SHARES))
    series = x.CrossSeries(np.zeros(2, np.int64), one, one, one, one, one, one)
    found, trades = np.zeros((1, x.CROSS_COLUMNS), np.int64), np.zeros((0, x.TRADE_COLUMNS), int)
    x.cross_many(series, rules, one, one, trades, found)
    x.cross_one(series, rules, 1, 1, trades, found[0])


def warm_feeds() -> None:
    """What live market data goes through: a feed must not stand still for a compiler."""
    rows, market, scales = np.zeros(1, k.ROW), k.new_market(1 << 20), step_scales(1, 0)
    read_frame(b"{}", b"", scales, scales, rows, 0)
    take_depth(market.book, market.scalars, rows, 0)
    local_run(market, rows, 0, 0, 0, 0, 0, 0)
    local_message(*market, rows, 0, 0)
    best_levels(market.book, market.scalars, k.BID, 1, np.zeros((1, 2), np.int64))
