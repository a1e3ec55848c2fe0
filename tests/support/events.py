"""Events for tests: builders with valid defaults (over those of `builders`), and hypothesis
strategies for every event there is."""

from __future__ import annotations

import enum
import types
import typing
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from engine.domain.events import (
    AnyEvent,
    EquityMarked,
    Noted,
    OrderAccepted,
    OrderFilled,
    OrderIntended,
    SessionStarted,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Fill
from tests.support.builders import a_fill, an_order, linear
from tests.support.plain_events import T0_NS, numbered

ORDER_ID = an_order().client_order_id

EVENT_TYPES: tuple[type[AnyEvent], ...] = typing.get_args(AnyEvent)


# -- builders --------------------------------------------------------------------------------


def a_session(**changes: Any) -> SessionStarted:
    values: dict[str, Any] = {
        "ts_ns": T0_NS,
        "world": "generated market, seed 7",
        "capital": Decimal(10_000),
        "settle": "USDT",
        "salt": 0x123456789,
        "instruments": [linear()],
    }
    return SessionStarted(**(values | changes))


def an_intent(**changes: Any) -> OrderIntended:
    """`changes` as for `an_order`."""
    return OrderIntended(ts_ns=T0_NS, order=an_order(**changes))


def an_accept(**changes: Any) -> OrderAccepted:
    values: dict[str, Any] = {
        "ts_ns": T0_NS + 1_000_000,
        "client_order_id": ORDER_ID,
        "report_seq": 1,
        "venue_order_id": "v1",
    }
    return OrderAccepted(**(values | changes))


def a_filled(**changes: Any) -> OrderFilled:
    fill: Fill = changes.get("fill", a_fill())
    values: dict[str, Any] = {
        "ts_ns": T0_NS + 2_000_000,
        "client_order_id": ORDER_ID,
        "report_seq": 2,
        "fill": fill,
        "value_units": fill.lots * fill.price_ticks,
    }
    return OrderFilled(**(values | changes))


def an_equity_mark(ts_ns: int = T0_NS, equity: str = "12.5") -> EquityMarked:
    return EquityMarked(ts_ns=ts_ns, equity=Decimal(equity), by_bot={"bot-1": Decimal(equity)})


def a_note(number: int = 1) -> Noted:
    return numbered(number)


# -- strategies ------------------------------------------------------------------------------

int64s = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(codec="utf-8"), max_size=30)
decimals = st.decimals(allow_nan=False, allow_infinity=False)
steps = st.sampled_from([Decimal(step) for step in ("0.00001", "0.001", "0.1", "1", "10", "1E+2")])

instruments = st.builds(
    Instrument,
    instrument_id=texts,
    venue=texts,
    symbol=st.from_regex(r"\A[A-Z0-9/:_.\-]{1,40}\Z"),
    kind=st.sampled_from(InstrumentKind),
    base=texts,
    quote=texts,
    tick=steps,
    lot=steps,
    contract_size=steps,
    min_notional=decimals,
    min_lots=int64s,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type, so that a new event or field is covered without a word here."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: int64s,
        str: texts,
        bool: st.booleans(),
        Decimal: decimals,
        Instrument: instruments,
        types.NoneType: st.none(),
    }
    if kind in plain:
        return plain[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is list:
        return st.lists(values_of(arguments[0]), max_size=3)
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=5)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=5)
    if issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    assert issubclass(kind, msgspec.Struct), kind
    fields = {field.name: values_of(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


events: st.SearchStrategy[AnyEvent] = st.sampled_from(EVENT_TYPES).flatmap(values_of)
