"""Enable rules: why an action cannot run in a given state, or "" when it can.

These save a person a pointless press and say the remedy. They are not the risk gate: what passes
here is judged again by the engine. Actions that take risk off are held back only where there is
nothing they could act on.
"""

from __future__ import annotations

from collections.abc import Callable

from app.service.session import RECONNECTING, SILENT
from app.views import breakeven
from app.views import format as fmt
from app.views.viewstate import (
    ViewState,
    find_algo,
    find_bot,
    find_incident,
    find_order,
    is_generated,
    open_alerts,
)
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.incident import Choice
from engine.domain.snapshots import OrderSnapshot

INTENT_AGE_MS_MAX = 500
"""An order key that waited longer, or was pressed on an older picture, is refused."""


def always(view: ViewState) -> str:
    return ""


def is_alive(view: ViewState) -> str:
    """Enough for everything that takes risk off; a silent engine may hear it all the same."""
    if not view.failure or view.failure.startswith(SILENT):
        return ""
    is_cut_off = view.failure.endswith(RECONNECTING)
    return f"{'not connected' if is_cut_off else 'the engine has stopped'}: {view.failure}"


def is_replay(view: ViewState) -> str:
    """Time can be steered only where a recording is played back."""
    is_one = view.snapshot is not None and view.snapshot.replay is not None
    return "" if is_one else "this is no replay: pilothouse replay --capture FILE plays one"


def has_token(view: ViewState) -> str:
    """Faces that only watch send nothing that adds risk; the engine would refuse it too. And
    nothing of that kind is sent to an engine that may hear it much later."""
    if view.failure:
        return f"no answer: {view.failure}"
    standing = view.standing
    if standing is None or not standing.is_view_only:
        return ""
    return f"VIEW ONLY: {standing.holder} holds the trade token: take it over first"


def can_take_token(view: ViewState) -> str:
    standing = view.standing
    if standing is None:
        return "this screen is the only one: the token is yours"
    if standing.holder == standing.me:
        return "the trade token is yours already"
    return is_alive(view)


def has_instrument(view: ViewState) -> str:
    if view.instrument is None:
        return is_alive(view) or "no instrument yet: waiting for the engine"
    return is_alive(view)


def has_other_instrument(view: ViewState) -> str:
    count = len(view.snapshot.instruments) if view.snapshot is not None else 0
    return "" if count > 1 else "there is no other instrument here"


def can_enter(view: ViewState) -> str:
    """May an order that adds risk leave this screen?"""
    snapshot, market = view.snapshot, view.market
    if view.failure or snapshot is None or market is None:
        return has_instrument(view) or "no market yet: waiting for the engine"
    if words := has_token(view):
        return words
    if snapshot.replay is not None and snapshot.replay.is_seeking:
        return "the replay is on its way to another time: Esc stops it there"
    if snapshot.has_ended:
        return "the recording has ended: nothing can fill any more"
    if snapshot.kill is not KillLevel.NONE:
        return "the kill switch is on: reset it first (command palette)"
    if snapshot.halted:
        return f"trading is halted: {snapshot.halted}"
    if view.is_stale:
        return f"the market is STALE ({fmt.age(view.feed_age_ms)}): order keys are off"
    if not market.is_ready or not market.bids or not market.asks:
        return "the book is incomplete: order keys are off"
    if view.picture_age_ms > INTENT_AGE_MS_MAX:
        return f"that picture was {view.picture_age_ms} ms old: look again, then press"
    return "" if view.qty_lots > 0 else "no size chosen yet"


def can_enter_at_cursor(view: ViewState) -> str:
    return can_enter(view) or has_cursor(view)


def has_cursor(view: ViewState) -> str:
    if not view.is_cursor_painted:
        return "the cursor is off the ladder: an arrow key brings it back"
    if view.is_ladder_settling:
        return "the ladder has just moved: press again"
    return ""


def is_armable(view: ViewState) -> str:
    return "" if view.is_armed else can_enter(view)


# -- orders ----------------------------------------------------------------------------------


def has_order_here(view: ViewState) -> str:
    if orders_here(view):
        return is_alive(view)
    if view.pane == "ladder":
        is_seen = view.is_cursor_painted
        return "no own order in the cursor's row" if is_seen else has_cursor(view)
    return "no order selected"


def has_algo(view: ViewState) -> str:
    algo = find_algo(view.snapshot, view.algo_id)
    if algo is None:
        return "no algo selected"
    return is_alive(view) or (f"{algo.algo_id} is ending already" if algo.ending else "")


def orders_here(view: ViewState) -> list[OrderSnapshot]:
    """What `cancel` and `grab` mean: the cursor's row in the ladder, else the selected row."""
    ids = view.cursor_orders if view.pane == "ladder" else (view.order_id,)
    found = (find_order(view.snapshot, order_id) for order_id in ids)
    return [order for order in found if order is not None]


def can_grab(view: ViewState) -> str:
    here = orders_here(view)
    if not here:
        return has_order_here(view)
    if movable_order(view) is None:
        return f"{here[0].order.bot_id} steers that order: take its helm first"
    return is_alive(view)


def movable_order(view: ViewState) -> OrderSnapshot | None:
    """The first order here that a person may move: not one of a bot that steers itself."""
    for shown in orders_here(view):
        bot = find_bot(view.snapshot, shown.order.bot_id)
        if bot is None or bot.helm is Helm.MANUAL or shown.order.placed_by != "bot":
            return shown
    return None


def has_grabbed(view: ViewState) -> str:
    if find_order(view.snapshot, view.grabbed_id) is None:
        return "nothing is grabbed: pick up an order first"
    return is_alive(view) or has_cursor(view)


def can_move(view: ViewState) -> str:
    """A move that may add risk: like an entry, but its size is the order's own."""
    return has_grabbed(view) or can_enter(view)


def has_orders(view: ViewState) -> str:
    mine = [o for o in view.orders if o.order.spec.instrument_id == view.instrument_id]
    return "" if mine else "no working orders in this instrument"


# -- positions -------------------------------------------------------------------------------


def has_position(view: ViewState) -> str:
    if view.acting_lots:
        return is_alive(view)
    bot = view.bot
    if bot is not None and bot.position_lots and bot.helm is not Helm.MANUAL:
        return f"that position is steered by {bot.bot_id}: take its helm first"
    return "no position of yours here"


def can_reverse(view: ViewState) -> str:
    return has_position(view) or can_enter(view)


def can_break_even(view: ViewState) -> str:
    return has_position(view) or breakeven.why_not(view)


def has_alert(view: ViewState) -> str:
    return is_alive(view) if newest_alert_ns(view) else "no alert waits for you"


def newest_alert_ns(view: ViewState) -> int:
    """When the newest alert that nobody has acknowledged was raised; 0 where there is none."""
    if view.snapshot is None:
        return 0
    waiting = open_alerts(view.snapshot)
    return waiting[-1].ts_ns if waiting else 0


def can_decide(choice: Choice) -> Callable[[ViewState], str]:
    """Whether the selected incident takes this decision."""

    def rule(view: ViewState) -> str:
        shown = find_incident(view.snapshot, view.incident_id)
        if shown is None:
            return "no incident selected"
        if choice not in shown.choices:
            return f"a {shown.incident.kind} takes {' or '.join(shown.choices)}"
        harmless = choice is Choice.FLATTEN
        return is_alive(view) if harmless else is_alive(view) or has_token(view)

    return rule


def can_stop_here(view: ViewState) -> str:
    why = has_position(view) or has_cursor(view)
    if why:
        return why
    if view.acting_lots > 0 and view.bid_ticks and view.cursor_ticks >= view.bid_ticks:
        return "a stop for a long position belongs below the best bid"
    if view.acting_lots < 0 and view.ask_ticks and view.cursor_ticks <= view.ask_ticks:
        return "a stop for a short position belongs above the best ask"
    return ""


def can_target_here(view: ViewState) -> str:
    why = has_position(view) or has_cursor(view)
    if why:
        return why
    if view.acting_lots > 0 and view.bid_ticks and view.cursor_ticks <= view.bid_ticks:
        return "a target for a long position belongs above the best bid"
    if view.acting_lots < 0 and view.ask_ticks and view.cursor_ticks >= view.ask_ticks:
        return "a target for a short position belongs below the best ask"
    return ""


# -- bots ------------------------------------------------------------------------------------


def has_bot(view: ViewState) -> str:
    return is_alive(view) if view.bot is not None else "no bot selected"


def can_pause(view: ViewState) -> str:
    bot = view.bot
    if bot is not None and bot.helm is Helm.MANUAL:
        return f"you hold the helm of {bot.bot_id}: give it back first"
    return has_bot(view)


def can_resume(view: ViewState) -> str:
    bot = view.bot
    if bot is not None and bot.helm not in (Helm.PAUSED, Helm.STOPPED):
        return f"{bot.bot_id} is {bot.helm}: nothing to resume"
    return has_bot(view) or has_token(view)


def can_take(view: ViewState) -> str:
    bot = view.bot
    if bot is not None and bot.helm is Helm.MANUAL:
        return f"you hold the helm of {bot.bot_id} already"
    return has_bot(view)


def can_give(view: ViewState) -> str:
    bot = view.bot
    if bot is not None and bot.helm is not Helm.MANUAL:
        return f"{bot.bot_id} steers itself ({bot.helm}): nothing to give back"
    return has_bot(view) or has_token(view)


def can_stop_bot(view: ViewState) -> str:
    bot = view.bot
    if bot is not None and bot.helm is Helm.STOPPED:
        return f"{bot.bot_id} is stopped already"
    return has_bot(view)


# -- the rest --------------------------------------------------------------------------------


def can_reset(view: ViewState) -> str:
    snapshot = view.snapshot
    if snapshot is None or (snapshot.kill is KillLevel.NONE and not snapshot.halted):
        return "the kill switch is off and no limit is reached: nothing to reset"
    return is_alive(view) or has_token(view)


def can_crash(view: ViewState) -> str:
    if view.snapshot is None or not is_generated(view.snapshot):
        return "only a generated market has a crash button"
    return is_alive(view) or has_token(view)


def can_tour(view: ViewState) -> str:
    if view.snapshot is None or not is_generated(view.snapshot):
        return "the tour needs a generated market: start one with `pilothouse demo`"
    return is_alive(view)


# -- looking things up -----------------------------------------------------------------------


def has_story_here(view: ViewState) -> str:
    return "" if story_id(view) else "no order or fill selected"


def story_id(view: ViewState) -> str:
    """Whose story `why` tells: the selected fill's order, or the order that is meant here."""
    if view.pane == "fills":
        fills = view.snapshot.fills if view.snapshot is not None else []
        return next((f.client_order_id for f in fills if f.seq == view.fill_seq), "")
    here = orders_here(view)
    return here[0].order.client_order_id if here else ""


def has_run(view: ViewState) -> str:
    return "" if view.run_id else "no backtest selected: `pilothouse backtest run` makes one"
