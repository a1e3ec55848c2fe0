"""Where a position is liquidated: entry value and price by owner; see `engine.sim.margin`."""

from __future__ import annotations

import math

from engine.kernels import layout as k
from engine.kernels.compile import kernel
from engine.kernels.layout import ExchangeState, Float64s

BUY, SELL = k.BUY, k.SELL
G_SIDE, G_TICKS = k.G_SIDE, k.G_TICKS
X_MARGIN, MARGIN_INVERSE = k.X_MARGIN, k.MARGIN_INVERSE


@kernel
def cost_after(cost: float, held: int, side: int, lots: int, value: float) -> float:
    """Entry value of a position of `held` lots that cost `cost`, after a fill worth `value`."""
    if held * side >= 0:
        return cost + value
    closing = min(lots, abs(held))
    if lots > closing:
        return value * (lots - closing) / lots
    return cost - cost * closing / abs(held)


@kernel
def liquidation_price(
    held: int, cost: float, margin: float, tiers: Float64s, is_inverse: bool
) -> float:
    """The price in ticks; 0 or less where a long never is, infinite where a short never is."""
    tier = 0
    for index in range(1, len(tiers)):
        if cost >= tiers[index, 0]:
            tier = index
    rate, deduction = tiers[tier, 1], tiers[tier, 2]
    lots = float(abs(held))
    if not is_inverse:
        if held > 0:
            return (cost * (1.0 - margin) - deduction) / (lots * (1.0 - rate))
        return (cost * (1.0 + margin) + deduction) / (lots * (1.0 + rate))
    if held > 0:
        return lots * (1.0 + rate) / (cost * (1.0 + margin) + deduction)
    left = cost * (1.0 - margin) - deduction
    return lots * (1.0 - rate) / left if left > 0.0 else math.inf


@kernel
def note_fill(ex: ExchangeState, owner: int, held: int, side: int, lots: int, ticks: int) -> None:
    """After a fill that found the owner holding `held`."""
    is_inverse = ex.control[X_MARGIN] == MARGIN_INVERSE
    value = lots / ticks if is_inverse else float(lots * ticks)
    cost = cost_after(ex.costs[owner], held, side, lots, value)
    held += side * lots
    guard = ex.guards[owner]
    guard[G_SIDE] = 0
    if held == 0:
        cost = 0.0
    else:
        price = liquidation_price(held, cost, ex.margin[0], ex.tiers, is_inverse)
        if held > 0 and price >= 1.0:
            guard[G_SIDE], guard[G_TICKS] = SELL, math.floor(price)
        elif held < 0 and price < float(1 << 60):
            guard[G_SIDE], guard[G_TICKS] = BUY, math.ceil(price)
    ex.costs[owner] = cost
