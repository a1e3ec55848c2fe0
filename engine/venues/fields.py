"""Reading foreign JSON, one field at a time: the right value or `Unreadable`, never a guess.

Amounts are Decimals from text. A binary float is refused even where it would look right: the
libraries between the wire and here turn an unquoted 0.1 into one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal

from engine.domain.errors import BadInput, shorten
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal
from engine.domain.text import clean

JsonObject = Mapping[str, object]

log = logging.getLogger(__name__)

NS_PER_MS = 1_000_000
_MAX_ID = 64
_MAX_WHOLE = 1 << 63
_MAX_ASSET = 40


class Unreadable(Exception):
    """A message that does not say what it should. `words` name field, value and expectation."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        self.words = f"{field}: {clean(shorten(value))}: {expected}"
        super().__init__(self.words)


def decode(text: str | bytes) -> object:
    """JSON with every fraction kept as text. Unreadable for anything else, NaN included."""
    try:
        return json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Unreadable("answer", shorten(text), "expected JSON") from None


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def as_object(value: object, field: str = "answer") -> JsonObject:
    if not isinstance(value, dict):
        raise Unreadable(field, value, "expected an object")
    return value


def as_list(value: object, field: str = "answer") -> Sequence[object]:
    if not isinstance(value, list):
        raise Unreadable(field, value, "expected a list")
    return value


def objects(value: object, field: str = "answer") -> list[JsonObject]:
    return [as_object(item, field) for item in as_list(value, field)]


def text(source: JsonObject, field: str) -> str:
    """A short text, cleaned."""
    value = source.get(field)
    if not isinstance(value, str):
        raise Unreadable(field, value, "expected text")
    return clean(value)


def of_loaded(
    rows: Sequence[JsonObject], instruments: Mapping[str, Instrument]
) -> list[tuple[JsonObject, Instrument]]:
    """Rows with their instruments by `symbol`. Those of others are counted in the log."""
    known = [
        (row, instrument)
        for row in rows
        if (instrument := instruments.get(text(row, "symbol"))) is not None
    ]
    if len(known) < len(rows):
        log.info("%d open orders of instruments that are not loaded", len(rows) - len(known))
    return known


def optional_text(source: JsonObject, field: str) -> str:
    """As `text`; "" where the field is absent or null."""
    return "" if source.get(field) is None else text(source, field)


def name(source: JsonObject, *fields: str) -> str:
    """An id of the venue, number or text, from the first of `fields` that holds one; else ""."""
    for field in fields:
        value = source.get(field)
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Unreadable(field, value, "expected an id")
        found = str(value)
        if len(found) > _MAX_ID or clean(found) != found:
            raise Unreadable(field, value, f"expected an id of at most {_MAX_ID} characters")
        return found
    return ""


def need_name(source: JsonObject, *fields: str) -> str:
    found = name(source, *fields)
    if not found:
        raise Unreadable(fields[0], source.get(fields[0]), "expected an id")
    return found


def asset(source: JsonObject, field: str) -> str:
    """The name of an asset: some are not in Latin letters."""
    value = source.get(field)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _MAX_ASSET
        or clean(value) != value
        or any(char.isspace() for char in value)
    ):
        raise Unreadable(field, value, "expected the name of an asset")
    return value


def whole(source: JsonObject, field: str) -> int:
    """An integer, also as text."""
    value = source.get(field)
    if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit():
        value = int(value) if len(value) <= 20 else None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _MAX_WHOLE:
        raise Unreadable(field, source.get(field), "expected an integer")
    return value


def flag(source: JsonObject, field: str) -> bool:
    """True or false; absent is false."""
    value = source.get(field, False)
    if not isinstance(value, bool):
        raise Unreadable(field, value, "expected true or false")
    return value


def ns(source: JsonObject, *fields: str) -> int:
    """Milliseconds since 1970 from the first of `fields` that is there, in ns; 0 without any."""
    for field in fields:
        if source.get(field) is not None:
            stamp = whole(source, field) * NS_PER_MS
            if not 0 <= stamp < _MAX_WHOLE:
                raise Unreadable(field, source.get(field), "expected milliseconds since 1970")
            return stamp
    return 0


def amount(source: JsonObject, field: str) -> Decimal:
    value = source.get(field)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Unreadable(field, value, "expected a number as text")
    try:
        return parse_decimal(field, value)
    except BadInput as error:
        raise Unreadable(field, value, error.remedy) from None


def optional_amount(source: JsonObject, field: str) -> Decimal:
    """As `amount`; 0 where the field is absent, null or empty."""
    return Decimal(0) if source.get(field) in (None, "") else amount(source, field)


def lots(source: JsonObject, field: str, instrument: Instrument) -> int:
    """A quantity that is not negative, in whole lots; absent is an error."""
    value = amount(source, field)
    if value < 0:
        raise Unreadable(field, str(value), "must not be negative")
    return signed_lots(value, field, instrument)


def signed_lots(value: Decimal, field: str, instrument: Instrument) -> int:
    try:
        return instrument.lots(value, field)
    except BadInput as error:
        raise Unreadable(field, str(value), error.remedy) from None


def ticks(source: JsonObject, field: str, instrument: Instrument) -> int:
    """A price in whole ticks; 0 where the field is absent or empty, as with market orders."""
    value = optional_amount(source, field)
    if value < 0:
        raise Unreadable(field, str(value), "must not be negative")
    try:
        return instrument.ticks(value, field)
    except BadInput as error:
        raise Unreadable(field, str(value), error.remedy) from None
