"""Receipts: what commands that take orders off have left at the venue, as the venue tells it.

A command is done when its cancels are on their way; whether the orders are gone only the venue
knows. So it is asked, until nothing is left or the time is up, and the answer is journalled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple

from engine.core.clock import NS_PER_SECOND, Clock
from engine.core.messages import Message
from engine.core.tasks import TaskOwner
from engine.domain import commands as c
from engine.domain import reports as r
from engine.domain.claims import OrderClaim
from engine.domain.commands import KillLevel
from engine.domain.order import Order, Purpose
from engine.ports.live import Account, FaultKind, VenueFault
from engine.runtime.live_claims import ClaimFolder
from engine.runtime.live_courier import Work
from engine.trading.state import TradingState, is_spared_by_pause

DEADLINE_NS = 10 * NS_PER_SECOND
GIVE_UP_NS = 600 * NS_PER_SECOND
ASK_NS = 300_000_000
SLOW_ASK_NS = 5 * NS_PER_SECOND
REFUSED_ASK_NS = 2 * NS_PER_SECOND
"""A key that was refused is tried once more after this: it may have been the venue's slip."""
REFUSALS_MAX = 2
REFUSED_NS = 20 * NS_PER_SECOND
"""Not asked with a refused key for so long, nor as long as it halts the engine."""
STOP_COMMAND = "stop-"

Perform = Callable[[Work], Awaitable[None]]
InScope = Callable[[Order], bool]


class Left(NamedTuple):
    """The venue's answer: ours that are still there, how many of others, or why it is not known."""

    ours: list[str]
    others: int
    unknown: str = ""
    is_refused: bool = False
    """The venue does not let this key look."""
    is_closing: bool = False
    """Positions that the command closes are still open."""
    stays: str = ""
    """What of them cannot be closed, in words."""

    @property
    def is_clean(self) -> bool:
        return not self.ours and not self.unknown and not self.is_closing


class Receipts:
    def __init__(
        self,
        account: Account,
        state: TradingState,
        folder: ClaimFolder,
        clock: Clock,
        perform: Perform,
        may_ask: Callable[[], bool],
    ) -> None:
        """`may_ask`: whether the venue takes our key, as far as is known."""
        self._account = account
        self._state = state
        self._folder = folder
        self._clock = clock
        self._perform = perform
        self._may_ask = may_ask

    def watch(self, commands: Sequence[c.AnyCommand], tasks: TaskOwner) -> None:
        """Find out, for each command that takes orders off and was carried out, what is left."""
        for command in commands:
            in_scope = self._scope_of(command)
            done = self._state.commands.get(command.command_id)
            if in_scope is not None and done is not None and not done.refused:
                work = self._verify(command.command_id, in_scope, _closes(command))
                tasks.start(f"receipt {command.command_id}", work, may_return=True)

    def _scope_of(self, command: c.AnyCommand) -> InScope | None:
        """Which orders the command takes off; None for other commands."""
        match command:
            case c.Kill(level=level) if level >= KillLevel.CANCEL_ALL:
                return _everything
            case c.Flatten(instrument_id=instrument_id, bot_id=bot_id):
                until_ns = self._clock.now_ns()
                return lambda order: (
                    instrument_id in ("", order.spec.instrument_id)
                    and bot_id in ("", order.bot_id)
                    and (order.created_ns <= until_ns or order.spec.purpose is Purpose.FLATTEN)
                )
            case c.CancelAll():
                # As of now: what is placed later was not meant.
                meant = {
                    order.client_order_id
                    for order in self._state.orders.values()
                    if order.client_order_id in self._state.cancels_asked
                    and command.instrument_id in ("", order.spec.instrument_id)
                    and command.bot_id in ("", order.bot_id)
                }
                return lambda order: order.client_order_id in meant
            case _:
                return None

    async def _verify(
        self, command_id: str, in_scope: InScope, closes: tuple[str, str] | None
    ) -> None:
        """Ask until it is clean; tell at the deadline in any case, or as soon as the venue does not
        let us look, and again once it is clean."""
        started_ns = self._clock.monotonic_ns()
        refusals = 0
        is_told = False
        while True:
            left = await self._ask(in_scope)
            if closes is not None:
                left = left._replace(
                    is_closing=closes in self._state.flattening,
                    stays=self._state.stays.get(closes, ""),
                )
            refusals = refusals + 1 if left.is_refused else 0
            age_ns = self._clock.monotonic_ns() - started_ns
            is_late = age_ns >= DEADLINE_NS or refusals >= REFUSALS_MAX
            if left.is_clean or (is_late and not is_told):
                await self._tell(command_id, left, age_ns)
                is_told = True
            if left.is_clean or age_ns >= GIVE_UP_NS:
                return
            await self._pause(left, is_told)

    async def _pause(self, left: Left, is_told: bool) -> None:
        if not left.is_refused:
            await self._clock.sleep(SLOW_ASK_NS if is_told else ASK_NS)
            return
        await self._clock.sleep(REFUSED_NS if is_told else REFUSED_ASK_NS)
        while is_told and not self._may_ask():
            await self._clock.sleep(SLOW_ASK_NS)

    async def _tell(self, command_id: str, left: Left, age_ns: int) -> None:
        def work() -> Iterator[Message]:
            yield r.VerifiedReport(
                **self._folder.stamp(),
                command_id=command_id,
                words=_words_of(left, age_ns),
                left=left.ours,
                is_clean=left.is_clean,
            )

        await self._perform(work)

    async def _ask(self, in_scope: InScope) -> Left:
        """Ours by the venue's word, and those that only we still count as possible."""
        try:
            claims = await self._account.fetch_open_orders()
        except VenueFault as fault:
            is_refused = fault.kind is FaultKind.KEY
            return Left(self._possible(in_scope), 0, fault.words, is_refused)
        open_ones, others = self._sort(claims, in_scope)
        possible = self._possible(in_scope)
        for key in open_ones:
            if key not in possible:
                # We hold it for gone, the venue does not. It is ours: take it off.
                await self._take_off(key)
        return Left(sorted({*open_ones, *possible}), others)

    def _possible(self, in_scope: InScope) -> list[str]:
        return [one.client_order_id for one in self._state.orders.values() if in_scope(one)]

    def _sort(self, claims: Sequence[OrderClaim], in_scope: InScope) -> tuple[list[str], int]:
        ours, others = [], 0
        for claim in claims:
            owner = self._folder.owner_of(claim)
            if owner is None:
                others += 1
            elif in_scope(owner):
                ours.append(owner.client_order_id)
        return ours, others

    async def _take_off(self, key: str) -> None:
        order = self._state.find_order(key)
        if order is not None:
            with contextlib.suppress(VenueFault):  # The next look tells whether it worked.
                await self._account.cancel(order.spec.instrument_id, key)

    # -- leaving -------------------------------------------------------------------------------

    async def take_leave(
        self, *, cancels: bool, command: Callable[[c.AnyCommand], Awaitable[None]]
    ) -> tuple[str, list[str]]:
        """The last words of a clean stop: cancel what the settings say, then ask what is left."""
        if cancels:
            command_id = f"{STOP_COMMAND}{self._clock.now_ns()}"
            await command(c.CancelAll(command_id=command_id, by="stop"))
        started_ns = self._clock.monotonic_ns()
        refusals = 0
        while True:
            left = await self._ask(_is_cancelled_on_stop if cancels else _nothing)
            refusals = refusals + 1 if left.is_refused else 0
            age_ns = self._clock.monotonic_ns() - started_ns
            if left.is_clean or age_ns >= DEADLINE_NS or refusals >= REFUSALS_MAX:
                break
            await self._pause(left, is_told=False)
        if not left.unknown:
            left = await self._ask(_everything)
        if left.unknown:
            stay = self._possible(_everything)
            return _unseen(Left(stay, 0, left.unknown, left.is_refused)), stay
        if not left.ours:
            return f"verified at the venue: none of our orders is left{_others(left)}", []
        return (
            f"{len(left.ours)} of our orders stay at the venue: {_named(left.ours)}{_others(left)}",
            left.ours,
        )

    async def take_off_timer(self) -> str:
        """Once nobody renews it any more: orders that stay must not be taken off by it."""
        try:
            await self._account.renew_dead_man(0)
        except VenueFault as fault:
            return f"; the venue's timer could not be taken off: {fault.words}"
        return "; the venue's timer was taken off"


def _everything(order: Order) -> bool:
    return True


def _closes(command: c.AnyCommand) -> tuple[str, str] | None:
    """The scope (instrument, bot) whose positions the command closes."""
    match command:
        case c.Flatten(instrument_id=instrument_id, bot_id=bot_id):
            return instrument_id, bot_id
        case c.Kill(level=KillLevel.FLATTEN):
            return "", ""
        case _:
            return None


def _nothing(order: Order) -> bool:
    return False


def _is_cancelled_on_stop(order: Order) -> bool:
    return not is_spared_by_pause(order)


def _words_of(left: Left, age_ns: int) -> str:
    seconds = f"{age_ns / NS_PER_SECOND:.1f} s"
    if left.unknown:
        return f"not verified after {seconds}: {_unseen(left)}"
    if left.ours:
        named = _named(left.ours)
        return f"not done after {seconds}: {len(left.ours)} left: {named}{_others(left)}"
    if left.is_closing:
        return f"not done after {seconds}: positions are still being closed{_others(left)}"
    stays = f"; {left.stays}" if left.stays else ""
    return f"verified at the venue after {seconds}: none of them is open{stays}{_others(left)}"


def _unseen(left: Left) -> str:
    """Why the venue could not be asked, and what only we know."""
    if left.is_refused:
        why = f"the venue does not let us look: {left.unknown}"
    else:
        why = f"what is left could not be asked: {left.unknown}"
    known = f"{len(left.ours)}: {_named(left.ours)}" if left.ours else "none"
    return f"{why}; open as last known here: {known}"


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(ids[:5])
    return shown if len(ids) <= 5 else f"{shown} and {len(ids) - 5} more"


def _others(left: Left) -> str:
    if not left.others:
        return ""
    one = "1 order that is" if left.others == 1 else f"{left.others} orders that are"
    return f"; {one} not ours were left alone"
