"""The story of an algo: what it is, what it decided and why, what its orders did."""

from __future__ import annotations

from collections.abc import Sequence

from app.views import format as fmt
from app.views.story import Instruments, Sentence
from engine.domain import events as e
from engine.domain.instrument import Instrument
from engine.runtime.narrate import spec_words
from engine.trading.algos.describe import algo_words


def algo_story(
    events: Sequence[e.AnyEvent], algo_id: str, instruments: Instruments
) -> list[Sentence]:
    """Empty when `events` do not know it."""
    sentences: list[Sentence] = []
    legs: dict[str, str] = {}
    instrument: Instrument | None = None
    for event in events:
        if isinstance(event, e.AlgoStarted) and event.algo_id == algo_id:
            instrument = instruments[event.spec.instrument_id]
        if instrument is None:
            continue
        text = ""
        if isinstance(event, e.OrderIntended) and event.order.algo_id == algo_id:
            legs[event.order.client_order_id] = event.order.leg
            text = f"{event.order.leg}: {spec_words(event.order.spec, instrument)} "
            text += f"as {event.order.client_order_id}"
        elif isinstance(event, e.OrderEvent) and event.client_order_id in legs:
            text = _order_words(event, legs[event.client_order_id], instrument)
        elif getattr(event, "algo_id", "") == algo_id:
            text = _algo_words(event, instrument)
        if text:
            sentences.append(Sentence(event.ts_ns, text))
    return sentences


def _order_words(event: e.OrderEvent, leg: str, instrument: Instrument) -> str:
    match event:
        case e.OrderAccepted():
            return f"{leg}: the venue took {event.client_order_id}"
        case e.OrderFilled(fill=fill):
            lots = fmt.plain_qty(fill.lots, instrument)
            return f"{leg}: {lots} filled @ {fmt.plain_price(fill.price_ticks, instrument)}"
        case e.OrderTriggered():
            return f"{leg}: its trigger was reached"
        case e.CancelIntended(by=by):
            return f"{leg}: {'the algo' if by == 'algo' else by} cancels {event.client_order_id}"
        case e.OrderRejected(reason=reason) | e.OrderExpired(reason=reason):
            return f"{leg}: ended by the venue: {reason}"
        case e.OrderCanceled():
            return f"{leg}: {event.client_order_id} is gone"
        case _:
            return ""


def _algo_words(event: e.AnyEvent, instrument: Instrument) -> str:
    match event:
        case e.AlgoStarted(owner=owner, bot_id=bot_id, spec=spec):
            who = "a person" if owner == "human" else "the bot"
            return f"{who} started {algo_words(spec, instrument)} for {bot_id}"
        case e.AlgoAmended(by=by, spec=spec):
            return f"{by} changed it to {algo_words(spec, instrument)}"
        case e.AlgoStepped(note=note):
            return note
        case e.OrderDenied():
            return f"{event.leg}: refused: {event.limit}: limit {event.limit_value}, order " + (
                event.order_value
            )
        case e.AlgoEnding(reason=reason):
            return f"all its orders are being cancelled: {reason}"
        case e.AlgoAlarmed(text=text):
            return f"UNGUARDED: {text}" if text else "guarded again"
        case e.AlgoReopened(reason=reason):
            return f"it works again: {reason}"
        case e.AlgoEnded(outcome=outcome, reason=reason):
            return f"{outcome}: {reason}"
        case _:
            return ""
