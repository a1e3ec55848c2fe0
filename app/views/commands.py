"""What an action sends to the engine: gesture and view in, commands out.

Nothing is decided here about whether an order is allowed; that is the risk gate's. What is fixed
here is the meaning of a gesture: which side, which price, whose book.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.views import breakeven
from app.views.announce import half_lots, market_cap_ticks
from app.views.rules import movable_order, newest_alert_ns, orders_here
from app.views.viewstate import ViewState
from engine.domain import commands as c
from engine.domain.algo import AnyAlgo
from engine.domain.order import OrderSpec, OrderType, Purpose, Side, TimeInForce

NewId = Callable[[], str]


class Sender(msgspec.Struct, frozen=True):
    """Who sends: fresh command ids, and a name for the journal."""

    new_id: NewId
    by: str = "tui"


def build(action_id: str, view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    """The commands of `action_id`; empty for actions that only change what is shown."""
    builder = BUILDERS.get(action_id)
    return builder(view, sender) if builder is not None else []


# -- wide ------------------------------------------------------------------------------------


def _kill(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.Kill(command_id=sender.new_id(), by=sender.by)]


def _kill_to(level: c.KillLevel) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        return [c.Kill(command_id=sender.new_id(), by=sender.by, level=level)]

    return make


def _reset_kill(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.ResetKill(command_id=sender.new_id(), by=sender.by)]


def _flatten_symbol(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.Flatten(command_id=sender.new_id(), by=sender.by, instrument_id=view.instrument_id)]


def _flatten_all(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.Flatten(command_id=sender.new_id(), by=sender.by)]


def _cancel_symbol(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.CancelAll(command_id=sender.new_id(), by=sender.by, instrument_id=view.instrument_id)]


def _cancel_all(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.CancelAll(command_id=sender.new_id(), by=sender.by, with_protective=True)]


def _pause_all(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [c.PauseBot(command_id=sender.new_id(), by=sender.by)]


# -- helm ------------------------------------------------------------------------------------


def _helm(kind: type[c.PauseBot | c.ResumeBot | c.TakeHelm | c.GiveHelm | c.StopBot]) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        return [kind(command_id=sender.new_id(), by=sender.by, bot_id=view.bot_id)]

    return make


# -- orders ----------------------------------------------------------------------------------


def place(view: ViewState, sender: Sender, spec: OrderSpec) -> c.PlaceOrder:
    """A person's order into the acting book, with the touch they saw and its age."""
    return c.PlaceOrder(
        command_id=sender.new_id(),
        by=sender.by,
        bot_id=view.acting_bot_id,
        spec=spec,
        painted_ticks=view.ask_ticks if spec.side is Side.BUY else view.bid_ticks,
        age_ms=view.picture_age_ms,
    )


def place_algo(view: ViewState, sender: Sender, spec: AnyAlgo) -> c.PlaceAlgo:
    """A person's algo for the acting book."""
    return c.PlaceAlgo(
        command_id=sender.new_id(),
        by=sender.by,
        bot_id=view.acting_bot_id,
        spec=spec,
        age_ms=view.picture_age_ms,
    )


def _limit_at_cursor(side: Side) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        return [place(view, sender, _limit(view, side, view.cursor_ticks))]

    return make


def _join(side: Side) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        ticks = view.bid_ticks if side is Side.BUY else view.ask_ticks
        return [place(view, sender, _limit(view, side, ticks, TimeInForce.POST_ONLY))]

    return make


def _market(side: Side) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        ticks = market_cap_ticks(view, side)
        return [place(view, sender, _limit(view, side, ticks, TimeInForce.IOC))]

    return make


def _limit(
    view: ViewState, side: Side, ticks: int, tif: TimeInForce = TimeInForce.GTC
) -> OrderSpec:
    return OrderSpec(
        instrument_id=view.instrument_id,
        side=side,
        qty_lots=view.qty_lots,
        price_ticks=ticks,
        tif=tif,
    )


def _stop_at_cursor(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    spec = OrderSpec(
        instrument_id=view.instrument_id,
        side=view.closing_side,
        qty_lots=abs(view.acting_lots),
        type=OrderType.STOP,
        trigger_ticks=view.cursor_ticks,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    return [place(view, sender, spec)]


def _target_at_cursor(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    spec = OrderSpec(
        instrument_id=view.instrument_id,
        side=view.closing_side,
        qty_lots=abs(view.acting_lots),
        price_ticks=view.cursor_ticks,
        reduce_only=True,
        purpose=Purpose.PROTECTIVE,
    )
    return [place(view, sender, spec)]


def _close_half(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    """Capped while there is a touch to cap at; without one it must close all the same."""
    side = view.closing_side
    has_touch = bool(view.ask_ticks if side is Side.BUY else view.bid_ticks)
    spec = OrderSpec(
        instrument_id=view.instrument_id,
        side=side,
        qty_lots=half_lots(view.acting_lots),
        type=OrderType.LIMIT if has_touch else OrderType.MARKET,
        price_ticks=market_cap_ticks(view, side) if has_touch else 0,
        tif=TimeInForce.IOC,
        reduce_only=True,
        purpose=Purpose.EXIT,
    )
    return [place(view, sender, spec)]


def _reverse(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [
        c.Reverse(
            command_id=sender.new_id(),
            by=sender.by,
            bot_id=view.acting_bot_id,
            instrument_id=view.instrument_id,
            lots=view.acting_lots,
            cap_ticks=market_cap_ticks(view, view.closing_side),
            painted_ticks=view.ask_ticks if view.closing_side is Side.BUY else view.bid_ticks,
            age_ms=view.picture_age_ms,
        )
    ]


def _break_even(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    """One command either way: the stop that there is moves, or a new one is placed."""
    ticks, stop = breakeven.ticks_of(view), breakeven.stop_of(view)
    if stop is None:
        at_break_even = msgspec.structs.replace(view, cursor_ticks=ticks)
        return _stop_at_cursor(at_break_even, sender)
    return [
        c.MoveOrder(
            command_id=sender.new_id(),
            by=sender.by,
            client_order_id=stop.client_order_id,
            price_ticks=ticks,
        )
    ]


def _ack_alerts(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    until_ns = newest_alert_ns(view)
    return [c.AckAlerts(command_id=sender.new_id(), by=sender.by, until_ns=until_ns)]


def _incident(kind: type[c.AdoptIncident | c.IgnoreIncident | c.FlattenIncident]) -> Builder:
    def make(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        return [kind(command_id=sender.new_id(), by=sender.by, incident_id=view.incident_id)]

    return make


def _cancel_here(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [
        c.CancelOrder(
            command_id=sender.new_id(), by=sender.by, client_order_id=shown.order.client_order_id
        )
        for shown in orders_here(view)
    ]


def _end_algo(with_protective: bool) -> Builder:
    def build(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
        return [
            c.CancelAlgo(
                command_id=sender.new_id(),
                by=sender.by,
                algo_id=view.algo_id,
                with_protective=with_protective,
            )
        ]

    return build


def _move_grabbed(view: ViewState, sender: Sender) -> list[c.AnyCommand]:
    return [
        c.MoveOrder(
            command_id=sender.new_id(),
            by=sender.by,
            client_order_id=view.grabbed_id,
            price_ticks=view.cursor_ticks,
        )
    ]


def grabbed_by(view: ViewState) -> str:
    """The order that `order_grab` picks up; "" when there is none."""
    shown = movable_order(view)
    return shown.order.client_order_id if shown is not None else ""


Builder = Callable[[ViewState, Sender], list[c.AnyCommand]]

BUILDERS: dict[str, Builder] = {
    "kill": _kill,
    "kill_no_entries": _kill_to(c.KillLevel.NO_ENTRIES),
    "kill_reduce_only": _kill_to(c.KillLevel.REDUCE_ONLY),
    "kill_cancel_all": _kill_to(c.KillLevel.CANCEL_ALL),
    "kill_flatten": _kill_to(c.KillLevel.FLATTEN),
    "reset_kill": _reset_kill,
    "flatten_symbol": _flatten_symbol,
    "flatten_all": _flatten_all,
    "cancel_symbol": _cancel_symbol,
    "cancel_all": _cancel_all,
    "pause_all": _pause_all,
    "bot_pause": _helm(c.PauseBot),
    "bot_resume": _helm(c.ResumeBot),
    "bot_take": _helm(c.TakeHelm),
    "bot_return": _helm(c.GiveHelm),
    "bot_stop": _helm(c.StopBot),
    "buy_limit": _limit_at_cursor(Side.BUY),
    "sell_limit": _limit_at_cursor(Side.SELL),
    "buy_join": _join(Side.BUY),
    "sell_join": _join(Side.SELL),
    "buy_market": _market(Side.BUY),
    "sell_market": _market(Side.SELL),
    "stop_at_cursor": _stop_at_cursor,
    "target_at_cursor": _target_at_cursor,
    "close_half": _close_half,
    "reverse": _reverse,
    "breakeven": _break_even,
    "alert_ack": _ack_alerts,
    "incident_adopt": _incident(c.AdoptIncident),
    "incident_ignore": _incident(c.IgnoreIncident),
    "incident_flatten": _incident(c.FlattenIncident),
    "order_cancel": _cancel_here,
    "algo_cancel": _end_algo(with_protective=False),
    "algo_cancel_all": _end_algo(with_protective=True),
    "order_move": _move_grabbed,
    "order_move_guard": _move_grabbed,
}
