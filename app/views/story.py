"""The story of an order or a bot, from the ledger's events, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.views import format as fmt
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import OrderSpec, Purpose
from engine.runtime.narrate import spec_words


class Sentence(NamedTuple):
    ts_ns: int
    text: str


Instruments = Mapping[str, Instrument]

_PURPOSES = {
    Purpose.ENTRY: "to enter",
    Purpose.EXIT: "to reduce its position",
    Purpose.PROTECTIVE: "to protect its position",
    Purpose.FLATTEN: "to take risk off",
}
_PLACERS = {"bot": "the bot", "human": "a person", "engine": "the engine"}


def order_story(events: Sequence[e.AnyEvent], instruments: Instruments) -> list[Sentence]:
    """What happened to one order, from its intent on."""
    sentences = []
    instrument: Instrument | None = None
    left = 0
    for event in events:
        if isinstance(event, e.OrderIntended):
            instrument = instruments[event.order.spec.instrument_id]
            left = event.order.spec.qty_lots
        if instrument is None:
            continue
        if isinstance(event, e.OrderFilled):
            left -= event.fill.lots
        text = _order_sentence(event, instrument, left)
        if text:
            sentences.append(Sentence(event.ts_ns, text))
    return sentences


def _order_sentence(event: e.AnyEvent, instrument: Instrument, left: int) -> str:
    match event:
        case e.OrderIntended(order=order):
            placer = _PLACERS.get(order.placed_by, order.placed_by)
            if order.algo_id:
                placer = f"algo {order.algo_id}, as its {order.leg},"
            return (
                f"{placer} wanted to {spec_words(order.spec, instrument)} for {order.bot_id} "
                f"{_PURPOSES[order.spec.purpose]}; written down before it was sent"
            )
        case e.OrderAccepted(queue_ahead_lots=ahead):
            queue = f", behind {fmt.plain_qty(ahead, instrument)}" if ahead >= 0 else ""
            return f"the venue took it as {event.venue_order_id}{queue}"
        case e.OrderFilled(fill=fill):
            rest = f"{fmt.plain_qty(left, instrument)} left" if left > 0 else "filled completely"
            return (
                f"{fmt.plain_qty(fill.lots, instrument)} filled @ "
                f"{fmt.plain_price(fill.price_ticks, instrument)} as "
                f"{'maker' if fill.is_maker else 'taker'}, "
                f"fee {plain(fill.fee)} {fill.fee_asset}; {rest}"
            )
        case e.CancelIntended(by=by, then_price_ticks=ticks):
            moved = f" to move it to {fmt.plain_price(ticks, instrument)}" if ticks else ""
            return f"{by} asked to cancel it{moved}"
        case e.OrderCanceled(reason=reason):
            return f"cancelled{_because(reason)}"
        case e.OrderRejected(reason=reason):
            return f"the venue rejected it{_because(reason)}"
        case e.OrderExpired(reason=reason):
            return f"it expired{_because(reason)}"
        case e.CancelRejected(reason=reason):
            return f"the venue would not cancel it{_because(reason)}"
        case e.OrderTriggered():
            return "its trigger was reached"
        case e.PlacementUnknown(reason=reason):
            return f"nobody knows whether it reached the venue{_because(reason)}"
        case e.OrderProvenAbsent():
            return "proven: it never reached the venue"
        case _:
            return ""


def bot_story(
    events: Sequence[e.AnyEvent], bot_id: str, instruments: Instruments
) -> list[Sentence]:
    """Who steered the bot and what stopped it; its single orders have stories of their own."""
    sentences = []
    added = [isinstance(one, e.BotAdded) and one.bot_id == bot_id for one in events]
    is_known = not any(added)  # Then it was added before the first of these events.
    for event, is_start in zip(events, added, strict=True):
        is_known = is_known or is_start
        if not is_known:
            continue  # What befell everybody before it was there is not its story.
        text = _bot_sentence(event, bot_id, instruments)
        if text:
            sentences.append(Sentence(event.ts_ns, text))
    return sentences


def _bot_sentence(event: e.AnyEvent, bot_id: str, instruments: Instruments) -> str:
    match event:
        case e.BotAdded() if event.bot_id == bot_id:
            return f"added: {event.strategy} on {event.instrument_id} with {event.params_json}"
        case e.BotRemoved() if event.bot_id == bot_id:
            return f"removed by {event.by}"
        case e.HelmChanged() if event.bot_id == bot_id:
            return f"{_HELM_WORDS[event.helm]} by {event.by}{_because(event.reason)}"
        case e.BotFailed() if event.bot_id == bot_id:
            return f"it failed and was paused: {event.error}"
        case e.OrderDenied() if event.bot_id == bot_id:
            return (
                f"refused: {_wanted(event.spec, instruments)}: {event.limit} is "
                f"{event.limit_value}, this order {event.order_value}"
            )
        case e.FlattenStarted() if event.bot_id in ("", bot_id):
            return f"flattening began for {event.by}{_because(event.reason)}"
        case e.FlattenEnded() if event.bot_id in ("", bot_id):
            return "flat, no orders working"
        case e.KillChanged(level=level):
            return f"kill switch {level.name.lower().replace('_', ' ')} by {event.by}"
        case e.RiskTripped():
            return f"{event.limit} {event.value} reached the limit of {event.limit_value}"
        case _:
            return ""


_HELM_WORDS = {
    e.Helm.AUTO: "set to steer by itself",
    e.Helm.PAUSED: "paused",
    e.Helm.MANUAL: "taken over",
    e.Helm.STOPPED: "stopped",
}


def _wanted(spec: OrderSpec, instruments: Instruments) -> str:
    return spec_words(spec, instruments[spec.instrument_id])


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
