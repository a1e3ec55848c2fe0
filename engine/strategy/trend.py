"""A moving-average trend follower: long while the fast average of closes is above the slow one,
short (or flat on spot) while it is below. Acts on closed bars only, at the market.

The second example to copy: a strategy on bars instead of on the book.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.order import TimeInForce
from engine.ports import strategy as api
from engine.ports.strategy import Bar, Context, Knob, Strategy, WakeFilter


class TrendParams(api.Params, frozen=True, kw_only=True):
    fast: Annotated[int, Knob("bars in the fast average", ge=1, le=1000)] = 10
    slow: Annotated[int, Knob("bars in the slow average", ge=2, le=2000)] = 30
    timeframe: Annotated[str, Knob("length of a bar: 1s, 1m, 5m, 1h ...")] = "1m"
    qty: Annotated[Decimal, Knob("size of the position", gt=0, is_live_editable=True)] = Decimal(
        "0.01"
    )


class Trend(Strategy):
    name: ClassVar[str] = "trend"
    summary: ClassVar[str] = "follows the cross of two moving averages of closed bars"
    params_type: ClassVar[type[api.Params]] = TrendParams

    def __init__(self, params: api.Params, instrument: Instrument) -> None:
        assert isinstance(params, TrendParams)
        if params.fast >= params.slow:
            raise BadInput("fast", str(params.fast), f"must be less than slow ({params.slow})")
        self.fast = params.fast
        self.slow = params.slow
        self.timeframe = params.timeframe
        self.lots = instrument.lots(params.qty, "qty")
        self.short_lots = self.lots if instrument.can_short else 0

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(timeframe=self.timeframe)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        closes = ctx.closes(self.slow)
        if len(closes) < self.slow:
            ctx.explain(f"warming up: {len(closes)} of {self.slow} bars")
            return
        # Sums compared crosswise: averages without a division, so without rounding.
        fast_sum = sum(closes[-self.fast :])
        slow_sum = sum(closes)
        difference = fast_sum * self.slow - slow_sum * self.fast
        if difference == 0 or ctx.orders:
            return
        target = self.lots if difference > 0 else -self.short_lots
        missing = target - ctx.position_lots
        if missing > 0:
            ctx.buy(missing, tif=TimeInForce.IOC)
        elif missing < 0:
            ctx.sell(-missing, tif=TimeInForce.IOC)
        if missing:
            ctx.explain(f"fast average {'above' if difference > 0 else 'below'} slow")
