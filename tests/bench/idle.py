"""A strategy that does nothing, compiled into the replay: it only wakes up."""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState, Int64s, MarketState, Rows
from engine.kernels.replay import advance

X_NOW_NS, WAKE_UNTIL = k.X_NOW_NS, k.WAKE_UNTIL


@kernel
def run_idle(
    rows: Rows, exch_order: Int64s, ex: ExchangeState, market: MarketState, every_ns: int
) -> int:
    """Wake up every `every_ns` until the rows end or more are needed; returns why it stopped."""
    while True:
        until_ns = ex.control[X_NOW_NS] + every_ns
        reasons = advance(rows, exch_order, ex, market, until_ns, 0)
        if reasons != WAKE_UNTIL:
            return reasons
