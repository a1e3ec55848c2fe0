"""Several simulated exchanges as one world: one clock, every instrument as exact as alone.

The exchanges know nothing of each other; what ties them together is the trader, who may answer
what one of them did with a request to another. So none may run ahead of an instant at which another
could hand control back: the one with the earliest event goes first, alone, until the next one's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from engine.domain import reports as r
from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.kernels import layout as k
from engine.kernels.replay import FAR_NS
from engine.ports.venue import Submit, VenueRequest
from engine.ports.world import Wake
from engine.sim.exchange import SimExchange


class CombinedWorld:
    """Implements `ports.world.World` over exchanges of one instrument each."""

    def __init__(self, exchanges: Sequence[SimExchange]) -> None:
        self._exchanges = {key: one for one in exchanges for key in one.instruments}
        if len(self._exchanges) < len(exchanges):
            ids = [key for one in exchanges for key in one.instruments]
            twice = next(key for key in ids if ids.count(key) > 1)
            raise BadInput("--data", twice, "is given twice; join the parts of one recording first")
        self.start_ns = min(one.start_ns for one in exchanges)
        self._now_ns = self.start_ns - 1
        self._instrument_of: dict[str, str] = {}
        self._report_seq = 0

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return {key: one.instruments[key] for key, one in self._exchanges.items()}

    @property
    def markets(self) -> Mapping[str, k.MarketState]:
        return {key: one.markets[key] for key, one in self._exchanges.items()}

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self._exchanges.values())

    # -- time ------------------------------------------------------------------------------------

    def advance(self, until_ns: int, wake_mask: int) -> Wake:
        while True:
            events = {key: one.next_event_ns() for key, one in self._exchanges.items()}
            first = min(events, key=events.__getitem__)
            if events[first] == FAR_NS:
                return self._at_end(until_ns, wake_mask)
            others_ns = min((ns for key, ns in events.items() if key != first), default=FAR_NS)
            # Alone until just before the others have something; together when they tie.
            limit_ns = min(until_ns, max(events[first], others_ns - 1))
            wake = self._exchanges[first].advance(limit_ns, wake_mask)
            stop_ns = limit_ns if wake.reasons & (k.WAKE_UNTIL | k.WAKE_END) else wake.ts_ns
            reasons = self._together(stop_ns, wake_mask, {first: wake.reasons})
            if any(reasons.values()):
                return self._woken(stop_ns, reasons)
            if stop_ns >= until_ns:
                self._now_ns = max(self._now_ns, until_ns)
                return Wake(self._now_ns, k.WAKE_UNTIL, {})

    def _together(self, stop_ns: int, wake_mask: int, reasons: dict[str, int]) -> dict[str, int]:
        """Bring every exchange to `stop_ns`; returns the true reasons of each for that instant."""
        for key, one in self._exchanges.items():
            if key not in reasons:
                reasons[key] = one.advance(stop_ns, wake_mask).reasons
        self._now_ns = max(self._now_ns, stop_ns)
        return {key: found & ~(k.WAKE_UNTIL | k.WAKE_END) for key, found in reasons.items()}

    def _woken(self, now_ns: int, reasons: dict[str, int]) -> Wake:
        joined = 0
        for found in reasons.values():
            joined |= found
        return Wake(now_ns, joined, reasons)

    def _at_end(self, until_ns: int, wake_mask: int) -> Wake:
        """Nothing is left anywhere: the clock stands at the last thing that happened."""
        for one in self._exchanges.values():
            self._now_ns = max(self._now_ns, one.advance(until_ns, wake_mask).ts_ns)
        return Wake(self._now_ns, k.WAKE_END, {})

    # -- orders ----------------------------------------------------------------------------------

    def submit(self, requests: Sequence[VenueRequest], now_ns: int) -> None:
        for request in requests:
            name = request.client_order_id
            if isinstance(request, Submit):
                self._instrument_of[name] = request.spec.instrument_id
            self._exchanges[self._instrument_of[name]].submit([request], now_ns)

    def drain_reports(self) -> list[r.AnyVenueReport]:
        """Of all exchanges, in a fixed order, numbered as one stream."""
        reports: list[r.AnyVenueReport] = []
        for one in self._exchanges.values():
            for report in one.drain_reports():
                self._report_seq += 1
                if isinstance(report, r.LiquidationReport):
                    self._instrument_of[report.client_order_id] = report.spec.instrument_id
                reports.append(msgspec.structs.replace(report, report_seq=self._report_seq))
        return reports

    def fee_rates(self, instrument_id: str) -> tuple[Decimal, Decimal]:
        return self._exchanges[instrument_id].fee_rates(instrument_id)

    def own_queue_ahead(self, client_order_id: str) -> int:
        """Lots ahead of a resting order now, -1 where it makes no sense."""
        key = self._instrument_of.get(client_order_id)
        return -1 if key is None else self._exchanges[key].own_queue_ahead(client_order_id)
