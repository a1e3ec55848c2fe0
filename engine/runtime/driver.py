"""Turns what a simulated world did into one batch of messages for the trader.

Paper trading and backtests share this file; all they add is when to move and what to do with the
events. That is why the same recording gives the same orders and fills in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from engine.core.messages import MarketAdvanced, TimersDue
from engine.domain import events as e
from engine.domain.commands import AnyCommand
from engine.kernels import layout as k
from engine.ports.venue import Cancel, Submit, VenueRequest
from engine.ports.world import Wake, World
from engine.runtime.trader import Outbox, Trader

_MARKET_REASONS = k.WAKE_TOP | k.WAKE_TRADE | k.WAKE_BAR


class Driver:
    def __init__(self, trader: Trader, world: World) -> None:
        self.trader = trader
        self.world = world
        self._wake_mask = 0
        """What the last move was asked to stop for."""

    def advance(self, until_ns: int, also: int = 0) -> Wake:
        """Move the world to its next reason, the trader's next timer, or `until_ns`. `also` are
        reasons to stop for that the trader does not ask for, and is not told of."""
        self._wake_mask = self.trader.wake_mask
        mask = self._wake_mask | also
        return self.world.advance(min(until_ns, self.trader.next_timer_ns), mask)

    def is_due(self, wake: Wake) -> bool:
        """Whether the trader has to see this instant; a pause of the pacing alone is nothing."""
        if wake.reasons & (k.WAKE_REPORT | (self._wake_mask & _MARKET_REASONS)):
            return True
        return wake.ts_ns >= self.trader.next_timer_ns

    def batch(self, wake: Wake, commands: Sequence[AnyCommand] = ()) -> Outbox:
        """Everything that belongs to this instant, in the one order that is allowed."""
        trader, now_ns = self.trader, wake.ts_ns
        for report in self.world.drain_reports():
            trader.process(report, now_ns)
        if wake.reasons & _MARKET_REASONS:
            for instrument_id in self.world.markets:
                reasons = wake.reasons_of(instrument_id) & self._wake_mask & _MARKET_REASONS
                if reasons:
                    moved = MarketAdvanced(instrument_id=instrument_id, reasons=reasons)
                    trader.process(moved, now_ns)
        for command in commands:
            trader.process(command, now_ns)
        trader.process(TimersDue(), now_ns)
        return trader.drain()


def fast_forward(world: World, events: Iterable[e.AnyEvent], crash: Callable[[int], None]) -> None:
    """Bring a fresh world to where a ledger left it, by giving it the same requests again.

    The world is deterministic, so its orders, queues and fills come out as they were. Reports
    that the ledger already holds are dropped later by their number (`OrderManager.on_report`).
    """
    last_ns = world.now_ns
    for event in events:
        last_ns = event.ts_ns
        request = _request_of(event)
        if request is None and not isinstance(event, e.MarketShocked):
            continue
        _advance_to(world, event.ts_ns)
        if request is None:
            crash(event.ts_ns)
        else:
            world.submit([request], event.ts_ns)
    _advance_to(world, last_ns)


def _advance_to(world: World, until_ns: int) -> None:
    """Move to `until_ns`, the time of an event. What was reported before it is in the ledger as
    well and can be let go; what is reported at that instant is left to be delivered."""
    while world.now_ns < until_ns:
        world.drain_reports()
        if world.advance(until_ns, 0).reasons & k.WAKE_END:
            return


def _request_of(event: e.AnyEvent) -> VenueRequest | None:
    match event:
        case e.OrderIntended(order=order):
            return Submit(
                client_order_id=order.client_order_id, bot_id=order.bot_id, spec=order.spec
            )
        case e.CancelIntended(client_order_id=client_order_id):
            return Cancel(client_order_id=client_order_id)
        case _:
            return None
