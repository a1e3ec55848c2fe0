"""The same random market and requests for `SimExchange` and for `NaiveExchange`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from engine.domain import reports as r
from engine.domain.instrument import Instrument
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.rows import RowSource
from engine.ports.venue import Cancel, Submit, VenueRequest
from engine.sim.exchange import SimExchange
from engine.sim.funding import FundingPlan
from engine.sim.impact import Impact
from engine.sim.latency import Latency, RoundTrips, Spread
from engine.sim.margin import MarginPlan, MarginTier
from engine.sim.refusals import Refusals
from engine.sim.scenario import FillMode, Scenario, SelfTrade, parse_queue
from tests.support.builders import linear
from tests.support.naive_exchange import (
    BUY,
    SELL,
    Ask,
    Delay,
    Filters,
    Margin,
    NaiveExchange,
    Row,
    Said,
)
from tests.support.naive_latency import delays

MID = 50_000
QUEUES = ["risk-averse", "trades-only", "log-prob-1", "log-prob-2"]
QUEUES += [f"power-prob-{power}" for power in (1, 2, 3)]
KINDS = {"depth": k.ROW_DEPTH, "trade": k.ROW_TRADE, "clear": k.ROW_CLEAR}
REASONS = {
    "": "",
    "post-only: it would have taken": "post-only",
    "nothing more within its limit": "ioc",
    "not enough within its limit to fill it whole": "fok",
    "reduce-only: no position to reduce": "reduce-only",
    "order is not working": "not working",
    "self-trade prevention: it would have met an order of this account": "self-trade",
    "ended by the venue: the position was liquidated": "liquidation",
}

REJECTS = {"-4003": "size", "-4164": "notional", "-4016": "band", "-4024": "band"}


class Case(NamedTuple):
    rows: list[Row]
    requests: list[tuple[int, Ask]]
    """(sent at, what), in the order of sending."""
    entry_ns: int
    response_ns: int
    whole_fills: bool
    queue: str
    latency: Latency | None = None
    """Instead of the two constants."""
    seed: int = 0
    filters: Filters | None = None
    funding_every_ns: int = 0
    margin: Margin | None = None
    self_trade: str = "none"
    half_life_ns: int = 0
    beyond: float = 0.0

    def instrument(self) -> Instrument:
        rules = self.filters or Filters()
        tick_lot = Decimal("0.0001")  # of `linear()`
        return linear(
            venue="binance_usdm",
            min_lots=rules.min_lots,
            min_notional=rules.min_value.numerator * tick_lot / rules.min_value.denominator,
        )

    def refusals(self) -> Refusals:
        if self.filters is None:
            return Refusals()
        band = self.filters.band
        return Refusals(filters=True, price_band=Decimal(band.numerator) / band.denominator)

    def funding(self) -> FundingPlan | None:
        if not self.funding_every_ns:
            return None
        return FundingPlan(rate=Decimal("0.001"), interval_ns=self.funding_every_ns)

    def margin_plan(self) -> MarginPlan | None:
        if self.margin is None:
            return None
        unit = Decimal("0.0001")  # Money of one lot x tick, see `linear()`.
        tiers = [
            MarginTier(*(Decimal(value.numerator) / value.denominator for value in tier))
            for tier in self.margin.tiers
        ]
        return MarginPlan(
            leverage=Decimal(self.margin.leverage.numerator),
            tiers=tuple(
                MarginTier(tier.value_min * unit, tier.rate, tier.deduction * unit)
                for tier in tiers
            ),
        )

    def naive(self) -> list[Said]:
        if self.latency is None:
            entry, response = constant(self.entry_ns), constant(self.response_ns)
        else:
            entry, response = delays(self.latency, self.seed)
        exchange = NaiveExchange(
            entry,
            response,
            self.whole_fills,
            self.queue,
            self.filters,
            self.funding_every_ns,
            self.margin,
            self.self_trade,
            self.half_life_ns,
            self.beyond,
        )
        said = exchange.run(self.rows, self.requests)
        # Without a mid there is nothing to pay, and nothing is said of it.
        return [one for one in said if one.word != "Funding" or one.ticks]

    def scenario(self) -> Scenario:
        return Scenario(
            entry_latency_ns=self.entry_ns,
            response_latency_ns=self.response_ns,
            latency=self.latency,
            seed=self.seed,
            refusals=self.refusals(),
            funding=self.funding(),
            margin=self.margin_plan(),
            self_trade=SelfTrade(self.self_trade),
            impact=Impact(
                half_life_ns=self.half_life_ns,
                beyond=Decimal(1 if self.beyond else 0),
                volatility=Decimal(self.beyond),
                volume=Decimal("0.001"),
            ),
            queue=parse_queue(self.queue),
            fills=FillMode.WHOLE if self.whole_fills else FillMode.PARTIAL,
        )


# -- chance ------------------------------------------------------------------------------------

_ROWS = st.tuples(
    st.integers(0, 3),  # ns since the row before, on our clock
    st.integers(0, 4),  # ns it was under way: the venue's stamps may run backward
    st.sampled_from(["depth"] * 8 + ["trade"] * 5 + ["clear"]),
    st.sampled_from([BUY, SELL]),
    st.integers(-5, 5),
    st.integers(0, 12),
)
_ORDERS = st.tuples(
    st.sampled_from(["limit"] * 6 + ["market", "stop", "stop_limit"]),
    st.sampled_from(["gtc"] * 4 + ["post_only", "ioc", "fok"]),
    st.sampled_from([BUY, SELL]),
    st.integers(1, 15),
    st.integers(-5, 5),
    st.integers(-4, 4),
    st.sampled_from([False] * 4 + [True]),
    st.sampled_from("ab"),
)
_REQUESTS = st.tuples(st.integers(0, 6), st.integers(0, 5), st.integers(1, 8), _ORDERS)


_TIMES = st.lists(st.integers(990, 1100), min_size=1, max_size=5, unique=True).map(sorted)
_SPREADS = st.builds(
    lambda low, wide, chance, spike, more: Spread(
        low_ns=low,
        high_ns=low + wide,
        spike_chance=Decimal(chance),
        spike_low_ns=spike,
        spike_high_ns=spike + more,
    ),
    st.integers(0, 5),
    st.integers(0, 9),
    st.sampled_from(["0", "0.25", "1"]),
    st.integers(0, 5),
    st.integers(0, 9),
)


@st.composite
def _round_trips(draw: st.DrawFn) -> RoundTrips:
    times = draw(_TIMES)
    columns = st.lists(st.integers(0, 9), min_size=len(times), max_size=len(times)).map(tuple)
    return RoundTrips(ts_ns=tuple(times), req_ns=draw(columns), resp_ns=draw(columns))


LATENCIES = st.one_of(_SPREADS, _round_trips())

FILTERS = st.builds(
    Filters,
    st.integers(1, 6),
    st.integers(0, 600_000).map(Fraction),
    st.sampled_from([Fraction(0), Fraction(2, 100_000), Fraction(1, 10_000)]),
)

# Rates and leverages are powers of two: then the kernel's floats are exact as well.
MARGINS = st.sampled_from(
    [
        Margin(Fraction(1 << 13), [(Fraction(0), Fraction(1, 1 << 15), Fraction(0))]),
        Margin(Fraction(1 << 14), [(Fraction(0), Fraction(1, 1 << 16), Fraction(0))]),
        Margin(
            Fraction(1 << 13),
            [
                (Fraction(0), Fraction(1, 1 << 15), Fraction(0)),
                (Fraction(200_000), Fraction(1, 1 << 14), Fraction(200_000, 1 << 15)),
            ],
        ),
    ]
)


@st.composite
def margin_cases(draw: st.DrawFn) -> Case:
    """Owner a begins with a position, an order to close part of it and a stop far away."""
    case, side = draw(cases()), draw(st.sampled_from([BUY, SELL]))
    start_ns, lots = case.rows[0].local_ns, draw(st.integers(1, 9))
    opening = [
        Ask("x1", side=side, lots=lots, kind="market", tif="ioc"),
        Ask("x2", side=-side, lots=2, ticks=MID + 6 * side),
        Ask("x3", side=side, lots=1, kind="stop", tif="ioc", trigger=MID + 9 * side),
    ]
    requests = [*((start_ns, ask) for ask in opening), *case.requests]
    return case._replace(requests=requests, margin=draw(MARGINS))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = _rows(draw(st.lists(_ROWS, min_size=1, max_size=60)))
    return Case(
        rows,
        _requests(draw(st.lists(_REQUESTS, max_size=25)), rows[0].local_ns),
        entry_ns=draw(st.integers(0, 5)),
        response_ns=draw(st.integers(0, 5)),
        whole_fills=draw(st.booleans()),
        queue=draw(st.sampled_from(QUEUES)),
    )


def _rows(drawn: Sequence[tuple[int, int, str, int, int, int]]) -> list[Row]:
    """First a small book, then what was drawn."""
    rows = [
        Row(1000, 1000, "depth", side, MID - side * away, 5) for away in (1, 2) for side in (1, -1)
    ]
    now_ns = 1000
    for gap, delay, kind, side, away, lots in drawn:
        now_ns += gap
        lots = max(lots, 1) if kind == "trade" else lots
        rows.append(Row(now_ns - delay, now_ns, kind, side, MID + away, lots))
    return rows


def _requests(drawn: Sequence[tuple[int, int, int, tuple]], start_ns: int) -> list:  # type: ignore[type-arg]
    requests: list[tuple[int, Ask]] = []
    now_ns = start_ns
    for number, (gap, what, back, order) in enumerate(drawn):
        now_ns += gap
        if what == 0:
            # Of a recent order, or of one that never was.
            requests.append((now_ns, Ask(f"o{number - back}", is_cancel=True)))
            continue
        kind, tif, side, lots, away, trigger, reduce_only, owner = order
        requests.append(
            (
                now_ns,
                Ask(
                    f"o{number}",
                    side=side,
                    lots=lots,
                    ticks=MID + away if kind in ("limit", "stop_limit") else 0,
                    kind=kind,
                    tif=tif,
                    trigger=MID + trigger if kind in ("stop", "stop_limit") else 0,
                    reduce_only=reduce_only,
                    owner=owner,
                ),
            )
        )
    return requests


def constant(delay_ns: int) -> Delay:
    return lambda number, at_ns: delay_ns


# -- the engine's own --------------------------------------------------------------------------


def to_array(rows: Sequence[Row]) -> k.Rows:
    array = np.zeros(len(rows), k.ROW)
    for index, row in enumerate(rows):
        fields = (row.venue_ns, row.local_ns, row.ticks, row.lots, KINDS[row.kind], row.side)
        array[index] = fields
    return array


def to_request(ask: Ask) -> VenueRequest:
    if ask.is_cancel:
        return Cancel(client_order_id=ask.order_id)
    spec = OrderSpec(
        instrument_id="test.BTCUSDT",
        side=Side.BUY if ask.side == BUY else Side.SELL,
        qty_lots=ask.lots,
        type=OrderType(ask.kind),
        price_ticks=ask.ticks,
        trigger_ticks=ask.trigger,
        tif=TimeInForce(ask.tif),
        reduce_only=ask.reduce_only,
    )
    return Submit(client_order_id=ask.order_id, bot_id=ask.owner, spec=spec)


def to_said(report: r.AnyVenueReport) -> Said:
    word = type(report).__name__.removesuffix("Report")
    if isinstance(report, r.FundingReport):
        said = Said(word, report.bot_id, report.venue_ns, report.received_ns)
        assert report.amount == report.lots * report.mark * report.rate / 1000
        return said._replace(ticks=int(report.mark * 20), lots=report.lots)
    said = Said(word, report.client_order_id, report.venue_ns, report.received_ns)
    if isinstance(report, r.FillReport):
        fill = report.fill
        return said._replace(
            ticks=fill.price_ticks,
            lots=fill.lots,
            is_maker=fill.is_maker,
            ahead=fill.queue_ahead_lots,
            front=fill.queue_left_lots,
            volume=fill.level_volume_lots,
        )
    if isinstance(report, r.AcceptReport):
        return said._replace(ahead=report.queue_ahead_lots)
    if isinstance(report, r.LiquidationReport):
        return said._replace(ticks=report.due_ticks, lots=report.spec.qty_lots)
    if isinstance(report, r.RejectReport):
        return said._replace(reason=REJECTS[report.reason.partition(" ")[0]])
    return said._replace(reason=REASONS[getattr(report, "reason", "")])


class Blocks(RowSource):
    """Hands out rows cut at the given places, as far as both clocks allow a cut there."""

    def __init__(self, rows: k.Rows, cuts: Sequence[int]) -> None:
        self._blocks: list[k.Rows] = []
        start = 0
        for cut in sorted({*cuts, len(rows)}):
            before, after = rows[:cut], rows[cut:]
            if len(after) and before["ts_exch_ns"].max() > after["ts_exch_ns"].min():
                continue
            self._blocks.append(rows[start:cut].copy())
            start = cut

    def next_block(self) -> k.Rows | None:
        return self._blocks.pop(0) if self._blocks else None


def play(
    case: Case,
    steps: Sequence[int] = (),
    cuts: Sequence[int] = (),
    mask: int = 0,
    stops: list[tuple[int, int]] | None = None,
) -> list[Said]:
    """What `SimExchange` says. Between requests the time is cut into `steps` ns, over and over;
    with `cuts` the rows come in blocks; `stops` collects where it stopped for `mask`, and why."""
    rows = to_array(case.rows)
    source = Blocks(rows, cuts) if cuts else rows
    world = SimExchange(case.instrument(), source, case.scenario())
    said: list[Said] = []
    step = 0
    waiting = list(case.requests)
    while True:
        until_ns = waiting[0][0] if waiting else 1 << 60
        if steps and world.now_ns < until_ns:
            until_ns = min(until_ns, world.now_ns + steps[step % len(steps)])
            step += 1
        wake = world.advance(until_ns, mask)
        said += [to_said(report) for report in world.drain_reports()]
        if stops is not None:
            stops.append((wake.ts_ns, wake.reasons))
        has_ended = wake.reasons & k.WAKE_END
        # The instant of a request must be over before it is sent.
        if waiting and (wake.ts_ns >= waiting[0][0] or has_ended):
            due = [ask for sent_ns, ask in waiting if sent_ns == waiting[0][0]]
            world.submit([to_request(ask) for ask in due], waiting[0][0])
            del waiting[: len(due)]
        elif has_ended:
            return said
