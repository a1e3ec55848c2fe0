"""Who looks on, and who may add risk.

One face holds the trade token. Commands that add risk are taken from it alone; commands that take
risk away, from everybody. Nobody is locked out: a face that asks takes the token over, and all are
told. While nobody holds it, it goes to the first that sends such a command.
"""

from __future__ import annotations

from engine.domain import commands as c
from engine.domain.algo import is_reducing
from engine.domain.snapshots import EngineSnapshot

HELD = "holds the trade token: take it over first"
HARMLESS = (
    c.CancelOrder,
    c.CancelAlgo,
    c.CancelAll,
    c.Flatten,
    c.PauseBot,
    c.TakeHelm,
    c.StopBot,
    c.RemoveBot,
    c.Kill,
    c.FlattenIncident,
    c.AckAlerts,
)
"""Commands that every face may give at any time."""


def adds_risk(command: c.AnyCommand, snapshot: EngineSnapshot | None) -> bool:
    """Whether the command may make a loss possible that was not before.

    What is not known to be harmless adds risk. Taking the helm is harmless: the bot's hands come
    off, and that is all.
    """
    match command:
        case c.PlaceOrder(spec=spec):
            return not spec.reduce_only
        case c.PlaceAlgo(spec=algo) | c.AmendAlgo(spec=algo):
            return not is_reducing(algo)
        case c.MoveOrder(client_order_id=client_order_id):
            orders = [row.order for row in snapshot.orders] if snapshot is not None else []
            return not any(
                order.spec.reduce_only
                for order in orders
                if order.client_order_id == client_order_id
            )
        case _:
            return not isinstance(command, HARMLESS)


class Roster:
    """The attached faces by number, in the order they came."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._holder = 0
        self._before = 0
        """Whom the holder took it from."""
        self.notices = 0
        self.notice = ""

    @property
    def faces(self) -> list[str]:
        return list(self._names.values())

    @property
    def numbers(self) -> frozenset[int]:
        return frozenset(self._names)

    @property
    def holder(self) -> str:
        return self._names.get(self._holder, "")

    def join(self, number: int, name: str, wants: str) -> None:
        self._names[number] = name
        if wants == "over":
            self.take(number)
        elif wants == "free" and not self._holder:
            self._holder = number

    def renumber(self, number: int, new: int) -> None:
        """The same face goes by another number from now on: with its token, if it has it."""
        self._names = {new if one == number else one: name for one, name in self._names.items()}
        self._holder = new if self._holder == number else self._holder
        self._before = new if self._before == number else self._before

    def leave(self, number: int) -> None:
        self._names.pop(number, None)
        if self._holder != number:
            return
        self._holder, self._before = self._before if self._before in self._names else 0, 0
        if self._holder:
            self._tell(f"{self.holder} has the trade token again")

    def take(self, number: int) -> None:
        """Hand the token to this face and tell everybody whom it was taken from."""
        if self._holder == number:
            return
        before = self.holder
        self._before, self._holder = self._holder, number
        if before:
            self._tell(f"{self.holder} took the trade token over from {before}")

    def _tell(self, words: str) -> None:
        self.notices += 1
        self.notice = words

    def refuse(self, number: int, command: c.AnyCommand, snapshot: EngineSnapshot | None) -> str:
        """Why this face may not give this command; "" when it may."""
        if not adds_risk(command, snapshot) or self._holder == number:
            return ""
        if not self._holder:
            self._holder = number
            return ""
        return f"{self.holder} {HELD}"
