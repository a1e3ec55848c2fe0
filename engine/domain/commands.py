"""Commands: wishes of a person or a bot. Imperative, may be refused, never facts."""

from __future__ import annotations

import enum

import msgspec

from engine.domain.algo import AnyAlgo
from engine.domain.order import OrderSpec


class KillLevel(enum.IntEnum):
    """How far the engine has been told to stop. Survives restarts; lowered only on purpose."""

    NONE = 0
    NO_ENTRIES = 1
    REDUCE_ONLY = 2
    CANCEL_ALL = 3
    FLATTEN = 4


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`command_id` makes a repeat harmless: the engine executes each id once.

    `by` says whose wish it is (`tui`, `shell`, `risk`); it is journalled with every consequence.
    """

    command_id: str
    by: str = "human"


class PlaceOrder(Command, frozen=True, kw_only=True):
    """A person's order, from the ticket, ladder or shell.

    `painted_ticks` is the touch the person saw; `age_ms` how old the picture was when the key
    was pressed. Both exist so that the engine can refuse an intent that the market has left.
    """

    bot_id: str
    spec: OrderSpec
    painted_ticks: int = 0
    age_ms: int = 0


class CancelOrder(Command, frozen=True, kw_only=True):
    client_order_id: str


class MoveOrder(Command, frozen=True, kw_only=True):
    """Cancel, wait for the confirmation, then place what is left at the new price."""

    client_order_id: str
    price_ticks: int


class PlaceAlgo(Command, frozen=True, kw_only=True):
    """A person's algo, for the book of `bot_id`; `age_ms` as in `PlaceOrder`."""

    bot_id: str
    spec: AnyAlgo
    age_ms: int = 0


class AmendAlgo(Command, frozen=True, kw_only=True):
    """Work on with this spec: same kind, instrument and side."""

    algo_id: str
    spec: AnyAlgo


class CancelAlgo(Command, frozen=True, kw_only=True):
    """End an algo. A bracket that guards a position only stops entering, unless
    `with_protective` says that its stop and target shall go too."""

    algo_id: str
    with_protective: bool = False


class CancelAll(Command, frozen=True, kw_only=True):
    """Cancel working orders; `instrument_id` and `bot_id` narrow it, "" means every one."""

    instrument_id: str = ""
    bot_id: str = ""
    with_protective: bool = False


class Flatten(Command, frozen=True, kw_only=True):
    """Pause the owners, cancel, then close with reduce-only orders until flat."""

    instrument_id: str = ""
    bot_id: str = ""


class PauseBot(Command, frozen=True, kw_only=True):
    """`bot_id` "" pauses every bot."""

    bot_id: str = ""


class ResumeBot(Command, frozen=True, kw_only=True):
    bot_id: str


class TakeHelm(Command, frozen=True, kw_only=True):
    """The person owns the bot's orders and position from here on; the bot only watches."""

    bot_id: str


class GiveHelm(Command, frozen=True, kw_only=True):
    bot_id: str


class StopBot(Command, frozen=True, kw_only=True):
    bot_id: str


class AddBot(Command, frozen=True, kw_only=True):
    """Run another bot. `params_json` is an object of texts; what it leaves out has its default."""

    bot_id: str
    strategy: str
    instrument_id: str
    params_json: str = "{}"


class RemoveBot(Command, frozen=True, kw_only=True):
    """Let go of a bot that is flat and has no orders working."""

    bot_id: str


class EditParams(Command, frozen=True, kw_only=True):
    """Change some parameters of a bot; `params_json` is an object of texts with those alone.

    Those that are not `Knob.is_live_editable` need a bot that does not steer.
    """

    bot_id: str
    params_json: str


class Reverse(Command, frozen=True, kw_only=True):
    """Turn a book's position round with one capped order of twice its size; what guards the old
    side is cancelled once nothing of it is left.

    `lots` is the position that the person saw: another one now refuses the wish.
    """

    bot_id: str
    instrument_id: str
    lots: int
    cap_ticks: int
    painted_ticks: int = 0
    age_ms: int = 0


class AdoptIncident(Command, frozen=True, kw_only=True):
    """The venue is right. See `engine.domain.incident.Choice`."""

    incident_id: str


class IgnoreIncident(Command, frozen=True, kw_only=True):
    incident_id: str


class FlattenIncident(Command, frozen=True, kw_only=True):
    incident_id: str


class AckAlerts(Command, frozen=True, kw_only=True):
    """A person has read every alert up to this instant of the engine's clock."""

    until_ns: int


class Kill(Command, frozen=True, kw_only=True):
    """Pause every bot, cancel all orders, refuse new ones until `ResetKill`."""

    level: KillLevel = KillLevel.CANCEL_ALL


class ResetKill(Command, frozen=True, kw_only=True):
    pass


AnyCommand = (
    PlaceOrder
    | CancelOrder
    | MoveOrder
    | PlaceAlgo
    | AmendAlgo
    | CancelAlgo
    | CancelAll
    | Flatten
    | PauseBot
    | ResumeBot
    | TakeHelm
    | GiveHelm
    | StopBot
    | AddBot
    | RemoveBot
    | EditParams
    | Reverse
    | AdoptIncident
    | IgnoreIncident
    | FlattenIncident
    | AckAlerts
    | Kill
    | ResetKill
)
