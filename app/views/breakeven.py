"""Where a stop leaves a position without a loss, fees of entry and exit included."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from app.views import format as fmt
from app.views.viewstate import ViewState
from engine.domain.money import MONEY
from engine.domain.order import Order, OrderType


def breakeven_ticks(entry_ticks: Decimal, taker_rate: Decimal, *, is_long: bool) -> int:
    """The first whole tick at which an exit as a taker pays for itself and for a taker's entry.

    The same for linear and inverse contracts: entry x (1 + rate) / (1 - rate) for a long position,
    its mirror image for a short one, rounded towards profit.
    """
    more, less = MONEY.add(Decimal(1), taker_rate), MONEY.subtract(Decimal(1), taker_rate)
    if is_long:
        exact = MONEY.divide(MONEY.multiply(entry_ticks, more), less)
        return int(exact.to_integral_value(ROUND_CEILING))
    exact = MONEY.divide(MONEY.multiply(entry_ticks, less), more)
    return int(exact.to_integral_value(ROUND_FLOOR))


def ticks_of(view: ViewState) -> int:
    """Break-even of the acting position; 0 while it cannot be said."""
    market = view.market
    if market is None or market.taker_rate is None or view.snapshot is None:
        return 0
    for book in view.snapshot.positions:
        is_it = (book.bot_id, book.instrument_id) == (view.acting_bot_id, view.instrument_id)
        if is_it and book.entry_ticks is not None and book.lots:
            return breakeven_ticks(book.entry_ticks, market.taker_rate, is_long=book.lots > 0)
    return 0


def stop_of(view: ViewState) -> Order | None:
    """The stop that guards the acting position; the nearest one where there are several."""
    stops = [
        shown.order
        for shown in view.orders
        if shown.order.bot_id == view.acting_bot_id
        and shown.order.spec.instrument_id == view.instrument_id
        and shown.order.spec.side is view.closing_side
        and shown.order.spec.reduce_only
        and shown.order.spec.type is OrderType.STOP
    ]
    sign = 1 if view.acting_lots > 0 else -1
    return max(stops, key=lambda order: sign * order.spec.trigger_ticks, default=None)


def why_not(view: ViewState) -> str:
    """Why the stop cannot go to break-even now; "" when it can. `view` holds a position."""
    ticks, instrument = ticks_of(view), view.instrument
    if not ticks or instrument is None:
        return "the venue has not said its fees: break-even is not known"
    words = fmt.price(ticks, instrument)
    is_long = view.acting_lots > 0
    touch = view.bid_ticks if is_long else view.ask_ticks
    has_passed = touch > ticks if is_long else 0 < touch < ticks
    if not has_passed:
        return f"the market has not passed break-even ({words}, fees included)"
    stop = stop_of(view)
    sign = 1 if is_long else -1
    if stop is not None and sign * stop.spec.trigger_ticks >= sign * ticks:
        return f"the stop is at {fmt.price(stop.spec.trigger_ticks, instrument)} already: no worse"
    return ""
