"""Whatever happens to a valid stream of depth diffs on its way, the book is right or in doubt.

A venue's book changes under ids; its diffs may be split elsewhere, told twice, lost, swapped or cut
off by a new connection, its snapshots may come late or be old. Never is a wrong book trusted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels import layout as k
from engine.kernels.local import local_run
from engine.ports.live import BookDoubted, BookTrusted, FeedNews
from engine.venues.keeper import Keeper
from engine.venues.quality import GuardLimits
from engine.venues.sync import BookSync, Step

MID = 1000
NS = 1_000_000
Level = tuple[int, int, int]
"""Side, ticks, lots."""

INSTRUMENT = Instrument(
    instrument_id="binance_spot.AB",
    venue="binance_spot",
    symbol="AB",
    kind=InstrumentKind.SPOT,
    base="A",
    quote="B",
    tick=Decimal(1),
    lot=Decimal(1),
)


class Diff(NamedTuple):
    previous_id: int
    last_id: int
    levels: tuple[Level, ...]


class Truth:
    """The venue: one level changes with each id; history lets any state be asked for again."""

    def __init__(self, changes: list[Level]) -> None:
        book = {(k.BUY, MID - 1): 5, (k.SELL, MID + 1): 5}
        self.states = [dict(book)]
        self.changes = changes
        for side, ticks, lots in changes:
            book[side, ticks] = lots
            if lots == 0:
                book.pop((side, ticks), None)
            self.states.append(dict(book))

    def diff(self, previous_id: int, last_id: int) -> Diff:
        """What changed in (previous_id, last_id], whole quantities as of last_id."""
        touched = {(side, ticks) for side, ticks, _ in self.changes[previous_id:last_id]}
        state = self.states[last_id]
        return Diff(
            previous_id,
            last_id,
            tuple((side, ticks, state.get((side, ticks), 0)) for side, ticks in sorted(touched)),
        )

    def snapshot(self, at_id: int) -> tuple[Level, ...]:
        return tuple((side, ticks, lots) for (side, ticks), lots in self.states[at_id].items())


class Ours:
    """What a runtime knows: a book from the sink's rows, and whether it may be trusted."""

    def __init__(self) -> None:
        self.state = k.new_market(MID, (), 1 << 12)
        self.is_trusted = False

    def on_rows(self, instrument_id: str, rows: k.Rows) -> None:
        local_run(self.state, rows, 0, len(rows), 0, 1 << 62, 0, 0)

    def on_feed(self, news: FeedNews) -> None:
        if isinstance(news, BookDoubted | BookTrusted):
            self.is_trusted = isinstance(news, BookTrusted)

    def book(self) -> dict[tuple[int, int], int]:
        base = int(self.state.scalars[k.M_BASE])
        return {
            (side, int(column) + base): int(self.state.book[row, column])
            for row, side in ((k.BID, k.BUY), (k.ASK, k.SELL))
            for column in np.flatnonzero(self.state.book[row])
        }


def rows_of(levels: tuple[Level, ...], kind: int) -> k.Rows:
    rows = np.zeros(len(levels), k.ROW)
    rows["ts_exch_ns"] = rows["ts_local_ns"] = NS
    rows["kind"] = kind
    for index, (side, ticks, lots) in enumerate(levels):
        rows[index]["side"], rows[index]["price_ticks"], rows[index]["qty_lots"] = side, ticks, lots
    return rows


def book_rows(levels: tuple[Level, ...]) -> k.Rows:
    clears = rows_of(((k.BUY, 1, 0), (k.SELL, k.NO_ASK - 1, 0)), k.ROW_CLEAR)
    return np.concatenate([clears, rows_of(levels, k.ROW_SNAPSHOT)])


bids = st.tuples(st.just(k.BUY), st.integers(MID - 20, MID - 1), st.integers(0, 3))
asks = st.tuples(st.just(k.SELL), st.integers(MID + 1, MID + 20), st.integers(0, 3))


@st.composite
def journeys(draw: st.DrawFn) -> tuple[Truth, list[Diff | int | str]]:
    """(the venue, what arrives): diffs, ids of snapshots, "cut" for a new connection."""
    changes = draw(st.lists(st.one_of(bids, asks), min_size=4, max_size=40))
    truth = Truth(changes)
    ends = sorted(draw(st.sets(st.integers(1, len(changes)), min_size=1)) | {len(changes)})
    diffs = [truth.diff(first, last) for first, last in zip([0, *ends], ends, strict=False)]
    arrivals: list[Diff | int | str] = list(diffs)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(arrivals) - 1))
        match draw(st.sampled_from(["twice", "lost", "swapped", "overlap", "cut", "late"])):
            case "twice":
                arrivals.insert(draw(st.integers(at, len(arrivals))), arrivals[at])
            case "lost":
                if len(arrivals) > 1:
                    del arrivals[at]
            case "swapped":
                other = draw(st.integers(0, len(arrivals) - 1))
                arrivals[at], arrivals[other] = arrivals[other], arrivals[at]
            case "overlap":
                first = draw(st.integers(0, len(changes) - 1))
                last = draw(st.integers(first + 1, len(changes)))
                arrivals.insert(at, truth.diff(first, last))
            case "cut":
                arrivals.insert(at, "cut")
            case _:
                arrivals.insert(at, draw(st.integers(0, len(changes))))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(arrivals)))
        arrivals.insert(at, draw(st.integers(0, len(changes))))
    return truth, arrivals


@settings(max_examples=400)
@given(journeys())
def test_a_trusted_book_is_the_venues(journey: tuple[Truth, list[Diff | int | str]]) -> None:
    truth, arrivals = journey
    ours = Ours()
    keeper = Keeper(INSTRUMENT, ours, GuardLimits())
    keeper.on_connected(NS)
    for arrival in arrivals:
        if arrival == "cut":
            keeper.on_connected(NS)
        elif isinstance(arrival, Diff):
            rows = rows_of(arrival.levels, k.ROW_DEPTH)
            keeper.on_depth(rows, arrival.previous_id, arrival.last_id, 1, NS)
        elif isinstance(arrival, int) and keeper.wants_snapshot:
            keeper.on_snapshot(arrival, book_rows(truth.snapshot(arrival)), NS)
        if ours.is_trusted:
            assert not keeper.wants_snapshot
            assert ours.book() == truth.states[keeper.stands_at]


@given(journeys())
def test_an_undamaged_stream_is_trusted_in_the_end(
    journey: tuple[Truth, list[Diff | int | str]],
) -> None:
    """However it is split, and wherever in it the snapshot was taken."""
    truth, _ = journey
    last = len(truth.changes)
    for taken in (0, last // 2, last):
        ours = Ours()
        keeper = Keeper(INSTRUMENT, ours, GuardLimits())
        keeper.on_connected(NS)
        for first in range(0, last, 3):
            diff = truth.diff(first, min(first + 3, last))
            keeper.on_depth(
                rows_of(diff.levels, k.ROW_DEPTH), diff.previous_id, diff.last_id, 1, NS
            )
        is_whole = len({side for side, _ in truth.states[taken]}) == 2
        assert keeper.on_snapshot(taken, book_rows(truth.snapshot(taken)), NS) is is_whole
        if is_whole:
            assert ours.book() == truth.states[last]
            sides = {side for side, _ in truth.states[last]}
            assert ours.is_trusted is (len(sides) == 2)


def _keeper_of(levels: tuple[Level, ...], limits: GuardLimits | None = None) -> Keeper:
    keeper = Keeper(INSTRUMENT, Ours(), limits or GuardLimits())
    keeper.on_connected(NS)
    assert keeper.on_snapshot(0, book_rows(levels), NS)
    return keeper


near = st.dictionaries(st.integers(1, 12), st.integers(1, 3), min_size=1, max_size=8)


def _best(bids: dict[int, int], asks: dict[int, int], most: int) -> tuple[Level, ...]:
    """By distance from the mid, best first."""
    return (
        *((k.BUY, MID - off, lots) for off, lots in sorted(bids.items())[:most]),
        *((k.SELL, MID + off, lots) for off, lots in sorted(asks.items())[:most]),
    )


@given(near, near, near, near)
def test_a_proof_is_one_of_both_sides_level_by_level(
    bids: dict[int, int], asks: dict[int, int], more: dict[int, int], other: dict[int, int]
) -> None:
    ours = _best(bids, asks, 99)
    keeper = _keeper_of(ours)
    told = _best(bids, asks, 5)
    assert keeper.stands_as(book_rows(told))
    for theirs in (_best(more, asks, 5), _best(bids, other, 5), _best(more, other, 5)):
        same = all(
            level in ours and [one for one in ours if one[0] == side][: len(found)] == found
            for side in (k.BUY, k.SELL)
            for found in [[one for one in theirs if one[0] == side]]
            for level in found
        )
        assert keeper.stands_as(book_rows(theirs)) is same
    assert not keeper.stands_as(book_rows(tuple(one for one in told if one[0] == k.BUY)))
    assert not keeper.stands_as(book_rows(tuple(one for one in told if one[0] == k.SELL)))
    assert not keeper.stands_as(book_rows(()))


def test_a_proof_of_a_market_elsewhere_or_of_fewer_levels_is_none() -> None:
    keeper = _keeper_of(((k.BUY, MID - 1, 5), (k.BUY, MID - 2, 5), (k.SELL, MID + 1, 5)))
    away = 1 << 40
    assert not keeper.stands_as(book_rows(((k.BUY, away, 1), (k.SELL, away + 1, 1))))
    assert not keeper.stands_as(book_rows(((k.BUY, MID - 2, 5), (k.SELL, MID + 1, 5))))
    # A level so far off that no window holds it says nothing; the best ones do.
    far = ((k.BUY, MID - 1, 5), (k.BUY, MID - 2, 5), (k.SELL, MID + 1, 5), (k.SELL, away, 1))
    assert keeper.stands_as(book_rows(far))


def test_a_side_that_is_empty_with_us_and_them_stands() -> None:
    keeper = _keeper_of(((k.BUY, MID - 1, 5), (k.SELL, MID + 1, 5)))
    keeper.on_depth(rows_of(((k.SELL, MID + 1, 0),), k.ROW_DEPTH), 0, 1, 1, NS)
    assert keeper.doubt == "no asks"
    assert keeper.stands_as(book_rows(((k.BUY, MID - 1, 5),)))
    keeper.on_proof(NS)
    assert keeper.doubt == "no asks"


def test_a_book_gets_no_younger_by_trades() -> None:
    limits = GuardLimits()
    keeper = _keeper_of(((k.BUY, MID - 1, 5), (k.SELL, MID + 1, 5)), limits)
    keeper.on_proof(NS)
    trade = rows_of(((k.BUY, MID + 1, 1),), k.ROW_TRADE)
    now = NS
    for count in range(12):
        assert bool(keeper.doubt) is (now - NS > limits.quiet_ns_max)
        now += 1_000_000_000
        keeper.on_trade(trade, count, now // NS, now)
        keeper.on_tick(now)
    assert keeper.is_getting_quiet(now)
    assert keeper.doubt.startswith("stale")
    assert not keeper.stands_as(book_rows(((k.BUY, MID - 1, 5), (k.SELL, MID + 1, 5))))


@given(
    st.lists(st.tuples(st.integers(-1, 30), st.integers(-1, 30)), max_size=30), st.integers(0, 30)
)
def test_any_ids_are_followed_without_an_error(ids: list[tuple[int, int]], at: int) -> None:
    """Ids that no valid stream has join nothing they do not touch."""
    sync = BookSync()
    rows = np.zeros(0, k.ROW)
    for count, (previous, last) in enumerate(ids):
        if count == at:
            sync.join(at)
        before, joined = sync.last_id, sync.is_joined
        step = sync.follow(previous, last, rows)
        if step is Step.APPLY:
            assert joined
            assert previous <= before < last == sync.last_id
        elif step is Step.OLD:
            assert last <= before == sync.last_id
        else:
            assert not sync.is_joined
