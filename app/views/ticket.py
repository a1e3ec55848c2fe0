"""The order ticket: text fields in, an order out, or an error that names field and remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from app.views import format as fmt
from app.views.algo_ticket import FORMS, PRICE_HINTS, Sheet, parse_algo, price_ticks, worth
from app.views.truth import truth_words
from app.views.viewstate import ViewState
from engine.domain.algo import AnyAlgo, Bracket
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal
from engine.domain.order import OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.domain.snapshots import LimitSnapshot, MarketSnapshot
from engine.trading.algos.check import worst_orders
from engine.trading.algos.describe import algo_words

T = TypeVar("T")
Wish = OrderSpec | AnyAlgo

FIELDS = ("side", "type", "qty", "price", "flags")
HINTS = {
    "side": "buy or sell",
    "type": "limit, market, stop, stop-limit, bracket, oco ...",
    "qty": "size in {base}, steps of {lot}",
    "price": "limit or trigger, steps of {tick}; empty: market",
    "flags": "any of: post, ioc, fok, reduce",
}
_SIDES = {"b": Side.BUY, "buy": Side.BUY, "s": Side.SELL, "sell": Side.SELL}
_TYPES = {
    "l": OrderType.LIMIT,
    "limit": OrderType.LIMIT,
    "m": OrderType.MARKET,
    "market": OrderType.MARKET,
    "stop": OrderType.STOP,
    "stop-limit": OrderType.STOP_LIMIT,
}
_TIFS = {
    "post": TimeInForce.POST_ONLY,
    "post_only": TimeInForce.POST_ONLY,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
    "gtc": TimeInForce.GTC,
}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """The fields as typed."""

    side: str = "buy"
    type: str = "limit"
    qty: str = ""
    price: str = ""
    flags: str = ""


def prefilled(view: ViewState) -> Ticket:
    """A ticket at the ladder's cursor with the chosen size, on the side that would rest there."""
    instrument = view.instrument
    if instrument is None:
        return Ticket()
    ticks = view.cursor_ticks or view.bid_ticks
    is_above = bool(view.ask_ticks) and ticks >= view.ask_ticks
    return Ticket(
        side="sell" if is_above else "buy",
        qty=fmt.plain_qty(view.qty_lots, instrument) if view.qty_lots else "",
        price=fmt.plain_price(ticks, instrument) if ticks else "",
    )


def hints(instrument: Instrument, type_word: str = "") -> dict[str, str]:
    """One line of help a field, with this instrument's steps; the last is what the type takes."""
    lot, tick = fmt.plain_qty(1, instrument), fmt.plain_price(1, instrument)
    words = {"base": instrument.base, "lot": lot, "tick": tick}
    lines = {field: hint.format(**words) for field, hint in HINTS.items()}
    form = FORMS.get(type_word.strip().lower())
    if form is not None:
        lines["flags"] = form.hint
        lines["type"] = form.summary
        lines["price"] = PRICE_HINTS[form.price]
    elif type_word and type_word.strip().lower() not in _TYPES:
        lines["type"] = ", ".join(FORMS)
    return lines


def parse_wish(ticket: Ticket, instrument: Instrument, now_ns: int) -> Wish:
    """The order or the algo that `ticket` describes; `now_ns` is the engine's clock.

    Raises BadInput naming the field, value and remedy.
    """
    type_word = ticket.type.strip().lower()
    form = FORMS.get(type_word)
    if form is None:
        return parse_ticket(ticket, instrument)
    side = _choice("side", ticket.side, _SIDES)
    lots = _lots(ticket.qty, instrument)
    words = ticket.flags.lower().split()
    return parse_algo(form, side, lots, ticket.price, words, Sheet(instrument, now_ns))


def describe_wish(wish: Wish, instrument: Instrument) -> str:
    if isinstance(wish, OrderSpec):
        return describe(wish, instrument)
    amount = worth(wish, instrument)
    text = algo_words(wish, instrument)
    if amount is None:
        return text
    return f"{text}, worth {fmt.money(amount, instrument.settle)} {instrument.settle}"


def parse_ticket(ticket: Ticket, instrument: Instrument) -> OrderSpec:
    """The order that `ticket` describes. Raises BadInput naming the field, value and remedy."""
    side = _choice("side", ticket.side, _SIDES)
    kind = _choice("type", ticket.type, _TYPES)
    words = ticket.flags.lower().replace(",", " ").split()
    trigger = ""
    if kind is OrderType.STOP_LIMIT:
        trigger = next((word for word in words if word.startswith("trigger=")), "")
        words = [word for word in words if word != trigger]
        if not trigger:
            raise BadInput("flags", ticket.flags, "a stop-limit needs trigger=PRICE")
    tif, reduce_only = _flags(words)
    lots = _lots(ticket.qty, instrument)
    ticks = _price_ticks(ticket.price, kind, instrument)
    if kind is not OrderType.LIMIT and tif is not TimeInForce.GTC:
        raise BadInput("flags", ticket.flags, "post, ioc and fok go with limit orders only")
    trigger_ticks = ticks if kind is OrderType.STOP else 0
    if trigger:
        trigger_ticks = price_ticks("trigger", trigger.removeprefix("trigger="), instrument)
    return OrderSpec(
        instrument_id=instrument.instrument_id,
        side=side,
        qty_lots=lots,
        type=kind,
        price_ticks=ticks if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else 0,
        trigger_ticks=trigger_ticks,
        tif=tif if kind is OrderType.LIMIT else _tif_of(kind),
        reduce_only=reduce_only,
        purpose=_purpose(kind, reduce_only),
    )


def describe(spec: OrderSpec, instrument: Instrument) -> str:
    """`BUY 0.005 BTC limit @ 60,010.0 post-only, worth 300.05 USDT`."""
    words = [str(spec.side).upper(), fmt.qty(spec.qty_lots, instrument), instrument.base]
    words.append(str(spec.type))
    ticks = spec.price_ticks or spec.trigger_ticks
    if ticks:
        words.append(f"@ {fmt.price(ticks, instrument)}")
    if spec.tif is not TimeInForce.GTC:
        words.append(str(spec.tif).replace("_", "-"))
    if spec.reduce_only:
        words.append("reduce-only")
    text = " ".join(words)
    if not ticks:
        return text
    worth = instrument.notional(spec.qty_lots, ticks)
    return f"{text}, worth {fmt.money(worth, instrument.settle)} {instrument.settle}"


def wish_truth(
    wish: Wish,
    market: MarketSnapshot | None,
    instrument: Instrument,
    limits: Iterable[LimitSnapshot] = (),
) -> list[str]:
    """What it would do to the book in sight: an order, or a bracket's entry; of an algo also
    where its legs rest."""
    if isinstance(wish, OrderSpec):
        return truth_words(wish, market, instrument, limits)
    rests = next(form.rests for form in FORMS.values() if form.kind is type(wish))
    if not isinstance(wish, Bracket):
        return [rests]
    (entry,), _ = worst_orders(wish)
    return [*truth_words(entry, market, instrument, limits), rests]


def _choice(field: str, text: str, choices: dict[str, T]) -> T:
    found = choices.get(text.strip().lower())
    if found is None:
        raise BadInput(field, text, f"expected {HINTS[field]}")
    return found


def _lots(text: str, instrument: Instrument) -> int:
    lots = instrument.lots(parse_decimal("qty", text), "qty")
    if lots < instrument.min_lots:
        smallest = fmt.plain_qty(instrument.min_lots, instrument)
        raise BadInput("qty", text, f"must be at least {smallest}")
    return lots


def _flags(words: list[str]) -> tuple[TimeInForce, bool]:
    tif, reduce_only = TimeInForce.GTC, False
    for word in words:
        if word in ("reduce", "reduce-only", "reduce_only"):
            reduce_only = True
        elif word in _TIFS:
            if tif not in (TimeInForce.GTC, _TIFS[word]):
                raise BadInput("flags", " ".join(words), "choose one of post, ioc and fok")
            tif = _TIFS[word]
        else:
            raise BadInput("flags", word, f"expected {HINTS['flags']}")
    return tif, reduce_only


def _price_ticks(text: str, kind: OrderType, instrument: Instrument) -> int:
    if kind is OrderType.MARKET:
        return 0
    return price_ticks("price", text, instrument)


def _tif_of(kind: OrderType) -> TimeInForce:
    return TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC


def _purpose(kind: OrderType, reduce_only: bool) -> Purpose:
    if not reduce_only:
        return Purpose.ENTRY
    is_stop = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    return Purpose.PROTECTIVE if is_stop else Purpose.EXIT
