"""The tour: five things to do with one's own hands, each noticed when it has been done.

It watches what the engine publishes, not what keys were pressed: a step is done when the engine
has done it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.views.actions import ACTIONS
from app.views.cells import Cell, Line, fit
from app.views.keymap import Keymap
from app.views.rows import own_books
from engine.domain.commands import KillLevel
from engine.domain.events import Helm
from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot
from engine.trading.state import MANUAL

ROWS = 4
"""Lines of the tour: title and three of text."""
SPAN_SHARE = 5000
"""In the tour a row of the ladder is about 1/5000 of the price, so that an order a few rows down
outlives the reading of the next step."""
KILLED = "The kill switch is on: {palette}, type reset, Enter, RESUME, Enter."
FILLED_AT_ONCE = "That one filled at once: the price was there. Go further down, {buy_limit} again."
FILLED = "Yours has filled meanwhile: go further down and place another with {buy_limit}."
GONE = "Yours is gone: place another with {buy_limit}, a few rows down."
HINTS = (KILLED, FILLED_AT_ONCE, FILLED, GONE)
"""Said in place of a step's last line when things have taken another course."""


class Since(msgspec.Struct, frozen=True):
    """What was there when a step began."""

    receipts: frozenset[str]
    orders: frozenset[str]
    fill: int
    """Number of the last fill."""


def _nothing(snapshot: EngineSnapshot, since: Since) -> str:
    return ""


class Step(msgspec.Struct, frozen=True):
    title: str
    text: tuple[str, str, str]
    """`{action_id}` stands for that action's key."""
    is_done: Callable[[EngineSnapshot, Since], bool]
    hint: Callable[[EngineSnapshot, Since], str] = _nothing
    """Said in place of the last line when things have taken another course; "" else."""


def _own(snapshot: EngineSnapshot) -> frozenset[str]:
    """Ids of the orders that a person has placed and that still work."""
    found = (shown.order for shown in snapshot.orders)
    return frozenset(order.client_order_id for order in found if order.placed_by == "human")


def _now(snapshot: EngineSnapshot) -> Since:
    last = snapshot.fills[-1].seq if snapshot.fills else 0
    return Since(frozenset(row.command_id for row in snapshot.receipts), _own(snapshot), last)


def _has_filled(snapshot: EngineSnapshot, since: Since) -> bool:
    """Has a book that the person steers traded since?"""
    mine = own_books(snapshot)
    return any(fill.bot_id in mine and fill.seq > since.fill for fill in snapshot.fills)


def _filled_at_once(snapshot: EngineSnapshot, since: Since) -> str:
    if snapshot.kill is not KillLevel.NONE:
        return KILLED
    if _own(snapshot) or not _has_filled(snapshot, since):
        return ""
    return FILLED_AT_ONCE


def _is_gone(snapshot: EngineSnapshot, since: Since) -> str:
    if snapshot.kill is not KillLevel.NONE:
        return KILLED
    if _own(snapshot):
        return ""
    if _has_filled(snapshot, since):
        return FILLED
    return GONE


def _carried_out(snapshot: EngineSnapshot, since: Since, *names: str) -> bool:
    """Has a command of these names been done since?"""

    def counts(receipt: ReceiptSnapshot) -> bool:
        return receipt.name in names and not receipt.refused

    new = (row for row in snapshot.receipts if row.command_id not in since.receipts)
    return any(counts(receipt) for receipt in new)


def _has_placed(snapshot: EngineSnapshot, since: Since) -> bool:
    return bool(_own(snapshot) - since.orders)


def _has_moved(snapshot: EngineSnapshot, since: Since) -> bool:
    return _carried_out(snapshot, since, "MoveOrder")


def _has_cancelled(snapshot: EngineSnapshot, since: Since) -> bool:
    return _carried_out(snapshot, since, "CancelOrder", "CancelAll")


def _has_taken(snapshot: EngineSnapshot, since: Since) -> bool:
    return any(bot.helm is Helm.MANUAL for bot in snapshot.bots)


def _has_killed(snapshot: EngineSnapshot, since: Since) -> bool:
    return snapshot.kill is not KillLevel.NONE


def _has_reset(snapshot: EngineSnapshot, since: Since) -> bool:
    return snapshot.kill is KillLevel.NONE


def _all_steer(snapshot: EngineSnapshot, since: Since) -> bool:
    bots = (bot for bot in snapshot.bots if bot.bot_id != MANUAL)
    return all(bot.helm in (Helm.AUTO, Helm.STOPPED) for bot in bots)


STEPS = (
    Step(
        "place an order",
        (
            "{view_trade} shows the ladder, and its keys are on: bids left, asks right.",
            "{arm} arms the order keys for a minute: only then they buy and sell.",
            "Go five rows below the market with {cursor_down}, then {buy_limit} bids there.",
        ),
        _has_placed,
        _filled_at_once,
    ),
    Step(
        "move it",
        (
            "Your order stands at the left of the ladder; {order_next} jumps to it.",
            "{order_grab} picks it up, the arrows choose the price,",
            "{order_move} sends ONE move. Esc would drop it where it was.",
        ),
        _has_moved,
        _is_gone,
    ),
    Step(
        "cancel it",
        (
            "{order_next} jumps to it again, {order_cancel} cancels it.",
            "{cancel_symbol} cancels all orders of this symbol, from anywhere.",
            "Keys that take risk off never need arming.",
        ),
        _has_cancelled,
        _is_gone,
    ),
    Step(
        "take over a bot",
        (
            "{view_bots} shows the bots; choose one with the arrows.",
            "{bot_take}: its orders and its position are yours, the bot only watches.",
            "The first tap says what the second will do. ({bot_return} gives them back, armed.)",
        ),
        _has_taken,
    ),
    Step(
        "kill",
        (
            "{kill} pauses every bot, cancels every order and refuses new ones.",
            "It works everywhere: in dialogs, in text fields, with a dead market.",
            "Try it now; this market is generated and nothing leaves the machine.",
        ),
        _has_killed,
    ),
    Step(
        "that was all: get out of the kill state",
        (
            "Only a typed word leads out: {palette}, type reset, Enter, RESUME, Enter.",
            "Then orders count again. Bots stay paused, what you took stays yours.",
            "Kill closes no position: {flatten_symbol} would close those of this symbol.",
        ),
        _has_reset,
    ),
    Step(
        "the last thing: let the bots go on",
        (
            "{view_bots} shows the bots: {bot_pause} {bot_pause} lets a paused one go on,",
            "{bot_return} gives one back that you took (arm first: {arm}).",
            "{help} lists the keys of any pane, {manual} opens the manual, {quit} leaves.",
        ),
        _all_steer,
    ),
)
_COUNTED = 5
"""The steps that are numbered; the rest is the way out."""


class Tour:
    """Where somebody is in the tour."""

    def __init__(self) -> None:
        self.step = 0
        self._hint = ""
        self._since: Since | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it has looked at a picture since its last step."""
        return self.step > 0 or self._since is not None

    @property
    def is_over(self) -> bool:
        return self.step >= len(STEPS)

    def watch(self, snapshot: EngineSnapshot) -> bool:
        """Look at a new picture; True when it has finished a step."""
        if self.is_over:
            return False
        if self._since is None:
            self._since = _now(snapshot)
            return False
        if not STEPS[self.step].is_done(snapshot, self._since):
            self._hint = STEPS[self.step].hint(snapshot, self._since)
            return False
        self.step += 1
        self._hint = ""
        self._since = _now(snapshot)
        return True

    def lines(self, keymap: Keymap, width: int) -> list[Line]:
        if self.is_over:
            return []
        step = STEPS[self.step]
        place = f"{self.step + 1} of {_COUNTED}: " if self.step < _COUNTED else ""
        leave = "palette, tour: leave it "
        room = max(0, width - len(leave))
        head = fit(f" TOUR  {place}{step.title}", room)
        lines: list[Line] = [(Cell(head, "tour_title"), Cell(leave, "tour_note"))]
        texts = (*step.text[:-1], self._hint) if self._hint else step.text
        lines += [_sentence(text, keymap, width) for text in texts]
        return lines


def _sentence(text: str, keymap: Keymap, width: int) -> Line:
    """The text with keys in place of action ids, keys set apart."""
    cells: list[Cell] = [Cell("   ", "text")]
    for at, piece in enumerate(text.replace("{", "}").split("}")):
        if at % 2 == 0:
            cells.append(Cell(piece, "text"))
        else:
            cells.append(Cell(keymap.label(ACTIONS[piece]), "key"))
    used = sum(len(cell.text) for cell in cells)
    return (*cells, Cell(" " * max(0, width - used), "text"))
