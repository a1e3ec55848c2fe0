"""What taking a bot's helm changes, and what giving it back would do: from the snapshot, before."""

from __future__ import annotations

import msgspec

from app.views import format as fmt
from app.views.viewstate import find_instrument
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.snapshots import BotSnapshot, EngineSnapshot


def handover(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    """Sentences for the bot's screen: the step that is possible now."""
    return _given_back(snapshot, bot) if bot.helm is Helm.MANUAL else _taken(snapshot, bot)


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a take or a give would change, for scripts and dialogs. Nothing has been sent."""

    step: str
    """`take` or `give`."""
    bot_id: str
    helm: Helm
    """Before the step."""
    position_lots: int
    orders: list[str]
    """Working orders that change hands."""
    orders_kept: list[str]
    """A person's orders in its book: they stay a person's."""
    params: dict[str, str]
    last_action: str
    would: str
    """What it last wanted to do while a person has held its helm; "" nothing, or not held."""
    refused_by: str
    """What would refuse its entries now; "" when nothing does."""
    sentences: list[str]


def preview(snapshot: EngineSnapshot, bot: BotSnapshot, step: str) -> Preview:
    """`step` is `take` or `give`; the bot's helm says whether it is possible at all."""
    own = [shown.order for shown in snapshot.orders if shown.order.bot_id == bot.bot_id]
    sentences = _taken(snapshot, bot) if step == "take" else _given_back(snapshot, bot)
    is_possible = (step == "give") is (bot.helm is Helm.MANUAL)
    if not is_possible:
        whose = "yours already" if step == "take" else f"not yours: it is {bot.helm}"
        sentences = [f"The helm of {bot.bot_id} is {whose}."]
    return Preview(
        step=step,
        bot_id=bot.bot_id,
        helm=bot.helm,
        position_lots=bot.position_lots,
        orders=[one.client_order_id for one in own if one.placed_by != "human"],
        orders_kept=[one.client_order_id for one in own if one.placed_by == "human"],
        params=bot.params,
        last_action=bot.last_action,
        would=bot.would,
        refused_by=_refusals(snapshot, bot.instrument_id),
        sentences=sentences,
    )


def _taken(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    held = holding(snapshot, bot)
    sentences = [f"If you take it: {held} become yours; nothing is sent, nothing is cancelled."]
    if bot.helm is Helm.AUTO:
        sentences.append("It goes on watching and saying what it would do, and places nothing.")
    return sentences


def _given_back(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    sentences = [f"If you give it back: it owns {holding(snapshot, bot)} and trades on its own."]
    if bot.would:
        sentences.append(f"At {fmt.clock(bot.would_ns)} it would have: {bot.would}.")
    else:
        sentences.append("It has not wanted to send anything since you took it.")
    own = [o for o in snapshot.orders if o.order.bot_id == bot.bot_id]
    yours = sum(1 for shown in own if shown.order.placed_by == "human")
    if yours:
        sentences.append(f"Your {fmt.count(yours, 'order')} in its book stay; it never moves them.")
    if bot.next_wake_ns:
        sentences.append(f"It looks next at {fmt.clock(bot.next_wake_ns)}.")
    why = _refusals(snapshot, bot.instrument_id)
    if why:
        sentences.append(f"It is refused for now: {why}.")
    return sentences


def holding(snapshot: EngineSnapshot, bot: BotSnapshot) -> str:
    """`+0.25 BTCUSDT and 12 orders`."""
    orders = fmt.count(bot.open_orders, "order")
    instrument = find_instrument(snapshot, bot.instrument_id)
    if instrument is None or bot.position_lots == 0:
        return f"no position and {orders}"
    return f"{fmt.signed_qty(bot.position_lots, instrument)} {instrument.symbol} and {orders}"


def _refusals(snapshot: EngineSnapshot, instrument_id: str) -> str:
    for shown in snapshot.incidents:
        if shown.incident.instrument_id in ("", instrument_id):
            return f"incident {shown.incident.incident_id} is open, decide it first"
    if snapshot.kill is not KillLevel.NONE:
        return "the kill switch is on, reset it first"
    return f"trading is halted, {snapshot.halted}" if snapshot.halted else ""
