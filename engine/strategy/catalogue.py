"""The strategies this engine knows, by name, and how text becomes their parameters."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from engine.domain.errors import BadInput, ConfigError
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal, plain
from engine.ports.strategy import Knob, Params, Strategy
from engine.strategy.grid import Grid
from engine.strategy.trend import Trend


def by_name(*kinds: type[Strategy]) -> dict[str, type[Strategy]]:
    """The strategies by name; ConfigError where a copy still has the name of what it was copied
    from, and would silently trade in its place."""
    found: dict[str, type[Strategy]] = {}
    for kind in kinds:
        other = found.setdefault(kind.name, kind)
        if other is not kind:
            raise ConfigError(
                f"{kind.__module__}: {kind.__name__}.name: {kind.name} is the name of "
                f"{other.__name__}: give it another"
            )
    return found


STRATEGIES = by_name(Grid, Trend)


def find_strategy(name: str) -> type[Strategy]:
    kind = STRATEGIES.get(name)
    if kind is None:
        raise BadInput("strategy", name, f"known are: {', '.join(sorted(STRATEGIES))}")
    return kind


def parse_params(kind: type[Strategy], values: Mapping[str, str]) -> Params:
    """Typed parameters from `name -> text`; BadInput names the parameter, value and range."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind.params_type)}
    converted: dict[str, int | Decimal | str] = {}
    for name, text in values.items():
        if name not in fields:
            near = difflib.get_close_matches(name, fields, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(fields)}"
            raise BadInput(f"parameter of {kind.name}", name, hint)
        converted[name] = _convert(name, text, fields[name])
    return kind.params_type(**converted)


def with_timeframe(
    kind: type[Strategy], values: Mapping[str, str], timeframe: str
) -> dict[str, str]:
    """`values`, with the data's own timeframe where the strategy wants one and none was given."""
    if "timeframe" in kind.params_type.__struct_fields__:
        return {"timeframe": timeframe, **values}
    return dict(values)


def _convert(name: str, text: str, annotated: Any) -> int | Decimal | str:
    """`text` as the field's type and within its range."""
    base, knob = annotated.__origin__, annotated.__metadata__[0]
    if base is str:
        return text
    number: int | Decimal = parse_decimal(name, text)
    if base is int:
        if number != int(number):
            raise BadInput(name, text, "expected a whole number")
        number = int(number)
    if not knob.allows(number):
        raise BadInput(name, text, f"must be {knob.range_text()}")
    return number


def knob_of(kind: type[Strategy], name: str) -> Knob:
    """Meaning and range of the parameter `name`."""
    fields = {field.name: field.type for field in msgspec.structs.fields(kind.params_type)}
    knob: Knob = fields[name].__metadata__[0]
    return knob


def params_to_json(params: Params) -> str:
    """One canonical text of the parameters, for the journal and for reports."""
    return json.dumps(params_to_dict(params), sort_keys=True)


def params_to_dict(params: Params) -> dict[str, str]:
    found: dict[str, str] = {}
    for field in params.__struct_fields__:
        value = getattr(params, field)
        found[field] = plain(value) if isinstance(value, Decimal) else str(value)
    return found


def build_strategy(name: str, params_json: str, instrument: Instrument) -> Strategy:
    """The strategy as a journalled `BotAdded` describes it."""
    kind = find_strategy(name)
    params = parse_params(kind, {key: str(text) for key, text in json.loads(params_json).items()})
    return kind(params, instrument)


def describe_params(kind: type[Strategy]) -> list[tuple[str, str, str, str]]:
    """(name, default, range, meaning) of each parameter, for people."""
    rows = []
    for field in msgspec.structs.fields(kind.params_type):
        knob = field.type.__metadata__[0]
        default = field.default
        shown = plain(default) if isinstance(default, Decimal) else str(default)
        rows.append((field.name, shown, knob.range_text(), knob.help))
    return rows
