"""Where in its level a resting order stands: the queue models.

All keep `front`, the displayed lots ahead of the order, in `fronts[slot, 0]`, and for the
probability model the lots traded at the level since its last depth row in `fronts[slot, 1]`. Own
orders are not displayed; those ahead of it take their part of a trade before it does.

risk-averse   only trades move the order forward. A depth row merely caps: front = min(front, new).
              Every cancellation is assumed to happen behind us.
power-prob-n  a decrease that trades do not explain happened ahead of us with probability
              1 - p, p = back^n / (back^n + front^n), back = level before - front. The front moves
              by its expectation: front - (1 - p) x decrease + min(back - p x decrease, 0), capped
              by the new quantity and never below zero.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Float64s

QUEUE_POWER_PROB = k.QUEUE_POWER_PROB


@kernel
def join(fronts: Float64s, slot: int, ahead_lots: int) -> None:
    """Called once, when the order starts to rest behind `ahead_lots`."""
    fronts[slot, 0] = ahead_lots
    fronts[slot, 1] = 0.0


@kernel
def on_trade(fronts: Float64s, slot: int, lots: int, used: int) -> int:
    """Called for each trade at the order's price, of which own orders ahead of it took `used`.
    Returns the lots that reach the order."""
    # Our orders are not displayed: what we take is, in the recording, the displayed lots' loss.
    front = fronts[slot, 0] - (lots - used)
    fronts[slot, 0] = max(0.0, front)
    fronts[slot, 1] += lots
    return max(0, int(0.5 - front))


@kernel
def on_depth(
    fronts: Float64s, slot: int, model: int, power: float, before: int, after: int
) -> None:
    """Called for each depth row of the order's level: it held `before`, now `after`."""
    front = fronts[slot, 0]
    if model != QUEUE_POWER_PROB:
        fronts[slot, 0] = min(front, float(after))
        return
    # What trades took has moved the front already; only the rest was cancelled.
    decrease = before - after - fronts[slot, 1]
    fronts[slot, 1] = 0.0
    if decrease < 0:
        fronts[slot, 0] = min(front, float(after))
        return
    back = before - front
    weight = back**power
    total = weight + front**power
    if total == 0.0 or total != total:
        fronts[slot, 0] = float(after)
        return
    behind = weight / total
    moved = front - (1.0 - behind) * decrease + min(back - behind * decrease, 0.0)
    fronts[slot, 0] = max(0.0, min(moved, float(after)))
