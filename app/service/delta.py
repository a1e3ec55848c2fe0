"""Pictures as differences: field by field, and lists as what was kept, dropped and added.

A list that is a window over a stream (log, fills, tape, bars) differs from the one before it by a
few rows at its ends; a book by a few levels. `list_patch` writes that down as a list of

    n > 0        the next n of the old list
    n < 0        skip -n of the old list
    [a, b, ..]   these

The type of the message is made from `EngineSnapshot` itself, so a field that is added there
travels without a word here, and is checked on decoding like everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, UnsetType

from app.service.protocol import ProtocolError
from engine.domain.order import Order
from engine.domain.snapshots import EngineSnapshot, MarketSnapshot, OrderSnapshot

T = TypeVar("T")
Patch = list[int | list[T]]

_NEAR = 8
"""How far a row may have moved and still be recognised."""
_BLOCKS = (64, 16, 4, 1)


# -- lists -------------------------------------------------------------------------------------


def list_patch(old: Sequence[T], new: Sequence[T]) -> Patch[T]:
    """How to make `new` of `old`."""
    patch: Patch[T] = []
    added: list[T] = []
    skipped = at_old = at_new = 0

    def flush() -> None:
        nonlocal skipped
        if added:
            patch.append(added.copy())
            added.clear()
        if skipped:
            patch.append(-skipped)
            skipped = 0

    while at_new < len(new):
        run = _common(old, at_old, new, at_new)
        if run:
            flush()
            patch.append(run)
            at_old, at_new = at_old + run, at_new + run
            continue
        # A window has moved on: its first row may have come from far down. Later rows only drift.
        reach = len(old) if at_new == 0 else _NEAR
        gone = _find(old, at_old, reach, new[at_new])
        if gone:
            at_old, skipped = at_old + gone, skipped + gone
            continue
        added.append(new[at_new])
        is_inserted = at_old < len(old) and _find(new, at_new, _NEAR, old[at_old])
        at_new += 1
        if not is_inserted and at_old < len(old):
            at_old, skipped = at_old + 1, skipped + 1
    flush()
    return patch


def patched(old: Sequence[T], patch: Patch[T]) -> list[T]:
    """ProtocolError when the patch was made for another list."""
    new: list[T] = []
    at = 0
    for step in patch:
        if isinstance(step, list):
            new.extend(step)
            continue
        if step > 0:
            new.extend(old[at : at + step])
        at += abs(step)
        if at > len(old):
            raise ProtocolError("delta: reaches behind the end of a list")
    return new


def _common(old: Sequence[T], at_old: int, new: Sequence[T], at_new: int) -> int:
    """How many rows agree from here on."""
    room = min(len(old) - at_old, len(new) - at_new)
    if room <= 0 or old[at_old] != new[at_new]:
        return 0
    run = 0
    # In blocks, the comparing is done by the list type itself and not by this loop.
    for block in _BLOCKS:
        while run + block <= room and (
            old[at_old + run : at_old + run + block] == new[at_new + run : at_new + run + block]
        ):
            run += block
    return run


def _find(rows: Sequence[T], at: int, reach: int, wanted: T) -> int:
    """How far behind `at` the row stands; 0 when it is not within reach."""
    ahead = rows[at + 1 : at + reach]
    return ahead.index(wanted) + 1 if wanted in ahead else 0


# -- snapshots ---------------------------------------------------------------------------------


def _patch_type(hint: Any) -> Any:
    """What a change of a field of this type looks like."""
    origin = get_origin(hint)
    if origin is list:
        return Patch[get_args(hint)[0]]  # type: ignore[misc]  # made at run time
    if origin is dict:
        return dict[str, _patch_type(get_args(hint)[1])]  # type: ignore[misc]
    return hint


def _changes_type(kind: type[msgspec.Struct], special: Mapping[str, Any]) -> Any:
    """A struct with a change for every field of `kind`, all of them optional."""
    own = {field.name: _patch_type(field.type) for field in msgspec.structs.fields(kind)}
    return msgspec.defstruct(
        f"{kind.__name__}Changes",
        [(name, hint | UnsetType, UNSET) for name, hint in {**own, **special}.items()],
        frozen=True,
        kw_only=True,
    )


_MarketChanges = _changes_type(MarketSnapshot, {})
_Changes = _changes_type(
    EngineSnapshot,
    {
        "markets": list[_MarketChanges],  # type: ignore[valid-type]  # made at run time
        # Most pictures change only the estimate of an order, and an order is long.
        "orders": Patch[Order],
        "queues": list[int],
    },
)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Changes).decode


def is_comparable(old: EngineSnapshot, new: EngineSnapshot) -> bool:
    """Whether a delta can be made: both show the same markets."""
    return [m.instrument_id for m in old.markets] == [m.instrument_id for m in new.markets]


def changes(old: EngineSnapshot, new: EngineSnapshot) -> bytes:
    """What makes `new` of `old`; only where `is_comparable`."""
    found = _field_changes(old, new, ("markets", "orders"))
    if old.markets != new.markets:
        found["markets"] = [
            _MarketChanges(**_field_changes(before, after))
            for before, after in zip(old.markets, new.markets, strict=True)
        ]
    orders_before, orders_after = ([row.order for row in shot.orders] for shot in (old, new))
    queues_before, queues_after = (
        [row.queue_ahead_lots for row in shot.orders] for shot in (old, new)
    )
    if orders_before != orders_after:
        found["orders"] = list_patch(orders_before, orders_after)
    if queues_before != queues_after:
        found["queues"] = queues_after
    return _encode(_Changes(**found))


def apply(old: EngineSnapshot, encoded: bytes | msgspec.Raw) -> EngineSnapshot:
    """ProtocolError when `encoded` is nothing that `changes` makes for `old`."""
    try:
        found = _decode(encoded)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"delta: {error}") from error
    replaced = _replacements(old, found, ("markets", "orders", "queues"))
    if found.markets is not UNSET:
        if len(found.markets) != len(old.markets):
            raise ProtocolError("delta: made for other markets")
        replaced["markets"] = [
            msgspec.structs.replace(before, **_replacements(before, after))
            for before, after in zip(old.markets, found.markets, strict=True)
        ]
    if found.orders is not UNSET or found.queues is not UNSET:
        replaced["orders"] = _orders(old, found)
    return msgspec.structs.replace(old, **replaced)


def _orders(old: EngineSnapshot, found: Any) -> list[OrderSnapshot]:
    orders = [row.order for row in old.orders]
    queues = [row.queue_ahead_lots for row in old.orders]
    if found.orders is not UNSET:
        orders = patched(orders, found.orders)
    if found.queues is not UNSET:
        queues = found.queues
    if len(orders) != len(queues):
        raise ProtocolError("delta: made for other orders")
    return [
        OrderSnapshot(order=order, queue_ahead_lots=ahead)
        for order, ahead in zip(orders, queues, strict=True)
    ]


def _field_changes(
    old: msgspec.Struct, new: msgspec.Struct, besides: Sequence[str] = ()
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in new.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if name in besides or before == after:
            continue
        if isinstance(after, list):
            found[name] = list_patch(before, after)
        elif _holds_lists(after):
            found[name] = {key: list_patch(before.get(key, []), after[key]) for key in after}
        else:
            found[name] = after
    return found


def _replacements(old: msgspec.Struct, found: Any, besides: Sequence[str] = ()) -> dict[str, Any]:
    replaced: dict[str, Any] = {}
    for name in found.__struct_fields__:
        change = getattr(found, name)
        if name in besides or change is UNSET:
            continue
        before = getattr(old, name)
        if isinstance(before, list):
            replaced[name] = patched(before, change)
        elif _holds_lists(change):
            replaced[name] = {key: patched(before.get(key, []), change[key]) for key in change}
        else:
            replaced[name] = change
    return replaced


def _holds_lists(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(part, list) for part in value.values())
