"""Events: facts, past tense, never refused. The journal is a list of these, and the state of the
trader is nothing but their fold (`TradingState.apply`)."""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from engine.domain.algo import AlgoMemory, AlgoOutcome, AnyAlgo
from engine.domain.claims import CashClaim
from engine.domain.commands import KillLevel
from engine.domain.foreign import ForeignOrder
from engine.domain.incident import Choice, Incident
from engine.domain.instrument import Instrument
from engine.domain.order import Fill, Order, OrderSpec


class Helm(enum.StrEnum):
    """Who steers a bot's position."""

    AUTO = "auto"
    PAUSED = "paused"
    """No new entries; exits and protective orders still run."""
    MANUAL = "manual"
    """The person owns orders and position; the bot watches."""
    STOPPED = "stopped"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`ts_ns` is the engine's clock when it became a fact here."""

    ts_ns: int


# -- session -------------------------------------------------------------------------------


class SessionStarted(Event, frozen=True, kw_only=True):
    """First event of a ledger. A restart must describe the same world or be refused."""

    world: str
    """Digest of source, seed and scenario."""
    capital: Decimal
    settle: str
    salt: int
    """Makes this ledger's order ids unlike any other's (`engine.core.ids`)."""
    instruments: list[Instrument]


class BotAdded(Event, frozen=True, kw_only=True):
    bot_id: str
    strategy: str
    instrument_id: str
    params_json: str


class BotRemoved(Event, frozen=True, kw_only=True):
    """It had nothing open. Its book stays; its id is not given to another bot."""

    bot_id: str
    by: str


# -- orders --------------------------------------------------------------------------------


class OrderIntended(Event, frozen=True, kw_only=True):
    """Durable before the first byte leaves for the venue."""

    order: Order
    command_id: str = ""


class OrderDenied(Event, frozen=True, kw_only=True):
    """The risk gate or a rule refused an intent; nothing was sent."""

    bot_id: str
    placed_by: str
    spec: OrderSpec
    limit: str
    """Which limit or rule, for instance `position_max`."""
    limit_value: str
    order_value: str
    command_id: str = ""
    repeats: int = 0
    """Equal refusals since the last one that was journalled; a stubborn bot fills no disk."""
    algo_id: str = ""
    leg: str = ""


class OrderEvent(Event, frozen=True, kw_only=True):
    """Facts that `order_step` understands."""

    client_order_id: str
    report_seq: int = 0


class OrderAccepted(OrderEvent, frozen=True, kw_only=True):
    venue_order_id: str
    queue_ahead_lots: int = -1
    queue_rank_tenths: int = -1
    """Quantity ahead in tenths of the market's average trade; -1 while unknown."""
    latency_ns: int = -1
    """How long the order was under way to the venue."""


class OrderRejected(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderFilled(OrderEvent, frozen=True, kw_only=True):
    fill: Fill
    value_units: int
    """Value of the fill in the instrument's money units."""


class FillMarked(Event, frozen=True, kw_only=True):
    """Where the market stood some seconds after we heard of a fill."""

    client_order_id: str
    trade_id: str
    after_s: int
    mid_x2: int
    """Best bid + best ask in ticks; 0 where that is not known."""


class OrderTriggered(OrderEvent, frozen=True, kw_only=True):
    pass


class CancelIntended(OrderEvent, frozen=True, kw_only=True):
    by: str
    then_price_ticks: int = 0
    """When not 0: place what is left at this price once the cancel is confirmed (a move)."""


class OrderCanceled(OrderEvent, frozen=True, kw_only=True):
    reason: str = ""


class CancelRejected(OrderEvent, frozen=True, kw_only=True):
    reason: str


class OrderExpired(OrderEvent, frozen=True, kw_only=True):
    reason: str


class PlacementUnknown(OrderEvent, frozen=True, kw_only=True):
    """The answer to a placement was lost. The order may be live."""

    reason: str


class OrderProvenAbsent(OrderEvent, frozen=True, kw_only=True):
    """Asked often and long enough: the venue has never seen this id."""


class MoveEnded(Event, frozen=True, kw_only=True):
    """The order being moved is gone; what was left has been placed anew, or there was nothing."""

    client_order_id: str


# -- algos ---------------------------------------------------------------------------------


class AlgoStarted(Event, frozen=True, kw_only=True):
    algo_id: str
    bot_id: str
    """Whose book it trades for."""
    owner: str
    """`bot` or `human`: who may cancel and change it."""
    spec: AnyAlgo
    command_id: str = ""


class AlgoDenied(Event, frozen=True, kw_only=True):
    """The risk gate or a rule refused the whole algo; nothing was started."""

    bot_id: str
    owner: str
    spec: AnyAlgo
    limit: str
    limit_value: str
    order_value: str
    command_id: str = ""
    repeats: int = 0
    """Equal refusals since the last one that was journalled."""


class AlgoStepped(Event, frozen=True, kw_only=True):
    """The algo remembers something new; `note` says why, for the log, where it is worth a line."""

    algo_id: str
    memory: AlgoMemory
    note: str = ""


class AlgoAmended(Event, frozen=True, kw_only=True):
    algo_id: str
    spec: AnyAlgo
    by: str


class AlgoEnding(Event, frozen=True, kw_only=True):
    """All its orders are being cancelled; late fills still count."""

    algo_id: str
    by: str
    reason: str


class AlgoAlarmed(Event, frozen=True, kw_only=True):
    """A protective leg is missing: entries of its book are refused until it is back. An empty
    `text` takes the alarm back."""

    algo_id: str
    text: str


class AlgoEnded(Event, frozen=True, kw_only=True):
    algo_id: str
    outcome: AlgoOutcome
    reason: str


class AlgoReopened(Event, frozen=True, kw_only=True):
    """An order of an ended algo has traded after all: its position needs its guard."""

    algo_id: str
    reason: str


# -- money ---------------------------------------------------------------------------------


class FundingPaid(Event, frozen=True, kw_only=True):
    """Perpetual funding; positive when we pay."""

    bot_id: str
    instrument_id: str
    amount: Decimal
    report_seq: int = 0
    lots: int = 0
    """Position at the stamp."""
    rate: Decimal | None = None
    mark: Decimal | None = None


class PositionLiquidated(Event, frozen=True, kw_only=True):
    """The venue took a position out of a bot's hands with an order of its own; fills follow."""

    bot_id: str
    order: Order
    due_ticks: int
    """The liquidation price."""
    report_seq: int = 0


class EquityMarked(Event, frozen=True, kw_only=True):
    """A point of the equity curve: profit or loss of the whole account since the start."""

    equity: Decimal
    by_bot: dict[str, Decimal]
    mids_x2: dict[str, int] = {}
    """What positions were valued at, as best bid + best ask by instrument; live ledgers only."""


# -- live venues ---------------------------------------------------------------------------


class HoldChanged(Event, frozen=True, kw_only=True):
    """No bot acts and nothing adds risk in `instrument_id` ("": anywhere) for this reason; "" as
    the reason lets trading go on."""

    instrument_id: str
    reason: str


class AccountOpened(Event, frozen=True, kw_only=True):
    """What the account held when this ledger began."""

    balances: dict[str, Decimal]
    report_seq: int = 0


class CashMoved(Event, frozen=True, kw_only=True):
    """Money moved that was no trade."""

    cash: CashClaim
    report_seq: int = 0


class ForeignChanged(Event, frozen=True, kw_only=True):
    """These are the open orders of the account that are not ours, all of them."""

    orders: list[ForeignOrder]
    report_seq: int = 0


class BalanceAdopted(Event, frozen=True, kw_only=True):
    """An unexplained difference of an asset was taken over, on the word of `by`."""

    incident_id: str
    asset: str
    amount: Decimal
    by: str


class DoubtRaised(Event, frozen=True, kw_only=True):
    client_order_id: str
    words: str
    report_seq: int = 0


class RulesChanged(Event, frozen=True, kw_only=True):
    """The venue's rules for an instrument, other than its units, are these now."""

    instrument: Instrument
    report_seq: int = 0


class ReceiptVerified(Event, frozen=True, kw_only=True):
    """The venue was asked what a command left behind."""

    command_id: str
    words: str
    left: list[str]
    is_clean: bool = True
    """The venue has answered, and nothing of ours is left."""
    report_seq: int = 0


# -- helm and risk -------------------------------------------------------------------------


class HelmChanged(Event, frozen=True, kw_only=True):
    bot_id: str
    helm: Helm
    by: str
    reason: str = ""


class BotFailed(Event, frozen=True, kw_only=True):
    """The strategy raised, hung or flooded; it has been paused."""

    bot_id: str
    error: str


class KillChanged(Event, frozen=True, kw_only=True):
    level: KillLevel
    by: str
    reason: str = ""


class ParamsEdited(Event, frozen=True, kw_only=True):
    """The bot's strategy was built anew from these parameters, the whole set of them."""

    bot_id: str
    params_json: str
    by: str
    changed: str = ""
    """`qty 0.01 -> 0.02, levels 5 -> 3`."""


class PriceDistrusted(Event, frozen=True, kw_only=True):
    """The mid jumped: valuations keep the last good one, entries are refused until it is back or
    has stood for a minute."""

    instrument_id: str
    mid_x2: int
    """Where the doubt began, as best bid + best ask in ticks."""
    good_mid_x2: int
    """The last one that was believed."""


class PriceTrusted(Event, frozen=True, kw_only=True):
    instrument_id: str
    mid_x2: int


class IncidentOpened(Event, frozen=True, kw_only=True):
    incident: Incident


class IncidentResolved(Event, frozen=True, kw_only=True):
    """Decided by a person, or answered by the venue after all."""

    incident_id: str
    choice: Choice
    by: str


class PositionAdopted(Event, frozen=True, kw_only=True):
    """A book was set to what the venue holds, on the word of `by`. No fill: the difference is
    booked at the mid of that moment, so that profit shows it from then on."""

    incident_id: str
    bot_id: str
    instrument_id: str
    lots: int
    """Signed difference."""
    value_units: int
    price_ticks: int
    by: str
    books_cash: bool = False
    """Whether the account's books take the cash of the difference as well, so that they agree with
    the wallet once it is closed. False in ledgers from before that was so."""


class AlertsAcknowledged(Event, frozen=True, kw_only=True):
    until_ns: int
    by: str


class DayStarted(Event, frozen=True, kw_only=True):
    """A UTC day began with this equity: the base of the daily loss limit."""

    equity: Decimal


class RiskTripped(Event, frozen=True, kw_only=True):
    """A loss limit was reached: entries stop, then positions are flattened."""

    limit: str
    limit_value: str
    value: str


class LimitsReset(Event, frozen=True, kw_only=True):
    """A person has looked after a breach: loss limits count anew from this equity."""

    equity: Decimal
    by: str


class FlattenStarted(Event, frozen=True, kw_only=True):
    """Positions of `bot_id` in `instrument_id` are being closed; "" means every one."""

    instrument_id: str
    bot_id: str
    by: str
    reason: str


class FlattenEnded(Event, frozen=True, kw_only=True):
    instrument_id: str
    bot_id: str
    stays: str = ""
    """What could not be closed and why, in words; empty when everything is flat."""


class CommandDone(Event, frozen=True, kw_only=True):
    """A command was carried out or refused; remembered so that a repeat does nothing."""

    command_id: str
    name: str
    by: str
    refused: str = ""
    """Why it was refused; empty when it was done."""


class MarketShocked(Event, frozen=True, kw_only=True):
    """The crash button of a generated market was pressed; part of what a restart replays."""

    by: str


class Noted(Event, frozen=True, kw_only=True):
    """Something worth a line in the log, with no effect on the state."""

    bot_id: str
    text: str


AnyOrderEvent = (
    OrderAccepted
    | OrderRejected
    | OrderFilled
    | OrderTriggered
    | CancelIntended
    | OrderCanceled
    | CancelRejected
    | OrderExpired
    | PlacementUnknown
    | OrderProvenAbsent
)

AnyEvent = (
    SessionStarted
    | BotAdded
    | BotRemoved
    | OrderIntended
    | OrderDenied
    | AnyOrderEvent
    | FillMarked
    | MoveEnded
    | AlgoStarted
    | AlgoDenied
    | AlgoStepped
    | AlgoAmended
    | AlgoEnding
    | AlgoAlarmed
    | AlgoEnded
    | AlgoReopened
    | FundingPaid
    | PositionLiquidated
    | EquityMarked
    | HelmChanged
    | BotFailed
    | KillChanged
    | ParamsEdited
    | PriceDistrusted
    | PriceTrusted
    | IncidentOpened
    | IncidentResolved
    | PositionAdopted
    | AlertsAcknowledged
    | DayStarted
    | RiskTripped
    | LimitsReset
    | FlattenStarted
    | FlattenEnded
    | CommandDone
    | MarketShocked
    | Noted
    | HoldChanged
    | AccountOpened
    | CashMoved
    | ForeignChanged
    | BalanceAdopted
    | DoubtRaised
    | RulesChanged
    | ReceiptVerified
)
