"""Notes where the market stands some seconds after each fill, so that its story can be told whole.

Looked at with the housekeeping, four times a second: a mid that is later than that is no answer and
is noted as unknown. What is still to be noted is part of the state, so a restart goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.domain import events as e
from engine.market.view import MarketView
from engine.trading.state import TradingState
from engine.trading.state_parts import UnmarkedFill

LATE_NS = 250_000_000


class FillMarker:
    def __init__(
        self,
        state: TradingState,
        markets: Mapping[str, MarketView],
        record: Callable[[e.AnyEvent], None],
    ) -> None:
        self._state = state
        self._markets = markets
        self._record = record

    def step(self, now_ns: int) -> None:
        """Note what is due; recording it takes it off the state's list."""
        for after_s, waiting in self._state.unmarked.items():
            while waiting and waiting[0].due_ns <= now_ns:
                fill = waiting[0]
                self._record(
                    e.FillMarked(
                        ts_ns=now_ns,
                        client_order_id=fill.client_order_id,
                        trade_id=fill.trade_id,
                        after_s=after_s,
                        mid_x2=self._mid_x2(fill, now_ns),
                    )
                )

    def _mid_x2(self, fill: UnmarkedFill, now_ns: int) -> int:
        view = self._markets.get(fill.instrument_id)
        is_known = view is not None and view.has_both_sides and now_ns - fill.due_ns <= LATE_NS
        return view.mid_x2 if view is not None and is_known else 0
