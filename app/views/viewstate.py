"""What a face shows at the moment of a gesture: the frozen ground on which it is judged."""

from __future__ import annotations

import msgspec

from app.service.session import Standing
from engine.domain.events import Helm
from engine.domain.instrument import Instrument
from engine.domain.order import Side
from engine.domain.snapshots import (
    AlgoSnapshot,
    BotSnapshot,
    EngineSnapshot,
    IncidentSnapshot,
    LogRow,
    MarketSnapshot,
    Mode,
    OrderSnapshot,
)
from engine.trading.state import MANUAL

STALE_MS = 2000
"""A feed silent for longer turns the ladder grey and makes order keys refuse."""


class ViewState(msgspec.Struct, frozen=True, kw_only=True):
    snapshot: EngineSnapshot | None = None
    """The picture that was on the screen when the key was pressed."""
    instrument_id: str = ""
    bot_id: str = ""
    """Selected bot."""
    order_id: str = ""
    """Selected row of the orders pane; "" elsewhere."""
    fill_seq: int = 0
    """Selected row of the fills pane; 0 while there is none."""
    algo_id: str = ""
    """Selected row of the algos pane."""
    incident_id: str = ""
    """Selected row of the incidents pane."""
    run_id: str = ""
    """Selected row of the list of backtests."""
    pane: str = ""
    """Context of the focused pane: `ladder`, `bots`, `orders` ..."""
    cursor_ticks: int = 0
    """Price under the ladder's cursor; 0 while there is none."""
    cursor_orders: tuple[str, ...] = ()
    """Own orders in the cursor's row."""
    is_cursor_painted: bool = False
    is_ladder_settling: bool = False
    """The ladder has just re-centred itself: rows are not yet where the eye expects them."""
    qty_lots: int = 0
    """Chosen size preset."""
    grabbed_id: str = ""
    """Order being moved."""
    is_armed: bool = False
    feed_age_ms: int = 0
    """Wall time since the market last moved, as of now."""
    picture_age_ms: int = 0
    """From the painting of `snapshot` to now."""
    failure: str = ""
    """Why the engine has died; "" while it lives."""
    standing: Standing | None = None
    """Who else looks at this engine; None where it belongs to this face."""
    outlives: bool = True
    """Whether a served engine goes on without this face."""
    leaving: str = ""
    """What leaving the face does to the engine and its bots, as a sentence."""

    # -- looking things up ---------------------------------------------------------------------

    @property
    def instrument(self) -> Instrument | None:
        return find_instrument(self.snapshot, self.instrument_id)

    @property
    def market(self) -> MarketSnapshot | None:
        return find_market(self.snapshot, self.instrument_id)

    @property
    def bot(self) -> BotSnapshot | None:
        return find_bot(self.snapshot, self.bot_id)

    @property
    def orders(self) -> list[OrderSnapshot]:
        return self.snapshot.orders if self.snapshot is not None else []

    @property
    def bid_ticks(self) -> int:
        market = self.market
        return market.bids[0][0] if market is not None and market.bids else 0

    @property
    def ask_ticks(self) -> int:
        market = self.market
        return market.asks[0][0] if market is not None and market.asks else 0

    @property
    def is_stale(self) -> bool:
        return self.snapshot is not None and is_stale(self.snapshot, self.feed_age_ms)

    @property
    def acting_bot_id(self) -> str:
        """Whose book the person's orders belong to: the selected bot's if its helm is theirs."""
        bot = self.bot
        is_theirs = bot is not None and bot.helm is Helm.MANUAL
        if is_theirs and bot is not None and bot.instrument_id == self.instrument_id:
            return bot.bot_id
        return MANUAL

    @property
    def acting_lots(self) -> int:
        """Signed position of the acting book in the shown instrument."""
        return position_lots(self.snapshot, self.acting_bot_id, self.instrument_id)

    @property
    def closing_side(self) -> Side:
        return Side.SELL if self.acting_lots > 0 else Side.BUY


def is_stale(snapshot: EngineSnapshot, feed_age_ms: int) -> bool:
    """True when the market should be moving and does not."""
    return feed_age_ms > STALE_MS and not snapshot.has_ended and snapshot.speed > 0


def feed_age_ms(snapshot: EngineSnapshot, wall_ns: int) -> int:
    """Age of the market now: as published plus what has passed since. Grows if the engine hangs."""
    since_ms = max(0, wall_ns - snapshot.published_wall_ns) // 1_000_000
    return snapshot.feed_age_ms + since_ms


def is_generated(snapshot: EngineSnapshot) -> bool:
    """A market with a crash button."""
    return snapshot.mode is not Mode.LIVE and snapshot.world.startswith("generated")


def steering_bots(snapshot: EngineSnapshot) -> list[BotSnapshot]:
    return [bot for bot in snapshot.bots if bot.helm is Helm.AUTO and bot.bot_id != MANUAL]


def find_instrument(snapshot: EngineSnapshot | None, instrument_id: str) -> Instrument | None:
    if snapshot is None:
        return None
    return next((i for i in snapshot.instruments if i.instrument_id == instrument_id), None)


def find_market(snapshot: EngineSnapshot | None, instrument_id: str) -> MarketSnapshot | None:
    if snapshot is None:
        return None
    return next((m for m in snapshot.markets if m.instrument_id == instrument_id), None)


def find_bot(snapshot: EngineSnapshot | None, bot_id: str) -> BotSnapshot | None:
    if snapshot is None:
        return None
    return next((bot for bot in snapshot.bots if bot.bot_id == bot_id), None)


def find_incident(snapshot: EngineSnapshot | None, incident_id: str) -> IncidentSnapshot | None:
    if snapshot is None:
        return None
    shown = snapshot.incidents
    return next((one for one in shown if one.incident.incident_id == incident_id), None)


def find_algo(snapshot: EngineSnapshot | None, algo_id: str) -> AlgoSnapshot | None:
    if snapshot is None:
        return None
    return next((algo for algo in snapshot.algos if algo.algo_id == algo_id), None)


def open_alerts(snapshot: EngineSnapshot) -> list[LogRow]:
    """Alerts that nobody has acknowledged, oldest first."""
    after_ns = snapshot.alerts_until_ns
    return [row for row in snapshot.log if row.level == "alert" and row.ts_ns > after_ns]


def position_lots(snapshot: EngineSnapshot | None, bot_id: str, instrument_id: str) -> int:
    """Signed holding of one book; 0 when it has never traded."""
    if snapshot is None:
        return 0
    for position in snapshot.positions:
        if position.bot_id == bot_id and position.instrument_id == instrument_id:
            return position.lots
    return 0


def find_order(snapshot: EngineSnapshot | None, order_id: str) -> OrderSnapshot | None:
    if snapshot is None:
        return None
    return next((o for o in snapshot.orders if o.order.client_order_id == order_id), None)
