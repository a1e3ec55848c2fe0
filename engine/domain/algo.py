"""Order types that no single venue order expresses: what somebody wants, as data.

Each is a spec of this tagged union; `engine.trading.algos` works it with plain orders. Prices and
distances are ticks, quantities lots, times ns of the engine's clock, shares basis points.
`side` is that of the orders which the algo places first: the entry of a bracket, the exit of a
trailing stop.
"""

from __future__ import annotations

import enum

import msgspec

from engine.domain.order import Side

BP = 10_000


class AlgoSpec(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    instrument_id: str
    side: Side
    qty_lots: int
    """Never more than this is traded in the direction of `side`."""


class GoodTill(AlgoSpec, frozen=True, kw_only=True):
    """A limit order that is cancelled at `until_ns`."""

    price_ticks: int
    until_ns: int
    post_only: bool = False
    reduce_only: bool = False


class IfTouched(AlgoSpec, frozen=True, kw_only=True):
    """Wait for a trade at a better price than now, then send a market order, or a limit order when
    `price_ticks` is not 0. A buy waits for a fall to the trigger, a sell for a rise."""

    trigger_ticks: int
    price_ticks: int = 0
    reduce_only: bool = False


class TakeProfit(AlgoSpec, frozen=True, kw_only=True):
    """`IfTouched` that guards a position: reduce-only, and survives a pause of its bot."""

    trigger_ticks: int
    price_ticks: int = 0


class TrailingStop(AlgoSpec, frozen=True, kw_only=True):
    """A reduce-only stop that follows the best price at a distance and never goes back.

    Exactly one of `distance_ticks` and `distance_bp`; with `activate_ticks` it waits for that
    price first. The stop is moved when it gains `step_ticks` or more; 0: a tenth of the distance.
    """

    distance_ticks: int = 0
    distance_bp: int = 0
    step_ticks: int = 0
    activate_ticks: int = 0


class Oco(AlgoSpec, frozen=True, kw_only=True):
    """A limit order and a stop of which one cancels the other; together never beyond `qty_lots`.

    Reduce-only: both guard a position. Otherwise an entry whose stop waits in the engine, because
    two resting orders could both fill.
    """

    price_ticks: int
    trigger_ticks: int
    stop_price_ticks: int = 0
    """When not 0 the stop is a stop-limit at this price."""
    reduce_only: bool = True


class Bracket(AlgoSpec, frozen=True, kw_only=True):
    """Entry, stop and target as one object. The legs follow what the entry has filled."""

    price_ticks: int = 0
    """Limit of the entry; 0 enters at the market."""
    post_only: bool = False
    until_ns: int = 0
    """When not 0: what has not entered by then is cancelled."""
    stop_ticks: int
    target_ticks: int = 0
    """0: no target."""
    trail_ticks: int = 0
    """When not 0 the stop follows the best price at this distance."""
    trail_bp: int = 0
    step_ticks: int = 0


class Iceberg(AlgoSpec, frozen=True, kw_only=True):
    """A limit order of which only `show_lots` are in the book at a time."""

    price_ticks: int
    show_lots: int
    post_only: bool = False
    reduce_only: bool = False


class Twap(AlgoSpec, frozen=True, kw_only=True):
    """`slices` equal parts, one every `every_ms`; what a slice leaves is added to the next."""

    slices: int
    every_ms: int
    price_ticks: int = 0
    """Worst price to pay or accept; 0 for the engine's own cap around the touch."""
    reduce_only: bool = False


class Vwap(AlgoSpec, frozen=True, kw_only=True):
    """Like `Twap` with parts in proportion to `weights`, the volume expected in each period."""

    weights: list[int]
    every_ms: int
    price_ticks: int = 0
    reduce_only: bool = False


class Pov(AlgoSpec, frozen=True, kw_only=True):
    """A share of what the market trades, looked at every `every_ms`, until filled or `until_ns`."""

    share_bp: int
    every_ms: int
    until_ns: int
    price_ticks: int = 0
    reduce_only: bool = False


class Pegged(AlgoSpec, frozen=True, kw_only=True):
    """A post-only order that follows the best price of its own side.

    `improve_ticks` 0 joins it, more goes before it without crossing, less stays behind it.
    """

    improve_ticks: int = 0
    limit_ticks: int = 0
    """Never at a worse price than this; 0: no limit."""
    chase_ticks: int = 0
    """Never farther than this, towards worse, from the first price; 0: no cap."""
    every_ms: int = 250
    """At most one move in this time."""
    reduce_only: bool = False


class Weighting(enum.StrEnum):
    EVEN = "even"
    FAR = "far"
    """More the farther from the market: rung n has weight n."""
    NEAR = "near"


class ScaledLadder(AlgoSpec, frozen=True, kw_only=True):
    """`rungs` limit orders at even steps from `first_ticks` to `last_ticks`."""

    first_ticks: int
    last_ticks: int
    rungs: int
    weighting: Weighting = Weighting.EVEN
    post_only: bool = False
    reduce_only: bool = False


AnyAlgo = (
    GoodTill
    | IfTouched
    | TakeProfit
    | TrailingStop
    | Oco
    | Bracket
    | Iceberg
    | Twap
    | Vwap
    | Pov
    | Pegged
    | ScaledLadder
)


def is_reducing(spec: AnyAlgo) -> bool:
    """Whether the algo can only take risk off."""
    return isinstance(spec, TakeProfit | TrailingStop) or (
        not isinstance(spec, Bracket) and spec.reduce_only
    )


def is_guard(spec: AnyAlgo) -> bool:
    """Whether it exists to protect a position: survives pauses and a plain cancel-all."""
    return isinstance(spec, TakeProfit | TrailingStop) or (
        isinstance(spec, Oco) and spec.reduce_only
    )


def kind_words(spec: AnyAlgo) -> str:
    """`trailing stop`, `bracket` ..."""
    return _KINDS[type(spec)]


_KINDS: dict[type[AnyAlgo], str] = {
    GoodTill: "good-till",
    IfTouched: "if-touched",
    TakeProfit: "take-profit",
    TrailingStop: "trailing stop",
    Oco: "OCO",
    Bracket: "bracket",
    Iceberg: "iceberg",
    Twap: "TWAP",
    Vwap: "VWAP",
    Pov: "POV",
    Pegged: "pegged",
    ScaledLadder: "ladder",
}


class AlgoOutcome(enum.StrEnum):
    DONE = "done"
    CANCELED = "canceled"
    FAILED = "failed"


class AlgoMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What an algo has to remember beside its orders. Journalled whenever it changes, so that a
    restart knows it too; each kind uses a few of the fields."""

    entry_over: str = ""
    """Why no more entry orders are placed; empty while they are."""
    is_touched: bool = False
    """The trigger held in the engine was reached."""
    is_stopping: bool = False
    """The stop was hit: what is left is closed at the market."""
    stop_ticks: int = 0
    """Where a trailing stop stands; 0 before it is active."""
    anchor_ticks: int = 0
    """First price of a pegged order."""
    steps: int = 0
    """Slices or moves so far."""
    due_ns: int = 0
    """When to look again; 0: no timer."""
    owed_lots: int = 0
    """How much should have been traded by now."""
    volume_lots: int = 0
    """The market's volume when last looked at."""
    share_rest: int = 0
    """Lots x basis points that did not make a whole lot."""
