"""Fault plans from TOML files: every mistake is one line with the field, the value and the remedy.

seed = 7
words = "orders get lost"

[[fault]]
kind = "drop-after"
on = "POST /api/v3/order"
at = [2, 5]
"""

from __future__ import annotations

import contextlib
import difflib
import math
import tomllib
from pathlib import Path
from typing import Any

from engine.domain.errors import BadInput
from engine.drill.faults.catalogue import CATALOGUE, FaultKind, Seam
from engine.drill.faults.plan import FaultPlan, FaultRule

RULES_MAX = 200
FILE_BYTES_MAX = 256 * 1024
_FIELDS = ", ".join(FaultRule.__struct_fields__)


def read_plan(path: Path) -> FaultPlan:
    """BadInput for what cannot be read or understood."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput("faults", str(path), f"cannot be read: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise BadInput("faults", str(path), f"is larger than {FILE_BYTES_MAX // 1024} KiB")
    try:
        return parse_plan(raw.decode(), path.stem)
    except UnicodeDecodeError:
        raise BadInput("faults", str(path), "is not text in UTF-8") from None


def parse_plan(text: str, name: str) -> FaultPlan:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput("faults", name, f"is not TOML: {error}") from None
    for field in document:
        if field not in ("seed", "words", "fault"):
            raise BadInput(field, document[field], "unknown; known are seed, words and [[fault]]")
    seed = _whole("seed", document.get("seed", 1), least=0)
    words = _text("words", document.get("words", ""))
    tables = document.get("fault", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadInput("fault", tables, "write each fault as a [[fault]] table")
    if len(tables) > RULES_MAX:
        raise BadInput("fault", len(tables), f"at most {RULES_MAX} faults in one file")
    rules = tuple(_rule(f"fault[{number}]", table) for number, table in enumerate(tables, 1))
    return FaultPlan(name=name, rules=rules, seed=seed, words=words)


def _rule(where: str, table: dict[str, Any]) -> FaultRule:
    for field in table:
        if field not in FaultRule.__struct_fields__:
            raise BadInput(f"{where}.{field}", table[field], f"unknown field; known: {_FIELDS}")
    kind = _kind(f"{where}.kind", table.get("kind", ""))
    at = table.get("at", [])
    if not isinstance(at, list):
        raise BadInput(f"{where}.at", at, "write a list of event numbers, like [1, 5]")
    until = table.get("until_s")
    for_s, amount = table.get("for_s"), table.get("amount")
    rule = FaultRule(
        kind=kind,
        on=_text(f"{where}.on", table.get("on", "")),
        with_request=_text(f"{where}.with_request", table.get("with_request", "")),
        at=tuple(_whole(f"{where}.at", number, least=1) for number in at),
        every=_whole(f"{where}.every", table.get("every", 0), least=0),
        rate=_number(f"{where}.rate", table.get("rate", 0.0), most=1.0),
        from_s=_number(f"{where}.from_s", table.get("from_s", 0.0)),
        until_s=None if until is None else _number(f"{where}.until_s", until),
        times=_whole(f"{where}.times", table.get("times", 0), least=0),
        for_s=None if for_s is None else _number(f"{where}.for_s", for_s),
        amount=None if amount is None else _number(f"{where}.amount", amount, least=-1e9),
    )
    _agree(where, rule)
    return rule


def _agree(where: str, rule: FaultRule) -> None:
    """Fields that are right alone and wrong together."""
    given = [name for name in ("at", "every", "rate") if getattr(rule, name)]
    if len(given) > 1:
        raise BadInput(f"{where}.{given[1]}", getattr(rule, given[1]), f"give it or {given[0]}")
    if rule.until_s is not None and rule.until_s <= rule.from_s:
        raise BadInput(f"{where}.until_s", rule.until_s, f"must be after from_s ({rule.from_s:g})")
    is_state = CATALOGUE[rule.kind].seam is Seam.VENUE
    if rule.with_request and not is_state:
        raise BadInput(
            f"{where}.with_request", rule.with_request, f"{rule.kind.value} is counted by `on`"
        )
    if is_state and not rule.with_request and (rule.at or rule.rate):
        field = "at" if rule.at else "rate"
        raise BadInput(
            f"{where}.{field}",
            getattr(rule, field),
            f"{rule.kind.value} begins at from_s; name a with_request to count",
        )


def _kind(field: str, value: object) -> FaultKind:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):  # Told below, with what it may have meant.
            return FaultKind(value)
    near = difflib.get_close_matches(
        str(value), [kind.value for kind in FaultKind], n=1, cutoff=0.4
    )
    hint = f"did you mean {near[0]}?" if near else "the manual lists them: the drill exchange"
    raise BadInput(field, value, f"no such fault; {hint}") from None


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(field, value, "must be text in quotes")
    return value


def _whole(field: str, value: object, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadInput(field, value, f"must be a whole number from {least}")
    return value


def _number(field: str, value: object, *, least: float = 0.0, most: float = 1e9) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise BadInput(field, value, "must be a number")
    if not least <= value <= most:
        raise BadInput(field, value, f"must lie between {least:g} and {most:g}")
    return float(value)
