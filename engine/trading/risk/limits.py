"""The limits and their defaults. Percentages are of the account's equity unless said otherwise."""

from __future__ import annotations

from decimal import Decimal

import msgspec


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    order_notional_max_pct: Decimal = Decimal(10)
    position_max_pct: Decimal = Decimal(25)
    """Worst case of one instrument: position plus every order that could add to it."""
    open_orders_max: int = 200
    orders_per_s_max: int = 200
    collar_pct: Decimal = Decimal(5)
    """How far from the touch a price may lie."""
    jump_distrust_pct: Decimal = Decimal(50)
    """A mid farther than this from the last good one is not believed at first."""
    daily_loss_max_pct: Decimal = Decimal(25)
    """Of the equity at the start of the UTC day."""
    drawdown_max_pct: Decimal = Decimal(25)
    """Of the highest equity so far."""
    stop_loss_pct: Decimal = Decimal(5)
    """Of what a position has cost."""
    take_profit_pct: Decimal = Decimal(10)


JUMP_SETTLE_NS = 60_000_000_000
"""A distrusted price is adopted after it has stood, within the collar, for this long."""
