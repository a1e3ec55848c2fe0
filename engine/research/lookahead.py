"""Does a backtest use what could not be known yet? Two questions, put to what it did.

1. Prefix. What was decided up to an instant t on all data must be decided, order for order, on
   data that ends at t. Whoever uses the close of a bar that is still open, a window around the
   bar, a day's high before it was made or an average over the whole file decides otherwise at
   some t.
2. Fills. Every fill must be at a price that the market gave at that moment, after the order was
   sent; a resting order's only once the price has gone through its own. Whoever fills at the price
   of the signal, or at a touch as if nobody stood in front, does not pass. Asked of bars, whose
   path is stated and can be worked out again from the bars alone.

Passing is no proof: an instant that was not tried may differ. The instants tried are those at which
something was decided, where an honest strategy has the most to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from engine.domain import events as e
from engine.domain.order import OrderSpec
from engine.kernels import layout as k
from engine.kernels.layout import Int64s, Rows
from engine.ports.rows import RowSource
from engine.sim.bar_feed import POINTS, SLOTS, BarColumns, BarPath, path_points


class Decision(NamedTuple):
    ts_ns: int
    words: str


class Change(NamedTuple):
    """The first decision that the data after `cut_ns` had a say in."""

    cut_ns: int
    whole: Decision | None
    """On all data; None: nothing more was decided."""
    part: Decision | None
    """On data that ends at `cut_ns`."""


# -- decisions -----------------------------------------------------------------------------------


def decisions_of(events: Iterable[e.AnyEvent]) -> list[Decision]:
    """Everything that was asked for, what the limits refused included, in its order."""
    found = []
    for event in events:
        match event:
            case e.OrderIntended(order=order):
                found.append(Decision(event.ts_ns, _wish(order.spec)))
            case e.OrderDenied(spec=spec):
                found.append(Decision(event.ts_ns, f"{_wish(spec)}, denied"))
            case e.CancelIntended(client_order_id=order_id):
                found.append(Decision(event.ts_ns, f"cancel {order_id}"))
    return found


def _wish(spec: OrderSpec) -> str:
    at = f" at {spec.price_ticks} ticks" if spec.price_ticks else ""
    trigger = f" from {spec.trigger_ticks} ticks" if spec.trigger_ticks else ""
    return f"{spec.side} {spec.qty_lots} lots{at}{trigger}, {spec.type} {spec.tif}"


def chosen_cuts(decisions: Sequence[Decision], count: int) -> list[int]:
    """At most `count` instants of decisions, spread evenly over them, the last included."""
    times = sorted({one.ts_ns for one in decisions})
    if len(times) <= count:
        return times
    return [times[(i + 1) * len(times) // count - 1] for i in range(count)]


def first_change(whole: Sequence[Decision], part: Sequence[Decision], cut_ns: int) -> Change | None:
    """Where decisions up to `cut_ns` part; None if they are the same."""
    one, other = ([item for item in side if item.ts_ns <= cut_ns] for side in (whole, part))
    for index in range(max(len(one), len(other))):
        left = one[index] if index < len(one) else None
        right = other[index] if index < len(other) else None
        if left != right:
            return Change(cut_ns, left, right)
    return None


def find_changes(
    run: Callable[[int | None], Sequence[Decision]],
    count: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[int, list[Change]]:
    """(instants tried, those that differ). `run(cut_ns)` trades on data up to then, `run(None)` on
    all of it; `progress` is told tried and total."""
    whole = run(None)
    cuts = chosen_cuts(whole, count)
    changes = []
    for done, cut_ns in enumerate(cuts):
        change = first_change(whole, run(cut_ns), cut_ns)
        changes += [change] if change is not None else []
        if progress is not None:
            progress(done + 1, len(cuts))
    return len(cuts), changes


# -- data that ends ------------------------------------------------------------------------------


class CutSource:
    """A `RowSource` that ends like `cut_rows`."""

    def __init__(self, source: RowSource, cut_ns: int) -> None:
        self._source: RowSource | None = source
        self._cut_ns = cut_ns

    def next_block(self) -> Rows | None:
        block = self._source.next_block() if self._source is not None else None
        if block is None or not len(block):
            return block
        times = np.minimum(block["ts_local_ns"], block["ts_exch_ns"])
        if int(times.max()) > self._cut_ns:
            self._source = None
            return cut_rows(block, self._cut_ns)
        return block


def cut_rows(rows: Rows, cut_ns: int) -> Rows:
    """The rows up to `cut_ns`, and after them one that says again what was known.

    What had happened at the venue by then is kept though it was heard of later: it may have filled
    an order whose report came first. The last row lets the clock reach `cut_ns`: the world ends
    with its rows, and what is decided at that instant belongs to it.
    """
    is_past = np.minimum(rows["ts_local_ns"], rows["ts_exch_ns"]) <= cut_ns
    past: Rows = rows[is_past]
    levels = np.flatnonzero(past["kind"] == k.ROW_DEPTH)
    if not len(levels):
        return past
    last = past[levels[-1:]].copy()
    last["ts_exch_ns"] = cut_ns + 1
    last["ts_local_ns"] = max(cut_ns + 1, int(past["ts_local_ns"].max()))
    whole: Rows = np.concatenate([past, last])
    return whole


def cut_bars(bars: BarColumns, cut_ns: int) -> BarColumns:
    """The bars that had begun by then; of the one that had not ended its open alone, as if
    nothing had happened in it yet, and a volume of 1."""
    count = int(np.searchsorted(bars.start_ns, cut_ns, side="right"))
    columns = [column[:count].copy() for column in bars[1:]]
    if count and int(bars.start_ns[count - 1]) + bars.period_ns > cut_ns:
        opened = columns[1][-1]
        for column in columns[2:5]:
            column[-1] = opened
        columns[5][-1] = min(1, columns[5][-1])
    return BarColumns(bars.period_ns, *columns)


# -- fills ---------------------------------------------------------------------------------------


class _Sent(NamedTuple):
    ts_ns: int
    sign: int


def impossible_fills(
    bars: BarColumns, path: BarPath, events: Iterable[e.AnyEvent], entry_latency_ns: int
) -> list[str]:
    """Fills that the market of these bars did not give, in words."""
    times = (bars.start_ns[:, None] + np.arange(POINTS) * bars.period_ns // SLOTS).ravel()
    prices = path_points(bars, path).ravel()
    sent: dict[str, _Sent] = {}
    found = []
    for event in events:
        match event:
            case e.OrderIntended(order=order):
                sent[order.client_order_id] = _Sent(event.ts_ns, order.spec.side.sign)
            case e.OrderFilled(client_order_id=order_id):
                problem = _problem(times, prices, event, sent[order_id], entry_latency_ns)
                if problem:
                    found.append(f"{order_id} at {event.fill.venue_ns} ns: {problem}")
    return found


def _problem(
    times: Int64s, prices: Int64s, event: e.OrderFilled, sent: _Sent, entry_latency_ns: int
) -> str:
    fill, sign = event.fill, sent.sign
    arrived_ns = sent.ts_ns + entry_latency_ns
    if fill.venue_ns < arrived_ns:
        return f"filled {arrived_ns - fill.venue_ns} ns before it reached the venue"
    first, last = np.searchsorted(times, [arrived_ns, fill.venue_ns], side="right") - 1
    price = int(prices[last])
    if not fill.is_maker:
        # The touch is one tick from the price, so who takes pays at least that.
        if sign * (fill.price_ticks - price) < 1:
            return f"taken at {fill.price_ticks} ticks, better than the touch around {price}"
        return ""
    seen = prices[first : last + 1]
    through = int((sign * seen).min())
    if sign * fill.price_ticks <= through:
        return f"filled at {fill.price_ticks} ticks, which the price did not go through"
    return ""
