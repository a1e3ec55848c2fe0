"""Reports: what a venue claims about our orders. Claims become facts through `order_step`."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.domain.claims import CashClaim
from engine.domain.foreign import ForeignOrder
from engine.domain.instrument import Instrument
from engine.domain.order import Fill, OrderSpec


class VenueReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`report_seq` counts a venue's reports from 1, so that a restart can skip those already
    applied; `venue_ns` is the venue's clock, `received_ns` ours."""

    report_seq: int
    venue_ns: int
    received_ns: int


class FundingReport(VenueReport, frozen=True, kw_only=True):
    """Funding of a perpetual was settled for one bot's position."""

    bot_id: str
    instrument_id: str
    lots: int
    rate: Decimal
    mark: Decimal
    amount: Decimal
    """In the settle asset; positive when we pay."""


class LiquidationReport(VenueReport, frozen=True, kw_only=True):
    """The venue closes a bot's position with an order of its own; its fills follow."""

    client_order_id: str
    """Given by the venue."""
    bot_id: str
    spec: OrderSpec
    due_ticks: int
    """The liquidation price."""


class PositionReport(VenueReport, frozen=True, kw_only=True):
    """What the venue holds for a book, asked for while nothing was under way."""

    bot_id: str
    instrument_id: str
    lots: int


class Report(VenueReport, frozen=True, kw_only=True):
    """About an order."""

    client_order_id: str


class AcceptReport(Report, frozen=True, kw_only=True):
    venue_order_id: str
    queue_ahead_lots: int = -1
    queue_rank_tenths: int = -1
    """The same in tenths of the market's average trade; -1 while unknown."""
    latency_ns: int = -1
    """How long the order was under way to the venue."""


class RejectReport(Report, frozen=True, kw_only=True):
    reason: str


class FillReport(Report, frozen=True, kw_only=True):
    fill: Fill


class CancelReport(Report, frozen=True, kw_only=True):
    reason: str = ""


class CancelRejectReport(Report, frozen=True, kw_only=True):
    reason: str


class ExpireReport(Report, frozen=True, kw_only=True):
    """The venue ended the order itself: IOC remainder, post-only that would cross, reduce-only
    without a position."""

    reason: str


class TriggerReport(Report, frozen=True, kw_only=True):
    """A stop's trigger was reached; the order is now working."""


class UnknownReport(Report, frozen=True, kw_only=True):
    """The answer to the placement was lost: it may be live."""

    reason: str


class AbsentReport(Report, frozen=True, kw_only=True):
    """Asked often and long enough: the venue has never seen this id."""


class OpeningReport(VenueReport, frozen=True, kw_only=True):
    """What the account held when this ledger began, by asset: the base of every comparison."""

    balances: dict[str, Decimal]


class CashReport(VenueReport, frozen=True, kw_only=True):
    """Money moved that was no trade: funding, a deposit, a transfer."""

    cash: CashClaim


class ForeignReport(VenueReport, frozen=True, kw_only=True):
    """Every open order of the account that is not ours."""

    orders: list[ForeignOrder]


class BalanceReport(VenueReport, frozen=True, kw_only=True):
    """What the venue holds of assets, compared while nothing was under way: those that differ
    from what our fills add up to have differed for a while."""

    totals: dict[str, Decimal]


class DoubtReport(VenueReport, frozen=True, kw_only=True):
    """The venue contradicts itself, or says what we do not understand, of an order of ours."""

    client_order_id: str
    words: str


class RulesReport(VenueReport, frozen=True, kw_only=True):
    """The venue's present rules for an instrument: least quantity and value may have changed, its
    units have not."""

    instrument: Instrument


class VerifiedReport(VenueReport, frozen=True, kw_only=True):
    """The venue was asked what is left after a command that takes orders off."""

    command_id: str
    words: str
    left: list[str]
    """Ids of our orders that are still open, or not known to be gone; empty when it is done."""
    is_clean: bool = True
    """The venue has answered, and nothing of ours is left."""


AnyReport = (
    AcceptReport
    | RejectReport
    | FillReport
    | CancelReport
    | CancelRejectReport
    | ExpireReport
    | TriggerReport
    | UnknownReport
    | AbsentReport
)
"""Of orders."""

AnyAccountReport = (
    OpeningReport
    | CashReport
    | ForeignReport
    | BalanceReport
    | DoubtReport
    | RulesReport
    | VerifiedReport
)
"""Of the account of a live venue."""

AnyVenueReport = AnyReport | FundingReport | LiquidationReport | PositionReport | AnyAccountReport
