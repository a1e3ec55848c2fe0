"""The story of an order or a bot, from the ledger's events, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.views import format as fmt
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import Fill, OrderSpec, Purpose
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
    Purpose.REVERSE: "to turn its position round",
}
_PLACERS = {"bot": "the bot", "human": "a person", "engine": "the engine"}


def order_story(events: Sequence[e.AnyEvent], instruments: Instruments) -> list[Sentence]:
    """What happened to one order, from its intent on."""
    sentences = []
    instrument: Instrument | None = None
    left, sign = 0, 1
    fills: dict[str, Fill] = {}
    for event in events:
        if isinstance(event, e.OrderIntended | e.PositionLiquidated):
            spec = event.order.spec
            instrument, left, sign = instruments[spec.instrument_id], spec.qty_lots, spec.side.sign
        if instrument is None:
            continue
        if isinstance(event, e.OrderFilled):
            left -= event.fill.lots
            fills[event.fill.trade_id] = event.fill
        if isinstance(event, e.FillMarked):
            text = _markout_sentence(event, fills.get(event.trade_id), sign, instrument)
        else:
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
        case e.PositionLiquidated(order=order, due_ticks=ticks):
            price = fmt.plain_price(ticks, instrument)
            return (
                f"the venue liquidated the position of {order.bot_id} at {price}: "
                f"{spec_words(order.spec, instrument)}"
            )
        case e.OrderAccepted():
            return f"the venue took it as {event.venue_order_id}{_join_words(event, instrument)}"
        case e.OrderFilled(fill=fill):
            rest = f"{fmt.plain_qty(left, instrument)} left" if left > 0 else "filled completely"
            return (
                f"{fmt.plain_qty(fill.lots, instrument)} filled @ "
                f"{fmt.plain_price(fill.price_ticks, instrument)} as "
                f"{'maker' if fill.is_maker else 'taker'}, "
                f"fee {plain(fill.fee)} {fill.fee_asset}; {rest}{_line_words(fill, instrument)}"
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


DEEP_RANK = 10
"""Average trades ahead of an order from which its fills tend to be the bad ones."""


def _join_words(event: e.OrderAccepted, instrument: Instrument) -> str:
    """` after 62 ms, behind 3.2 (14.0 average trades): deep in the line`"""
    words = f" after {_ms(event.latency_ns)}" if event.latency_ns >= 0 else ""
    if event.queue_ahead_lots < 0:
        return words
    words += f", behind {fmt.plain_qty(event.queue_ahead_lots, instrument)}"
    if event.queue_rank_tenths < 0:
        return words
    words += f" ({event.queue_rank_tenths / 10:.1f} average trades)"
    is_deep = event.queue_rank_tenths > 10 * DEEP_RANK
    return f"{words}: deep in the line, where fills tend to be bad ones" if is_deep else words


def _line_words(fill: Fill, instrument: Instrument) -> str:
    """How the line moved up to the fill; nothing of takers."""
    if fill.queue_ahead_lots < 0:
        return ""
    words = f"; it had joined behind {fmt.plain_qty(fill.queue_ahead_lots, instrument)}"
    if fill.queue_left_lots > 0:
        words += (
            f", {fmt.plain_qty(fill.queue_left_lots, instrument)} of that still ahead when the "
            "price went through its level"
        )
    if fill.level_volume_lots >= 0:
        volume = fmt.plain_qty(fill.level_volume_lots, instrument)
        words += f", {volume} traded at its price or beyond meanwhile"
    return words


def _markout_sentence(
    event: e.FillMarked, fill: Fill | None, sign: int, instrument: Instrument
) -> str:
    if fill is None:
        return ""
    if event.mid_x2 == 0:
        return f"where the mid stood {event.after_s} s after that fill is not known"
    price_x2 = 2 * fill.price_ticks
    earned_bp = sign * (event.mid_x2 - price_x2) / price_x2 * 10_000
    mid = plain(instrument.price(event.mid_x2) / 2)
    return f"{event.after_s} s after that fill the mid stood at {mid}: {earned_bp:+.2f} bp for it"


def _ms(ns: int) -> str:
    return f"{ns / 1e6:.4g} ms"


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
        case e.ParamsEdited() if event.bot_id == bot_id:
            return f"parameters set by {event.by}: {event.changed or event.params_json}"
        case e.BotFailed() if event.bot_id == bot_id:
            return f"it failed and was paused: {event.error}"
        case e.OrderDenied() if event.bot_id == bot_id:
            return (
                f"refused: {_wanted(event.spec, instruments)}: {event.limit} is "
                f"{event.limit_value}, this order {event.order_value}"
            )
        case e.PositionLiquidated() if event.bot_id == bot_id:
            price = fmt.plain_price(event.due_ticks, instruments[event.order.spec.instrument_id])
            return f"LIQUIDATED by the venue at {price}: {_wanted(event.order.spec, instruments)}"
        case e.FundingPaid() if event.bot_id == bot_id:
            return _funding_words(event)
        case e.FlattenStarted() if event.bot_id in ("", bot_id):
            return f"flattening began for {event.by}{_because(event.reason)}"
        case e.FlattenEnded() if event.bot_id in ("", bot_id):
            return event.stays or "flat, no orders working"
        case e.KillChanged(level=level):
            return f"kill switch {level.name.lower().replace('_', ' ')} by {event.by}"
        case e.RiskTripped():
            return f"{event.limit} {event.value} reached the limit of {event.limit_value}"
        case _:
            return ""


def _funding_words(event: e.FundingPaid) -> str:
    verb = "paid" if event.amount >= 0 else "received"
    words = f"funding {verb}: {plain(abs(event.amount))}"
    if event.rate is None or event.mark is None:
        return words
    return f"{words}, rate {plain(event.rate)} at {plain(event.mark)}"


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
