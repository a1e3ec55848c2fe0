"""From one market row to the order request that it causes, through everything in between.

`tick_to_order_p50`, `_p99`  row into the book, a strategy's features of the top five levels, its
                             decision, risk gate, order manager, state; nothing on the disk
`tick_to_durable_p50`, `_p99`  the same with the order's intent durable in a ledger first, which is
                             how paper and live trading send it
`fdatasync_p50`, `_p99`      4 kB appended and synced in the same folder, turn by turn with it
`tick_to_durable_over_disk`  tick_to_durable less fdatasync, at the median: what is not the disk

Reading a venue's bytes and writing the order's are not part of it.
"""

from __future__ import annotations

import gc
import os
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from app.bootstrap import build_bot, market_of, session_of
from engine.core.clock import LiveClock
from engine.core.ids import BACKTEST_SALT
from engine.core.tasks import Failure
from engine.core.watchdog import Watchdog
from engine.domain.order import Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.store import Journal
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.runtime.driver import Driver
from engine.runtime.trader import Trader
from engine.sim.exchange import SimExchange
from engine.sim.generator import SIM_INSTRUMENT
from engine.sim.scenario import Scenario
from engine.store.journal import open_ledger
from engine.store.memory import MemoryJournal
from engine.strategy.grid import GridParams
from engine.strategy.runner import NEVER_NS
from engine.trading.risk.limits import RiskLimits
from tests.bench.figures import Context as BenchContext
from tests.bench.figures import Figure, figure

ORDERS = 2_000
DURABLE_ORDERS = 300
LEVELS = 5
ROW_GAP_NS = 20_000_000
MID_TICKS = 600_000
PAGE = b"\0" * 4096
QUICK = Scenario(entry_latency_ns=1_000_000, response_latency_ns=1_000_000)


class Leaner(Strategy):
    """Each time the touch changes: reads five levels, and bids or offers one tick behind the
    touch, on the side that the book leans to, immediate or cancel."""

    name: ClassVar[str] = "leaner"
    summary: ClassVar[str] = "answers every change of the touch with an order"
    params_type: ClassVar[type[Params]] = GridParams

    def __init__(self) -> None:
        """It has no parameters."""

    @property
    def wake(self) -> WakeFilter:
        return WakeFilter(on_top=True)

    def on_book(self, ctx: Context) -> None:
        bids, asks = ctx.depth(Side.BUY, LEVELS), ctx.depth(Side.SELL, LEVELS)
        if len(bids) < LEVELS or len(asks) < LEVELS:
            return
        bid_lots, ask_lots = sum(lots for _, lots in bids), sum(lots for _, lots in asks)
        imbalance = (bid_lots - ask_lots) / (bid_lots + ask_lots)
        best_bid, best_ask = bids[0], asks[0]
        weighted = best_bid[0] * best_ask[1] + best_ask[0] * best_bid[1]
        micro = weighted / (best_bid[1] + best_ask[1])
        if imbalance > 0 or micro > (best_bid[0] + best_ask[0]) / 2:
            ctx.buy(1, best_bid[0] - 1, TimeInForce.IOC)
        else:
            ctx.sell(1, best_ask[0] + 1, TimeInForce.IOC)


class Taken(NamedTuple):
    orders_ns: list[int]
    syncs_ns: list[int]


def run(context: BenchContext) -> list[Figure]:
    quick, durable = [], []
    for _ in range(context.runs + 1):
        quick.append(_measure(MemoryJournal(), ORDERS, None))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            with open_ledger(
                path / "ledger.db", clock=LiveClock(), on_failure=_is_raised_too
            ) as kept:
                durable.append(_measure(kept, DURABLE_ORDERS, path))
    figures = []
    for percent in (50, 99):
        orders = [_percentile(taken.orders_ns, percent) for taken in quick[1:]]
        kept_orders = [_percentile(taken.orders_ns, percent) for taken in durable[1:]]
        syncs = [_percentile(taken.syncs_ns, percent) for taken in durable[1:]]
        figures += [
            figure(f"tick_to_order_p{percent}", "us", orders, ORDERS),
            figure(f"tick_to_durable_p{percent}", "us", kept_orders, DURABLE_ORDERS),
            figure(f"fdatasync_p{percent}", "us", syncs, DURABLE_ORDERS),
        ]
    over = [
        _percentile(taken.orders_ns, 50) - _percentile(taken.syncs_ns, 50) for taken in durable[1:]
    ]
    return [*figures, figure("tick_to_durable_over_disk", "us", over, DURABLE_ORDERS)]


def rows_of(count: int) -> k.Rows:
    """Five levels a side, then rows of which each changes the best bid's or the best ask's size."""
    rows = np.zeros(2 * LEVELS + count, k.ROW)
    numbers = np.arange(len(rows))
    rows["kind"] = k.ROW_DEPTH
    rows["side"] = np.where(numbers % 2, k.BUY, k.SELL)
    away = np.where(numbers < 2 * LEVELS, numbers // 2, 0)
    rows["price_ticks"] = MID_TICKS - rows["side"] * (1 + away)
    rows["qty_lots"] = 1_000 + numbers * 37 % 500
    rows["ts_exch_ns"] = rows["ts_local_ns"] = 1_700_000_000_000_000_000 + numbers * ROW_GAP_NS
    return rows


def _measure(journal: Journal, orders: int, folder: Path | None) -> Taken:
    """With a `folder`, a bare sync of it follows each order."""
    world = SimExchange(SIM_INSTRUMENT, rows_of(orders), QUICK)
    market = market_of(world, {}, None, 0, "bench")
    watchdog = Watchdog()
    try:
        trader = Trader(
            limits=RiskLimits(orders_per_s_max=1_000),
            markets=market.views,
            guard=watchdog.guard,
            shield=watchdog,
            build=lambda *_: Leaner(),
        )
        session = session_of(market, QUICK, Decimal(10_000_000), BACKTEST_SALT)
        trader.begin(session, [build_bot("bench", "grid", {}, SIM_INSTRUMENT)])
        journal.append(trader.drain().events).result()
        return _trade(Driver(trader, world), world, journal, folder)
    finally:
        watchdog.close()


def _trade(driver: Driver, world: SimExchange, journal: Journal, folder: Path | None) -> Taken:
    clock, taken = LiveClock(), Taken([], [])
    gc.collect()
    while True:
        start_ns = clock.monotonic_ns()
        wake = driver.advance(NEVER_NS)
        outbox = driver.batch(wake)
        if folder is not None:
            journal.append(outbox.events).result()
        spent_ns = clock.monotonic_ns() - start_ns
        if folder is None:
            journal.append(outbox.events).result()
        if outbox.requests:
            taken.orders_ns.append(spent_ns)
            world.submit(outbox.requests, wake.ts_ns)
            if folder is not None:
                taken.syncs_ns.append(_sync_ns(folder / "plain", clock))
        if wake.reasons & k.WAKE_END:
            return taken


def _sync_ns(path: Path, clock: LiveClock) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        start_ns = clock.monotonic_ns()
        os.write(file, PAGE)
        # Where there is no fdatasync, the ledger has none either.
        getattr(os, "fdatasync", os.fsync)(file)
        return clock.monotonic_ns() - start_ns
    finally:
        os.close(file)


def _percentile(values_ns: list[int], percent: int) -> float:
    """In microseconds."""
    ordered = sorted(values_ns)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1e3


def _is_raised_too(failure: Failure) -> None:
    """The waiting writer gets the same error."""
