"""Bars made row by row against bars made from the list of trades, late ones and quiet times too."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import layout as k
from engine.kernels.local import QUIET_CLOSE_NS
from engine.sim.exchange import SimExchange
from engine.sim.scenario import Scenario
from tests.support.builders import linear
from tests.support.naive_exchange import BUY, SELL, Row
from tests.support.sim_orders import MID, Blocks, to_array

S = 1_000_000_000
Bar = list[int]


def naive_bars(rows: list[Row], period_ns: int) -> tuple[list[Bar], int]:
    """(closed bars, late trades). A bar closes when a trade of a later period is received, or a
    depth row stamped a second after its end; a trade of a closed bar is late and left out."""
    trades: dict[int, list[Row]] = {}
    forming: int | None = None
    first = 0
    late = 0
    for row in rows:
        if row.kind != "trade":
            settled = (row.venue_ns - QUIET_CLOSE_NS) // period_ns * period_ns
            if forming is not None:
                forming = max(forming, settled)
            continue
        start = row.venue_ns // period_ns * period_ns
        if forming is None:
            forming = first = start
        forming = max(forming, start)
        if start < forming:
            late += 1
        else:
            trades.setdefault(start, []).append(row)
    closed: list[Bar] = []
    for start in range(first, forming or 0, period_ns):
        inside = trades.get(start, [])
        prices = [row.ticks for row in inside] or [closed[-1][4]]
        closed.append(
            [start, prices[0], max(prices), min(prices), prices[-1], sum(r.lots for r in inside)]
        )
    return closed, late


rows_drawn = st.lists(
    st.tuples(
        st.sampled_from([0, S // 3, S, 4 * S]),  # since the row before
        st.sampled_from([0, 0, 0, S // 2, 2 * S]),  # it was under way
        st.sampled_from(["trade", "trade", "depth"]),
        st.integers(-5, 5),
        st.integers(1, 9),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=250, deadline=None)
@given(drawn=rows_drawn, periods_s=st.sampled_from([(1,), (5,), (1, 5, 60)]))
def test_bars_equal_those_made_from_the_list_of_trades(
    drawn: list[tuple[int, int, str, int, int]], periods_s: tuple[int, ...]
) -> None:
    now_ns = 100 * S
    rows: list[Row] = []
    for gap, delay, kind, away, lots in drawn:
        now_ns += gap
        side = BUY if away % 2 else SELL
        rows.append(Row(now_ns - delay, now_ns, kind, side, MID + away, lots))
    periods_ns = tuple(period * S for period in periods_s)
    world = SimExchange(linear(), Blocks(to_array(rows), []), Scenario(), periods_ns)
    closes = 0
    while not (wake := world.advance(1 << 60, k.WAKE_BAR)).reasons & k.WAKE_END:
        closes += bool(wake.reasons & k.WAKE_BAR)
    market = world.markets["test.BTCUSDT"]
    for frame, period_ns in enumerate(periods_ns):
        bars, late = naive_bars(rows, period_ns)
        count = int(market.bar_scalars[frame, k.F_CLOSED])
        assert market.bars[frame, :count, : k.B_COUNT].tolist() == bars
        assert market.bar_scalars[frame, k.F_LATE] == late
    assert (closes > 0) == any(naive_bars(rows, period_ns)[0] for period_ns in periods_ns)
