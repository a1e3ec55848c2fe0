"""Every action a face offers: one table for keys, palette, help, footer and enable rules.

Both front ends, the help screen and the palette are generated from here. What an action sends
to the engine is in `commands`; when a key counts as pressed is in `gestures`; which key it has is
in `resources/keymap.toml`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from app.views import announce, rules
from app.views.viewstate import ViewState, find_order
from engine.domain.events import Helm


class Risk(enum.StrEnum):
    NONE = "none"
    REDUCE = "reduce"
    """Never needs arming."""
    INCREASE = "increase"
    """Only while armed."""


class Action(msgspec.Struct, frozen=True):
    id: str
    contexts: tuple[str, ...]
    """Where its keys are looked up: `global` or a pane, as in keymap.toml."""
    short: str
    """One or two words for the footer."""
    text: str
    """What it does, for help and palette."""
    risk: Risk = Risk.NONE
    taps: int = 1
    priority: bool = False
    """Works everywhere, also in dialogs and text fields; needs a function key."""
    is_immediate: bool = False
    """The second tap fires at once, without waiting to see whether the key is merely held."""
    why_not: Callable[[ViewState], str] = rules.always
    """Why it cannot run now, for a person; "" when it can."""
    announce: Callable[[ViewState], str] | None = None
    """What the second tap will do, from the snapshot."""
    becomes: Callable[[ViewState], str] | None = None
    """The id of the action that stands for this one in a given state; "" for itself."""
    is_keyless: bool = False
    """Reached from the palette or through `becomes` only, on purpose."""


def _pause_or_resume(view: ViewState) -> str:
    bot = view.bot
    waits = bot is not None and bot.helm in (Helm.PAUSED, Helm.STOPPED)
    return "bot_resume" if waits else ""


def _move_or_guard(view: ViewState) -> str:
    """Moving a reduce-only order is steering a guard: it needs no arming."""
    shown = find_order(view.snapshot, view.grabbed_id)
    return "order_move_guard" if shown is not None and shown.order.spec.reduce_only else ""


_GLOBAL = ("global",)
_LADDER = ("ladder",)
_BOTS = ("bots",)
_CHART = ("chart",)
_LISTS = ("list",)

_SAFETY = (
    Action(
        "kill",
        _GLOBAL,
        "KILL",
        "KILL: pause all bots, cancel all orders, block new orders until reset",
        Risk.REDUCE,
        taps=2,
        priority=True,
        is_immediate=True,
        why_not=rules.is_alive,
        announce=announce.kill,
    ),
    Action(
        "flatten_symbol",
        _GLOBAL,
        "flat",
        "flatten this symbol: pause its bots, cancel, close reduce-only",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.has_instrument,
        announce=announce.flatten_symbol,
    ),
    Action(
        "flatten_all",
        _GLOBAL,
        "flat ALL",
        "flatten every position (cancel + reduce-only close)",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.is_alive,
        announce=announce.flatten_all,
    ),
    Action(
        "cancel_symbol",
        _GLOBAL,
        "cancel",
        "cancel working orders of this symbol (keeps protective stops)",
        Risk.REDUCE,
        priority=True,
        why_not=rules.has_instrument,
    ),
    Action(
        "cancel_all",
        _GLOBAL,
        "cancel ALL",
        "cancel ALL orders, all symbols, protective stops too",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.is_alive,
        announce=announce.cancel_all,
    ),
    Action(
        "pause_all",
        _GLOBAL,
        "pause",
        "pause all bots (no new orders; keep positions and stops)",
        Risk.REDUCE,
        priority=True,
        why_not=rules.is_alive,
    ),
    Action(
        "arm",
        _GLOBAL,
        "arm",
        "arm / disarm order keys (disarms itself: 60 s idle, stale feed, symbol change)",
        taps=2,
        priority=True,
        why_not=rules.is_armable,
        announce=announce.arm,
    ),
    Action("disarm", _GLOBAL, "back", "less: close dialog, drop pending order, disarm"),
    Action(
        "reset_kill",
        _GLOBAL,
        "reset",
        "reset the kill switch and reached limits (asks for a typed word)",
        why_not=rules.can_reset,
        is_keyless=True,
    ),
)

_BOT_ACTIONS = (
    Action(
        "bot_pause",
        _BOTS,
        "pause",
        "pause the selected bot; paused: resume it (asks)",
        Risk.REDUCE,
        why_not=rules.can_pause,
        becomes=_pause_or_resume,
    ),
    Action(
        "bot_resume",
        _BOTS,
        "resume",
        "resume the selected bot",
        taps=2,
        why_not=rules.can_resume,
        announce=announce.bot_resume,
        is_keyless=True,
    ),
    Action(
        "bot_take",
        _BOTS,
        "take",
        "take over position and orders of the selected bot (it only watches)",
        Risk.REDUCE,
        taps=2,
        why_not=rules.can_take,
        announce=announce.bot_take,
    ),
    Action(
        "bot_return",
        _BOTS,
        "give",
        "give position and orders back to the bot",
        Risk.INCREASE,
        taps=2,
        why_not=rules.can_give,
        announce=announce.bot_return,
    ),
    Action(
        "bot_stop",
        _BOTS,
        "stop",
        "stop the bot after cancelling its orders",
        Risk.REDUCE,
        taps=2,
        why_not=rules.can_stop_bot,
        announce=announce.bot_stop,
    ),
    Action(
        "bot_detail",
        _BOTS,
        "detail",
        "parameters, helm and last error of the selected bot",
        why_not=rules.has_bot,
    ),
)

_ORDER_ACTIONS = (
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
        "order_grab",
        _LADDER,
        "move",
        "pick up the order at the cursor; arrows move it, enter sends ONE move, escape drops",
        why_not=rules.can_grab,
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
        "order_next",
        _GLOBAL,
        "next own",
        "jump to the next own order in the ladder",
        why_not=rules.has_orders,
    ),
    Action(
        "ticket",
        _GLOBAL,
        "ticket",
        "order ticket, filled from the cursor (enter asks once)",
        why_not=rules.has_instrument,
    ),
    Action("qty_up", _LADDER, "size +", "next size preset"),
    Action("qty_down", _LADDER, "size -", "previous size preset"),
)

_LADDER_ACTIONS = (
    Action("cursor_up", _LADDER, "up", "cursor one row up"),
    Action("cursor_down", _LADDER, "down", "cursor one row down"),
    Action("cursor_up10", _LADDER, "up 10", "ten rows up"),
    Action("cursor_down10", _LADDER, "down 10", "ten rows down"),
    Action("center", _LADDER, "centre", "centre the ladder on the last price; again: lock it"),
    Action("group_up", _LADDER, "coarser", "coarser price grouping"),
    Action("group_down", _LADDER, "finer", "finer price grouping"),
)

_CHART_ACTIONS = (
    Action("chart_left", _CHART, "back", "scroll back in time"),
    Action("chart_right", _CHART, "forward", "scroll forward"),
    Action("zoom_in", _CHART, "zoom in", "wider candles"),
    Action("zoom_out", _CHART, "zoom out", "narrower candles"),
    Action("chart_live", _CHART, "live", "jump to the newest bar"),
    Action("tf_next", _CHART, "longer bars", "next time frame"),
    Action("tf_prev", _CHART, "shorter bars", "previous time frame"),
)

_MOVING_ACTIONS = (
    Action("row_up", _LISTS, "up", "one row up"),
    Action("row_down", _LISTS, "down", "one row down"),
    Action("row_up10", _LISTS, "page up", "ten rows up"),
    Action("row_down10", _LISTS, "page down", "ten rows down"),
    Action("next_pane", _GLOBAL, "panes", "next pane"),
    Action("prev_pane", _GLOBAL, "prev pane", "previous pane"),
    Action("maximise", _GLOBAL, "maximise", "maximise / restore the pane"),
    Action("view_trade", _GLOBAL, "trade", "view 1: trade"),
    Action("view_bots", _GLOBAL, "bots", "view 2: bots and risk"),
    Action("view_book", _GLOBAL, "book", "view 3: chart, book and tape"),
    Action("view_orders", _GLOBAL, "orders", "view 4: orders, fills, positions"),
    Action("view_log", _GLOBAL, "log", "view 5: log"),
    Action("symbol", _GLOBAL, "symbol", "next instrument (disarms)"),
    Action("palette", _GLOBAL, "cmds", "command palette: every action, with its key"),
    Action("help", _GLOBAL, "keys", "keys of this pane"),
    Action(
        "crash",
        _GLOBAL,
        "crash",
        "press the crash button of a generated market",
        why_not=rules.can_crash,
        is_keyless=True,
    ),
    Action(
        "quit",
        _GLOBAL,
        "leave",
        "leave this screen (says first what keeps running)",
        taps=2,
        announce=announce.quit,
    ),
)

ACTIONS: dict[str, Action] = {
    action.id: action
    for group in (
        _SAFETY,
        _BOT_ACTIONS,
        _ORDER_ACTIONS,
        _LADDER_ACTIONS,
        _CHART_ACTIONS,
        _MOVING_ACTIONS,
    )
    for action in group
}

CONTEXTS: dict[str, str] = {
    "global": "Anywhere",
    "bots": "Bots",
    "ladder": "Ladder",
    "orders": "Orders",
    "chart": "Chart",
    "list": "Lists",
}
"""Contexts of the key map and their headings."""

_CHAINS = {
    "bots": ("bots", "list", "global"),
    "orders": ("orders", "list", "global"),
    "ladder": ("ladder", "global"),
    "chart": ("chart", "global"),
    "": ("global",),
}


def contexts_of(pane: str) -> tuple[str, ...]:
    """From the pane of that name outwards: the first context that knows a key wins."""
    return _CHAINS.get(pane, ("list", "global"))


def resolve(action: Action, view: ViewState) -> Action:
    """`action`, or the one that stands for it in this state."""
    other = action.becomes(view) if action.becomes is not None else ""
    return ACTIONS[other] if other else action
