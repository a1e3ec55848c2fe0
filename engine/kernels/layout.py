"""The contract between kernels and the rest: dtypes, array shapes and every integer code.

Everything is int64 ticks, lots and nanoseconds unless a comment says otherwise. Converting to and
from domain values happens outside (`engine.sim`, `engine.market`, `engine.archive`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Rows = npt.NDArray[np.void]

# -- market rows -----------------------------------------------------------------------------

ROW = np.dtype(
    [
        ("ts_exch_ns", np.int64),  # the venue's clock: when it happened
        ("ts_local_ns", np.int64),  # our clock: when we could know
        ("price_ticks", np.int64),
        ("qty_lots", np.int64),
        ("kind", np.uint8),  # one of the ROW_ codes
        ("side", np.int8),  # BUY: bid level or buying aggressor; SELL: ask or selling aggressor
    ],
    align=True,
)
"""One market row. Rows lie in the order in which they were received."""

ROW_DEPTH = 1
"""The level `price_ticks` of `side` now holds `qty_lots` in all (0: the level is gone)."""
ROW_TRADE = 2
"""`qty_lots` traded at `price_ticks`; `side` is the aggressor's."""
ROW_SNAPSHOT = 3
"""Like ROW_DEPTH, part of a whole book; always after the ROW_CLEARs of its snapshot."""
ROW_CLEAR = 4
"""Every level of `side` from the best one to `price_ticks` inclusive is gone."""

BUY = 1
SELL = -1

BID = 0
ASK = 1
"""Rows of a book array: `book[BID]`, `book[ASK]`."""

# -- what we know of one market (the local side) ----------------------------------------------

NO_BID = -(1 << 62)
NO_ASK = 1 << 62
"""Best price of an empty side."""

# Indices of `MarketState.scalars`
M_BASE = 0  # tick of book column 0
M_BEST_BID = 1  # ticks, NO_BID when the side is empty
M_BEST_ASK = 2
M_LOW_BID = 3  # no bid lies below this tick (a bound, not exact)
M_HIGH_ASK = 4  # no ask lies above this tick
M_NOW_NS = 5  # local time up to which rows are included
M_ROWS = 6  # rows applied
M_READY = 7  # 1 once a snapshot has been seen and both sides hold a level
M_FAR = 8  # depth rows outside the window, ignored
M_CROSSED = 9  # times the touch was found crossed or locked after a whole message
M_TOP_VERSION = 10  # counts changes of best price or best quantity
M_TRADES = 11  # trades seen; the newest lies at tape[(M_TRADES - 1) % len(tape)]
M_LAST_TICKS = 12  # last trade
M_LAST_LOTS = 13
M_LAST_SIDE = 14
M_LAST_NS = 15  # local time of the last trade
M_EXCH_NS = 16  # newest venue time seen
M_VOLUME = 17  # lots traded since the start
M_QUIET_NS = 18  # venue time from which a depth row closes a bar, trades or not
MARKET_SCALARS = 24

# Columns of `MarketState.tape`
T_NS, T_TICKS, T_LOTS, T_SIDE = range(4)
TAPE_LENGTH = 1024

# Columns of `MarketState.bars[timeframe, i]` and of `bar_scalars[timeframe]`
B_START_NS, B_OPEN, B_HIGH, B_LOW, B_CLOSE, B_VOLUME, B_COUNT = range(7)
BAR_COLUMNS = 7
BARS_LENGTH = 2048
F_PERIOD_NS = 0
F_CLOSED = 1  # closed bars so far; bar n lies at bars[timeframe, n % BARS_LENGTH]
F_LATE = 2  # trades that came after their bar had closed, left out
F_OPEN = 3  # 1 while the forming bar at index F_CLOSED holds something
BAR_SCALARS = 4

BOOK_WINDOW_TICKS = 1 << 20
"""The most ticks a book covers; it moves along with the price."""


def window_for(mid_ticks: int) -> int:
    """Ticks to cover around `mid_ticks`: an eighth of the price to either side or more, a power
    of two. Levels farther away are ignored and counted (M_FAR)."""
    window = 1 << 14
    while window < mid_ticks // 4 and window < BOOK_WINDOW_TICKS:
        window <<= 1
    return window


class MarketState(NamedTuple):
    """One instrument as seen locally. Allocated by `new_market`, advanced by kernels only.

    book         int64[2, window]        lots by side and tick - base
    scalars      int64[MARKET_SCALARS]   see the M_ codes
    tape         int64[TAPE_LENGTH, 4]   ring of the latest trades
    bars         int64[F, BARS_LENGTH, BAR_COLUMNS]  rings of bars, one per timeframe
    bar_scalars  int64[F, BAR_SCALARS]   see the F_ codes
    """

    book: Int64s
    scalars: Int64s
    tape: Int64s
    bars: Int64s
    bar_scalars: Int64s


def new_market(
    mid_ticks: int,
    periods_ns: tuple[int, ...] = (),
    window_ticks: int = BOOK_WINDOW_TICKS,
) -> MarketState:
    """An empty market whose book window is centred on `mid_ticks`, with bars of `periods_ns`.

    The arrays come zeroed from the system: untouched parts of the window cost no memory.
    """
    scalars = np.zeros(MARKET_SCALARS, np.int64)
    scalars[M_BASE] = mid_ticks - window_ticks // 2
    scalars[M_BEST_BID] = NO_BID
    scalars[M_BEST_ASK] = NO_ASK
    scalars[M_LOW_BID] = NO_ASK
    scalars[M_HIGH_ASK] = NO_BID
    scalars[M_QUIET_NS] = NO_ASK
    frames = max(1, len(periods_ns))
    bar_scalars = np.zeros((frames, BAR_SCALARS), np.int64)
    for index, period in enumerate(periods_ns):
        bar_scalars[index, F_PERIOD_NS] = period
    return MarketState(
        book=np.zeros((2, window_ticks), np.int64),
        scalars=scalars,
        tape=np.zeros((TAPE_LENGTH, 4), np.int64),
        bars=np.zeros((frames, BARS_LENGTH, BAR_COLUMNS), np.int64),
        bar_scalars=bar_scalars,
    )


# -- why a kernel handed control back ----------------------------------------------------------

WAKE_UNTIL = 1  # the asked time was reached
WAKE_REPORT = 2  # an answer or fill of the venue has been received
WAKE_TOP = 4  # best price or quantity changed
WAKE_TRADE = 8  # a trade was received
WAKE_BAR = 16  # a bar of some timeframe closed
WAKE_END = 32  # no row is left

# -- the exchange side: own orders, requests, answers ------------------------------------------

O_SIDE = 0  # BUY or SELL
O_TICKS = 1  # limit price; 0 for market
O_LEAVES = 2  # lots still to fill
O_KIND = 3  # KIND_ codes
O_TIF = 4  # TIF_ codes
O_TRIGGER = 5  # ticks; 0 for none
O_REDUCE = 6  # 1: reduce-only
O_OWNER = 7  # index into `ExchangeState.positions`
O_STATE = 8  # STATE_ codes
O_AHEAD = 9  # lots ahead when it joined its level; -1 before
ORDER_COLUMNS = 10

KIND_LIMIT, KIND_MARKET, KIND_STOP, KIND_STOP_LIMIT = range(4)
TIF_GTC, TIF_IOC, TIF_FOK, TIF_POST_ONLY, TIF_LIQUIDATION = range(5)
"""LIQUIDATION: IOC of the venue's own."""
STATE_FREE, STATE_SENT, STATE_RESTING, STATE_PARKED, STATE_DONE = range(5)
"""PARKED: a stop that waits for its trigger."""

Q_ARRIVAL_NS, Q_KIND, Q_SLOT, Q_REASON = range(4)
REQUEST_COLUMNS = 4
REQUEST_NEW, REQUEST_CANCEL = 1, 2
"""With a Q_REASON other than REASON_NONE the venue refuses the request for it on arrival."""

A_RECEIVED_NS, A_EXCH_NS, A_KIND, A_SLOT, A_TICKS, A_LOTS, A_MAKER, A_AHEAD, A_REASON, A_FINAL = (
    range(10)
)
A_FRONT = 10  # lots still ahead of it in its level; of orders that have rested
A_TRADED = 11  # lots traded at its price or beyond since it rests
ANSWER_COLUMNS = 12
ANSWER_ACCEPT, ANSWER_FILL, ANSWER_CANCEL, ANSWER_CANCEL_REJECT = 1, 2, 3, 4
ANSWER_EXPIRE, ANSWER_TRIGGER, ANSWER_REJECT = 5, 6, 7
ANSWER_FUNDING = 8  # A_SLOT: owner, A_LOTS: position, A_TICKS: best bid + best ask, 0 unknown
ANSWER_LIQUIDATION = (
    9  # an order of the venue: A_LOTS to close, A_TICKS the price that it was due at
)

REASON_NONE = 0
REASON_POST_ONLY = 1  # would have taken
REASON_IOC = 2  # remainder of an IOC or market order
REASON_FOK = 3  # not enough within the limit
REASON_REDUCE_ONLY = 4  # nothing to reduce
REASON_NOT_WORKING = 5  # cancel of an order that is not there any more
REASON_OVERLOAD = 6  # refused by chance
REASON_OUTAGE = 7  # arrived while the venue was down
REASON_MIN_LOTS = 8  # filters, see `engine.sim.refusals`
REASON_MIN_VALUE = 9
REASON_BAND_HIGH = 10
REASON_BAND_LOW = 11
REASON_LIQUIDATION = 12  # the position was liquidated
REASON_SELF_TRADE = 13  # it would have traded with an order of the same account

ORDER_SLOTS = 8192
REQUESTS_LENGTH = 4096
ANSWERS_LENGTH = 16384
LIVE_MAX = 2048
MARKS = 1024  # a power of two
OWNERS = 1024

# Indices of `ExchangeState.control`
X_NOW_NS = 0  # the local clock
X_ROWS = 1  # rows loaded
X_EXCH_ROW = 2  # next row of the exchange side, an index into `exch_order`
X_LOCAL_ROW = 3  # next row of the local side
X_MORE = 4  # 1 while the source may have further rows
X_REQ_HEAD, X_REQ_TAIL = 5, 6  # counters; ring index is counter % length
X_ANS_HEAD, X_ANS_TAIL = 7, 8  # head: answers received locally
X_LAST_ANSWER_NS = 9
X_RESPONSE_NS = 10  # response latency; where it varies, no answer is faster
X_QUEUE_MODEL = 11  # QUEUE_ codes
X_WHOLE_FILLS = 12  # 1: a resting order fills in one piece
X_BUYS, X_SELLS, X_STOPS = 13, 14, 15  # live orders per list
X_BUY_LOW, X_BUY_HIGH = 16, 17  # price range of resting buys (bounds)
X_SELL_LOW, X_SELL_HIGH = 18, 19
X_TOP_VERSION = 20  # M_TOP_VERSION when control was last handed back
X_OVERFLOW = 21  # 1: a ring was full; the run cannot be trusted
X_PENDING = 22  # reasons of the present instant, kept over a WAKE_MORE
X_EXCH_NS = 23  # the exchange's clock: its last row or request
X_LATENCY = 24  # LATENCY_ codes: where the response latency comes from
X_FILTERS = 25  # 1: orders are checked on arrival
X_MIN_LOTS = 26
X_MIN_VALUE_X2 = 27  # twice the least lots x ticks
X_BAND = 28  # of BAND_UNIT: how far beyond the mid a limit price may be; 0: no band
X_STAMP_NS = 29  # next funding stamp, by the venue's clock
X_STAMP_EVERY_NS = 30  # 0: no funding
X_OWNERS = 31  # owners so far
X_MARGIN = 32  # MARGIN_ codes
X_SELF_TRADE = 33  # SELF_TRADE_ codes
X_EATEN = 34  # levels that we took from and that have not recovered
CONTROL_LENGTH = 64

QUEUE_RISK_AVERSE, QUEUE_POWER_PROB, QUEUE_LOG_PROB_1, QUEUE_LOG_PROB_2, QUEUE_TRADES_ONLY = (
    1,
    2,
    3,
    4,
    5,
)

BAND_UNIT = 1_000_000
SELF_TRADE_NONE, SELF_TRADE_TAKER, SELF_TRADE_MAKER, SELF_TRADE_BOTH = range(4)

# Columns of `ExchangeState.eaten`
EATEN_SIDE, EATEN_TICKS, EATEN_NS = range(3)
EATEN_PARTS = 3  # what was gone at EATEN_NS, in 2^-20 lots
EATEN_COLUMNS = 4
EATEN_MAX = 512

# Indices of `ExchangeState.impact`
I_HALF_LIFE_NS = 0  # 0: holes close with the level's next depth row
I_BEYOND = 1  # share of the price per square root of a lot beyond the book; 0: nothing there
MARGIN_NONE, MARGIN_LINEAR, MARGIN_INVERSE = range(3)
G_SIDE = 0  # of the order that would close the position; 0: no position, or no such price
G_TICKS = 1  # liquidation price
G_SLOT = 2  # kept for that order; -1 while the last one's news is under way
LATENCY_CONSTANT, LATENCY_DRAWN, LATENCY_RECORDED = range(3)

# Indices of `ExchangeState.shape`, see `engine.kernels.latency`
L_LOW_NS, L_HIGH_NS, L_SPIKE_CHANCE, L_SPIKE_LOW_NS, L_SPIKE_HIGH_NS, L_SEED = range(6)
LATENCY_COLUMNS = 6

ANSWERS_PASS = 128
"""In a mask: answers are received in passing, none of them is a reason; for compiled strategies,
which look at them only when they wake up."""

WAKE_MORE = 64  # the source must be asked for more rows; never seen outside `engine.sim`


class ExchangeState(NamedTuple):
    """The exchange's side of one instrument. Allocated by `new_exchange`.

    book       int64[2, window], scalars int64[MARKET_SCALARS]   as in MarketState
    control    int64[CONTROL_LENGTH]                 see the X_ codes
    orders     int64[ORDER_SLOTS, ORDER_COLUMNS]     see the O_ codes
    fronts     float64[ORDER_SLOTS, 3]               lots ahead in the queue, lots traded at the
                                                     level since its last depth row, lots traded
                                                     at its price or beyond since it rests
    live       int64[3, LIVE_MAX]                    slots of resting buys, resting sells and
                                                     parked stops, oldest first
    marks      int32[2, MARKS]                       resting orders by side and tick % MARKS
    requests   int64[REQUESTS_LENGTH, 4]  ring       see the Q_ codes
    answers    int64[ANSWERS_LENGTH, 12]  ring       see the A_ codes
    positions  int64[OWNERS]                         lots by owner
    queue      float64[1]                            parameter of the queue model
    shape      int64[6]                              response latency drawn, see the L_ codes
    delays     int64[2, n]                           response latency recorded: times, delays
    guards     int64[OWNERS, 3]                      where an owner is liquidated, see the G_ codes
    costs      float64[OWNERS]                       entry value of the position: lots x ticks, if
                                                     inverse lots / ticks
    tiers      float64[n, 3]                         value from which it applies, maintenance rate,
                                                     deduction; see `engine.sim.margin`
    margin     float64[1]                            1 / leverage
    eaten      int64[EATEN_MAX, 4]                   levels that we took from, oldest first, see the
                                                     EATEN_ codes
    impact     float64[2]                            see the I_ codes
    """

    book: Int64s
    scalars: Int64s
    control: Int64s
    orders: Int64s
    fronts: Float64s
    live: Int64s
    marks: Int32s
    requests: Int64s
    answers: Int64s
    positions: Int64s
    queue: Float64s
    shape: Int64s
    delays: Int64s
    guards: Int64s
    costs: Float64s
    tiers: Float64s
    margin: Float64s
    eaten: Int64s
    impact: Float64s


def new_exchange(mid_ticks: int, window_ticks: int = BOOK_WINDOW_TICKS) -> ExchangeState:
    market = new_market(mid_ticks, (), window_ticks)
    control = np.zeros(CONTROL_LENGTH, np.int64)
    control[X_BUY_LOW] = control[X_SELL_LOW] = NO_ASK
    control[X_BUY_HIGH] = control[X_SELL_HIGH] = NO_BID
    return ExchangeState(
        book=market.book,
        scalars=market.scalars,
        control=control,
        orders=np.zeros((ORDER_SLOTS, ORDER_COLUMNS), np.int64),
        fronts=np.zeros((ORDER_SLOTS, 3), np.float64),
        live=np.zeros((3, LIVE_MAX), np.int64),
        marks=np.zeros((2, MARKS), np.int32),
        requests=np.zeros((REQUESTS_LENGTH, REQUEST_COLUMNS), np.int64),
        answers=np.zeros((ANSWERS_LENGTH, ANSWER_COLUMNS), np.int64),
        positions=np.zeros(OWNERS, np.int64),
        queue=np.zeros(1, np.float64),
        shape=np.zeros(LATENCY_COLUMNS, np.int64),
        delays=np.zeros((2, 1), np.int64),
        guards=np.zeros((0, 3), np.int64),
        costs=np.zeros(0, np.float64),
        tiers=np.zeros((0, 3), np.float64),
        margin=np.zeros(1, np.float64),
        eaten=np.zeros((EATEN_MAX, EATEN_COLUMNS), np.int64),
        impact=np.zeros(2, np.float64),
    )
