"""Order types beyond limit, market and stop, as words: `stop=59900 target=60100 post`.

The ticket's last field and the shell's `order` and `amend` take the same words. A form says which
words a type knows, which it needs, and what the price field means for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from engine.domain import algo as a
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal
from engine.domain.order import Side

FIELD = "flags"
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Sheet(NamedTuple):
    """What texts are read by: the instrument's steps and the engine's clock."""

    instrument: Instrument
    now_ns: int


Read = Callable[[str, str, Sheet], dict[str, Any]]
"""(word, its value, sheet) -> fields of the spec."""


class Form(NamedTuple):
    kind: type[a.AnyAlgo]
    summary: str
    hint: str
    """The words that it takes."""
    rests: str
    """Where its legs are."""
    words: Mapping[str, Read]
    needs: tuple[str, ...] = ()
    """Words that must be there."""
    price: str = "price_ticks"
    """The field that the ticket's price fills; "" when it has none."""
    needs_price: bool = False
    flags: Mapping[str, str] = {}
    """Words without a value and the field that each sets."""


# -- values ------------------------------------------------------------------------------------


def _price(field: str) -> Read:
    def read(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
        return {field: price_ticks(word, text, sheet.instrument)}

    return read


def price_ticks(field: str, text: str, instrument: Instrument) -> int:
    price = parse_decimal(field, text)
    if price <= 0:
        raise BadInput(field, text, "must be greater than zero")
    return instrument.ticks(price, field)


def _distance(ticks_field: str, bp_field: str = "") -> Read:
    def read(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
        if text.endswith("%") and bp_field:
            return {bp_field: _basis_points(word, text)}
        return {ticks_field: price_ticks(word, text, sheet.instrument)}

    return read


def _basis_points(word: str, text: str) -> int:
    points = parse_decimal(word, text.removesuffix("%")) * 100
    if points != points.to_integral_value() or points <= 0:
        raise BadInput(word, text, "must be a percentage in steps of 0.01")
    return int(points)


def _share(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    return {"share_bp": _basis_points(word, text)}


def _shift(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    """A price distance that may be negative: behind the touch."""
    ticks = sheet.instrument.ticks(parse_decimal(word, text), word)
    return {"improve_ticks": ticks}


def _qty(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    return {"show_lots": sheet.instrument.lots(parse_decimal(word, text), word)}


def _count(field: str) -> Read:
    def read(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
        if not re.fullmatch(r"[0-9]{1,4}", text):
            raise BadInput(word, text, "expected a whole number")
        return {field: int(text)}

    return read


def _period_ms(word: str, text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,7})(ms|s|m|h)", text)
    if match is None or int(match[1]) == 0:
        raise BadInput(word, text, "expected a time such as 500ms, 30s, 5m or 2h")
    return int(match[1]) * _UNITS_MS[match[2]]


def _every(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    return {"every_ms": _period_ms(word, text)}


def _until(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    return {"until_ns": sheet.now_ns + _period_ms(word, text) * 1_000_000}


def _weights(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    if not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", text):
        raise BadInput(word, text, "expected whole numbers such as 3,1,2")
    return {"weights": [int(part) for part in text.split(",")]}


def _weighting(word: str, text: str, sheet: Sheet) -> dict[str, Any]:
    try:
        return {"weighting": a.Weighting(text)}
    except ValueError:
        raise BadInput(word, text, "expected even, far or near") from None


# -- forms -------------------------------------------------------------------------------------

_POST = {"post": "post_only"}
_REDUCE = {"reduce": "reduce_only"}
_ENTER = {"enter": "reduce_only"}
"""An OCO guards unless it is told to enter: this word takes the flag away."""

FORMS: dict[str, Form] = {
    "bracket": Form(
        a.Bracket,
        "entry, stop and target as one",
        "stop=P [target=P trail=DIST for=TIME post]",
        "entry, stop and target rest at the venue, the exits as the entry fills",
        {
            "stop": _price("stop_ticks"),
            "target": _price("target_ticks"),
            "trail": _distance("trail_ticks", "trail_bp"),
            "step": _distance("step_ticks"),
            "for": _until,
        },
        needs=("stop",),
        flags=_POST,
    ),
    "oco": Form(
        a.Oco,
        "limit and stop; one cancels the other",
        "stop=P [limit=P enter]; guards unless enter",
        "both rest at the venue; to enter, the stop waits in the engine",
        {"stop": _price("trigger_ticks"), "limit": _price("stop_price_ticks")},
        needs=("stop",),
        needs_price=True,
        flags=_ENTER,
    ),
    "trail": Form(
        a.TrailingStop,
        "a stop that follows the price",
        "by=DIST or by=0.5% [step=DIST]",
        "rests at the venue as a stop that the engine moves",
        {"by": _distance("distance_ticks", "distance_bp"), "step": _distance("step_ticks")},
        needs=("by",),
        price="activate_ticks",
    ),
    "take": Form(
        a.TakeProfit,
        "take-profit: close at a good price",
        "[limit=P]; price is the trigger",
        "waits in the engine until the price is touched",
        {"limit": _price("price_ticks")},
        price="trigger_ticks",
        needs_price=True,
    ),
    "touch": Form(
        a.IfTouched,
        "send it once a price is touched",
        "[limit=P reduce]; price is the trigger",
        "waits in the engine until the price is touched",
        {"limit": _price("price_ticks")},
        price="trigger_ticks",
        needs_price=True,
        flags=_REDUCE,
    ),
    "gtd": Form(
        a.GoodTill,
        "a limit order with an end",
        "for=TIME [post reduce]",
        "rests at the venue; its end is the engine's",
        {"for": _until},
        needs=("for",),
        needs_price=True,
        flags=_POST | _REDUCE,
    ),
    "iceberg": Form(
        a.Iceberg,
        "show a part at a time",
        "show=QTY [post reduce]",
        "one part rests at the venue, the others wait in the engine",
        {"show": _qty},
        needs=("show",),
        needs_price=True,
        flags=_POST | _REDUCE,
    ),
    "twap": Form(
        a.Twap,
        "equal parts over time",
        "parts=N every=TIME [reduce]",
        "waits in the engine; every part is sent at its time",
        {"parts": _count("slices"), "every": _every},
        needs=("parts", "every"),
        flags=_REDUCE,
    ),
    "vwap": Form(
        a.Vwap,
        "parts by weight over time",
        "weights=3,1,2 every=TIME [reduce]",
        "waits in the engine; every part is sent at its time",
        {"weights": _weights, "every": _every},
        needs=("weights", "every"),
        flags=_REDUCE,
    ),
    "pov": Form(
        a.Pov,
        "a share of the market's volume",
        "share=10% every=TIME for=TIME [reduce]",
        "waits in the engine; parts follow the market's volume",
        {"share": _share, "every": _every, "for": _until},
        needs=("share", "every", "for"),
        flags=_REDUCE,
    ),
    "peg": Form(
        a.Pegged,
        "follow the touch",
        "[improve=DIST chase=DIST every=TIME reduce]",
        "rests at the venue; the engine moves it",
        {"improve": _shift, "chase": _distance("chase_ticks"), "every": _every},
        price="limit_ticks",
        flags=_REDUCE,
    ),
    "ladder": Form(
        a.ScaledLadder,
        "limit orders at even steps",
        "to=P rungs=N [weight=far post reduce]",
        "every rung rests at the venue",
        {"to": _price("last_ticks"), "rungs": _count("rungs"), "weight": _weighting},
        needs=("to", "rungs"),
        price="first_ticks",
        needs_price=True,
        flags=_POST | _REDUCE,
    ),
}


PRICE_HINTS = {
    "price_ticks": "limit price; empty for the market where it may be",
    "trigger_ticks": "the price to wait for",
    "activate_ticks": "follow from this price on; may be empty",
    "limit_ticks": "never worse than this; may be empty",
    "first_ticks": "price of the first rung",
}


def parse_algo(
    form: Form, side: Side, lots: int, price: str, words: Sequence[str], sheet: Sheet
) -> a.AnyAlgo:
    """BadInput names the word that is wrong, missing or unknown."""
    fields: dict[str, Any] = {}
    if form.price and price.strip():
        fields[form.price] = price_ticks("price", price, sheet.instrument)
    elif form.needs_price:
        raise BadInput("price", price, "this type needs one")
    fields |= read_words(form, words, sheet)
    for need in form.needs:
        if not any(word.partition("=")[0] == need for word in words):
            raise BadInput(FIELD, " ".join(words), f"this type needs {form.hint}")
    return form.kind(
        instrument_id=sheet.instrument.instrument_id, side=side, qty_lots=lots, **fields
    )


def read_words(form: Form, words: Sequence[str], sheet: Sheet) -> dict[str, Any]:
    """The fields that `words` set."""
    fields: dict[str, Any] = {}
    for word in words:
        name, has_value, value = word.partition("=")
        if has_value and name in form.words:
            read = form.words[name](name, value, sheet)
            if fields.keys() & read.keys():
                raise BadInput(FIELD, word, f"{name} is given twice")
            fields |= read
        elif not has_value and name in form.flags:
            fields[form.flags[name]] = name != "enter"
        else:
            raise BadInput(FIELD, word, f"this type takes {form.hint}")
    return fields


def amended(spec: a.AnyAlgo, price: str, words: Sequence[str], sheet: Sheet) -> a.AnyAlgo:
    """`spec` with the figures that are given; BadInput as in `parse_algo`."""
    form = next(form for form in FORMS.values() if form.kind is type(spec))
    fields = read_words(form, words, sheet)
    if price:
        fields[form.price] = price_ticks("price", price, sheet.instrument)
    for ticks, points in (("trail_ticks", "trail_bp"), ("distance_ticks", "distance_bp")):
        # A distance in the other unit takes the place of the one before.
        if ticks in fields and points in spec.__struct_fields__:
            fields[points] = 0
        elif points in fields:
            fields[ticks] = 0
    return msgspec.structs.replace(spec, **fields)


def worth(spec: a.AnyAlgo, instrument: Instrument) -> Decimal | None:
    """What the whole of it is worth at its own price, None when it has none."""
    ticks = getattr(spec, "price_ticks", 0) or getattr(spec, "first_ticks", 0)
    return instrument.notional(spec.qty_lots, ticks) if ticks else None
