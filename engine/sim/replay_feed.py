"""A recording as a source of rows: one clock for both sides, in the order of receipt."""

from __future__ import annotations

import numpy as np

from engine.kernels.layout import Int64s, Rows


def with_feed_latency(rows: Rows, extra_ns: int) -> Rows:
    """A copy of `rows` whose local clock never runs before the venue's.

    Recorders' clocks may be behind (by 1.27 s in the captures of 2024): local times are shifted by
    one constant so that the fastest message took 0 ns, then `extra_ns` is added to all.
    """
    shifted = rows.copy()
    fastest_ns = int((rows["ts_local_ns"] - rows["ts_exch_ns"]).min())
    shifted["ts_local_ns"] += max(0, -fastest_ns) + extra_ns
    return shifted


def venue_order(rows: Rows) -> Int64s:
    """Row indices by venue time; rows of one venue time stay in the order of receipt."""
    return np.argsort(rows["ts_exch_ns"], kind="stable")
