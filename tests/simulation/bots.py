"""A strategy with no opinion: it places, cancels and crosses by chance, and hits limits often."""

from __future__ import annotations

import json
from typing import ClassVar

from engine.domain.instrument import Instrument
from engine.domain.order import Fill, Order, Side, TimeInForce
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from tests.simulation.chance import Chance


class RestlessParams(Params, frozen=True, kw_only=True):
    seed: int
    every_ms: int = 1600


class Restless(Strategy):
    name: ClassVar[str] = "restless"
    summary: ClassVar[str] = "Places and cancels by chance."
    params_type: ClassVar[type[Params]] = RestlessParams

    def __init__(self, params: Params, instrument: Instrument) -> None:
        assert isinstance(params, RestlessParams)
        self._params = params
        self._chance = Chance(params.seed)

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(every_ms=self._params.every_ms, on_fill=True)

    def on_start(self, ctx: Context) -> None:
        # After a restart another life begins, not the first one again.
        self._chance = Chance(self._params.seed ^ ctx.now_ns)

    def on_timer(self, ctx: Context) -> None:
        if ctx.is_ready:
            self._act(ctx)
            self._act(ctx)

    def _act(self, ctx: Context) -> None:
        chance = self._chance
        dice = chance.below(100)
        lots = chance.between(1, 25)
        side = chance.pick((Side.BUY, Side.BUY, Side.SELL))
        if dice < 45:
            self._rest(ctx, side, lots)
        elif dice < 55:
            (ctx.buy if side is Side.BUY else ctx.sell)(lots)
        elif dice < 60:
            price = ctx.best_ask if side is Side.BUY else ctx.best_bid
            (ctx.buy if side is Side.BUY else ctx.sell)(lots, price, TimeInForce.IOC)
        elif dice < 85 and ctx.orders:
            ctx.cancel(chance.pick(list(ctx.orders)))
        elif dice < 88:
            ctx.close()

    def _rest(self, ctx: Context, side: Side, lots: int) -> None:
        depth = self._chance.between(0, 5)
        if side is Side.BUY:
            ctx.buy(lots, ctx.best_bid - depth)
        else:
            ctx.sell(lots, ctx.best_ask + depth)

    def on_fill(self, ctx: Context, order: Order, fill: Fill) -> None:
        if self._chance.hits(200):
            self._rest(ctx, order.spec.side.opposite, fill.lots)


def build(name: str, params_json: str, instrument: Instrument) -> Strategy:
    """A `BuildStrategy` for bots of this story."""
    assert name == Restless.name
    values = {key: int(text) for key, text in json.loads(params_json).items()}
    return Restless(RestlessParams(**values), instrument)
