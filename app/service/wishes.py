"""What a wish may hold, checked where it comes in.

msgspec has checked the types; here the values: numbers that the engine's arrays can hold, and
names of things that exist. The risk gate judges everything else.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.domain.algo import AlgoSpec
from engine.domain.commands import AddBot, AnyCommand
from engine.domain.snapshots import EngineSnapshot

NUMBER_MAX = 2**53
TIME_NS_MAX = 2**63 - 1
"""Times are nanoseconds since 1970, and by now larger than any size or price may be."""
TEXT_MAX = 100
PARAMS_MAX = 4000
PARTS_MAX = 1000
MANUAL = "manual"


def unusable(command: AnyCommand, snapshot: EngineSnapshot | None) -> str:
    """Why the engine cannot take this wish as it is; "" when it can."""
    fields = msgspec.structs.asdict(command)
    spec = fields.pop("spec", None)
    if isinstance(spec, msgspec.Struct):
        fields |= msgspec.structs.asdict(spec)
        if fields["qty_lots"] <= 0:
            return "qty_lots: must be greater than zero"
    # Distances of an algo may point either way; the algo knows which.
    least = -NUMBER_MAX if isinstance(spec, AlgoSpec) else 0
    for name, value in fields.items():
        if words := _unusable_value(name, value, least):
            return words
    if snapshot is None or isinstance(command, AddBot):
        return ""
    return _unknown(fields, snapshot)


def _unusable_value(name: str, value: Any, least: int) -> str:
    most_of = TIME_NS_MAX if name.endswith("_ns") else NUMBER_MAX
    if isinstance(value, int) and not least <= value <= most_of:
        return f"{name}: must be {least} to {most_of}"
    if isinstance(value, list):
        if len(value) > PARTS_MAX:
            return f"{name}: must have up to {PARTS_MAX} parts"
        return next((words for part in value if (words := _unusable_value(name, part, least))), "")
    most = PARAMS_MAX if name == "params_json" else TEXT_MAX
    if isinstance(value, str) and (len(value) > most or not value.isprintable()):
        return f"{name}: must be up to {most} plain characters"
    return ""


def _unknown(fields: dict[str, Any], snapshot: EngineSnapshot) -> str:
    known_bots = {bot.bot_id for bot in snapshot.bots} | {"", MANUAL}
    known_instruments = {one.instrument_id for one in snapshot.instruments} | {""}
    if fields.get("bot_id", "") not in known_bots:
        return f"no bot {fields['bot_id']}"
    if fields.get("instrument_id", "") not in known_instruments:
        return f"no instrument {fields['instrument_id']}"
    return ""
