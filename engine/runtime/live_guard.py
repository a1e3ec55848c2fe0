"""The last look before events become durable: what the kill switch forbids is not written.

The gate refuses such orders when they are wished for. This asks again, from the events alone and
knowing nothing of the gate, so that one mistake is not enough to send an order.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain import events as e
from engine.domain.commands import KillLevel
from engine.domain.errors import WorkFailed


class WriteGuard:
    """Follows the switch through everything that is written, from the ledger's first event on."""

    def __init__(self) -> None:
        self._level = KillLevel.NONE

    def follow(self, event: e.AnyEvent) -> None:
        """An event that is durable already."""
        if isinstance(event, e.KillChanged):
            self._level = event.level

    def check(self, events: Sequence[e.AnyEvent]) -> None:
        """WorkFailed, and nothing of the batch may be written, where an order that adds risk is
        intended while the switch is on."""
        for event in events:
            self.follow(event)
            if not isinstance(event, e.OrderIntended) or self._level is KillLevel.NONE:
                continue
            if not event.order.spec.reduce_only:
                raise WorkFailed(
                    f"order {event.order.client_order_id} adds risk under the kill switch and was "
                    "not written nor sent: this is a fault of the engine, please report it"
                )
