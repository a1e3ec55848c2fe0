"""Carries a plan of faults out: the drill server's `Interceptor`."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.clock import NS_PER_SECOND
from engine.drill.control import VenueControl
from engine.drill.faults import frames
from engine.drill.faults.catalogue import FaultKind, Seam
from engine.drill.faults.plan import FaultDesk, FaultPlan
from engine.drill.faults.requests import RequestFaults, connect_fault
from engine.drill.faults.states import VenueStates
from engine.drill.ports import (
    ConnectFault,
    ConnectSeen,
    Fault,
    FrameAct,
    FrameSeen,
    RequestSeen,
)

_CLIENT_IDS = ("newClientOrderId", "clientAlgoId")


_FIRST_SIGNS = ("WS userDataStream.subscribe", "POST /fapi/v1/listenKey")


class Saboteur:
    """One plan against one server. The plan's time starts when the first client listens to its
    account, so that everybody has come in when the first fault strikes; or with `begin`."""

    def __init__(self, plan: FaultPlan) -> None:
        self.desk = FaultDesk(plan)
        self._requests = RequestFaults()
        self._states: VenueStates | None = None
        self._control: VenueControl | None = None
        self._start_ns: int | None = None

    def on_start(self, control: VenueControl) -> None:
        self._control = control
        self._states = VenueStates(control)

    def begin(self, plan: FaultPlan) -> None:
        """Another plan from now on; states of the one before end."""
        self.switch_off()
        self.desk = FaultDesk(plan)
        if self._control is not None and self._states is not None:
            self._start_ns = self._control.now_ns() - self._states.clock_offset_ns

    def switch_off(self) -> None:
        """The faults' end: nothing strikes any more, and states are as they were."""
        self.desk.switch_off()
        if self._states is not None:
            self._states.end_all()

    def on_tick(self, now_ns: int) -> None:
        if self._states is None or self._start_ns is None:
            return
        now_s = self._seconds(now_ns)
        self._states.end_due(now_s)
        for strike in self.desk.states_due(now_s):
            self._states.begin(strike, now_s)

    def on_request(self, seen: RequestSeen) -> Fault | None:
        assert self._states is not None
        if self._start_ns is None:
            if not seen.request.route.startswith(_FIRST_SIGNS):
                return self._watched(seen)
            self._start_ns = seen.now_ns - self._states.clock_offset_ns
        now_s = self._seconds(seen.now_ns)
        route, params = seen.request.route, seen.request.params
        for name in _CLIENT_IDS:
            if seen.request.method == "POST" and seen.account and name in params:
                self._states.note_order(seen.dialect, seen.account, params[name])
        for strike in self.desk.states_due(now_s, route):
            self._states.begin(strike, now_s)
        found = self.desk.strike(Seam.REQUEST, route, now_s)
        if found is None:
            return self._watched(seen)
        if found.kind is FaultKind.FILL_BEFORE_CANCEL:
            self._states.fill_half(seen.dialect, seen.account, params.get("origClientOrderId", ""))
            return None
        return self._requests.carry_out(found, seen)

    def _watched(self, seen: RequestSeen) -> Fault | None:
        """No harm, but some faults to come need to know what was answered."""
        change = self._requests.watch(seen)
        return None if change is None else Fault(change=change)

    def on_connect(self, seen: ConnectSeen) -> ConnectFault | None:
        if self._start_ns is None:
            return None
        strike = self.desk.strike(Seam.CONNECT, seen.path, self._seconds(seen.now_ns))
        return None if strike is None else connect_fault(strike)

    def on_frame(self, seen: FrameSeen) -> Sequence[FrameAct] | None:
        if self._start_ns is None or not self.desk.has(Seam.FRAME):
            return None
        now_s = self._seconds(seen.now_ns)
        strike = self.desk.strike(Seam.FRAME, frames.subject_of(seen), now_s)
        return None if strike is None else frames.carry_out(strike, seen)

    def _seconds(self, now_ns: int) -> float:
        """Since the faults were switched on, whatever the venue's clock pretends."""
        assert self._start_ns is not None
        assert self._states is not None
        return (now_ns - self._states.clock_offset_ns - self._start_ns) / NS_PER_SECOND
