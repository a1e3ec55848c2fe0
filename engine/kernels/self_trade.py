"""Orders of the same account that would meet: self-trade prevention, as venues offer it.

An arriving order meets a resting one of the other side, whichever bot's, before it takes anything
at that one's price or beyond, and before it rests across it. Best price first, then the oldest.
expire-taker  the arriving order ends with what is left of it
expire-maker  the resting one ends, the arriving one goes on
expire-both   both end
A post-only order that would meet one is refused as one that would take; a FOK order that has one
within its limit ends whole, unless makers are the ones that end. The venue's own orders pass.
"""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState
from engine.kernels.orders import LIVE_BUYS, LIVE_SELLS, expire, sweep_live

BUY = k.BUY
O_SIDE, O_TICKS, O_TIF, O_STATE = k.O_SIDE, k.O_TICKS, k.O_TIF, k.O_STATE
STATE_RESTING, TIF_LIQUIDATION = k.STATE_RESTING, k.TIF_LIQUIDATION
X_BUYS, X_SELF_TRADE = k.X_BUYS, k.X_SELF_TRADE
SELF_TRADE_NONE, SELF_TRADE_TAKER, SELF_TRADE_MAKER = (
    k.SELF_TRADE_NONE,
    k.SELF_TRADE_TAKER,
    k.SELF_TRADE_MAKER,
)
REASON_SELF_TRADE = k.REASON_SELF_TRADE


@kernel
def first_met(ex: ExchangeState, slot: int, bound: int) -> int:
    """Slot of the resting order that the one in `slot` meets first at `bound` or better; -1 for
    none. A bound of 0 is any price."""
    control = ex.control
    if control[X_SELF_TRADE] == SELF_TRADE_NONE or ex.orders[slot, O_TIF] == TIF_LIQUIDATION:
        return -1
    side = ex.orders[slot, O_SIDE]
    which = LIVE_SELLS if side == BUY else LIVE_BUYS
    found, best = -1, 0
    for index in range(control[X_BUYS + which]):
        other = ex.live[which, index]
        ticks = ex.orders[other, O_TICKS]
        if ex.orders[other, O_STATE] != STATE_RESTING or (
            bound != 0 and (ticks - bound) * side > 0
        ):
            continue
        if found < 0 or (ticks - best) * side < 0:
            found, best = other, ticks
    return found


@kernel
def ends_by_self_trade(ex: ExchangeState, now_ns: int, slot: int, bound: int) -> bool:
    """Let the order in `slot` meet what it meets at `bound` or better. True when it has ended."""
    mode = ex.control[X_SELF_TRADE]
    met = first_met(ex, slot, bound)
    while met >= 0:
        if mode != SELF_TRADE_TAKER:
            expire(ex, now_ns, met, REASON_SELF_TRADE)
            sweep_live(ex, LIVE_SELLS if ex.orders[slot, O_SIDE] == BUY else LIVE_BUYS)
        if mode != SELF_TRADE_MAKER:
            expire(ex, now_ns, slot, REASON_SELF_TRADE)
            return True
        met = first_met(ex, slot, bound)
    return False
