"""Orders: enter, guard, move and cancel."""

from __future__ import annotations

from app.views import announce, rules
from app.views.actions.base import Action, Risk
from app.views.viewstate import ViewState, find_order

_GLOBAL = ("global",)
_LADDER = ("ladder",)
_ALGOS = ("algos",)


def _move_or_guard(view: ViewState) -> str:
    """Moving a reduce-only order is steering a guard: it needs no arming."""
    shown = find_order(view.snapshot, view.grabbed_id)
    return "order_move_guard" if shown is not None and shown.order.spec.reduce_only else ""


ORDERS = (
    Action(
        "buy_limit",
        _LADDER,
        "buy",
        "limit buy at the cursor's price",
        Risk.INCREASE,
        why_not=rules.can_enter_at_cursor,
    ),
    Action(
        "sell_limit",
        _LADDER,
        "sell",
        "limit sell at the cursor's price",
        Risk.INCREASE,
        why_not=rules.can_enter_at_cursor,
    ),
    Action(
        "buy_join",
        _LADDER,
        "join bid",
        "join the best bid (post-only)",
        Risk.INCREASE,
        why_not=rules.can_enter,
    ),
    Action(
        "sell_join",
        _LADDER,
        "join ask",
        "join the best ask (post-only)",
        Risk.INCREASE,
        why_not=rules.can_enter,
    ),
    Action(
        "buy_market",
        _LADDER,
        "buy mkt",
        "buy at the market with a price cap",
        Risk.INCREASE,
        taps=2,
        why_not=rules.can_enter,
        announce=announce.buy_market,
    ),
    Action(
        "sell_market",
        _LADDER,
        "sell mkt",
        "sell at the market with a price cap",
        Risk.INCREASE,
        taps=2,
        why_not=rules.can_enter,
        announce=announce.sell_market,
    ),
    Action(
        "stop_at_cursor",
        _LADDER,
        "stop",
        "protective stop for the position at the cursor's price (reduce-only)",
        Risk.REDUCE,
        why_not=rules.can_stop_here,
    ),
    Action(
        "target_at_cursor",
        _LADDER,
        "target",
        "take-profit for the position at the cursor's price (reduce-only)",
        Risk.REDUCE,
        why_not=rules.can_target_here,
    ),
    Action(
        "close_half",
        _LADDER,
        "close half",
        "close half of the position (reduce-only)",
        Risk.REDUCE,
        taps=2,
        why_not=rules.has_position,
        announce=announce.close_half,
    ),
    Action(
        "reverse",
        _LADDER,
        "reverse",
        "reverse the position: one capped order of twice its size; its stops go once it has turned",
        Risk.INCREASE,
        taps=2,
        why_not=rules.can_reverse,
        announce=announce.reverse,
    ),
    Action(
        "breakeven",
        _LADDER,
        "break even",
        "stop to break-even: the stop goes where an exit costs nothing, fees included",
        Risk.REDUCE,
        why_not=rules.can_break_even,
    ),
    Action(
        "order_grab",
        _LADDER,
        "move",
        "pick up the order at the cursor; arrows move it, enter sends ONE move, escape drops",
        why_not=rules.can_grab,
        view_only="picks an order up on this screen; act order_move sends the move",
    ),
    Action(
        "order_move",
        _LADDER,
        "send move",
        "move the grabbed order to the cursor's price",
        Risk.INCREASE,
        why_not=rules.can_move,
        becomes=_move_or_guard,
    ),
    Action(
        "order_move_guard",
        _LADDER,
        "send move",
        "move the grabbed reduce-only order to the cursor's price",
        Risk.REDUCE,
        why_not=rules.has_grabbed,
        is_keyless=True,
    ),
    Action(
        "order_cancel",
        ("ladder", "orders"),
        "cancel",
        "cancel the order(s) at the cursor or in the selected row",
        Risk.REDUCE,
        why_not=rules.has_order_here,
    ),
    Action(
        "algo_cancel",
        _ALGOS,
        "end",
        "end the selected algo; a bracket that guards a position only stops entering",
        Risk.REDUCE,
        why_not=rules.has_algo,
        shell="cancel ID",
    ),
    Action(
        "algo_cancel_all",
        _ALGOS,
        "end all",
        "end the selected algo with its stop and target",
        Risk.REDUCE,
        taps=2,
        why_not=rules.has_algo,
        announce=announce.end_algo,
        shell="cancel ID --protective",
    ),
    Action(
        "order_next",
        _GLOBAL,
        "next own",
        "jump to the next own order in the ladder",
        why_not=rules.has_orders,
        view_only="moves this screen's cursor; orders lists them",
    ),
    Action(
        "ticket",
        _GLOBAL,
        "ticket",
        "order ticket, filled from the cursor (enter asks once)",
        why_not=rules.has_instrument,
        shell="order SIDE QTY TYPE --price P",
    ),
    Action(
        "qty_up",
        _LADDER,
        "size +",
        "next size preset",
        view_only="a size of this screen; a shell command names its own",
    ),
    Action(
        "qty_down",
        _LADDER,
        "size -",
        "previous size preset",
        view_only="a size of this screen; a shell command names its own",
    ),
)
