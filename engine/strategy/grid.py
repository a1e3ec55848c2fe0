"""A quoting grid: post-only bids below the mid and asks above it, moved as the mid moves.

Copy this file to write your own strategy. It shows the whole surface: typed parameters with
ranges, a wake-up filter, a read-only view and four verbs.

What it earns: the spread between its bids and asks, when both fill. What it risks: inventory
against a trend, and being filled just before the price moves on (adverse selection).
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, ClassVar

from engine.domain.instrument import Instrument
from engine.domain.order import Order, Pending, Side, TimeInForce
from engine.ports import strategy as api
from engine.ports.strategy import Context, Knob, Strategy, WakeFilter


class GridParams(api.Params, frozen=True, kw_only=True):
    """Quantities are in the instrument's own units; the grid's geometry is in ticks."""

    levels: Annotated[int, Knob("orders a side", ge=1, le=100, is_live_editable=True)] = 5
    max_position: Annotated[
        Decimal,
        Knob("no bids at or above, no asks at or below minus this", gt=0, is_live_editable=True),
    ] = Decimal("0.05")
    interval_ticks: Annotated[
        int, Knob("distance of levels", ge=1, le=100_000, is_live_editable=True)
    ] = 10
    half_spread_ticks: Annotated[
        Decimal, Knob("from the mid to the first level", ge=0, le=100_000, is_live_editable=True)
    ] = Decimal(20)
    qty: Annotated[Decimal, Knob("size of each order", gt=0, is_live_editable=True)] = Decimal(
        "0.005"
    )
    every_ms: Annotated[int, Knob("how often it looks", ge=1, le=3_600_000)] = 100


class Grid(Strategy):
    name: ClassVar[str] = "grid"
    summary: ClassVar[str] = "quotes a grid of post-only orders around the mid price"
    params_type: ClassVar[type[api.Params]] = GridParams

    def __init__(self, params: api.Params, instrument: Instrument) -> None:
        assert isinstance(params, GridParams)
        self.levels = params.levels
        self.tick = float(instrument.tick)
        self.interval = float(params.interval_ticks * instrument.tick)
        self.half_spread = float(params.half_spread_ticks * instrument.tick)
        self.lots = instrument.lots(params.qty, "qty")
        instrument.lots(params.max_position, "max_position")  # Refused where it fits no lot.
        self.max_position = float(params.max_position)
        self.can_short = instrument.can_short
        self.every_ms = params.every_ms
        self._wish: tuple[float | None, float | None] = (None, None)
        self._bids: list[int] = []
        self._asks: list[int] = []

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=self.every_ms)

    def on_timer(self, ctx: Context) -> None:
        if not ctx.is_ready:
            return
        bids, asks = self.wanted(
            ctx.best_bid, ctx.best_ask, ctx.position_lots, ctx.position_in_floats
        )
        keep, taken = {Side.BUY: set(bids), Side.SELL: set(asks)}, set()
        for order in list(ctx.orders.values()):
            spec = order.spec
            taken.add(spec.price_ticks)
            if spec.price_ticks not in keep[spec.side] and is_cancellable(order):
                ctx.cancel(order.client_order_id)
        placed = 0
        for price in bids:
            if price not in taken and ctx.buy(self.lots, price, TimeInForce.POST_ONLY):
                placed += 1
        for price in asks:
            if price not in taken and ctx.sell(self.lots, price, TimeInForce.POST_ONLY):
                placed += 1
        if placed:
            ctx.explain(f"{placed} quotes around {ctx.instrument.price(ctx.best_bid)}")

    def wanted(
        self, best_bid: int, best_ask: int, position_lots: int, position_in_floats: float
    ) -> tuple[list[int], list[int]]:
        """Prices in ticks to bid and to ask at, best first; the same again while they do not move.

        floor((mid - half spread) / interval) and ceil((mid + half spread) / interval), in binary
        floating point like everybody's notebook: where the quotient is a whole number the last
        bit decides between two neighbouring levels. Whether the maximum is reached is decided
        the same way: fifty fills of 0.1 may add up to 4.999999999999999 and leave room for one
        more. These are decisions, not money; with a ladder of bids resting, `max_position` can be
        overshot anyway. What must never be overshot is a risk limit, and that one is exact.
        """
        mid = (best_bid * self.tick + best_ask * self.tick) / 2.0
        bid = math.floor((mid - self.half_spread) / self.interval) * self.interval
        ask = math.ceil((mid + self.half_spread) / self.interval) * self.interval
        can_bid = position_in_floats < self.max_position
        can_ask = position_in_floats > -self.max_position if self.can_short else position_lots > 0
        wish = (bid if can_bid else None, ask if can_ask else None)
        if wish != self._wish:
            self._wish = wish
            self._bids = self._prices(bid, -self.interval) if can_bid else []
            self._asks = self._prices(ask, self.interval) if can_ask else []
        return self._bids, self._asks

    def _prices(self, first: float, step: float) -> list[int]:
        prices: list[int] = []
        for _ in range(self.levels):
            prices.append(round(first / self.tick))
            first += step
        return prices


def is_cancellable(order: Order) -> bool:
    """Known to rest at the venue, with nothing under way."""
    return order.pending is Pending.NONE
