"""Snapshots: what a face may know. Plain values, complete in themselves, safe to render late.

Numbers keep the engine's units (ticks, lots, nanoseconds); faces turn them into text through
`app.views`. Money is Decimal in the instrument's settle asset and is what the ledger says: a
snapshot is published only after the events it reflects are durable.
"""

from __future__ import annotations

import enum
from decimal import Decimal

import msgspec

from engine.domain.algo import AnyAlgo
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.incident import Choice, Incident
from engine.domain.instrument import Instrument
from engine.domain.order import Order, Side


class Mode(enum.StrEnum):
    """Which world the numbers belong to. Shown as a word and a colour on every screen."""

    PAPER = "paper"
    REPLAY = "replay"
    DRILL = "drill"
    LIVE = "live"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    pass


class TapeRow(msgspec.Struct, frozen=True, array_like=True):
    ts_ns: int
    ticks: int
    lots: int
    side: int
    """1: the buyer was the aggressor; -1: the seller."""


class BarRow(msgspec.Struct, frozen=True, array_like=True):
    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class MarketSnapshot(Snapshot, frozen=True, kw_only=True):
    instrument_id: str
    ts_ns: int
    """Local time of the newest row."""
    is_ready: bool
    """False while the book is incomplete: nothing may be traded on it."""
    bids: list[tuple[int, int]]
    """(ticks, lots), best first."""
    asks: list[tuple[int, int]]
    last_ticks: int
    last_side: int
    day_open_ticks: int
    """First price of the session, for the change in percent; 0 before any trade."""
    tape: list[TapeRow]
    """Newest last."""
    bars: dict[str, list[BarRow]]
    """By timeframe word (`1s`, `1m`), oldest first; the last one is still forming."""
    rows: int
    maker_rate: Decimal | None = None
    """Fee of a resting fill as a share of its value, negative for a rebate; None where the venue
    has not said."""
    taker_rate: Decimal | None = None


class BotSnapshot(Snapshot, frozen=True, kw_only=True):
    bot_id: str
    strategy: str
    instrument_id: str
    helm: Helm
    helm_by: str
    helm_reason: str
    position_lots: int
    entry_ticks: Decimal | None
    """Average entry in ticks, None when flat."""
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    pnl: Decimal
    """realised + unrealised - fees - funding."""
    open_orders: int
    fills: int
    last_action: str
    last_action_ns: int
    params: dict[str, str]
    error: str = ""
    next_wake_ns: int = 0
    """Its next timer; 0 where only the market wakes it."""
    would: str = ""
    """What it last wanted to do while a person has held its helm; nothing of it was sent."""
    would_ns: int = 0


class PositionSnapshot(Snapshot, frozen=True, kw_only=True):
    """One book's holding in one instrument, flat ones included once they have traded."""

    bot_id: str
    """`manual` for the person's own book."""
    instrument_id: str
    lots: int
    entry_ticks: Decimal | None
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    pnl: Decimal


class OrderSnapshot(Snapshot, frozen=True, kw_only=True):
    order: Order
    queue_ahead_lots: int
    """Estimated quantity ahead of it now; -1 where it makes no sense."""


class LegSnapshot(Snapshot, frozen=True, kw_only=True):
    """One order of an algo, or one that it holds back."""

    leg: str
    where: str
    """`venue`: it rests there and survives a crash of this engine. `engine`: it waits here.
    `sending`, `leaving`: on its way."""
    side: Side
    lots: int
    price_ticks: int = 0
    trigger_ticks: int = 0
    client_order_id: str = ""


class AlgoSnapshot(Snapshot, frozen=True, kw_only=True):
    """A working algo with its legs."""

    algo_id: str
    bot_id: str
    owner: str
    """`bot` or `human`."""
    spec: AnyAlgo
    words: str
    """What it is, in one line."""
    started_ns: int
    ending: str
    """Why its orders are being cancelled; empty while it works."""
    alarm: str
    """A protective leg is missing, and why; empty while all is well."""
    entered_lots: int
    """Traded towards its side so far."""
    exited_lots: int
    """Traded by a bracket's stop and target so far."""
    legs: list[LegSnapshot]


class FillSnapshot(Snapshot, frozen=True, kw_only=True):
    seq: int
    ts_ns: int
    bot_id: str
    client_order_id: str
    instrument_id: str
    side: int
    ticks: int
    lots: int
    fee: Decimal
    is_maker: bool


class LimitSnapshot(Snapshot, frozen=True, kw_only=True):
    """One risk limit as used / limit."""

    name: str
    used: Decimal
    limit: Decimal
    unit: str
    """Settle asset, `%`, `orders` ..."""
    is_tripped: bool = False


class LogRow(Snapshot, frozen=True, kw_only=True):
    seq: int
    ts_ns: int
    level: str
    """`info`, `trade`, `warn`, `alert`."""
    source: str
    """Bot id, `risk`, `engine` or who gave the command."""
    text: str


class IncidentSnapshot(Snapshot, frozen=True, kw_only=True):
    """An open difference between the venue and us, and what can be decided about it."""

    incident: Incident
    choices: tuple[Choice, ...]


class ReceiptSnapshot(Snapshot, frozen=True, kw_only=True):
    """What became of a command."""

    command_id: str
    name: str
    refused: str
    """Empty when it was carried out."""
    verified: str = ""
    """What the venue said when it was asked what is left; empty before, and where nobody asks."""
    left: list[str] = []
    """Our orders that were still open then."""
    is_clean: bool = True
    """Unless the venue was asked and orders are left, or it did not answer."""


class LinkStage(enum.StrEnum):
    """How far a live engine is with its venue."""

    STARTING = "starting"
    SYNCING = "syncing"
    """Comparing clocks."""
    CONNECTING = "connecting"
    """Waiting for the stream of the account's news."""
    RECONCILING = "reconciling"
    """Comparing both sides."""
    TRADING = "trading"
    DEGRADED = "degraded"
    """The venue cannot be reached, or not be traded on; it is asked again."""
    HALTED = "halted"
    """A person must act: the key is refused."""


class FeedLinkSnapshot(Snapshot, frozen=True, kw_only=True):
    instrument_id: str
    state: str
    """`up`, `polling`, `connecting`, `down`."""
    trouble: str
    """Why it is not traded on; empty while it is."""


class LinkSnapshot(Snapshot, frozen=True, kw_only=True):
    """A live engine's ties to its venue."""

    stage: LinkStage
    words: str
    """Why it is not trading; empty while it is."""
    since_ns: int
    venue: str
    user_stream: str
    feeds: list[FeedLinkSnapshot]
    clock_offset_ms: int | None
    """The venue's clock minus this machine's; None while not measured."""
    reconciled_ns: int
    """When both sides were last found to agree, or to differ by incidents alone; 0: not yet."""
    unanswered: int
    """Placements whose fate is not known."""
    foreign: int
    """Open orders of the account that are not ours."""
    dead_man: str
    """`venue_timer`, `resting_stops` or `nothing`."""
    dead_man_words: str
    key_words: str = ""
    """What a person should know of the key: no address restriction, for instance."""


class ReplaySnapshot(Snapshot, frozen=True, kw_only=True):
    """Where a recording stands that is played back."""

    start_ns: int
    end_ns: int
    is_playing: bool
    is_seeking: bool
    """On its way to the instant that was asked for."""
    fills_ns: list[int]
    """When own fills happened, up to now, thinned to a few hundred."""
    forked: str = ""
    """The profile that goes on from here as paper; empty until there is one."""
    aim_ns: int = 0
    """Where it is on its way to; 0: nowhere, or to a fill of which nobody knows when it was."""
    is_late: bool = False
    """Plays slower than was asked: as fast as the machine can."""
    trouble: str = ""
    """What is wrong with the recording, or why the last wish came to nothing."""


class EngineSnapshot(Snapshot, frozen=True, kw_only=True):
    """Everything a face shows, as of one instant."""

    version: int
    """Counts publications."""
    ts_ns: int
    """The engine's clock: recorded or generated time in paper, not the wall's."""
    published_wall_ns: int
    mode: Mode
    profile: str
    world: str
    """Short words for the source: `generated market, seed 7`, `usdm_btcusdt_20240808.gz x1`."""
    speed: Decimal
    """Market seconds per second; 0 is as fast as possible."""
    feed_age_ms: int
    """Wall time since the market last moved."""
    has_ended: bool
    """The recording is over; nothing will move any more."""
    kill: KillLevel
    kill_reason: str
    kill_by: str = ""
    kill_since_ns: int = 0
    """Engine time; 0 while the switch is off."""
    halted: str
    """Why trading is halted (risk tripped, ledger failed); empty while it runs."""
    settle: str
    capital: Decimal
    equity: Decimal
    """capital + profit or loss."""
    realised: Decimal
    unrealised: Decimal
    fees: Decimal
    funding: Decimal
    day_pnl: Decimal
    equity_curve: list[tuple[int, Decimal]]
    """(ts_ns, equity), thinned to a few hundred points."""
    instruments: list[Instrument]
    markets: list[MarketSnapshot]
    bots: list[BotSnapshot]
    positions: list[PositionSnapshot]
    orders: list[OrderSnapshot]
    """Live orders only."""
    algos: list[AlgoSnapshot] = []
    """Working ones only."""
    incidents: list[IncidentSnapshot] = []
    """Open ones only."""
    alerts_until_ns: int = 0
    """Alerts of the log up to this instant have been acknowledged."""
    fills: list[FillSnapshot]
    """The latest, newest last."""
    limits: list[LimitSnapshot]
    log: list[LogRow]
    """The latest, newest last."""
    receipts: list[ReceiptSnapshot]
    """The latest, newest last."""
    replay: ReplaySnapshot | None = None
    """None unless a recording is played back."""
    link: LinkSnapshot | None = None
    """None unless the venue is a live one, or the drill exchange."""
