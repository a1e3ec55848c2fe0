"""Comparing both sides: what the ledger adds up to, and what the venue says. Pure; decides nothing.

The comparison is of the union: what only we know is looked up at the venue, what only the venue
knows is foreign. Nothing found here changes a book by itself: claims become reports through the
usual fold, and what cannot be explained becomes an incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.domain.claims import BalanceClaim, OrderClaim, PositionClaim
from engine.domain.foreign import ForeignOrder
from engine.domain.instrument import InstrumentKind
from engine.domain.money import ZERO
from engine.domain.order import Order, OrderStatus, Pending
from engine.trading.state import TradingState

GHOST_NS = 24 * 3600 * 1_000_000_000
"""How long an order that was proven absent stays on the watch list."""


class Differences(NamedTuple):
    """Venue minus ours, where it is not zero: lots by instrument, amounts by asset."""

    lots: Mapping[str, int]
    amounts: Mapping[str, Decimal]

    def __bool__(self) -> bool:
        return bool(self.lots or self.amounts)


def compare(
    state: TradingState,
    positions: Sequence[PositionClaim] | None,
    balances: Sequence[BalanceClaim],
) -> Differences:
    """`positions` is None for a venue that has none: there balances are the positions."""
    lots = {} if positions is None else _position_differences(state, positions)
    return Differences(lots, _asset_differences(state, totals_of(balances)))


def totals_of(balances: Iterable[BalanceClaim]) -> dict[str, Decimal]:
    return {claim.asset: claim.total for claim in balances}


def _position_differences(
    state: TradingState, positions: Sequence[PositionClaim]
) -> dict[str, int]:
    held = {claim.instrument_id: claim.lots for claim in positions}
    found = {key: held.get(key, 0) - state.net_lots.get(key, 0) for key in state.instruments}
    return {key: lots for key, lots in found.items() if lots}


def _asset_differences(state: TradingState, totals: Mapping[str, Decimal]) -> dict[str, Decimal]:
    books = state.accounting
    if books is None:
        return {}
    found = {
        asset: books.missing(asset, totals.get(asset, ZERO)) for asset in compared_assets(state)
    }
    return {asset: amount for asset, amount in found.items() if amount}


def compared_assets(state: TradingState) -> list[str]:
    """Assets whose total must be what ours adds up to now: those that we trade and pay fees in,
    but of futures only while nothing that settles in them is open (`engine.trading.accounting`)."""
    assets: set[str] = set() if state.accounting is None else set(state.accounting.traded)
    open_in: set[str] = set()
    for instrument in state.instruments.values():
        assets.add(instrument.settle)
        if instrument.kind is InstrumentKind.SPOT:
            assets.add(instrument.base)
        elif state.net_lots.get(instrument.instrument_id, 0):
            open_in.add(instrument.settle)
    return sorted(assets - open_in)


def is_quiet(state: TradingState) -> bool:
    """Whether no answer is outstanding that could have moved money."""
    return not any(
        # A cancel that chases a placement hides it in `pending`, and answers nothing.
        order.status is OrderStatus.INTENT or order.pending in (Pending.PLACING, Pending.UNKNOWN)
        for order in state.orders.values()
    )


def vanished(state: TradingState, open_ids: set[str], before_ns: int) -> list[Order]:
    """Live orders of ours, intended before `before_ns`, that are not among the venue's open ones:
    each must be looked up by its id."""
    return [
        order
        for order in state.orders.values()
        if order.client_order_id not in open_ids
        and order.created_ns < before_ns
        and order.pending is not Pending.UNKNOWN
    ]


def ghosts(state: TradingState, now_ns: int) -> list[Order]:
    """Orders proven absent less than a day ago, newest first."""
    return [
        order
        for order in reversed(state.final_orders.values())
        if order.status is OrderStatus.ABSENT and now_ns - order.updated_ns < GHOST_NS
    ]


def foreign_of(claims: Iterable[OrderClaim]) -> list[ForeignOrder]:
    """Open orders of others as the ledger keeps them, in a fixed order."""
    found = [
        ForeignOrder(
            venue_order_id=claim.venue_order_id,
            client_order_id=claim.client_order_id,
            instrument_id=claim.instrument_id,
            side=claim.side,
            leaves_lots=max(0, claim.qty_lots - claim.filled_lots),
            price_ticks=claim.price_ticks or claim.trigger_ticks,
            reduce_only=claim.reduce_only,
        )
        for claim in claims
    ]
    return sorted(found, key=lambda order: order.venue_order_id)
