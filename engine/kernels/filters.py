"""The instrument's rules, checked on arrival by the book there; see `engine.sim.refusals`."""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState

BUY, SELL, NO_BID, NO_ASK = k.BUY, k.SELL, k.NO_BID, k.NO_ASK
M_BEST_BID, M_BEST_ASK = k.M_BEST_BID, k.M_BEST_ASK
O_SIDE, O_TICKS, O_LEAVES, O_TRIGGER, O_REDUCE = (
    k.O_SIDE,
    k.O_TICKS,
    k.O_LEAVES,
    k.O_TRIGGER,
    k.O_REDUCE,
)
X_MIN_LOTS, X_MIN_VALUE_X2, X_BAND = k.X_MIN_LOTS, k.X_MIN_VALUE_X2, k.X_BAND
REASON_NONE, REASON_MIN_LOTS, REASON_MIN_VALUE = (
    k.REASON_NONE,
    k.REASON_MIN_LOTS,
    k.REASON_MIN_VALUE,
)
REASON_BAND_HIGH, REASON_BAND_LOW = k.REASON_BAND_HIGH, k.REASON_BAND_LOW
BAND_UNIT = k.BAND_UNIT


@kernel
def filter_reason(ex: ExchangeState, slot: int) -> tuple[int, int]:
    """(why the order breaks a rule of the instrument, the price that would be allowed), or
    (REASON_NONE, 0)."""
    order, control = ex.orders[slot], ex.control
    best_bid, best_ask = ex.scalars[M_BEST_BID], ex.scalars[M_BEST_ASK]
    mid_x2 = best_bid + best_ask if best_bid != NO_BID and best_ask != NO_ASK else 0
    ticks, band = order[O_TICKS], control[X_BAND]
    if order[O_LEAVES] < control[X_MIN_LOTS]:
        return REASON_MIN_LOTS, 0
    if ticks != 0 and band > 0 and mid_x2 > 0:
        high = mid_x2 * (BAND_UNIT + band) // (2 * BAND_UNIT)
        low = -(-mid_x2 * (BAND_UNIT - band) // (2 * BAND_UNIT))
        if order[O_SIDE] == BUY and ticks > high:
            return REASON_BAND_HIGH, high
        if order[O_SIDE] == SELL and ticks < low:
            return REASON_BAND_LOW, low
    price_x2 = 2 * ticks if ticks != 0 else 2 * order[O_TRIGGER]
    if price_x2 == 0:
        price_x2 = mid_x2
    if not order[O_REDUCE] and order[O_LEAVES] * price_x2 < control[X_MIN_VALUE_X2]:
        return REASON_MIN_VALUE, 0
    return REASON_NONE, 0
