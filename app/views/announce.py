"""What a second tap would do, said exactly and from the snapshot, before it happens."""

from __future__ import annotations

from collections.abc import Callable

from app.views import format as fmt
from app.views.handover import holding
from app.views.viewstate import ViewState, find_algo, find_incident, steering_bots
from engine.domain.incident import Choice
from engine.domain.order import Purpose, Side
from engine.domain.snapshots import EngineSnapshot, OrderSnapshot

MARKET_CAP_BP = 50
"""How far through the touch a capped market order may reach: 0.5 %."""


def _parts(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _pauses(snapshot: EngineSnapshot, instrument_id: str = "") -> str:
    bots = [b for b in steering_bots(snapshot) if instrument_id in ("", b.instrument_id)]
    return f"pause {fmt.count(len(bots), 'bot')}" if bots else ""


def _cancels(orders: list[OrderSnapshot]) -> str:
    return f"cancel {fmt.count(len(orders), 'order')}"


def _in(orders: list[OrderSnapshot], instrument_id: str) -> list[OrderSnapshot]:
    return [o for o in orders if o.order.spec.instrument_id == instrument_id]


def kill(view: ViewState) -> str:
    snapshot = view.snapshot
    if snapshot is None:
        return "pause all bots, cancel all orders, block new orders"
    return _parts(_pauses(snapshot), _cancels(snapshot.orders), "block new orders")


def kill_no_entries(view: ViewState) -> str:
    pauses = _pauses(view.snapshot) if view.snapshot is not None else "pause all bots"
    return _parts(pauses, "refuse what adds risk until the typed word")


def kill_reduce_only(view: ViewState) -> str:
    entries = [o for o in view.orders if o.order.spec.purpose is Purpose.ENTRY]
    return _parts(f"cancel {fmt.count(len(entries), 'entry order')}", kill_no_entries(view))


def kill_flatten(view: ViewState) -> str:
    return _parts(flatten_all(view), "block new orders until the typed word")


def flatten_symbol(view: ViewState) -> str:
    snapshot, instrument = view.snapshot, view.instrument
    if snapshot is None or instrument is None:
        return "flatten this symbol"
    held = [p for p in snapshot.positions if p.instrument_id == view.instrument_id and p.lots]
    net = sum(position.lots for position in held)
    close = f"close {fmt.signed_qty(net, instrument)} {instrument.symbol}" if held else ""
    return _parts(
        _pauses(snapshot, view.instrument_id),
        _cancels(_in(snapshot.orders, view.instrument_id)),
        close or f"{instrument.symbol} is flat",
    )


def flatten_all(view: ViewState) -> str:
    snapshot = view.snapshot
    if snapshot is None:
        return "flatten every position"
    held = [position for position in snapshot.positions if position.lots]
    closes = f"close {fmt.count(len(held), 'position')}" if held else "nothing is open"
    return _parts(_pauses(snapshot), _cancels(snapshot.orders), closes)


def cancel_all(view: ViewState) -> str:
    guards = [o for o in view.orders if o.order.spec.purpose is Purpose.PROTECTIVE]
    stops = f"{fmt.count(len(guards), 'protective stop')} among them" if guards else "stops too"
    return _parts(_cancels(view.orders), stops)


def arm(view: ViewState) -> str:
    if view.is_armed:
        return "disarm the order keys"
    size = _size(view)
    return f"ARM the order keys: one press then sends {size}"


def take_token(view: ViewState) -> str:
    holder = view.standing.holder if view.standing is not None else ""
    return f"take the trade token over from {holder}" if holder else "take the trade token"


def replay_fork(view: ViewState) -> str:
    return "fork here: this window goes on as paper trading with a ledger of its own"


def quit(view: ViewState) -> str:
    return _parts("leave", view.leaving)


# -- bots ------------------------------------------------------------------------------------


def _bot_holding(view: ViewState) -> str:
    bot, snapshot = view.bot, view.snapshot
    return holding(snapshot, bot) if bot is not None and snapshot is not None else "nothing"


def bot_take(view: ViewState) -> str:
    return f"take the helm of {view.bot_id}: {_bot_holding(view)} become yours"


def bot_return(view: ViewState) -> str:
    return f"give {_bot_holding(view)} back to {view.bot_id}: it trades on its own"


def bot_stop(view: ViewState) -> str:
    bot = view.bot
    orders = bot.open_orders if bot is not None else 0
    return f"stop {view.bot_id} and cancel {fmt.count(orders, 'order')}; its position stays"


def bot_resume(view: ViewState) -> str:
    return f"resume {view.bot_id}: it places orders again"


# -- orders ----------------------------------------------------------------------------------


def buy_market(view: ViewState) -> str:
    return _market(view, Side.BUY)


def sell_market(view: ViewState) -> str:
    return _market(view, Side.SELL)


def _market(view: ViewState, side: Side) -> str:
    instrument = view.instrument
    if instrument is None:
        return f"{side} at the market"
    bound = "at most" if side is Side.BUY else "at least"
    cap = fmt.price(market_cap_ticks(view, side), instrument)
    return f"{side} {_size(view)} now, {bound} {cap}"


def market_cap_ticks(view: ViewState, side: Side) -> int:
    """The worst price a market order of this screen accepts, from the painted touch."""
    touch = view.ask_ticks if side is Side.BUY else view.bid_ticks
    reach = max(1, touch * MARKET_CAP_BP // 10_000)
    return max(1, touch + side.sign * reach)


def close_half(view: ViewState) -> str:
    instrument = view.instrument
    if instrument is None:
        return "close half of the position"
    size = fmt.qty(half_lots(view.acting_lots), instrument)
    held = fmt.signed_qty(view.acting_lots, instrument)
    return f"{view.closing_side} {size} of {held} {instrument.symbol}, reduce-only"


def reverse(view: ViewState) -> str:
    instrument = view.instrument
    if instrument is None:
        return "reverse the position"
    size = fmt.qty(2 * abs(view.acting_lots), instrument)
    after = fmt.signed_qty(-view.acting_lots, instrument)
    told = "its stops and targets go once it has turned"
    return f"{view.closing_side} {size} now to hold {after}; {told}"


def end_algo(view: ViewState) -> str:
    algo = find_algo(view.snapshot, view.algo_id)
    return f"end {algo.words}, its stop and target as well" if algo is not None else "end an algo"


def incident(choice: Choice) -> Callable[[ViewState], str]:
    """What deciding the selected incident this way does."""

    def words(view: ViewState) -> str:
        shown = find_incident(view.snapshot, view.incident_id)
        if shown is None:
            return str(choice)
        one = shown.incident
        told = {
            Choice.ADOPT: f"the venue is right: {one.venues}",
            Choice.IGNORE: f"our record is right: {one.ours}",
            Choice.FLATTEN: f"close {one.bot_id or 'every book'} in {one.instrument_id or 'all'}",
        }
        return f"{choice} {one.incident_id}: {told[choice]}"

    return words


def half_lots(lots: int) -> int:
    """Half of a position, rounded up: closing half of the last lot closes it."""
    return (abs(lots) + 1) // 2


def _size(view: ViewState) -> str:
    instrument = view.instrument
    if instrument is None:
        return "the chosen size"
    return f"{fmt.qty(view.qty_lots, instrument)} {instrument.base}"
