"""What taking a bot's helm changes, and what giving it back would do: from the snapshot, before."""

from __future__ import annotations

from app.views import format as fmt
from app.views.viewstate import find_instrument
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.snapshots import BotSnapshot, EngineSnapshot


def handover(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    """Sentences for the bot's screen: the step that is possible now."""
    return _given_back(snapshot, bot) if bot.helm is Helm.MANUAL else _taken(snapshot, bot)


def _taken(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    held = holding(snapshot, bot)
    sentences = [f"If you take it: {held} become yours; nothing is sent, nothing is cancelled."]
    if bot.helm is Helm.AUTO:
        sentences.append("It goes on watching and saying what it would do, and places nothing.")
    return sentences


def _given_back(snapshot: EngineSnapshot, bot: BotSnapshot) -> list[str]:
    sentences = [f"If you give it back: it owns {holding(snapshot, bot)} and trades on its own."]
    if bot.last_action:
        sentences.append(f"What it last had in mind: {bot.last_action}.")
    own = [o for o in snapshot.orders if o.order.bot_id == bot.bot_id]
    yours = sum(1 for shown in own if shown.order.placed_by == "human")
    if yours:
        sentences.append(f"Your {fmt.count(yours, 'order')} in its book stay; it never moves them.")
    why = _refusals(snapshot)
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


def _refusals(snapshot: EngineSnapshot) -> str:
    if snapshot.kill is not KillLevel.NONE:
        return "the kill switch is on, reset it first"
    return f"trading is halted, {snapshot.halted}" if snapshot.halted else ""
