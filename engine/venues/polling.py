"""Orders and trades by asking, while no stream tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.core.clock import NS_PER_SECOND
from engine.domain.claims import AccountNews, OrderClaim
from engine.venues.dialect import Dialect

OVERLAP_NS = 10 * NS_PER_SECOND
"""Trades are asked for again this far back: venues book them late. They are counted by id."""
BALANCES_EVERY = 5
"""Polls between two looks at the balances."""


class Poller:
    """Asks, compares with what was there the last time, and delivers claims as a stream would."""

    def __init__(self, dialect: Dialect, deliver: Callable[[Sequence[AccountNews]], None]) -> None:
        self._dialect = dialect
        self._deliver = deliver
        self._open: dict[tuple[str, str], OrderClaim] = {}
        self._polls = 0

    async def poll(self, since_ns: int) -> None:
        """One round: trades since `since_ns` of the venue's clock, open orders, and what became of
        those that are no longer open. Raises as the dialect does; nothing is lost by it."""
        dialect = self._dialect
        for instrument in list(dialect.instruments.values()):
            trades = await dialect.fetch_trades(instrument, max(1, since_ns - OVERLAP_NS), "")
            self._deliver(trades)
        claims = {
            (claim.instrument_id, claim.client_order_id): claim
            for claim in await dialect.fetch_open_orders()
        }
        by_id = {item.instrument_id: item for item in dialect.instruments.values()}
        for key in [key for key in self._open if key not in claims]:
            instrument_id, client_order_id = key
            ended = await dialect.find_order(by_id[instrument_id], client_order_id)
            del self._open[key]
            if ended is not None:
                self._deliver([ended])
        self._open |= claims
        self._deliver(list(claims.values()))
        if self._polls % BALANCES_EVERY == 0:
            self._deliver(await dialect.fetch_balances())
            self._deliver(await dialect.fetch_positions())
        self._polls += 1
