"""What an order must be like to be let in: the instrument's filters, in the venue's order."""

from __future__ import annotations

from engine.domain.order import Side
from engine.drill.listing import Listing
from engine.drill.units import ONE, units, value
from engine.drill.values import InstrumentRules, Order, OrderAsked, Refusal, RefusalKind


def check_filters(asked: OrderAsked, listing: Listing, held: int, open_here: list[Order]) -> None:
    """Refusal where a filter says no. `held`: of the base asset; `open_here`: of the account."""
    rules = listing.rules
    if rules.status != "TRADING":
        raise Refusal(RefusalKind.NOT_TRADING)
    for price in (asked.price if asked.kind.has_price else None, _trigger(asked)):
        if price is not None:
            _check_price(price, rules)
    if asked.kind.has_price:
        _check_band(asked, listing)
    if not asked.quote_qty:
        _check_qty(asked, rules)
    _check_notional(asked, listing)
    stops = sum(order.is_parked for order in open_here)
    if len(open_here) >= rules.max_orders:
        raise Refusal(RefusalKind.TOO_MANY_ORDERS)
    if asked.kind.has_trigger and stops >= rules.max_stops:
        raise Refusal(RefusalKind.TOO_MANY_STOPS)
    if rules.max_position is not None and asked.side is Side.BUY:
        bought = sum(order.leaves for order in open_here if order.side is Side.BUY)
        if held + bought + asked.qty > units("max_position", rules.max_position):
            raise Refusal(RefusalKind.MAX_POSITION)


def _trigger(asked: OrderAsked) -> int | None:
    return asked.trigger if asked.kind.has_trigger else None


def _check_price(price: int, rules: InstrumentRules) -> None:
    low, high = units("min_price", rules.min_price), units("max_price", rules.max_price)
    if not low <= price <= high or price % units("tick", rules.tick):
        raise Refusal(RefusalKind.BAD_PRICE)


def _check_band(asked: OrderAsked, listing: Listing) -> None:
    rules, reference = listing.rules, listing.reference
    if not reference:
        return
    if asked.side is Side.BUY:
        up, down = rules.bid_multiplier_up, rules.bid_multiplier_down
    else:
        up, down = rules.ask_multiplier_up, rules.ask_multiplier_down
    high = reference * units("multiplier", up) // ONE
    low = reference * units("multiplier", down) // ONE
    if not low <= asked.price <= high:
        raise Refusal(RefusalKind.BAD_PERCENT_PRICE)


def _check_qty(asked: OrderAsked, rules: InstrumentRules) -> None:
    low, high = units("min_qty", rules.min_qty), units("max_qty", rules.max_qty)
    if not low <= asked.qty <= high or asked.qty % units("lot", rules.lot):
        raise Refusal(RefusalKind.BAD_QTY)
    if not asked.kind.has_price and asked.qty > units("max_qty", rules.market_max_qty):
        raise Refusal(RefusalKind.BAD_MARKET_QTY)


def _check_notional(asked: OrderAsked, listing: Listing) -> None:
    rules = listing.rules
    notional = asked.quote_qty
    if not notional:
        price = asked.price if asked.kind.has_price else asked.trigger or listing.reference
        notional = value(price, asked.qty)
    low, high = units("min_notional", rules.min_notional), units("", rules.max_notional)
    if asked.reduce_only:
        low = 0  # Whatever is left may always be closed.
    if notional < low or (notional > high and asked.kind.has_price):
        raise Refusal(RefusalKind.BAD_NOTIONAL)
