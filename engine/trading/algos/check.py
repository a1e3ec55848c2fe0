"""May this algo start at all? Its shape here; its risk as one order of its whole size, so that no
limit can be passed by cutting an order into pieces."""

from __future__ import annotations

from typing import NamedTuple

from engine.domain import algo as a
from engine.domain.instrument import Instrument
from engine.domain.money import plain
from engine.domain.order import OrderSpec, OrderType, Purpose, Side, TimeInForce
from engine.trading.algos.core import fair_parts, floor_lots
from engine.trading.algos.iceberg import next_clip
from engine.trading.algos.ladder import rungs

PARTS_MAX = 1000
RUNGS_MAX = 100
EVERY_MS_MIN = 100
DAY_MS = 86_400_000
WHOLE_MAX = 1 << 53
"""Sizes and prices beyond this are nonsense, and would not fit the ledger's integers."""
STEP_MAX = 1 << 40


class Refusal(NamedTuple):
    limit: str
    limit_value: str
    order_value: str


def refusal_words(limit: str, limit_value: str, order_value: str) -> str:
    """What it would have to be, and is. Risk limits are upper ones."""
    is_upper = limit == "balance" or limit.endswith("_max")
    return f"{limit}: must be {'at most ' if is_upper else ''}{limit_value}, is {order_value}"


class Touch(NamedTuple):
    """The market that a new spec is judged by; ticks."""

    best_bid: int
    best_ask: int
    now_ns: int


def worst_orders(spec: a.AnyAlgo) -> tuple[list[OrderSpec], int]:
    """Orders that stand for the whole algo at each of its prices, and how many it may have
    working at once. Every one of them must pass the gate."""
    count = 1
    if isinstance(spec, a.ScaledLadder):
        prices, count = [spec.first_ticks, spec.last_ticks], spec.rungs
    elif isinstance(spec, a.IfTouched | a.TakeProfit):
        prices = [spec.trigger_ticks, spec.price_ticks or spec.trigger_ticks]
    elif isinstance(spec, a.TrailingStop):
        prices = [0]
    elif isinstance(spec, a.Pegged):
        prices = [spec.limit_ticks]
    elif isinstance(spec, a.Oco):
        prices, count = [spec.price_ticks, spec.trigger_ticks], 2
    else:
        prices, count = [spec.price_ticks], 3 if isinstance(spec, a.Bracket) else 1
    return [_as_order(spec, price) for price in dict.fromkeys(prices)], count


def _as_order(spec: a.AnyAlgo, price_ticks: int) -> OrderSpec:
    reduce_only = a.is_reducing(spec)
    return OrderSpec(
        instrument_id=spec.instrument_id,
        side=spec.side,
        qty_lots=spec.qty_lots,
        type=OrderType.LIMIT if price_ticks else OrderType.MARKET,
        price_ticks=price_ticks,
        tif=TimeInForce.GTC if price_ticks else TimeInForce.IOC,
        reduce_only=reduce_only,
        purpose=Purpose.EXIT if reduce_only else Purpose.ENTRY,
    )


def check_shape(
    spec: a.AnyAlgo, instrument: Instrument, touch: Touch, *, is_amended: bool = False
) -> Refusal | None:
    """What makes no sense, named: field, what it must be, what it is."""
    if not 1 <= spec.qty_lots <= WHOLE_MAX:
        return Refusal("qty", f"1 to {WHOLE_MAX} lots", str(spec.qty_lots))
    for name in _PRICES:
        if not 0 <= getattr(spec, name, 0) <= WHOLE_MAX:
            field, limit = name.removesuffix("_ticks"), f"0 to {WHOLE_MAX} ticks"
            return Refusal(field, limit, str(getattr(spec, name)))
    for name, low, high in _RANGES:
        value = getattr(spec, name, low)
        if not low <= value <= high:
            return Refusal(name, f"{low} to {high}", str(value))
    if getattr(spec, "until_ns", 0) and getattr(spec, "until_ns", 0) <= touch.now_ns:
        return Refusal("until", "in the future", "it has passed")
    match spec:
        case a.GoodTill() | a.Iceberg() if spec.price_ticks == 0:
            return Refusal("price", "greater than zero", "0")
        case a.GoodTill() | a.Pov() if spec.until_ns == 0:
            return Refusal("until", "an end", "none")
        case a.Bracket():
            return _check_bracket(spec, instrument, touch, is_amended=is_amended)
        case a.Oco():
            return _check_oco(spec, instrument)
        case a.TrailingStop():
            return _check_one_distance(spec.distance_ticks, spec.distance_bp, "distance")
        case a.IfTouched() | a.TakeProfit() if spec.trigger_ticks == 0:
            return Refusal("trigger", "greater than zero", "0")
        case a.Vwap() if len(spec.weights) > PARTS_MAX or not spec.weights:
            return Refusal("weights", f"1 to {PARTS_MAX} of them", str(len(spec.weights)))
        case a.Vwap() if (
            min(spec.weights) < 0 or max(spec.weights) > PARTS_MAX**2 or not any(spec.weights)
        ):
            return Refusal("weights", "zero or more, not all zero", "they are not")
        case a.ScaledLadder() if abs(spec.last_ticks - spec.first_ticks) < spec.rungs - 1:
            return Refusal("rungs", "a tick apart or more", f"{spec.rungs} on fewer ticks")
    return _check_parts(spec, instrument, touch)


_PRICES = (
    "price_ticks", "trigger_ticks", "stop_ticks", "target_ticks", "stop_price_ticks",
    "limit_ticks", "activate_ticks", "distance_ticks", "trail_ticks", "chase_ticks",
)  # fmt: skip
_RANGES = (
    ("improve_ticks", -STEP_MAX, STEP_MAX),
    ("slices", 1, PARTS_MAX),
    ("rungs", 1, RUNGS_MAX),
    ("every_ms", EVERY_MS_MIN, DAY_MS),
    ("share_bp", 1, a.BP),
    ("distance_bp", 0, a.BP - 1),
    ("trail_bp", 0, a.BP - 1),
    ("step_ticks", 0, STEP_MAX),
    ("show_lots", 1, WHOLE_MAX),
    ("first_ticks", 1, WHOLE_MAX),
    ("last_ticks", 1, WHOLE_MAX),
)


def _check_one_distance(ticks: int, bp: int, name: str) -> Refusal | None:
    if (ticks > 0) is (bp > 0):
        return Refusal(name, "one of price distance and percent", f"{ticks} ticks and {bp} bp")
    return None


def _check_bracket(
    spec: a.Bracket, instrument: Instrument, touch: Touch, *, is_amended: bool
) -> Refusal | None:
    """The stop on the losing side of the entry, the target on the winning one; once it is under
    way, of the market, so that a stop may be drawn beyond the entry."""
    sign = spec.side.sign
    market = touch.best_ask if spec.side is Side.BUY else touch.best_bid
    entry = spec.price_ticks or market
    if spec.price_ticks and (market - entry) * sign < 0:
        entry = market  # It would take at once: what it pays is the market's price.
    if is_amended:
        entry = touch.best_bid if spec.side is Side.BUY else touch.best_ask
    word = "market" if is_amended else "entry"
    below, above = ("below", "above") if spec.side is Side.BUY else ("above", "below")
    if spec.stop_ticks == 0 or (entry - spec.stop_ticks) * sign <= 0:
        limit = f"{below} the {word} at {instrument.price(entry)}"
        return Refusal("stop", limit, str(instrument.price(spec.stop_ticks)))
    if spec.target_ticks and (spec.target_ticks - entry) * sign <= 0:
        limit = f"{above} the {word} at {instrument.price(entry)}"
        return Refusal("target", limit, str(instrument.price(spec.target_ticks)))
    if spec.trail_ticks and spec.trail_bp:
        return _check_one_distance(spec.trail_ticks, spec.trail_bp, "trail")
    if spec.qty_lots < instrument.min_lots:
        least = plain(instrument.qty(instrument.min_lots))
        return Refusal("min_qty", least, plain(instrument.qty(spec.qty_lots)))
    return None


def _check_oco(spec: a.Oco, instrument: Instrument) -> Refusal | None:
    """A buy rests below its stop, a sell above it."""
    if not spec.price_ticks or not spec.trigger_ticks:
        return Refusal("price and trigger", "greater than zero", "0")
    if (spec.trigger_ticks - spec.price_ticks) * spec.side.sign <= 0:
        side = "above" if spec.side is Side.BUY else "below"
        limit = f"{side} the limit at {instrument.price(spec.price_ticks)}"
        return Refusal("trigger", limit, str(instrument.price(spec.trigger_ticks)))
    return None


def _check_parts(spec: a.AnyAlgo, instrument: Instrument, touch: Touch) -> Refusal | None:
    """No part may be too small for the venue."""
    reduce_only = a.is_reducing(spec)
    market = touch.best_bid if spec.side is Side.BUY else touch.best_ask
    price = getattr(spec, "price_ticks", 0) or market
    least = floor_lots(instrument, price, reduce_only=reduce_only)
    match spec:
        case a.Twap():
            smallest = min(fair_parts(spec.qty_lots, [1] * spec.slices))
        case a.Vwap():
            parts = fair_parts(spec.qty_lots, spec.weights)
            smallest = min(part for part, w in zip(parts, spec.weights, strict=True) if w)
        case a.Iceberg():
            smallest = min(spec.show_lots, next_clip(spec.qty_lots, spec.show_lots, least))
        case a.ScaledLadder():
            sizes = [(lots, ticks) for _, ticks, lots in rungs(spec)]
            smallest, at_ticks = min(sizes)
            least = floor_lots(instrument, min(at_ticks, sizes[0][1]), reduce_only=reduce_only)
        case _:
            smallest = spec.qty_lots
    if smallest >= least:
        return None
    return Refusal(
        "min_qty",
        f"{plain(instrument.qty(least))} for every part",
        plain(instrument.qty(smallest)),
    )
