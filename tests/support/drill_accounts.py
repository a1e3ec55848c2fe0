"""An account at a drill exchange in this process, and faults that a test sets while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp

from app.drill import new_account, open_drill
from app.live_venues import make_account
from engine.core.clock import LiveClock
from engine.drill.control import VenueControl
from engine.drill.ports import Fault, FrameAct, FrameSeen, Interceptor, NoFaults, RequestSeen
from engine.drill.resolver import drill_session
from engine.drill.server import DrillServer
from engine.drill.values import AccountSpec
from engine.venues.account import VenueAccount
from tests.support.accounts import Remembering


class Keys:
    """A drill account's key, as an engine is given one."""

    def __init__(self, spec: AccountSpec) -> None:
        self._parts = (spec.api_key, spec.secret, "")

    def reveal(self) -> tuple[str, str, str]:
        return self._parts


class Plan(NoFaults):
    """Faults by route and frame."""

    def __init__(self) -> None:
        self.on_route: dict[str, Fault] = {}
        self.frames: Callable[[FrameSeen], Sequence[FrameAct] | None] | None = None
        self.control: VenueControl | None = None

    def on_start(self, control: VenueControl) -> None:
        self.control = control

    def on_request(self, seen: RequestSeen) -> Fault | None:
        return self.on_route.get(seen.request.route)

    def on_frame(self, seen: FrameSeen) -> Sequence[FrameAct] | None:
        return None if self.frames is None else self.frames(seen)


class Rig:
    """A drill exchange, and an account there: loaded, clock measured, its stream up."""

    def __init__(
        self, dialect: str, server: DrillServer, plan: Plan, spec: AccountSpec, folder: Path
    ) -> None:
        self.dialect = dialect
        self.server = server
        self.plan = plan
        self.spec = spec
        self.folder = folder
        self.sink = Remembering()
        self.control = server.control
        self.core = server.control.core(dialect)
        self.account = self.another()

    def session(self) -> aiohttp.ClientSession:
        place = self.server.place
        return drill_session(Path(place.ca_path), place.port, place.hosts)

    def another(self) -> VenueAccount:
        """One more account object with the same key, not connected."""
        return make_account(
            self.dialect,
            Keys(self.spec),
            LiveClock(),
            session_factory=self.session,
            folder=self.folder / "client",
        )

    def fill(self, client_order_id: str, share: str) -> None:
        """Somebody takes this share of what is open of the order."""
        self.control.fill_at_venue(self.dialect, "demo", client_order_id, Decimal(share))

    def price_ticks(self, factor: str) -> int:
        """A price relative to the market's, in whole units of the quote."""
        price = self.control.price_of(self.dialect, "BTCUSDT")
        assert price is not None
        tick = self.core.listings["BTCUSDT"].rules.tick
        return int(int(price * Decimal(factor)) / tick)


@asynccontextmanager
async def open_rig(
    folder: Path,
    dialect: str,
    *,
    symbols: Sequence[str] = ("BTCUSDT",),
    plan: Interceptor | None = None,
    **account: object,
) -> AsyncIterator[Rig]:
    """`plan`: instead of the rig's own; `account`: fields of its `AccountSpec`."""
    own, spec = Plan(), new_account("demo", **account)
    server = open_drill(folder, accounts=[spec], symbols=symbols, interceptor=plan or own)
    async with server:
        rig = Rig(dialect, server, own, spec, folder)
        while rig.control.price_of(dialect, "BTCUSDT") is None:  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.02)
        await rig.account.measure_clock()
        await rig.account.load_instruments(["BTCUSDT"])
        await rig.account.open_user_stream(rig.sink)
        yield rig
        await rig.account.close()
        assert not server.failures
