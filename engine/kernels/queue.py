"""Where in its level a resting order stands: the queue models.

All keep `front`, the displayed lots ahead of the order, in `fronts[slot, 0]`, and for the
probability models the lots traded at the level since its last depth row in `fronts[slot, 1]`. Own
orders are not displayed; those ahead of it take their part of a trade before it does.

trades-only   only trades at the price move the order forward; depth rows say nothing about it. It
              fills once as much has traded there as stood ahead of it when it joined.
risk-averse   as trades-only, but a depth row caps: front = min(front, new). Every cancellation is
              assumed to happen behind us, as far as the level's size allows that.
probability   a decrease that trades do not explain happened behind us with probability p. The
              front moves by its expectation: front - (1 - p) x decrease + min(back - p x decrease,
              0), capped by the new quantity and never below zero. With back = level before - front:
  power-prob-n  p = back^n / (back^n + front^n)
  log-prob-1    p = log(1 + back) / (log(1 + back) + log(1 + front))
  log-prob-2    p = log(1 + back) / log(1 + back + front)
"""

from __future__ import annotations

import math

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import Float64s

QUEUE_RISK_AVERSE, QUEUE_TRADES_ONLY = k.QUEUE_RISK_AVERSE, k.QUEUE_TRADES_ONLY
QUEUE_LOG_PROB_1, QUEUE_LOG_PROB_2 = k.QUEUE_LOG_PROB_1, k.QUEUE_LOG_PROB_2


@kernel
def join(fronts: Float64s, slot: int, ahead_lots: int) -> None:
    """Called once, when the order starts to rest behind `ahead_lots`."""
    fronts[slot, 0] = ahead_lots
    fronts[slot, 1] = 0.0
    fronts[slot, 2] = 0.0


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
def behind_share(model: int, power: float, back: float, front: float) -> float:
    """p of the probability models; NaN where it divides nothing by nothing.

    A back below zero (the level shrank past the order between two rows) weighs nothing in the
    logarithms, which would have none.
    """
    if model == QUEUE_LOG_PROB_1:
        weight = math.log1p(max(back, 0.0))
        total = weight + math.log1p(front)
    elif model == QUEUE_LOG_PROB_2:
        weight = math.log1p(max(back, 0.0))
        total = math.log1p(max(back, 0.0) + front)
    else:
        weight = back**power
        total = weight + front**power
    return weight / total if total != 0.0 else math.nan


@kernel
def on_depth(
    fronts: Float64s, slot: int, model: int, power: float, before: int, after: int
) -> None:
    """Called for each depth row of the order's level: it held `before`, now `after`."""
    front = fronts[slot, 0]
    if model == QUEUE_TRADES_ONLY:
        return
    if model == QUEUE_RISK_AVERSE:
        fronts[slot, 0] = min(front, float(after))
        return
    # What trades took has moved the front already; only the rest was cancelled.
    decrease = before - after - fronts[slot, 1]
    fronts[slot, 1] = 0.0
    if decrease < 0:
        fronts[slot, 0] = min(front, float(after))
        return
    back = before - front
    behind = behind_share(model, power, back, front)
    if behind != behind:
        fronts[slot, 0] = float(after)
        return
    moved = front - (1.0 - behind) * decrease + min(back - behind * decrease, 0.0)
    fronts[slot, 0] = max(0.0, min(moved, float(after)))
