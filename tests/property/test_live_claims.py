"""Claims in any order, lost and repeated: the books end where the venue is, each trade once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import SimClock
from engine.domain import events as e
from engine.domain.claims import ClaimStatus, OrderClaim, TradeClaim
from engine.domain.order import OrderStatus
from engine.runtime.live_claims import ClaimFolder
from engine.trading.order_manager import OrderManager
from engine.trading.state import TradingState
from tests.support.builders import a_fill, an_order, linear

KEY = "qaa000000000000001"
QTY = 10
ENDS = {
    ClaimStatus.FILLED: OrderStatus.FILLED,
    ClaimStatus.CANCELED: OrderStatus.CANCELED,
    ClaimStatus.EXPIRED: OrderStatus.EXPIRED,
}
Claim = OrderClaim | TradeClaim


def an_order_claim(status: ClaimStatus, filled: int) -> OrderClaim:
    order = an_order()
    return OrderClaim(
        instrument_id=order.spec.instrument_id,
        client_order_id=KEY,
        venue_order_id="77",
        side=order.spec.side,
        type=order.spec.type,
        status=status,
        qty_lots=QTY,
        filled_lots=filled,
        price_ticks=order.spec.price_ticks,
    )


def a_trade_claim(number: int, lots: int, *, is_named: bool) -> TradeClaim:
    order = an_order()
    return TradeClaim(
        instrument_id=order.spec.instrument_id,
        client_order_id=KEY if is_named else "",
        venue_order_id="77",
        side=order.spec.side,
        fill=a_fill(f"t{number}", lots),
    )


@st.composite
def stories(draw: Any) -> tuple[list[Claim], list[Claim]]:
    """(what arrives, in whatever order; all that the venue would tell if asked at the end)."""
    parts = draw(st.lists(st.integers(1, 4), max_size=4).filter(lambda lots: sum(lots) <= QTY))
    is_named = draw(st.booleans())
    told: list[Claim] = [an_order_claim(ClaimStatus.OPEN, 0)]
    trades: list[Claim] = []
    filled = 0
    for number, lots in enumerate(parts):
        filled += lots
        trades.append(a_trade_claim(number, lots, is_named=is_named))
        told += [trades[-1], an_order_claim(ClaimStatus.PARTIAL, filled)]
    ends = [ClaimStatus.FILLED] if filled == QTY else [ClaimStatus.CANCELED, ClaimStatus.EXPIRED]
    end = an_order_claim(draw(st.sampled_from(ends)), filled)
    told.append(end)
    arriving = draw(st.lists(st.sampled_from(told), max_size=2 * len(told)))
    return arriving, [end, *trades, end]


class Books:
    """State and fold alone: what the live loop does with a claim."""

    def __init__(self) -> None:
        self.state = TradingState()
        self.events: list[e.AnyEvent] = []
        session = e.SessionStarted(
            ts_ns=1, world="", capital=Decimal(1), settle="USDT", salt=1, instruments=[linear()]
        )
        self._record(session)
        self._record(e.OrderIntended(ts_ns=1, order=an_order()))
        unused: Any = None
        self._manager = OrderManager(self.state, unused, self._record, lambda _: None)
        self.folder = ClaimFolder(self.state, SimClock(1))

    def _record(self, event: e.AnyEvent) -> None:
        self.state.apply(event)
        self.events.append(event)

    def take(self, claim: Claim) -> None:
        fold = self.folder.fold_trade if isinstance(claim, TradeClaim) else self.folder.fold_order
        for report in fold(claim):  # type: ignore[arg-type]
            self._manager.on_report(report, 2)


@given(stories())
def test_the_books_end_where_the_venue_is_whatever_arrived(story: tuple[list[Claim], list[Claim]]):
    arriving, asked = story
    books = Books()
    for claim in arriving:
        books.take(claim)
        order = books.state.find_order(KEY)
        assert order is not None
        told = [event for event in books.events if isinstance(event, e.OrderFilled)]
        # Never more than was traded, and never an end before the trades it speaks of.
        assert order.filled_lots == sum(event.fill.lots for event in told) <= QTY
        assert not order.suspect
        if order.status.is_final:
            assert order.filled_lots == asked[0].filled_lots
    for claim in asked:
        books.take(claim)
    order = books.state.find_order(KEY)
    assert order is not None
    assert order.filled_lots == asked[0].filled_lots
    assert order.status is ENDS[asked[0].status]
    fills = [event.fill.trade_id for event in books.events if isinstance(event, e.OrderFilled)]
    assert len(fills) == len(set(fills))
    assert not books.folder.holes


@given(stories())
def test_asking_again_changes_nothing(story: tuple[list[Claim], list[Claim]]):
    arriving, asked = story
    books = Books()
    for claim in (*arriving, *asked):
        books.take(claim)
    before = len(books.events)
    for claim in (*asked, *arriving):
        books.take(claim)
    assert len(books.events) == before
