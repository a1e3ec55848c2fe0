"""From a venue's bytes to the signed bytes of the order that they cause, through everything.

`tick_to_order_p50`, `_p99`  a depth frame as it comes from the socket: read, sequence, guard, book,
                             a strategy's features of the top five levels, its decision, risk gate,
                             order manager, state, the request encoded and signed; not sent, and
                             nothing on the disk
`tick_to_order_cpu_p50`, `_p99`  what of that was processor time of our thread: the rest, the
                             system or its host gave to others
`tick_to_order_disturbed`    share of the orders during which at least 50 us went to others
`tick_to_order_steal`        share of the machine's processor time that its host gave to others
                             meanwhile; only where the system tells
`tick_to_durable_p50`, `_p99`  the same with the order's intent durable in a ledger before the
                             request is made, which is how live trading does it
`fdatasync_p50`, `_p99`      4 kB appended and synced in the same folder, turn by turn with it
`tick_to_durable_over_disk`  tick_to_durable less fdatasync, at the median: what is not the disk
`tick_to_durable_times`      tick_to_durable by fdatasync, at the median

As in live trading, the garbage collector leaves alone what was loaded before, and works between
frames rather than between a frame and its order; see `engine.core.memory`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import aiohttp
import msgspec

from app.bootstrap import build_bot
from engine.archive.instruments import known_instruments
from engine.core.clock import LiveClock, SimClock
from engine.core.ids import BACKTEST_SALT
from engine.core.memory import settle_memory, sweep_memory
from engine.core.messages import MarketAdvanced, TimersDue
from engine.core.tasks import Failure
from engine.core.watchdog import Watchdog
from engine.domain.errors import WorkFailed
from engine.domain.events import SessionStarted
from engine.domain.instrument import Instrument
from engine.domain.order import Side, TimeInForce
from engine.domain.reports import AcceptReport, ExpireReport
from engine.kernels.warm import warm_feeds
from engine.ports.store import Journal
from engine.ports.strategy import Context, Params, Strategy, WakeFilter
from engine.ports.venue import Submit
from engine.runtime.live_market import LiveMarkets
from engine.runtime.trader import Outbox, Trader
from engine.store.journal import open_ledger
from engine.store.memory import MemoryJournal
from engine.strategy.grid import GridParams
from engine.trading.risk.limits import RiskLimits
from engine.venues.asker import PublicAsker
from engine.venues.binance.feed import BinanceFeed
from engine.venues.binance.spot import order_params
from engine.venues.budget import RateBudget
from engine.venues.ccxt_client import CcxtClient
from engine.venues.dialect import Request
from engine.venues.link import FeedPace, InstrumentLink
from engine.venues.quality import GuardLimits
from engine.venues.quirks import quirks_of
from tests.bench.figures import Context as BenchContext
from tests.bench.figures import Figure, figure

ORDERS = 2_000
DURABLE_ORDERS = 300
LEVELS = 5
FRAME_GAP_MS = 20
START_MS = 1_700_000_000_000
MID_TICKS = 6_000_000
DISTURBED_NS = 50_000
PAGE = b"\0" * 4096
NS_PER_MS = 1_000_000


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
        lots = 1_000
        if imbalance > 0 or micro > (best_bid[0] + best_ask[0]) / 2:
            ctx.buy(lots, best_bid[0] - 1, TimeInForce.IOC)
        else:
            ctx.buy(lots, best_bid[0] - 2, TimeInForce.IOC)


class Taken(NamedTuple):
    orders_ns: list[int]
    cpu_ns: list[int]
    """Of the same orders, the processor time of the thread that makes them."""
    syncs_ns: list[int]


class BenchKey:
    """A key that opens nothing."""

    def reveal(self) -> tuple[str, str, str]:
        return "k" * 64, "s" * 64, ""


def run(context: BenchContext) -> list[Figure]:
    warm_feeds()
    quick, durable, steals = [], [], []
    for _ in range(context.runs + 1):
        before = _machine_ticks()
        quick.append(asyncio.run(_measure(MemoryJournal(), ORDERS, None)))
        steals.append(_stolen_pct(before, _machine_ticks()))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            with open_ledger(
                path / "ledger.db", clock=LiveClock(), on_failure=_is_raised_too
            ) as kept:
                durable.append(asyncio.run(_measure(kept, DURABLE_ORDERS, path)))
    gc.unfreeze()
    figures = _disturbances(quick[1:], [steal for steal in steals[1:] if steal is not None])
    for percent in (50, 99):
        orders = [_percentile(taken.orders_ns, percent) for taken in quick[1:]]
        cpu = [_percentile(taken.cpu_ns, percent) for taken in quick[1:]]
        kept_orders = [_percentile(taken.orders_ns, percent) for taken in durable[1:]]
        syncs = [_percentile(taken.syncs_ns, percent) for taken in durable[1:]]
        figures += [
            figure(f"tick_to_order_p{percent}", "us", orders, ORDERS),
            figure(f"tick_to_order_cpu_p{percent}", "us", cpu, ORDERS),
            figure(f"tick_to_durable_p{percent}", "us", kept_orders, DURABLE_ORDERS),
            figure(f"fdatasync_p{percent}", "us", syncs, DURABLE_ORDERS),
        ]
    medians = [
        (_percentile(taken.orders_ns, 50), _percentile(taken.syncs_ns, 50)) for taken in durable[1:]
    ]
    return [
        *figures,
        figure(
            "tick_to_durable_over_disk",
            "us",
            [order - sync for order, sync in medians],
            DURABLE_ORDERS,
        ),
        figure(
            "tick_to_durable_times", "x", [order / sync for order, sync in medians], DURABLE_ORDERS
        ),
    ]


class Frames:
    """Depth frames of which each changes the size of the best bid or the best ask."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._number = 0

    def snapshot(self) -> bytes:
        sides = {"bids": -1, "asks": 1}
        book = {
            name: [[self._price(sign * away), "1.00000"] for away in range(1, LEVELS + 3)]
            for name, sign in sides.items()
        }
        return msgspec.json.encode({"lastUpdateId": 1, **book})

    def next(self) -> bytes:
        self._number += 1
        number = self._number
        level = [[self._price(1 if number % 2 else -1), f"1.{number * 37 % 500 + 1:05d}"]]
        return msgspec.json.encode(
            {
                "e": "depthUpdate",
                "E": START_MS + number * FRAME_GAP_MS,
                "s": self._instrument.symbol,
                "U": number + 1,
                "u": number + 1,
                "b": [] if number % 2 else level,
                "a": level if number % 2 else [],
            }
        )

    def _price(self, away: int) -> str:
        return f"{self._instrument.price(MID_TICKS + away):.8f}"


class Desk:
    """What a live engine puts together, but for its sockets and its loop."""

    def __init__(self, instrument: Instrument, session: aiohttp.ClientSession) -> None:
        self.clock = SimClock(START_MS * NS_PER_MS)
        self.instrument = instrument
        self.frames = Frames(instrument)
        self.markets = LiveMarkets([instrument], {}, self.clock)
        quirks = quirks_of(instrument.venue)
        self.client = CcxtClient(
            quirks, BenchKey(), session, self.clock, RateBudget(None, quirks.venue, self.clock)
        )
        self.watchdog = Watchdog()
        self.trader = Trader(
            limits=RiskLimits(orders_per_s_max=1_000),
            markets=self.markets.views,
            guard=self.watchdog.guard,
            shield=self.watchdog,
            build=lambda *_: Leaner(),
        )
        self.link = InstrumentLink(
            instrument,
            BinanceFeed(instrument.venue),
            session,
            PublicAsker(session, quirks, self.clock),
            self.clock,
            self.markets,
            GuardLimits(),
            FeedPace(),
        )
        self._report_seq = 0

    def begin(self) -> Outbox:
        """Trade a fresh session on a book that is trusted."""
        keeper, now_ns = self.link.keeper, self.clock.now_ns()
        reader = BinanceFeed(self.instrument.venue).reader(self.instrument)
        book = reader.read_book(self.frames.snapshot(), now_ns, now_ns)
        keeper.on_connected(now_ns)
        keeper.on_snapshot(book.last_id, book.rows, now_ns)
        session = SessionStarted(
            ts_ns=now_ns,
            world="bench",
            capital=Decimal(10_000_000),
            settle=self.instrument.settle,
            salt=BACKTEST_SALT,
            instruments=[self.instrument],
        )
        self.trader.begin(session, [build_bot("bench", "grid", {}, self.instrument)])
        return self.trader.drain()

    def take(self, raw: bytes) -> Outbox:
        """One frame to what the engine makes of it."""
        trader, markets = self.trader, self.markets
        self.link.on_frame(raw)
        now_ns = self.clock.now_ns()
        for instrument_id, reasons in markets.reasons.items():
            markets.reasons[instrument_id] = 0
            if reasons & trader.wake_mask:
                moved = MarketAdvanced(
                    instrument_id=instrument_id, reasons=reasons & trader.wake_mask
                )
                trader.process(moved, now_ns)
        trader.process(TimersDue(), now_ns)
        return trader.drain()

    def signed(self, submit: Submit) -> bytes:
        params = order_params(submit, self.instrument)
        wire = self.client.signed(Request("private", "POST", "order", params, is_order=True))
        return wire.body.encode()

    def answer(self, submit: Submit) -> Outbox:
        """The venue took the order and let it expire, as an IOC order behind the touch."""
        now_ns = self.clock.now_ns()
        for kind, words in (
            (AcceptReport, {"venue_order_id": "1"}),
            (ExpireReport, {"reason": "ioc"}),
        ):
            self._report_seq += 1
            fields: dict[str, Any] = {
                "report_seq": self._report_seq,
                "venue_ns": now_ns,
                "received_ns": now_ns,
                "client_order_id": submit.client_order_id,
                **words,
            }
            self.trader.process(kind(**fields), now_ns)
        return self.trader.drain()


async def _measure(journal: Journal, orders: int, folder: Path | None) -> Taken:
    """With a `folder`, a bare sync of it follows each order."""
    async with aiohttp.ClientSession() as session:
        desk = Desk(known_instruments()["binance_spot.BTCUSDT"], session)
        try:
            journal.append(desk.begin().events).result()
            settle_memory()
            return _trade(desk, journal, orders, folder)
        finally:
            desk.watchdog.close()
            await desk.client.close()


def _trade(desk: Desk, journal: Journal, orders: int, folder: Path | None) -> Taken:
    clock, taken = LiveClock(), Taken([], [], [])
    for _ in range(2 * orders):
        raw = desk.frames.next()
        desk.clock.advance_to(desk.clock.now_ns() + FRAME_GAP_MS * NS_PER_MS)
        sweep_memory()
        cpu_start_ns = time.thread_time_ns()
        start_ns = clock.monotonic_ns()
        outbox = desk.take(raw)
        if folder is not None:
            journal.append(outbox.events).result()
        submits = [request for request in outbox.requests if isinstance(request, Submit)]
        for submit in submits:
            desk.signed(submit)
        spent_ns = clock.monotonic_ns() - start_ns
        cpu_ns = time.thread_time_ns() - cpu_start_ns
        if folder is None:
            journal.append(outbox.events).result()
        if submits:
            taken.orders_ns.append(spent_ns)
            taken.cpu_ns.append(cpu_ns)
            journal.append(desk.answer(submits[0]).events).result()
            if folder is not None:
                taken.syncs_ns.append(_sync_ns(folder / "plain", clock))
        if len(taken.orders_ns) == orders:
            return taken
    raise WorkFailed(
        f"bench tick_to_order: only {len(taken.orders_ns)} of {orders} orders were made"
    )


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


def _disturbances(runs: list[Taken], steals_pct: list[float]) -> list[Figure]:
    """What a reader needs in order to judge the percentiles of a machine that is not idle. Making
    an order without the disk waits for nothing: what is not processor time was taken away."""
    shares_pct = [
        100
        * sum(
            spent - cpu >= DISTURBED_NS
            for spent, cpu in zip(taken.orders_ns, taken.cpu_ns, strict=True)
        )
        / len(taken.orders_ns)
        for taken in runs
    ]
    found = [figure("tick_to_order_disturbed", "%", shares_pct, ORDERS)]
    if steals_pct:
        found.append(figure("tick_to_order_steal", "%", steals_pct, ORDERS))
    return found


def _machine_ticks() -> tuple[int, int] | None:
    """Processor time of all cores since the start, and what of it the host gave to others."""
    try:
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:]]
    except OSError:
        return None
    return sum(ticks[:8]), ticks[7]


def _stolen_pct(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[0] == before[0]:
        return None
    return 100 * (after[1] - before[1]) / (after[0] - before[0])


def _percentile(values_ns: list[int], percent: int) -> float:
    """In microseconds."""
    ordered = sorted(values_ns)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1e3


def _is_raised_too(failure: Failure) -> None:
    """The waiting writer gets the same error."""
