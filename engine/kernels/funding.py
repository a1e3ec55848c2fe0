"""Funding stamps at the exchange; see `engine.sim.funding`."""

from __future__ import annotations

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState
from engine.kernels.orders import answer

NO_BID, NO_ASK, M_BEST_BID, M_BEST_ASK = k.NO_BID, k.NO_ASK, k.M_BEST_BID, k.M_BEST_ASK
X_STAMP_NS, X_STAMP_EVERY_NS, X_OWNERS = k.X_STAMP_NS, k.X_STAMP_EVERY_NS, k.X_OWNERS
ANSWER_FUNDING, REASON_NONE = k.ANSWER_FUNDING, k.REASON_NONE


@kernel
def pay_funding(ex: ExchangeState, now_ns: int) -> None:
    """A funding stamp: tell every owner of a position what it holds and where the mid stands."""
    control = ex.control
    control[X_STAMP_NS] += control[X_STAMP_EVERY_NS]
    best_bid, best_ask = ex.scalars[M_BEST_BID], ex.scalars[M_BEST_ASK]
    mid_x2 = best_bid + best_ask
    if best_bid == NO_BID or best_ask == NO_ASK:
        mid_x2 = 0
    for owner in range(control[X_OWNERS]):
        held = ex.positions[owner]
        if held != 0:
            answer(ex, now_ns, ANSWER_FUNDING, owner, mid_x2, held, 0, REASON_NONE)
