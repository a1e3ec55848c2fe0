"""Drills with a name: what to train, and the faults for it."""

from __future__ import annotations

import difflib
from pathlib import Path

from engine.domain.errors import BadInput
from engine.drill.faults.catalogue import FaultKind as K
from engine.drill.faults.files import read_plan
from engine.drill.faults.plan import NO_FAULTS, FaultPlan, FaultRule

_ORDERS = "POST *order|POST *algoOrder"
_PRIVATE = "user/*"

SCENARIOS: dict[str, FaultPlan] = {
    plan.name: plan
    for plan in (
        NO_FAULTS,
        FaultPlan(
            name="crash",
            words="the market falls; kill, flatten or take the helm in time",
            rules=(
                FaultRule(kind=K.CRASH, from_s=20, every=90),
                FaultRule(kind=K.DELAY_BEFORE, on=_ORDERS, rate=0.3, from_s=20, for_s=1.5),
                FaultRule(kind=K.OVERLOADED_1008, on=_ORDERS, rate=0.2, from_s=20),
            ),
        ),
        FaultPlan(
            name="flash",
            words="for seconds the market is somewhere else, and then back; the feed lies, too",
            rules=(
                FaultRule(kind=K.FLASH, from_s=20, every=60),
                FaultRule(kind=K.PRICE_SPIKE, from_s=40, until_s=41, amount=1.8),
                FaultRule(kind=K.CROSSED_BOOK, from_s=50, times=3),
                FaultRule(kind=K.FLASH, from_s=55, for_s=6, amount=1.12),
            ),
        ),
        FaultPlan(
            name="disconnect",
            words="lines break: reset, half-open, cut in a frame, refused for a while",
            rules=(
                FaultRule(kind=K.CONNECTION_RESET, from_s=15, every=900, times=3),
                FaultRule(kind=K.HALF_OPEN, on=_PRIVATE, from_s=30, times=1),
                FaultRule(kind=K.HALF_OPEN, on="*@*", from_s=45, times=1),
                FaultRule(kind=K.CUT_IN_FRAME, from_s=75, times=2),
                FaultRule(kind=K.FORCED_DISCONNECT, from_s=90),
                FaultRule(kind=K.CONNECTION_REFUSED, from_s=90, for_s=10),
                FaultRule(kind=K.SOCKET_REFUSED, from_s=100, until_s=105),
            ),
        ),
        FaultPlan(
            name="stale",
            words="sockets stay up and nothing moves; snapshots are old, updates are missing",
            rules=(
                FaultRule(kind=K.FROZEN, from_s=20, every=90, for_s=30),
                FaultRule(kind=K.DEPTH_GAP, from_s=60, rate=0.02),
                FaultRule(kind=K.STALE_SNAPSHOT, from_s=60, until_s=75),
                FaultRule(kind=K.FRAME_LATE, on="*@*", from_s=80, until_s=95, for_s=8),
            ),
        ),
        FaultPlan(
            name="reject",
            words="orders are refused, and rules change under way",
            rules=(
                FaultRule(kind=K.ORDER_REFUSED, every=3),
                FaultRule(kind=K.BAD_TIMESTAMP_1021, on=_ORDERS, every=7),
                FaultRule(kind=K.FILTER_CHANGE, from_s=40, for_s=40),
                FaultRule(kind=K.SYMBOL_HALT, from_s=90, for_s=20),
            ),
        ),
        FaultPlan(
            name="clock",
            words="the venue's clock jumps, an hour at last",
            rules=(
                FaultRule(kind=K.CLOCK_SKEW, from_s=15, for_s=20, amount=20),
                FaultRule(kind=K.CLOCK_SKEW, from_s=50, for_s=20, amount=-20),
                FaultRule(kind=K.CLOCK_SKEW, from_s=85, for_s=20, amount=3600),
            ),
        ),
        FaultPlan(
            name="ban",
            words="too many requests, and then an address that is banned for a minute",
            rules=(
                FaultRule(kind=K.TOO_MANY_REQUESTS, on="GET *|POST *", from_s=15, until_s=18),
                FaultRule(
                    kind=K.BAN, on="GET *|POST *|DELETE *|WS *", from_s=40, until_s=100, amount=60
                ),
            ),
        ),
        FaultPlan(
            name="maintenance",
            words="the venue closes for half a minute, cancels what rests, and comes back",
            rules=(
                FaultRule(kind=K.SYMBOL_BREAK, from_s=20, for_s=40),
                FaultRule(kind=K.MAINTENANCE, from_s=25, for_s=30),
                FaultRule(kind=K.CANCELED_BY_VENUE, from_s=30),
                FaultRule(kind=K.FORCED_DISCONNECT, from_s=25),
            ),
        ),
        FaultPlan(
            name="lost-fill",
            words="answers and reports get lost, doubled and mixed up; the money must be right",
            rules=(
                FaultRule(kind=K.DROP_AFTER, on=_ORDERS, every=4),
                FaultRule(kind=K.TIMEOUT_1007_AFTER, on=_ORDERS, every=7),
                FaultRule(kind=K.FILL_MISSING, rate=0.3),
                FaultRule(kind=K.REPORT_TWICE, rate=0.2),
                FaultRule(kind=K.REPORTS_SWAPPED, rate=0.2),
                FaultRule(kind=K.FILL_BEFORE_NEW, rate=0.3),
                FaultRule(kind=K.QUERY_LAG, rate=0.3),
            ),
        ),
        FaultPlan(
            name="captive-portal",
            words="the hotel's log-in page answers for the venue",
            rules=(
                FaultRule(
                    kind=K.CAPTIVE_PORTAL, on="GET *|POST *|DELETE *|PUT *", from_s=20, until_s=50
                ),
                FaultRule(kind=K.FORCED_DISCONNECT, from_s=20),
                FaultRule(kind=K.SOCKET_REFUSED, from_s=20, until_s=50),
            ),
        ),
    )
}


def find_plan(name_or_file: str) -> FaultPlan:
    """A scenario by its name, else the plan in that file. BadInput with the remedy."""
    if name_or_file in SCENARIOS:
        return SCENARIOS[name_or_file]
    path = Path(name_or_file)
    if path.suffix == ".toml" or path.exists():
        return read_plan(path)
    near = difflib.get_close_matches(name_or_file, SCENARIOS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(SCENARIOS)}; or a .toml file"
    raise BadInput("faults", name_or_file, f"no such scenario; {hint}")
