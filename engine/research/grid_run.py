"""The compiled grid over one recording: set-up, run, and its fills in exact money."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.kernels import grid as g
from engine.kernels import layout as k
from engine.sim.exchange import SimExchange
from engine.sim.scenario import Scenario
from engine.strategy.grid import Grid


class GridFill(msgspec.Struct, frozen=True, array_like=True):
    received_ns: int
    venue_ns: int
    side: int
    """1: bought, -1: sold."""
    price_ticks: int
    lots: int
    is_maker: bool


class GridOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """Money in the settle asset; `cash` is what the fills brought in, before fees."""

    wakes: int
    orders: int
    cancels: int
    position_lots: int
    cash: Decimal
    fees: Decimal
    fills: list[GridFill]


def new_desk(strategy: Grid, instrument: Instrument, scenario: Scenario, start_ns: int) -> g.Desk:
    """BadInput where the scenario assumes more than the compiled grid knows of."""
    if not scenario.is_simple:
        raise BadInput("--compiled", "grid", "knows constant latencies and two fee rates only")
    counters, shape = np.zeros(g.DESK_COUNTERS, np.int64), np.zeros(g.DESK_SHAPE)
    parts, units = instrument.lot.as_integer_ratio()
    counters[g.D_EVERY_NS] = strategy.every_ms * 1_000_000
    counters[g.D_NEXT_NS] = start_ns + counters[g.D_EVERY_NS]
    counters[g.D_ENTRY_NS] = scenario.entry_latency_ns
    counters[g.D_LEVELS], counters[g.D_LOTS] = strategy.levels, strategy.lots
    counters[g.D_CAN_SHORT] = strategy.can_short
    counters[g.D_LOT_PARTS], counters[g.D_LOT_UNITS] = parts, units
    counters[g.D_FREE] = k.ORDER_SLOTS
    shape[g.S_TICK], shape[g.S_INTERVAL] = strategy.tick, strategy.interval
    shape[g.S_HALF_SPREAD], shape[g.S_MAX_POSITION] = strategy.half_spread, strategy.max_position
    return g.Desk(
        counters=counters,
        shape=shape,
        own=np.zeros(k.ORDER_SLOTS, np.int64),
        free=np.arange(k.ORDER_SLOTS - 1, -1, -1),
        states=np.zeros((k.ORDER_SLOTS, 2), np.int64),
        wanted=np.zeros((2, g.LEVELS_MAX), np.int64),
        is_taken=np.zeros((2, g.LEVELS_MAX), np.int64),
        levels=np.full((2, g.PLACES), -1, np.int64),
        fills=np.zeros((g.FILLS_LENGTH, g.FILL_COLUMNS), np.int64),
    )


def run_desk(world: SimExchange, desk: g.Desk) -> list[GridFill]:
    """Trade to the end of the recording."""
    fills: list[GridFill] = []
    while True:
        reason = world.run_compiled(
            lambda rows, order, ex, market: g.run_grid(rows, order, ex, market, desk)
        )
        count = desk.counters.item(g.D_FILLS)
        fills += [_fill(row) for row in desk.fills[:count].tolist()]
        desk.counters[g.D_FILLS] = 0
        if reason != g.DESK_FULL:
            return fills


def _fill(row: list[int]) -> GridFill:
    received_ns, venue_ns, side, ticks, lots, maker = row
    return GridFill(received_ns, venue_ns, side, ticks, lots, bool(maker))


def run_grid(
    world: SimExchange, strategy: Grid, instrument: Instrument, scenario: Scenario
) -> GridOutcome:
    desk = new_desk(strategy, instrument, scenario, world.start_ns)
    fills = run_desk(world, desk)
    cash = fees = ZERO
    for fill in fills:
        value = instrument.notional(fill.lots, fill.price_ticks)
        rate = scenario.maker if fill.is_maker else scenario.taker
        cash = MONEY.subtract(cash, MONEY.multiply(value, Decimal(fill.side)))
        fees = MONEY.add(fees, MONEY.multiply(value, rate))
    counters = desk.counters
    return GridOutcome(
        wakes=counters.item(g.D_WAKES),
        orders=counters.item(g.D_ORDERS),
        cancels=counters.item(g.D_CANCELS),
        position_lots=counters.item(g.D_HELD_LOTS),
        cash=cash,
        fees=fees,
        fills=fills,
    )
