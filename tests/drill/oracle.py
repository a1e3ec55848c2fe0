"""The judge: our ledger against the drill exchange's own, order by order, to the last digit."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from engine.core.clock import LiveClock
from engine.core.ids import parse_client_order_id
from engine.core.tasks import Failure
from engine.domain import events as e
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Order as OurOrder
from engine.domain.order import OrderStatus
from engine.drill.ledger import Entry, Moved, OrderChanged, Traded
from engine.drill.units import amount
from engine.drill.values import Order, Status
from engine.store.journal import open_ledger


class FillFact(NamedTuple):
    """What both sides must agree on about one execution."""

    trade_id: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool


class OrderFact(NamedTuple):
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    """0 for market orders."""
    status: str
    fills: frozenset[FillFact]


_OURS = {
    OrderStatus.OPEN: "open",
    OrderStatus.PARTIAL: "open",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELED: "ended",
    OrderStatus.EXPIRED: "ended",
}
_VENUES = {
    Status.NEW: "open",
    Status.PARTIALLY_FILLED: "open",
    Status.FILLED: "filled",
    Status.CANCELED: "ended",
    Status.EXPIRED: "ended",
    Status.EXPIRED_IN_MATCH: "ended",
}


class OurSide:
    """What our ledger says, from its events alone."""

    def __init__(self, events: Iterable[e.AnyEvent]) -> None:
        self.salt = 0
        self.instruments: dict[str, Instrument] = {}
        self.orders: dict[str, OurOrder] = {}
        self.status: dict[str, OrderStatus] = {}
        self.fills: defaultdict[str, list[e.OrderFilled]] = defaultdict(list)
        self.opening: dict[str, Decimal] = {}
        self.moved: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.problems: list[str] = []
        for event in events:
            self._note(event)

    def _note(self, event: e.AnyEvent) -> None:
        match event:
            case e.SessionStarted():
                self.salt = event.salt
                self.instruments |= {one.instrument_id: one for one in event.instruments}
            case e.AccountOpened():
                self.opening = dict(event.balances)
            case e.CashMoved():
                self.moved[event.cash.asset] += event.cash.amount
            case e.OrderIntended():
                order = event.order
                if order.client_order_id in self.orders:
                    self.problems.append(f"{order.client_order_id}: intended twice")
                self.orders[order.client_order_id] = order
                self.status[order.client_order_id] = OrderStatus.INTENT
            case e.OrderFilled():
                self.fills[event.client_order_id].append(event)
                self._settle(event.client_order_id)
            case e.OrderAccepted():
                if self.status[event.client_order_id] is OrderStatus.INTENT:
                    self.status[event.client_order_id] = OrderStatus.OPEN
            case e.OrderCanceled():
                self.status[event.client_order_id] = OrderStatus.CANCELED
            case e.OrderExpired():
                self.status[event.client_order_id] = OrderStatus.EXPIRED
            case e.OrderRejected():
                self.status[event.client_order_id] = OrderStatus.REJECTED
            case e.OrderProvenAbsent():
                self.status[event.client_order_id] = OrderStatus.ABSENT
            case _:
                pass

    def _settle(self, order_id: str) -> None:
        """Whole again after each fill, whatever had been said before."""
        filled = sum(each.fill.lots for each in self.fills[order_id])
        if filled >= self.orders[order_id].spec.qty_lots:
            self.status[order_id] = OrderStatus.FILLED
        elif self.status[order_id] in (OrderStatus.INTENT, OrderStatus.OPEN):
            self.status[order_id] = OrderStatus.PARTIAL

    def fact(self, order_id: str) -> OrderFact:
        spec = self.orders[order_id].spec
        instrument = self.instruments[spec.instrument_id]
        return OrderFact(
            instrument.symbol,
            spec.side.value,
            instrument.qty(spec.qty_lots),
            instrument.price(spec.price_ticks),
            _OURS.get(self.status[order_id], self.status[order_id].value),
            frozenset(_our_fill(each, instrument) for each in self.fills[order_id]),
        )

    def expected(self) -> dict[str, Decimal]:
        """Per asset: opening, fills, fees and movements of cash. Of futures: as if every position
        had been closed for what it cost."""
        totals = defaultdict(Decimal, self.opening)
        for asset, moved in self.moved.items():
            totals[asset] += moved
        for order_id, fills in self.fills.items():
            spec = self.orders[order_id].spec
            instrument = self.instruments[spec.instrument_id]
            for event in fills:
                qty = instrument.qty(event.fill.lots) * spec.side.sign
                if instrument.kind is InstrumentKind.SPOT:
                    totals[instrument.base] += qty
                totals[instrument.quote] -= qty * instrument.price(event.fill.price_ticks)
                totals[event.fill.fee_asset] -= event.fill.fee
        return totals


def _our_fill(event: e.OrderFilled, instrument: Instrument) -> FillFact:
    fill = event.fill
    return FillFact(
        fill.trade_id,
        instrument.price(fill.price_ticks),
        instrument.qty(fill.lots),
        fill.fee,
        fill.fee_asset,
        fill.is_maker,
    )


class VenueSide:
    """What the drill exchange's ledger says of one account."""

    def __init__(self, entries: Iterable[Entry], account: str) -> None:
        self.orders: dict[int, Order] = {}
        """As each was left, by the venue's id."""
        self.fills: defaultdict[int, list[FillFact]] = defaultdict(list)
        self.balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        for entry in entries:
            if isinstance(entry, OrderChanged) and entry.order.account == account:
                self.orders[entry.order.order_id] = entry.order
            elif isinstance(entry, Traded) and entry.trade.account == account:
                trade = entry.trade
                self.fills[trade.order_id].append(
                    FillFact(
                        str(trade.trade_id),
                        amount(trade.price),
                        amount(trade.qty),
                        amount(trade.fee),
                        trade.fee_asset,
                        trade.is_maker,
                    )
                )
            elif isinstance(entry, Moved):
                move = entry.move
                if move.source == account:
                    self.balances[move.asset] -= amount(move.amount)
                if move.target == account:
                    self.balances[move.asset] += amount(move.amount)

    def fact(self, order: Order) -> OrderFact:
        return OrderFact(
            order.symbol,
            order.side.value,
            amount(order.qty),
            amount(order.price),
            _VENUES[order.status],
            frozenset(self.fills[order.order_id]),
        )


def differences(
    ours: OurSide, venue: VenueSide, *, open_cost: Mapping[str, Decimal] | None = None
) -> list[str]:
    """Everything that is lost, doubled, orphaned or not equal to the last digit; empty is right.

    `open_cost`: what the venue says that open futures positions have cost, by asset.
    """
    found = list(ours.problems)
    by_client_id: defaultdict[str, list[Order]] = defaultdict(list)
    for order in venue.orders.values():
        if _salt(order.client_order_id) == ours.salt:
            by_client_id[order.client_order_id].append(order)
    for order_id, orders in by_client_id.items():
        if len(orders) > 1:
            found.append(f"{order_id}: doubled: {len(orders)} orders at the venue")
        if order_id not in ours.orders:
            found.append(f"{order_id}: orphaned: at the venue, and never intended")
    for order_id in ours.orders:
        found += _compare(ours, venue, order_id, by_client_id[order_id])
    expected = ours.expected()
    for asset, cost in (open_cost or {}).items():
        expected[asset] += cost
    for asset in sorted({*expected, *venue.balances}):
        if expected[asset] != venue.balances[asset]:
            found.append(f"{asset}: ours {expected[asset]}, venue {venue.balances[asset]}")
    return found


def _compare(
    ours: OurSide, venue: VenueSide, order_id: str, orders: Sequence[Order]
) -> Iterator[str]:
    fact = ours.fact(order_id)
    fills = ours.fills[order_id]
    if len({each.fill.trade_id for each in fills}) != len(fills):
        yield f"{order_id}: a fill was booked twice"
    if not orders:
        if fact.status not in ("rejected", "absent"):
            yield f"{order_id}: lost: {fact.status} in our ledger, unknown at the venue"
        return
    theirs = venue.fact(orders[0])
    for field, one, other in zip(OrderFact._fields, fact, theirs, strict=True):
        if one != other:
            yield f"{order_id}: {field}: ours {one}, venue {other}"


def _salt(client_order_id: str) -> int | None:
    try:
        return parse_client_order_id(client_order_id).salt
    except BadInput:
        return None


def read_ours(path: Path) -> OurSide:
    """From a copy, so that an engine that runs is not disturbed."""
    with _copied(path) as copy, open_ledger(copy, clock=LiveClock(), on_failure=_fail) as journal:
        return OurSide(journal.replay())


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + suffix), f"{copy}{suffix}")
        yield copy


def _fail(failure: Failure) -> None:
    raise AssertionError(failure)
