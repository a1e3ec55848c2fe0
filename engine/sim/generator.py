"""A market for when no recording is at hand: seeded, endless, the same on every machine."""

from __future__ import annotations

import math
from decimal import Decimal
from statistics import NormalDist

import numpy as np

from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels import flow
from engine.kernels.layout import NO_ASK, NO_BID, ROW, Int64s, Rows

SIM_INSTRUMENT = Instrument(
    instrument_id="sim.BTCUSDT",
    venue="sim",
    symbol="BTCUSDT",
    kind=InstrumentKind.LINEAR,
    base="BTC",
    quote="USDT",
    tick=Decimal("0.1"),
    lot=Decimal("0.001"),
    min_notional=Decimal(5),
)

START_NS = 1_767_225_600_000_000_000
"""2026-01-01 00:00 UTC; a fixed moment, so that two runs are the same."""
START_TICKS = 600_000
FEED_LATENCY_NS = 20_000_000
REACTION_NS = 1_000_000_000
"""A crash begins at a whole second after the start, one to two seconds after the button."""
_WARM_UP_NS = 30_000_000_000
_BUFFER_ROWS = 1 << 16
_WHOLE_ROW = np.dtype((np.void, ROW.itemsize))
"""A row with its padding, which numpy leaves undefined when it copies fields."""


class MarketGenerator:
    """An endless market of `SIM_INSTRUMENT`, a block of `block_ns` venue time at a time.

    The first block begins with a snapshot. Rows depend on `seed`, `start_ns` and the crashes
    only, not on `block_ns`. `ts_local_ns` is `ts_exch_ns` plus `latency_ns`.
    """

    def __init__(
        self,
        seed: int,
        *,
        start_ns: int = START_NS,
        start_ticks: int = START_TICKS,
        block_ns: int = REACTION_NS,
        latency_ns: int = FEED_LATENCY_NS,
    ) -> None:
        assert block_ns > 0, block_ns
        assert start_ticks > flow.WINDOW, start_ticks
        self.instrument = SIM_INSTRUMENT
        self.start_ns = start_ns
        self.reference_ticks = start_ticks
        self._until_ns = start_ns
        self._block_ns = block_ns
        self._latency_ns = latency_ns
        self._crashes_ns: list[int] = []
        self._buffer: Rows = np.zeros(_BUFFER_ROWS, ROW)
        self._state = _new_state(seed, start_ns - _WARM_UP_NS, start_ticks)
        self._first = True
        while self._state.scalars[flow.S_NEXT_NS] < start_ns:
            flow.generate(self._state, start_ns, self._buffer)

    def crash(self, now_ns: int) -> None:
        """Press the crash button at local time `now_ns`.

        A selling burst of 5 to 10 % within 30 to 60 s in a thinned book, then a partial
        recovery. Begins one to two seconds later, at a whole second of the market that has not
        been handed out yet. Pressed during an episode, a new one begins.
        """
        passed = (now_ns - self.start_ns) // REACTION_NS
        at_ns = self.start_ns + (passed + 2) * REACTION_NS
        self._crashes_ns.append(max(at_ns, self._until_ns))
        self._crashes_ns.sort()

    def next_block(self) -> Rows | None:
        """The rows of the next `block_ns`, perhaps none at all. Never None: it has no end."""
        end_ns = self._until_ns + self._block_ns
        pieces: list[Rows] = [np.empty(0, _WHOLE_ROW)]
        if self._first:
            self._first = False
            count = flow.write_snapshot(self._state, self.start_ns, self._buffer)
            pieces.append(self._buffer[:count].view(_WHOLE_ROW).copy())
        while self._crashes_ns and self._crashes_ns[0] < end_ns:
            at_ns = self._crashes_ns.pop(0)
            self._generate(at_ns, pieces)
            count = flow.start_crash(self._state, self._buffer, flow.NONE, at_ns)
            pieces.append(self._buffer[:count].view(_WHOLE_ROW).copy())
        self._generate(end_ns, pieces)
        self._until_ns = end_ns
        block: Rows = np.concatenate(pieces).view(ROW)
        block["ts_local_ns"] += self._latency_ns
        return block

    def _generate(self, until_ns: int, pieces: list[Rows]) -> None:
        scalars = self._state.scalars
        while scalars.item(flow.S_NEXT_NS) < until_ns:
            count = flow.generate(self._state, until_ns, self._buffer)
            pieces.append(self._buffer[:count].view(_WHOLE_ROW).copy())


def compile_kernels() -> None:
    """Run everything once, so that no first tick waits for a compiler; cached from then on."""
    generator = MarketGenerator(0)
    generator.crash(START_NS)
    for _ in range(3):
        generator.next_block()


def _new_state(seed: int, start_ns: int, start_ticks: int) -> flow.FlowState:
    """A market with one level a side, `start_ticks` being the fair price."""
    scalars = np.zeros(flow.FLOW_SCALARS, np.int64)
    scalars[flow.S_BASE] = start_ticks - flow.WINDOW // 2
    scalars[flow.S_BEST_BID] = NO_BID
    scalars[flow.S_BEST_ASK] = NO_ASK
    scalars[flow.S_FAIR] = start_ticks * flow.ONE
    scalars[flow.S_NEXT_NS] = scalars[flow.S_EVENT_NS] = start_ns
    scalars[flow.S_ACTIVITY] = scalars[flow.S_VOLATILITY] = flow.ONE
    scalars[flow.S_THIN] = 1
    state = flow.FlowState(
        book=np.zeros((2, flow.WINDOW), np.int64),
        scalars=scalars,
        random=np.array([seed % (1 << 64)], np.uint64),
        tables=_tables(),
    )
    flow.refill(state, np.zeros(2, ROW), flow.NONE)
    return state


def _tables() -> Int64s:
    """Quantiles as whole numbers: the last digit of a machine's logarithm does not show."""
    normal = NormalDist()
    tables = np.zeros((flow.TABLES, flow.TABLE), np.int64)
    for index in range(flow.TABLE):
        share = (index + 0.5) / flow.TABLE
        z = normal.inv_cdf(share)
        tables[flow.TAB_EXPONENTIAL, index] = round(-math.log(1 - share) * flow.ONE)
        tables[flow.TAB_NORMAL, index] = round(z * flow.ONE)
        tables[flow.TAB_LIMIT_LOTS, index] = max(1, round(60 * math.exp(1.4 * z)))
        tables[flow.TAB_MARKET_LOTS, index] = max(1, round(8 * math.exp(1.8 * z)))
        tables[flow.TAB_DISTANCE, index] = _distance(share)
    return tables


def _distance(share: float) -> int:
    """Ticks from the touch: a third within 3 ticks, half within 10, a tail of 1,500."""
    return min(1500, round(9 * (math.pow(1 - share, -1.1) - 1)))
