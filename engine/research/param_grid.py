"""`fast=5:20:5` and the like as parameter sets: what a sweep tries, in one fixed order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, parse_decimal, plain
from engine.ports.strategy import Params, Strategy
from engine.strategy.catalogue import params_to_dict, parse_params

SETS_MAX = 100_000
"""More than this on one recording finds noise, not strategies."""


class ParamGrid(NamedTuple):
    sets: list[Params]
    """Ordered by parameter values, in the order in which the strategy declares its parameters."""
    skipped: int
    """Combinations that the strategy refuses, such as a fast average that is not the faster one."""
    skipped_why: str
    """Why the first of them was refused; "" if none was."""


def parse_axes(kind: type[Strategy], texts: Sequence[str]) -> dict[str, list[str]]:
    """`["fast=5:20:5", "qty=0.1,0.2"]` as the values of each parameter, each checked.

    A range holds its ends: `a:b:step`, or `a:b` in ones. BadInput names the parameter for all that
    is wrong, ranges that never end and more than SETS_MAX combinations among it.
    """
    axes: dict[str, list[str]] = {}
    for text in texts:
        name, equals, words = (part.strip() for part in text.partition("="))
        if not equals or not name or not words:
            raise BadInput("--param", text, "expected name=a:b:step or name=value,value")
        if name in axes:
            raise BadInput("--param", text, f"{name} is given twice")
        values = _range(name, words) if ":" in words else _list(name, words)
        for value in values:
            parse_params(kind, {name: value})
        axes[name] = values
    count = math.prod(len(values) for values in axes.values())
    if count > SETS_MAX:
        raise BadInput("--param", f"{count:,} sets", f"more than {SETS_MAX:,}: widen the steps")
    return axes


def make_grid(
    kind: type[Strategy], axes: Mapping[str, Sequence[str]], instrument: Instrument
) -> ParamGrid:
    """Every combination that the strategy accepts. BadInput when it accepts none."""
    sets: list[Params] = []
    refused: list[BadInput] = []
    for values in itertools.product(*axes.values()):
        params = parse_params(kind, dict(zip(axes, values, strict=True)))
        try:
            kind(params, instrument)
        except BadInput as error:
            refused.append(error)
        else:
            sets.append(params)
    if not sets:
        raise refused[0]
    sets.sort(key=_order)
    return ParamGrid(sets, len(refused), str(refused[0]) if refused else "")


def set_key(params: Params) -> str:
    """One line that tells a set from every other of its strategy."""
    return msgspec.json.encode(params_to_dict(params)).decode()


def _order(params: Params) -> tuple[Any, ...]:
    return msgspec.structs.astuple(params)


def _list(name: str, words: str) -> list[str]:
    values = [word.strip() for word in words.split(",")]
    if len(set(values)) < len(values) or "" in values:
        raise BadInput("--param", f"{name}={words}", "names a value twice, or none")
    return values


def _range(name: str, words: str) -> list[str]:
    """The values from a to b inclusive, exactly, as text."""
    text = f"{name}={words}"
    parts = words.split(":")
    if len(parts) not in (2, 3):
        raise BadInput("--param", text, "expected name=a:b:step")
    first, last, step = (parse_decimal(name, part) for part in (*parts, "1")[:3])
    if step == 0:
        raise BadInput("--param", text, "a step of zero: the range never ends")
    if (last - first) * step < 0:
        raise BadInput("--param", text, "the step leads away from the end: the range never ends")
    steps = MONEY.divide_int(MONEY.subtract(last, first), step)
    if steps >= SETS_MAX:
        raise BadInput("--param", text, f"more than {SETS_MAX:,} values: take a larger step")
    return [plain(_step(first, step, number)) for number in range(int(steps) + 1)]


def _step(first: Decimal, step: Decimal, number: int) -> Decimal:
    return MONEY.add(first, MONEY.multiply(step, Decimal(number)))
