"""A made-up market: zero-intelligence order flow around a hidden fair price, as market rows.

Orders know nothing. Limit orders arrive at a distance from the touch and fill empty ticks at one
rate, occupied ticks are cancelled at another, market orders take what lies at the touch (the
Santa Fe model). What moves the price is a hidden fair price that jumps without drift; each jump
sweeps the levels that it passed and excites further events, so activity comes in bursts; the size
of the jumps wanders slowly.

Everything is integer arithmetic on tables handed in, so the same seed gives the same rows on
every machine. Fixed point: `ONE` is 1.0.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from engine.kernels import layout
from engine.kernels.compile import kernel
from engine.kernels.layout import ASK, BID, NO_ASK, NO_BID, Int64s, Rows


def _plain(value: int) -> int:
    """An int64 that is no literal: numba compiles a function anew for each literal argument."""
    return cast(int, np.int64(value))


BUY, SELL = _plain(layout.BUY), _plain(layout.SELL)
ROW_DEPTH, ROW_TRADE = _plain(layout.ROW_DEPTH), _plain(layout.ROW_TRADE)
ROW_SNAPSHOT, ROW_CLEAR = _plain(layout.ROW_SNAPSHOT), _plain(layout.ROW_CLEAR)
NONE = _plain(0)

ONE = 1 << 16
HALF = 1 << 31
"""Half of what `draw` may give: the chance of a coin."""
WINDOW = 1 << 13
"""Ticks that the book covers; levels that fall out of it when the price moves are taken down."""
TABLE = 1 << 12
"""Entries of a table: quantiles of a distribution at equal steps of probability."""
MARGIN_ROWS = 3 * WINDOW
"""Room that one event may need in the worst case: the whole book taken down and set up."""

# Rows of `FlowState.tables`
TABLES = 5
TAB_EXPONENTIAL, TAB_NORMAL, TAB_LIMIT_LOTS, TAB_MARKET_LOTS, TAB_DISTANCE = map(
    _plain, range(TABLES)
)
"""Exponential and normal in units of ONE, sizes in lots, distance from the touch in ticks."""

# Indices of `FlowState.scalars`
S_BASE = 0  # tick of book column 0
S_BEST_BID = 1  # ticks
S_BEST_ASK = 2
S_FAIR = 3  # hidden fair price, ticks x ONE
S_NEXT_NS = 4  # venue time of the next event
S_ACTIVITY = 5  # multiplies the rate of events; ONE at rest
S_VOLATILITY = 6  # multiplies the jumps of the fair price
S_PHASE = 7  # CALM, CRASHING or RECOVERING
S_PHASE_END_NS = 8
S_DRIFT = 9  # ticks that the fair price moves in this phase in all, x ONE
S_PHASE_NS = 10  # length of this phase
S_OWED = 11  # part of S_DRIFT not yet moved, ticks x ONE
S_CHUNK = 12  # moved once this much is owed, ticks
S_GAP = 13  # ticks kept free on each side of the fair price
S_THIN = 14  # new sizes are divided by this
S_EVENT_NS = 15  # venue time of the event being made
FLOW_SCALARS = 16

CALM, CRASHING, RECOVERING = map(_plain, range(3))

NS = 1_000_000_000

# Set so that about 220 rows a second, a spread of 1 to 3 ticks and a volatility of 55 % a year
# come out; tests/unit/sim/test_generator.py measures them.
EVENTS_PER_S = 95
"""At rest; bursts double it on average."""
P_JUMP = 1_400
P_MARKET = 8_000
P_LIMIT = 30_000
"""Kinds of events in parts of 65536; the rest looks at a tick and cancels what it finds there."""
TAU_ACTIVITY_NS = 2 * NS
KICK = ONE // 8
"""What a jump adds to the activity; a burst fades with TAU_ACTIVITY_NS."""
ACTIVITY_MAX = 12 * ONE
JUMP_TICKS = 28
"""Standard deviation of a jump at volatility ONE and 600,000 ticks."""
REFERENCE_TICKS = 600_000
VOLATILITY_MIN, VOLATILITY_MAX = ONE // 2, 2 * ONE


class FlowState(NamedTuple):
    """A generated market. Allocated by `engine.sim.generator`, advanced by kernels only.

    book     int64[2, WINDOW]      lots by side and tick - base
    scalars  int64[FLOW_SCALARS]   see the S_ codes
    random   uint64[1]             state of the random numbers
    tables   int64[5, TABLE]       see the TAB_ codes
    """

    book: Int64s
    scalars: Int64s
    random: npt.NDArray[np.uint64]
    tables: Int64s


# -- random numbers: splitmix64 ----------------------------------------------------------------

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)


@kernel
def draw(state: FlowState) -> int:
    """A whole number of 32 bits; `draw(state) * n >> 32` is one below `n` <= 2**31."""
    state.random[0] += _STEP
    mixed = state.random[0]
    mixed = (mixed ^ (mixed >> _30)) * _MIX_1
    mixed = (mixed ^ (mixed >> _27)) * _MIX_2
    mixed = mixed ^ (mixed >> _31)
    return np.int64(mixed >> _32)  # type: ignore[return-value]  # numba knows no other cast


@kernel
def draw_from(state: FlowState, table: int) -> int:
    """A value of the distribution that row `table` of the tables holds."""
    value: int = state.tables[table, draw(state) * TABLE >> 32]
    return value


# -- rows and levels ---------------------------------------------------------------------------


@kernel
def put(
    rows: Rows, count: int, ts_ns: int, kind: int, side: int, price_ticks: int, qty_lots: int
) -> int:
    """Write one row at `count`; returns the new count. Local time is added by the caller."""
    row = rows[count]
    row["ts_exch_ns"] = ts_ns
    row["ts_local_ns"] = ts_ns
    row["price_ticks"] = price_ticks
    row["qty_lots"] = qty_lots
    row["kind"] = kind
    row["side"] = side
    return count + 1


@kernel
def find_best(state: FlowState, side: int) -> None:
    """Look for the best level of `side` outwards from the last known best."""
    scalars, base = state.scalars, state.scalars[S_BASE]
    if side == BUY:
        index = scalars[S_BEST_BID] - base
        while index >= 0 and state.book[BID, index] == 0:
            index -= 1
        scalars[S_BEST_BID] = base + index if index >= 0 else NO_BID
    else:
        index = scalars[S_BEST_ASK] - base
        while index < WINDOW and state.book[ASK, index] == 0:
            index += 1
        scalars[S_BEST_ASK] = base + index if index < WINDOW else NO_ASK


@kernel
def set_level(state: FlowState, rows: Rows, count: int, side: int, ticks: int, lots: int) -> int:
    """The level now holds `lots`; keeps the best price and writes the row."""
    scalars = state.scalars
    index = ticks - scalars[S_BASE]
    if side == BUY:
        state.book[BID, index] = lots
        if lots > 0 and ticks > scalars[S_BEST_BID]:
            scalars[S_BEST_BID] = ticks
        elif lots == 0 and ticks == scalars[S_BEST_BID]:
            find_best(state, BUY)
    else:
        state.book[ASK, index] = lots
        if lots > 0 and ticks < scalars[S_BEST_ASK]:
            scalars[S_BEST_ASK] = ticks
        elif lots == 0 and ticks == scalars[S_BEST_ASK]:
            find_best(state, SELL)
    return put(rows, count, scalars[S_EVENT_NS], ROW_DEPTH, side, ticks, lots)


@kernel
def level_lots(state: FlowState, distance: int) -> int:
    """Size of a new order: grows away from the touch, then thins out."""
    grown = draw_from(state, TAB_LIMIT_LOTS) * (24 + min(distance, 120)) // 24
    lots: int = max(1, grown * 400 // (400 + distance) // state.scalars[S_THIN])
    return lots


@kernel
def bid_limit(state: FlowState) -> int:
    """Highest tick that a bid may take: the fair price less the gap."""
    ticks: int = (state.scalars[S_FAIR] >> 16) - state.scalars[S_GAP]
    return ticks


@kernel
def ask_limit(state: FlowState) -> int:
    ticks: int = (state.scalars[S_FAIR] >> 16) + 1 + state.scalars[S_GAP]
    return ticks


# -- the three kinds of orders -----------------------------------------------------------------


@kernel
def add_limit(state: FlowState, rows: Rows, count: int) -> int:
    """A limit order of a random side: into the spread if there is room, else behind the touch."""
    scalars = state.scalars
    side = BUY if draw(state) < HALF else SELL
    if side == BUY:
        room = bid_limit(state) - scalars[S_BEST_BID]
    else:
        room = scalars[S_BEST_ASK] - ask_limit(state)
    if room > 0 and draw(state) >= HALF // 2:
        # Two tries, the better one counts: gaps close fast.
        behind = min((draw(state) * room >> 32), (draw(state) * room >> 32))
        ticks = bid_limit(state) - behind if side == BUY else ask_limit(state) + behind
        distance = NONE
    else:
        distance = draw_from(state, TAB_DISTANCE)
        ticks = scalars[S_BEST_BID] - distance if side == BUY else scalars[S_BEST_ASK] + distance
    index = ticks - scalars[S_BASE]
    if index < 0 or index >= WINDOW:
        return count
    held = state.book[BID if side == BUY else ASK, index]
    return set_level(state, rows, count, side, ticks, held + level_lots(state, distance))


@kernel
def cancel_at(state: FlowState, rows: Rows, count: int) -> int:
    """Look at one tick of one side; what rests there is cancelled in part or in whole."""
    scalars = state.scalars
    distance = draw_from(state, TAB_DISTANCE)
    if draw(state) < HALF:
        side, ticks = BUY, scalars[S_BEST_BID] - distance
    else:
        side, ticks = SELL, scalars[S_BEST_ASK] + distance
    index = ticks - scalars[S_BASE]
    if index < 0 or index >= WINDOW:
        return count
    held = state.book[BID if side == BUY else ASK, index]
    if held == 0:
        return count
    left = 0 if draw(state) < 5 * HALF // 4 else held * (draw(state) * 100 >> 32) // 100
    count = set_level(state, rows, count, side, ticks, left)
    return refill(state, rows, count)


@kernel
def take(state: FlowState, rows: Rows, count: int, side: int, lots: int) -> int:
    """A market order of `side` eats at most three levels of the other one."""
    scalars = state.scalars
    for _ in range(3):
        ticks = scalars[S_BEST_ASK] if side == BUY else scalars[S_BEST_BID]
        if lots <= 0 or ticks in (NO_ASK, NO_BID):
            break
        book_side = ASK if side == BUY else BID
        held = state.book[book_side, ticks - scalars[S_BASE]]
        traded = min(held, lots)
        lots -= traded
        count = put(rows, count, scalars[S_EVENT_NS], ROW_TRADE, side, ticks, traded)
        count = set_level(state, rows, count, -side, ticks, held - traded)
    return refill(state, rows, count)


@kernel
def refill(state: FlowState, rows: Rows, count: int) -> int:
    """Somebody quotes at once where a side has run empty."""
    scalars = state.scalars
    if scalars[S_BEST_BID] == NO_BID:
        count = set_level(state, rows, count, BUY, bid_limit(state), level_lots(state, NONE))
    if scalars[S_BEST_ASK] == NO_ASK:
        count = set_level(state, rows, count, SELL, ask_limit(state), level_lots(state, NONE))
    return count


# -- moves of the fair price ---------------------------------------------------------------------


@kernel
def sweep(state: FlowState, rows: Rows, count: int, side: int) -> int:
    """Take down the levels of the other side that the fair price has passed.

    A part of the first few is bought (or sold) by a market order, the rest is pulled.
    """
    scalars = state.scalars
    lots = draw_from(state, TAB_MARKET_LOTS)
    while True:
        ticks = scalars[S_BEST_ASK] if side == BUY else scalars[S_BEST_BID]
        if ticks in (NO_ASK, NO_BID):
            break
        passed = ticks < ask_limit(state) if side == BUY else ticks > bid_limit(state)
        if not passed:
            break
        if lots > 0:
            held = state.book[ASK if side == BUY else BID, ticks - scalars[S_BASE]]
            traded = min(held, lots)
            lots -= traded
            count = put(rows, count, scalars[S_EVENT_NS], ROW_TRADE, side, ticks, traded)
        count = set_level(state, rows, count, -side, ticks, NONE)
    return count


@kernel
def requote(state: FlowState, rows: Rows, count: int) -> int:
    """Market makers follow: new levels one to three ticks from where they may be."""
    scalars = state.scalars
    bid = bid_limit(state) - (draw(state) * 3 >> 32)
    if bid > scalars[S_BEST_BID]:
        count = set_level(state, rows, count, BUY, bid, level_lots(state, NONE))
    ask = ask_limit(state) + (draw(state) * 3 >> 32)
    if ask < scalars[S_BEST_ASK]:
        count = set_level(state, rows, count, SELL, ask, level_lots(state, NONE))
    return count


@kernel
def move_fair(state: FlowState, rows: Rows, count: int, change: int) -> int:
    """Move the hidden price by `change` (ticks x ONE); the book gives way and follows."""
    scalars = state.scalars
    scalars[S_FAIR] = max(scalars[S_FAIR] + change, WINDOW * ONE)
    count = recentre(state, rows, count)
    count = sweep(state, rows, count, BUY if change > 0 else SELL)
    return requote(state, rows, count)


@kernel
def jump(state: FlowState, rows: Rows, count: int) -> int:
    """A jump without drift; its size is in proportion to the price and the slow volatility."""
    scalars = state.scalars
    volatility = scalars[S_VOLATILITY]
    volatility += (ONE - volatility) // 1000 + draw_from(state, TAB_NORMAL) // 60
    scalars[S_VOLATILITY] = min(max(volatility, VOLATILITY_MIN), VOLATILITY_MAX)
    size = (draw_from(state, TAB_NORMAL) * JUMP_TICKS * scalars[S_VOLATILITY]) >> 16
    size = size * (scalars[S_FAIR] >> 16) // REFERENCE_TICKS
    return move_fair(state, rows, count, size)


@kernel
def recentre(state: FlowState, rows: Rows, count: int) -> int:
    """Move the window so that the fair price lies in its middle half, if it no longer does."""
    scalars, book = state.scalars, state.book
    index = (scalars[S_FAIR] >> 16) - scalars[S_BASE]
    if WINDOW // 4 <= index < 3 * WINDOW // 4:
        return count
    shift = index - WINDOW // 2
    base = scalars[S_BASE]
    for side in (SELL, BUY):
        row = BID if side == BUY else ASK
        for column in range(WINDOW):
            if not 0 <= column - shift < WINDOW and book[row, column] > 0:
                count = set_level(state, rows, count, side, base + column, NONE)
        if shift > 0:
            for column in range(WINDOW):
                old = column + shift
                book[row, column] = book[row, old] if old < WINDOW else 0
        else:
            for column in range(WINDOW - 1, -1, -1):
                old = column + shift
                book[row, column] = book[row, old] if old >= 0 else 0
    scalars[S_BASE] = base + shift
    return count


# -- episodes --------------------------------------------------------------------------------------


@kernel
def begin_phase(state: FlowState, phase: int, seconds: int, drift: int) -> None:
    scalars = state.scalars
    scalars[S_PHASE] = phase
    scalars[S_PHASE_NS] = seconds * NS
    scalars[S_PHASE_END_NS] = scalars[S_EVENT_NS] + seconds * NS
    scalars[S_DRIFT] = drift
    scalars[S_OWED] = 0
    scalars[S_CHUNK] = 10 + (draw(state) * 50 >> 32)
    scalars[S_GAP] = (0, 5, 2)[phase]
    scalars[S_THIN] = (1, 10, 3)[phase]


@kernel
def start_crash(state: FlowState, rows: Rows, count: int, at_ns: int) -> int:
    """From `at_ns` on: 5 to 10 % down within 30 to 60 s; nine tenths of the book go at once."""
    scalars = state.scalars
    scalars[S_EVENT_NS] = at_ns
    percent = ONE // 20 + (draw(state) * ONE // 20 >> 32)
    begin_phase(
        state, CRASHING, 30 + (draw(state) * 31 >> 32), -((scalars[S_FAIR] >> 16) * percent)
    )
    for side in (SELL, BUY):
        row = BID if side == BUY else ASK
        for index in range(WINDOW):
            held = state.book[row, index]
            if held > 0:
                ticks = scalars[S_BASE] + index
                count = set_level(state, rows, count, side, ticks, max(1, held // 10))
    return move_fair(state, rows, count, NONE)


@kernel
def next_phase(state: FlowState) -> None:
    """A crash ends in a partial recovery, that in calm."""
    if state.scalars[S_PHASE] == CRASHING:
        share = 30 + (draw(state) * 31 >> 32)
        rise = -state.scalars[S_DRIFT] * share // 100
        begin_phase(state, RECOVERING, 60 + (draw(state) * 61 >> 32), rise)
    else:
        begin_phase(state, CALM, NONE, NONE)


@kernel
def run_phase(state: FlowState, rows: Rows, count: int, passed_ns: int) -> int:
    """Move the fair price along the drift of the phase, a chunk at a time."""
    scalars = state.scalars
    if scalars[S_EVENT_NS] >= scalars[S_PHASE_END_NS]:
        next_phase(state)
        return count
    # In microseconds, so that the product stays inside 64 bits.
    scalars[S_OWED] += scalars[S_DRIFT] * (passed_ns // 1000) // (scalars[S_PHASE_NS] // 1000)
    if abs(scalars[S_OWED]) < scalars[S_CHUNK] * ONE:
        return count
    change, scalars[S_OWED] = scalars[S_OWED], 0
    scalars[S_CHUNK] = 10 + (draw(state) * 50 >> 32)
    return move_fair(state, rows, count, change)


# -- time ------------------------------------------------------------------------------------------


@kernel
def pass_time(state: FlowState) -> int:
    """Draw the time until the next event; activity calms down meanwhile. Returns it in ns."""
    scalars = state.scalars
    activity = scalars[S_ACTIVITY]
    floor = 4 * ONE if scalars[S_PHASE] == CRASHING else ONE
    mean_ns = NS // EVENTS_PER_S * ONE // activity
    wait_ns: int = max(1, (draw_from(state, TAB_EXPONENTIAL) * mean_ns) >> 16)
    calmed = (activity - floor) * min(wait_ns, TAU_ACTIVITY_NS) // TAU_ACTIVITY_NS
    scalars[S_ACTIVITY] = activity - calmed
    scalars[S_NEXT_NS] += wait_ns
    return wait_ns


@kernel
def excite(state: FlowState) -> None:
    scalars = state.scalars
    scalars[S_ACTIVITY] = min(scalars[S_ACTIVITY] + KICK, ACTIVITY_MAX)


@kernel
def one_event(state: FlowState, rows: Rows, count: int, passed_ns: int) -> int:
    scalars = state.scalars
    if scalars[S_PHASE] != CALM:
        count = run_phase(state, rows, count, passed_ns)
    kind = draw(state) >> 16
    if kind < P_JUMP:
        excite(state)
        return jump(state, rows, count)
    kind -= P_JUMP
    if kind < P_MARKET:
        sells = 85 if scalars[S_PHASE] == CRASHING else 50
        side = SELL if (draw(state) * 100 >> 32) < sells else BUY
        return take(state, rows, count, side, draw_from(state, TAB_MARKET_LOTS))
    kind -= P_MARKET
    if kind < P_LIMIT:
        return add_limit(state, rows, count)
    return cancel_at(state, rows, count)


@kernel
def generate(state: FlowState, until_ns: int, rows: Rows) -> int:
    """Write the rows of all events before `until_ns`; returns how many.

    Stops early when fewer than MARGIN_ROWS are free; call again until S_NEXT_NS >= `until_ns`.
    Where it stops makes no difference to what comes.
    """
    scalars = state.scalars
    count = NONE
    while scalars[S_NEXT_NS] < until_ns and count + MARGIN_ROWS <= len(rows):
        passed_ns = scalars[S_NEXT_NS] - scalars[S_EVENT_NS]
        scalars[S_EVENT_NS] = scalars[S_NEXT_NS]
        count = one_event(state, rows, count, passed_ns)
        pass_time(state)
    return count


@kernel
def write_snapshot(state: FlowState, ts_ns: int, rows: Rows) -> int:
    """Write the whole book as a snapshot; returns the number of rows."""
    base = state.scalars[S_BASE]
    count = put(rows, NONE, ts_ns, ROW_CLEAR, BUY, base, NONE)
    count = put(rows, count, ts_ns, ROW_CLEAR, SELL, base + WINDOW - 1, NONE)
    for index in range(state.scalars[S_BEST_BID] - base, -1, -1):
        lots = state.book[BID, index]
        if lots > 0:
            count = put(rows, count, ts_ns, ROW_SNAPSHOT, BUY, base + index, lots)
    for index in range(state.scalars[S_BEST_ASK] - base, WINDOW):
        lots = state.book[ASK, index]
        if lots > 0:
            count = put(rows, count, ts_ns, ROW_SNAPSHOT, SELL, base + index, lots)
    return count
