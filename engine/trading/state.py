"""The trader's whole state: nothing but the fold of its events.

Every change of orders, positions, helm, kill level and risk flags goes through `apply`. A restart
applies the journal and is then, by construction, where the live state was; a test compares them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.incident import Choice, Incident
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO
from engine.domain.order import Fill, Order, OrderSpec, Pending, Purpose, Side
from engine.domain.order_step import order_step
from engine.domain.position import Position, apply_fill
from engine.trading.algos.state import AlgoState, Leg, note_failure, note_order, unplaced_lots
from engine.trading.live_side import LiveSide
from engine.trading.state_parts import BotState, Doubt, Exposure, UnmarkedFill

MANUAL = "manual"
"""The book of the person: orders and positions that belong to no bot."""

FINAL_ORDERS_KEPT = 4096
"""Finished orders remembered for late or repeated reports; older ones are in the ledger."""
COMMANDS_KEPT = 4096
NS_PER_SECOND = 1_000_000_000
MARKOUT_S = (1, 5, 60)
"""When the price after a fill is noted."""
UNMARKED_KEPT = 1024
"""Of more fills than this in a minute the oldest go without."""
ENDED_ALGOS_KEPT = 1024
RATE_WINDOW_NS = 1_000_000_000


class TradingState(LiveSide):
    """See the module. Fields are read by everyone and written by `apply` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.last_ns = 0
        self.events = 0
        self.world = ""
        self.settle = ""
        self.capital = ZERO
        self.salt = 0
        self.instruments: dict[str, Instrument] = {}
        self.began_ns = 0
        """When the ledger's session began: the phase of periodic work."""
        self.bots: dict[str, BotState] = {}
        self.retired: set[str] = set()
        """Ids of removed bots; none is used again."""
        self.orders: dict[str, Order] = {}
        """Live orders, oldest first."""
        self.orders_by_bot: dict[str, dict[str, Order]] = {}
        self.final_orders: OrderedDict[str, Order] = OrderedDict()
        self.positions: dict[tuple[str, str], Position] = {}
        self.net_lots: dict[str, int] = {}
        """Position of all bots together, by instrument."""
        self.exposure: dict[str, Exposure] = {}
        self.moves: dict[str, int] = {}
        """Orders being cancelled in order to be placed again at this price."""
        self.algos: dict[str, AlgoState] = {}
        """Working algos, oldest first."""
        self.ended_algos: OrderedDict[str, AlgoState] = OrderedDict()
        self.algos_started = 0
        self.intents = 0
        self.recent_intents: deque[int] = deque()
        """When orders were intended within a second of the newest one."""
        self.denied_ns: dict[tuple[str, str, str], int] = {}
        """When a refusal was last journalled, by bot, limit and side."""
        self.closing_ns: dict[tuple[str, str], int] = {}
        """When the engine last tried to close a book, by bot and instrument."""
        self.closing_refusals: dict[tuple[str, str], int] = {}
        """Closing orders refused in a row, by the same."""
        self.kill = KillLevel.NONE
        self.kill_reason = ""
        self.kill_by = ""
        self.kill_since_ns = 0
        self.doubts: dict[str, Doubt] = {}
        """By instrument: prices that jumped and are not believed."""
        self.incidents: dict[str, Incident] = {}
        """Open ones, oldest first."""
        self.incidents_opened = 0
        self.ignored: set[str] = set()
        """Differences that a person has ignored: they are not told again."""
        self.alerts_until_ns = 0
        self.tripped: e.RiskTripped | None = None
        self.flattening: dict[tuple[str, str], e.FlattenStarted] = {}
        """By (instrument, bot); "" stands for every one."""
        self.stays: dict[tuple[str, str], str] = {}
        """What the last flattening of a scope had to leave, in words."""
        self.day_start_ns = 0
        self.day_start_equity = ZERO
        self.peak_equity = ZERO
        self.equity_curve: deque[tuple[int, Decimal]] = deque(maxlen=4096)
        self.commands: OrderedDict[str, e.CommandDone] = OrderedDict()
        self.denied = 0
        self.placed = 0
        self.fills = 0
        self.liquidations = 0
        self.unmarked: dict[int, deque[UnmarkedFill]] = {
            after_s: deque(maxlen=UNMARKED_KEPT) for after_s in MARKOUT_S
        }
        """Fills whose price some seconds later has not been noted yet, by those seconds."""
        self.unanswered: dict[str, None] = {}
        """Orders whose placement was not answered: they may be live. Oldest first."""
        self.cancels_asked: dict[str, None] = {}
        """Live orders whose cancel is wished for and neither confirmed nor refused."""

    # -- reading -----------------------------------------------------------------------------

    def position(self, bot_id: str, instrument_id: str) -> Position:
        return self.positions.get((bot_id, instrument_id), _FLAT)

    def bot_orders(self, bot_id: str) -> dict[str, Order]:
        return self.orders_by_bot.get(bot_id, _NO_ORDERS)

    def find_order(self, client_order_id: str) -> Order | None:
        order = self.orders.get(client_order_id)
        return order if order is not None else self.final_orders.get(client_order_id)

    def find_algo(self, algo_id: str) -> AlgoState | None:
        algo = self.algos.get(algo_id)
        return algo if algo is not None else self.ended_algos.get(algo_id)

    def unplaced_lots(self, instrument_id: str, side: Side, but: str = "") -> int:
        """What working algos, other than `but`, may still send towards `side`."""
        if not self.algos:
            return 0
        return sum(
            unplaced_lots(algo)
            for algo in self.algos.values()
            if algo.spec.instrument_id == instrument_id
            and algo.spec.side is side
            and algo.algo_id != but
        )

    def alarm_of(self, instrument_id: str, bot_id: str) -> str:
        """Why a book lacks the guard that one of its algos owes it; "" while all is well."""
        for algo in self.algos.values():
            if algo.alarm and (algo.spec.instrument_id, algo.bot_id) == (instrument_id, bot_id):
                return f"{algo.algo_id}: {algo.alarm}"
        return ""

    def incident_in(self, instrument_id: str) -> Incident | None:
        """The oldest open incident that makes this instrument reduce-only."""
        for incident in self.incidents.values():
            if incident.instrument_id in ("", instrument_id):
                return incident
        return None

    def unanswered_of(self, bot_id: str, instrument_id: str) -> str:
        """An order of this book whose placement was not answered; "" where there is none."""
        for key in self.unanswered:
            order = self.orders[key]
            if (order.bot_id, order.spec.instrument_id) == (bot_id, instrument_id):
                return key
        return ""

    def closing_lots(self, instrument_id: str, side: Side) -> int:
        """What reduce-only orders may still add towards `side`: each closes its owner's book, and
        all books together are one position."""
        if not self.exposure[instrument_id].closers:
            return 0
        leaves: dict[str, int] = {}
        for order in self.orders.values():
            spec = order.spec
            if spec.reduce_only and spec.side is side and spec.instrument_id == instrument_id:
                leaves[order.bot_id] = leaves.get(order.bot_id, 0) + order.leaves_lots
        return sum(
            min(lots, max(0, -side.sign * self.position(bot_id, instrument_id).lots))
            for bot_id, lots in leaves.items()
        )

    def is_flattening(self, instrument_id: str, bot_id: str) -> bool:
        """Whether this book is being closed by the engine right now."""
        return bool(self.flattening) and any(
            instrument in ("", instrument_id) and bot in ("", bot_id)
            for instrument, bot in self.flattening
        )

    def intents_in_window(self, now_ns: int) -> int:
        """Orders intended within the last second."""
        # Looks only: what a reader forgot, a state folded from the journal would still hold.
        recent = self.recent_intents
        return len(recent) - bisect_right(recent, now_ns - RATE_WINDOW_NS)

    # -- writing -----------------------------------------------------------------------------

    def apply(self, event: e.AnyEvent) -> None:
        """Fold one event in. Never refuses: an event is a fact."""
        self.last_ns = event.ts_ns
        self.events += 1
        _APPLY[type(event)](self, event)

    def _session_started(self, event: e.SessionStarted) -> None:
        self.began_ns = event.ts_ns
        self.world = event.world
        self.settle = event.settle
        self.capital = event.capital
        self.salt = event.salt
        self.peak_equity = event.capital
        self.day_start_equity = event.capital
        self.instruments = {item.instrument_id: item for item in event.instruments}
        self.exposure = {item.instrument_id: Exposure() for item in event.instruments}

    def _bot_added(self, event: e.BotAdded) -> None:
        self.bots[event.bot_id] = BotState(
            bot_id=event.bot_id,
            strategy=event.strategy,
            instrument_id=event.instrument_id,
            params_json=event.params_json,
            started_ns=event.ts_ns,
        )

    def _bot_removed(self, event: e.BotRemoved) -> None:
        del self.bots[event.bot_id]
        self.retired.add(event.bot_id)

    def _order_intended(self, event: e.OrderIntended) -> None:
        order = event.order
        self.intents += 1
        self.placed += 1
        self.recent_intents.append(event.ts_ns)
        while self.recent_intents[0] <= event.ts_ns - RATE_WINDOW_NS:
            self.recent_intents.popleft()
        self._note_closing(order.bot_id, order.spec, event.ts_ns)
        self._add_order(order)
        algo = self.find_algo(order.algo_id) if order.algo_id else None
        if algo is not None:
            note_order(algo, None, order, event)

    def _add_order(self, order: Order) -> None:
        self.orders[order.client_order_id] = order
        self.orders_by_bot.setdefault(order.bot_id, {})[order.client_order_id] = order
        self._reserve(order, 1)

    def _order_denied(self, event: e.OrderDenied) -> None:
        algo = self.find_algo(event.algo_id) if event.algo_id else None
        if algo is not None:
            words = f"{event.limit}: limit {event.limit_value}, order {event.order_value}"
            note_failure(algo.legs.setdefault(event.leg, Leg()), event.ts_ns, words)
        self.denied += 1 + event.repeats
        self.denied_ns[(event.bot_id, event.limit, event.spec.side)] = event.ts_ns
        self._note_closing(event.bot_id, event.spec, event.ts_ns)

    def _note_closing(self, bot_id: str, spec: OrderSpec, now_ns: int) -> None:
        if spec.purpose is Purpose.FLATTEN:
            self.closing_ns[(bot_id, spec.instrument_id)] = now_ns

    def _order_event(self, event: Any) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        order = self.find_order(event.client_order_id)
        if order is None:
            # Older than the memory of finished orders: keep the trace, a person must look.
            self.suspects[event.client_order_id] = f"{type(event).__name__} for a forgotten order"
            return
        step = order_step(order, event)
        if step.is_repeat:
            return
        if step.anomaly:
            self.suspects[order.client_order_id] = step.anomaly
        self._replace(order, step.order)
        algo = self.find_algo(order.algo_id) if order.algo_id else None
        if algo is not None:
            note_order(algo, order, step.order, event)
        own = (order.bot_id, order.spec.instrument_id)
        if isinstance(event, e.OrderFilled):
            self.closing_refusals.pop(own, None)
            self._book_fill(order, event)
        elif isinstance(event, e.OrderRejected) and order.spec.purpose is Purpose.FLATTEN:
            self.closing_refusals[own] = self.closing_refusals.get(own, 0) + 1
        elif isinstance(event, e.CancelIntended):
            if event.then_price_ticks:
                self.moves[order.client_order_id] = event.then_price_ticks
            if step.order.is_live:
                self.cancels_asked[order.client_order_id] = None
        elif isinstance(event, e.CancelRejected):
            self.cancels_asked.pop(order.client_order_id, None)

    def _replace(self, old: Order, new: Order) -> None:
        """Put `new` in the place of `old` and move reservations with it."""
        key = new.client_order_id
        if old.is_live:
            self._reserve(old, -1)
        if new.pending is Pending.UNKNOWN:
            self.unanswered[key] = None
        elif old.pending is Pending.UNKNOWN:
            self.unanswered.pop(key, None)
        if new.is_live:
            self._reserve(new, 1)
            self.orders[key] = new
            self.orders_by_bot.setdefault(new.bot_id, {})[key] = new
            self.final_orders.pop(key, None)
            return
        if old.is_live:
            del self.orders[key]
            del self.orders_by_bot[new.bot_id][key]
            self.cancels_asked.pop(key, None)
        self.final_orders[key] = new
        if len(self.final_orders) > FINAL_ORDERS_KEPT:
            self.final_orders.popitem(last=False)

    def _reserve(self, order: Order, sign: int) -> None:
        exposure = self.exposure[order.spec.instrument_id]
        if order.spec.reduce_only:
            exposure.closers += sign
            return
        if order.spec.side is Side.BUY:
            exposure.buy_lots += sign * order.leaves_lots
        else:
            exposure.sell_lots += sign * order.leaves_lots

    def _book_fill(self, order: Order, event: e.OrderFilled) -> None:
        self.fills += 1
        instrument_id = order.spec.instrument_id
        instrument = self.instruments[instrument_id]
        side, fill, value, now_ns = order.spec.side, event.fill, event.value_units, event.ts_ns
        own = (order.bot_id, instrument_id)
        for after_s, waiting in self.unmarked.items():
            due_ns = now_ns + after_s * NS_PER_SECOND
            waiting.append(
                UnmarkedFill(due_ns, event.client_order_id, fill.trade_id, instrument_id)
            )
        before = self.positions.get(own, _FLAT)
        after = apply_fill(before, instrument, side, fill, value, now_ns)
        self.positions[own] = after
        # Not the fill's lots: a fee in the base coin takes some of them.
        held = self.net_lots.get(instrument_id, 0)
        self.net_lots[instrument_id] = held + after.lots - before.lots
        if self.accounting is not None:
            self.accounting.book_fill(instrument, side, fill)

    def _fill_marked(self, event: e.FillMarked) -> None:
        waiting = self.unmarked[event.after_s]
        while waiting and waiting[0].due_ns <= event.ts_ns:
            found = waiting.popleft()
            if found.trade_id == event.trade_id:
                break

    def _position_liquidated(self, event: e.PositionLiquidated) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        self.liquidations += 1
        self._add_order(event.order)

    def _funding_paid(self, event: e.FundingPaid) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        own = (event.bot_id, event.instrument_id)
        position = self.positions.get(own, _FLAT)
        self.positions[own] = msgspec.structs.replace(
            position, funding=MONEY.add(position.funding, event.amount)
        )

    def _move_ended(self, event: e.MoveEnded) -> None:
        self.moves.pop(event.client_order_id, None)

    def _algo_started(self, event: e.AlgoStarted) -> None:
        self.algos_started += 1
        self.algos[event.algo_id] = AlgoState(
            algo_id=event.algo_id,
            bot_id=event.bot_id,
            owner=event.owner,
            spec=event.spec,
            started_ns=event.ts_ns,
        )

    def _algo_denied(self, event: e.AlgoDenied) -> None:
        self.denied += 1 + event.repeats
        self.denied_ns[(event.bot_id, event.limit, event.spec.side)] = event.ts_ns

    def _algo_stepped(self, event: e.AlgoStepped) -> None:
        self.algos[event.algo_id].memory = event.memory

    def _algo_amended(self, event: e.AlgoAmended) -> None:
        self.algos[event.algo_id].spec = event.spec

    def _algo_ending(self, event: e.AlgoEnding) -> None:
        self.algos[event.algo_id].ending = event.reason

    def _algo_alarmed(self, event: e.AlgoAlarmed) -> None:
        self.algos[event.algo_id].alarm = event.text

    def _algo_ended(self, event: e.AlgoEnded) -> None:
        algo = self.algos.pop(event.algo_id)
        algo.outcome, algo.reason, algo.alarm = event.outcome, event.reason, ""
        self.ended_algos[event.algo_id] = algo
        if len(self.ended_algos) > ENDED_ALGOS_KEPT:
            self.ended_algos.popitem(last=False)

    def _algo_reopened(self, event: e.AlgoReopened) -> None:
        algo = self.ended_algos.pop(event.algo_id)
        algo.outcome, algo.reason, algo.ending = None, "", ""
        self.algos[event.algo_id] = algo

    def _equity_marked(self, event: e.EquityMarked) -> None:
        equity = MONEY.add(self.capital, event.equity)
        self.peak_equity = max(self.peak_equity, equity)
        self.equity_curve.append((event.ts_ns, equity))
        if self.accounting is not None:
            self.accounting.last_mid_x2.update(event.mids_x2)

    def _helm_changed(self, event: e.HelmChanged) -> None:
        bot = self.bots[event.bot_id]
        bot.helm = event.helm
        bot.helm_by = event.by
        bot.helm_reason = event.reason
        if event.helm is e.Helm.AUTO:
            bot.error = ""
        if event.helm is e.Helm.MANUAL:
            # Whoever takes the helm owns what is under way, also after giving it back.
            for algo in self.algos.values():
                if algo.bot_id == event.bot_id:
                    algo.owner = "human"

    def _bot_failed(self, event: e.BotFailed) -> None:
        self.bots[event.bot_id].error = event.error

    def _kill_changed(self, event: e.KillChanged) -> None:
        self.kill = event.level
        self.kill_reason = event.reason
        is_on = event.level is not KillLevel.NONE
        self.kill_by = event.by if is_on else ""
        self.kill_since_ns = event.ts_ns if is_on else 0

    def _params_edited(self, event: e.ParamsEdited) -> None:
        self.bots[event.bot_id].params_json = event.params_json

    def _price_distrusted(self, event: e.PriceDistrusted) -> None:
        self.doubts[event.instrument_id] = Doubt(event.mid_x2, event.ts_ns, event.good_mid_x2)

    def _price_trusted(self, event: e.PriceTrusted) -> None:
        self.doubts.pop(event.instrument_id, None)

    def _incident_opened(self, event: e.IncidentOpened) -> None:
        self.incidents_opened += 1
        self.incidents[event.incident.incident_id] = event.incident

    def _incident_resolved(self, event: e.IncidentResolved) -> None:
        incident = self.incidents.pop(event.incident_id)
        self.suspects.pop(incident.client_order_id, None)
        if event.choice is Choice.IGNORE and incident.ignore_key:
            self.ignored.add(incident.ignore_key)

    def _position_adopted(self, event: e.PositionAdopted) -> None:
        side = Side.BUY if event.lots > 0 else Side.SELL
        instrument = self.instruments[event.instrument_id]
        difference = Fill(
            trade_id=event.incident_id,
            price_ticks=event.price_ticks,
            lots=abs(event.lots),
            fee=ZERO,
            fee_asset=self.settle,
            is_maker=False,
            venue_ns=event.ts_ns,
        )
        own = (event.bot_id, event.instrument_id)
        position = self.positions.get(own, _FLAT)
        self.positions[own] = msgspec.structs.replace(
            apply_fill(position, instrument, side, difference, event.value_units, event.ts_ns),
            fills=position.fills,
        )
        held = self.net_lots.get(event.instrument_id, 0)
        self.net_lots[event.instrument_id] = held + event.lots
        if event.books_cash and self.accounting is not None:
            self.accounting.book_difference(instrument, side, difference)

    def _alerts_acknowledged(self, event: e.AlertsAcknowledged) -> None:
        self.alerts_until_ns = max(self.alerts_until_ns, event.until_ns)

    def _day_started(self, event: e.DayStarted) -> None:
        self.day_start_ns = event.ts_ns
        self.day_start_equity = event.equity
        self.peak_equity = max(self.peak_equity, event.equity)

    def _risk_tripped(self, event: e.RiskTripped) -> None:
        self.tripped = event

    def _limits_reset(self, event: e.LimitsReset) -> None:
        self.tripped = None
        self.day_start_equity = event.equity
        self.peak_equity = event.equity

    def _flatten_started(self, event: e.FlattenStarted) -> None:
        self.flattening[(event.instrument_id, event.bot_id)] = event

    def _flatten_ended(self, event: e.FlattenEnded) -> None:
        scope = (event.instrument_id, event.bot_id)
        self.flattening.pop(scope, None)
        self.stays.pop(scope, None)
        if event.stays:
            self.stays[scope] = event.stays

    def _command_done(self, event: e.CommandDone) -> None:
        self.commands[event.command_id] = event
        if len(self.commands) > COMMANDS_KEPT:
            self.commands.popitem(last=False)

    def _rules_changed(self, event: e.RulesChanged) -> None:
        self.report_seq = max(self.report_seq, event.report_seq)
        self.instruments[event.instrument.instrument_id] = event.instrument

    def _no_effect(self, event: e.AnyEvent) -> None:
        """Facts that only the log shows."""


_FLAT = Position()
_NO_ORDERS: dict[str, Order] = {}

_APPLY: dict[type, Callable[[TradingState, Any], None]] = {
    e.SessionStarted: TradingState._session_started,
    e.BotAdded: TradingState._bot_added,
    e.BotRemoved: TradingState._bot_removed,
    e.OrderIntended: TradingState._order_intended,
    e.OrderDenied: TradingState._order_denied,
    e.MoveEnded: TradingState._move_ended,
    e.AlgoStarted: TradingState._algo_started,
    e.AlgoDenied: TradingState._algo_denied,
    e.AlgoStepped: TradingState._algo_stepped,
    e.AlgoAmended: TradingState._algo_amended,
    e.AlgoEnding: TradingState._algo_ending,
    e.AlgoAlarmed: TradingState._algo_alarmed,
    e.AlgoEnded: TradingState._algo_ended,
    e.AlgoReopened: TradingState._algo_reopened,
    e.FillMarked: TradingState._fill_marked,
    e.FundingPaid: TradingState._funding_paid,
    e.PositionLiquidated: TradingState._position_liquidated,
    e.EquityMarked: TradingState._equity_marked,
    e.HelmChanged: TradingState._helm_changed,
    e.BotFailed: TradingState._bot_failed,
    e.KillChanged: TradingState._kill_changed,
    e.ParamsEdited: TradingState._params_edited,
    e.PriceDistrusted: TradingState._price_distrusted,
    e.PriceTrusted: TradingState._price_trusted,
    e.IncidentOpened: TradingState._incident_opened,
    e.IncidentResolved: TradingState._incident_resolved,
    e.PositionAdopted: TradingState._position_adopted,
    e.AlertsAcknowledged: TradingState._alerts_acknowledged,
    e.DayStarted: TradingState._day_started,
    e.RiskTripped: TradingState._risk_tripped,
    e.LimitsReset: TradingState._limits_reset,
    e.FlattenStarted: TradingState._flatten_started,
    e.FlattenEnded: TradingState._flatten_ended,
    e.CommandDone: TradingState._command_done,
    e.MarketShocked: TradingState._no_effect,
    e.Noted: TradingState._no_effect,
    e.HoldChanged: LiveSide.hold_changed,
    e.AccountOpened: LiveSide.account_opened,
    e.CashMoved: LiveSide.cash_moved,
    e.ForeignChanged: LiveSide.foreign_changed,
    e.BalanceAdopted: LiveSide.balance_adopted,
    e.RulesChanged: TradingState._rules_changed,
    e.DoubtRaised: LiveSide.doubt_raised,
    e.ReceiptVerified: LiveSide.receipt_verified,
    **dict.fromkeys(
        (
            e.OrderAccepted,
            e.OrderRejected,
            e.OrderFilled,
            e.OrderTriggered,
            e.CancelIntended,
            e.OrderCanceled,
            e.CancelRejected,
            e.OrderExpired,
            e.PlacementUnknown,
            e.OrderProvenAbsent,
        ),
        TradingState._order_event,
    ),
}


def is_spared_by_pause(order: Order) -> bool:
    """Orders that a pause, a failed bot or a plain cancel-all leaves alone."""
    return order.spec.purpose is Purpose.PROTECTIVE
