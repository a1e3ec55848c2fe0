"""Events in words: one line each for the log, or nothing for what only machines care about."""

from __future__ import annotations

from typing import NamedTuple

from engine.domain import events as e
from engine.domain.algo import AlgoOutcome
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import Order, OrderSpec
from engine.trading.algos.check import refusal_words
from engine.trading.algos.describe import algo_words
from engine.trading.state import TradingState


class Line(NamedTuple):
    level: str
    """`info`, `trade`, `warn`, `alert`."""
    source: str
    text: str


def spec_words(spec: OrderSpec, instrument: Instrument) -> str:
    """`buy 0.010 limit @ 60000.0 post_only reduce-only`."""
    words = [str(spec.side), plain(instrument.qty(spec.qty_lots)), str(spec.type)]
    if spec.price_ticks:
        words.append(f"@ {instrument.price(spec.price_ticks)}")
    if spec.trigger_ticks:
        words.append(f"trigger {instrument.price(spec.trigger_ticks)}")
    if spec.tif != "gtc":
        words.append(str(spec.tif))
    if spec.reduce_only:
        words.append("reduce-only")
    return " ".join(words)


def narrate(event: e.AnyEvent, state: TradingState) -> Line | None:
    """The line for `event`, told after it has been applied to `state`."""
    if isinstance(event, e.OrderEvent):
        return _narrate_order(event, state)
    if isinstance(event, _ALGO_EVENTS):
        return _narrate_algo(event, state)
    if isinstance(event, _LIVE_EVENTS):
        return _narrate_live(event)
    match event:
        case e.SessionStarted():
            return Line("info", "engine", f"ledger started with {event.capital} {event.settle}")
        case e.BotAdded():
            return Line("info", event.bot_id, f"{event.strategy} on {event.instrument_id} started")
        case e.BotRemoved():
            return Line("info", event.bot_id, f"removed by {event.by}")
        case e.OrderIntended(order=order) if order.placed_by != "bot" and _is_news(order, state):
            instrument = state.instruments[order.spec.instrument_id]
            placer = f"{order.algo_id} {order.leg}" if order.algo_id else order.placed_by
            text = f"{placer}: {spec_words(order.spec, instrument)}"
            return Line("trade", order.bot_id, text)
        case e.OrderDenied():
            instrument = state.instruments[event.spec.instrument_id]
            more = f" ({event.repeats} more like it)" if event.repeats else ""
            return Line(
                "warn",
                event.bot_id,
                f"refused {spec_words(event.spec, instrument)}: {event.limit} "
                f"limit {event.limit_value}, order {event.order_value}{more}",
            )
        case e.FundingPaid():
            verb = "paid" if event.amount >= 0 else "received"
            return Line("info", event.bot_id, f"funding {verb} {plain(abs(event.amount))}")
        case e.PositionLiquidated():
            return _narrate_liquidation(event, state)
        case e.HelmChanged():
            reason = f": {event.reason}" if event.reason else ""
            return Line("info", event.bot_id, f"{event.helm} by {event.by}{reason}")
        case e.BotFailed():
            return Line("alert", event.bot_id, event.error)
        case e.KillChanged(level=level):
            text = f"kill switch: {level.name.lower().replace('_', ' ')} by {event.by}"
            return Line("alert", "risk", text)
        case e.ParamsEdited(changed=changed):
            return Line("info", event.bot_id, f"parameters changed by {event.by}: {changed}")
        case e.IncidentOpened(incident=one):
            words = f"{one.kind}: ours {one.ours}; the venue's {one.venues}"
            return Line("alert", one.bot_id or "risk", f"incident {one.incident_id}: {words}")
        case e.IncidentResolved():
            return Line(
                "warn", "risk", f"incident {event.incident_id}: {event.choice} by {event.by}"
            )
        case e.PositionAdopted():
            instrument = state.instruments[event.instrument_id]
            price = plain(instrument.price(event.price_ticks))
            change = f"position changed by {plain(instrument.qty(event.lots))} at {price}"
            return Line("alert", event.bot_id, f"{change}, adopted by {event.by}")
        case e.RiskTripped():
            text = f"{event.limit} {event.value} reached the limit of {event.limit_value}"
            return Line("alert", "risk", text)
        case e.LimitsReset():
            return Line("warn", "risk", f"loss limits reset by {event.by}")
        case e.FlattenStarted():
            scope = event.bot_id or event.instrument_id or "everything"
            return Line("warn", "risk", f"flattening {scope} for {event.by}: {event.reason}")
        case e.FlattenEnded():
            scope = event.bot_id or event.instrument_id or "everything"
            if event.stays:
                return Line("warn", "risk", f"{scope} is closed: {event.stays}")
            return Line("info", "risk", f"{scope} is flat, no orders working")
        case e.CommandDone(refused=refused) if refused:
            return Line("warn", event.by, f"{event.name} refused: {refused}")
        case e.MarketShocked():
            return Line("alert", "market", f"crash button pressed by {event.by}")
        case e.Noted():
            return Line("warn", event.bot_id or "engine", event.text)
        case _:
            return None


def _narrate_live(event: e.AnyEvent) -> Line | None:
    match event:
        case e.HoldChanged():
            source = event.instrument_id or "engine"
            if event.reason:
                return Line("warn", source, f"not trading: {event.reason}")
            return Line("info", source, "trading")
        case e.CashMoved(cash=cash):
            verb = "received" if cash.amount >= 0 else "left"
            return Line(
                "info", "engine", f"{cash.kind}: {plain(abs(cash.amount))} {cash.asset} {verb}"
            )
        case e.BalanceAdopted():
            amount = f"{plain(event.amount)} {event.asset}"
            return Line("alert", "risk", f"{amount} unexplained, adopted by {event.by}")
        case e.RulesChanged(instrument=one):
            words = f"least quantity {plain(one.qty(one.min_lots))}, least value "
            return Line("warn", one.instrument_id, f"rules: {words}{plain(one.min_notional)}")
        case e.ReceiptVerified(words=words, is_clean=is_clean):
            return Line("info" if is_clean else "alert", "engine", words)
        case _:
            return None


_LIVE_EVENTS = (e.HoldChanged, e.CashMoved, e.BalanceAdopted, e.RulesChanged, e.ReceiptVerified)
_ALGO_EVENTS = (
    e.AlgoStarted,
    e.AlgoDenied,
    e.AlgoStepped,
    e.AlgoAmended,
    e.AlgoEnding,
    e.AlgoAlarmed,
    e.AlgoEnded,
    e.AlgoReopened,
)


def _narrate_algo(event: e.AnyEvent, state: TradingState) -> Line | None:
    if isinstance(event, e.AlgoDenied):
        words = algo_words(event.spec, state.instruments[event.spec.instrument_id])
        more = f" ({event.repeats} more like it)" if event.repeats else ""
        why = refusal_words(event.limit, event.limit_value, event.order_value)
        return Line("warn", event.bot_id, f"refused {words}: {why}{more}")
    algo = state.find_algo(getattr(event, "algo_id", ""))
    if algo is None:
        return None
    level, text = _algo_words(event, state)
    return Line(level, algo.bot_id, f"{algo.algo_id}{text}") if text else None


def _algo_words(event: e.AnyEvent, state: TradingState) -> tuple[str, str]:
    """Level, and what follows the algo's id; "" for what is no news."""
    match event:
        case e.AlgoStarted(spec=spec) | e.AlgoAmended(spec=spec):
            verb = "changed" if isinstance(event, e.AlgoAmended) else "started"
            return "trade", f" {verb}: {algo_words(spec, state.instruments[spec.instrument_id])}"
        case e.AlgoStepped(note=note):
            return "trade", f": {note}" if note else ""
        case e.AlgoEnding(reason=reason):
            return "trade", f": cancelling its orders: {reason}"
        case e.AlgoAlarmed(text=text):
            return ("alert", f": UNGUARDED: {text}") if text else ("info", ": guarded again")
        case e.AlgoReopened(reason=reason):
            return "alert", f" works again: {reason}"
        case e.AlgoEnded(outcome=outcome, reason=reason):
            return "warn" if outcome is AlgoOutcome.FAILED else "trade", f" {outcome}: {reason}"
        case _:
            return "info", ""


def _is_news(order: Order, state: TradingState) -> bool:
    """An algo's first order of a leg is; the many by which it moves or slices are its own story."""
    algo = state.find_algo(order.algo_id) if order.algo_id else None
    return algo is None or algo.leg(order.leg).orders <= 1


def _narrate_liquidation(event: e.PositionLiquidated, state: TradingState) -> Line:
    spec = event.order.spec
    instrument = state.instruments[spec.instrument_id]
    price = plain(instrument.price(event.due_ticks))
    words = spec_words(spec, instrument)
    return Line("alert", event.bot_id, f"LIQUIDATED at {price} by the venue: {words}")


def _narrate_order(event: e.OrderEvent, state: TradingState) -> Line | None:
    order = state.find_order(event.client_order_id)
    if order is None:
        return Line(
            "alert", "engine", f"{type(event).__name__} for unknown {event.client_order_id}"
        )
    instrument = state.instruments[order.spec.instrument_id]
    if order.suspect:
        return Line("alert", order.bot_id, f"{order.client_order_id}: {order.suspect}")
    match event:
        case e.OrderFilled(fill=fill):
            role = "maker" if fill.is_maker else "taker"
            return Line(
                "trade",
                order.bot_id,
                f"{order.spec.side} {plain(instrument.qty(fill.lots))} filled @ "
                f"{instrument.price(fill.price_ticks)} "
                f"fee {plain(fill.fee)} {fill.fee_asset} {role}",
            )
        case e.OrderRejected() | e.OrderExpired():
            words = spec_words(order.spec, instrument)
            return Line("warn", order.bot_id, f"{words}: {event.reason}")
        case e.CancelRejected():
            return Line("warn", order.bot_id, f"cancel refused: {event.reason}")
        case e.OrderTriggered():
            return Line("trade", order.bot_id, f"triggered {spec_words(order.spec, instrument)}")
        case e.PlacementUnknown():
            return Line("alert", order.bot_id, f"fate of {order.client_order_id} unknown")
        case e.OrderCanceled() if order.placed_by not in ("bot", "algo"):
            return Line("trade", order.bot_id, f"cancelled {spec_words(order.spec, instrument)}")
        case _:
            return None
