"""Live trading put together: a venue (or the drill exchange), its key, a ledger, the runtime."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.bootstrap import CHART_TIMEFRAMES, periods_of
from app.live_venues import (
    PROVEN_VENUES,
    make_account,
    make_feed,
    plain_session,
    venue_folder,
)
from app.paths import LIVE_PROFILE, Paths, make_private
from app.secrets.credentials import Credentials
from app.secrets.permissions import explain, judge
from app.secrets.store import KeyStore
from app.secrets.unlocking import Unlocking
from engine.core.clock import LiveClock
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.claims import KeyPermissions
from engine.domain.errors import BadInput, ConfigError
from engine.domain.instrument import Instrument
from engine.domain.snapshots import EngineSnapshot, Mode
from engine.kernels.warm import warm_feeds
from engine.ports.live import Account, VenueFault
from engine.runtime.live import LivePolicy, LiveRuntime
from engine.runtime.live_market import LiveMarkets
from engine.runtime.live_time import SteadyClock
from engine.runtime.paper import Bridge
from engine.runtime.trader import Trader
from engine.store.journal import LedgerJournal, open_ledger
from engine.trading.risk.limits import RiskLimits

if TYPE_CHECKING:
    from engine.venues.rest import SessionFactory

log = logging.getLogger(__name__)

SEED_RANGE = 1 << 31


class LiveRequest(NamedTuple):
    """What to trade for real, or against the drill exchange."""

    venue: str
    symbols: tuple[str, ...]
    limits: RiskLimits
    profile: str = LIVE_PROFILE
    capital: Decimal = Decimal(0)
    """What may be worked with, in the settle asset; 0: what the account holds of it at the first
    start."""
    cancels_on_stop: bool = False
    drill: Path | None = None
    """Folder of a running drill exchange; None: the real venue."""

    @property
    def mode(self) -> Mode:
        return Mode.LIVE if self.drill is None else Mode.DRILL


class CommittingLedger:
    """Implements `LiveJournal` on the ledger's writer."""

    def __init__(self, ledger: LedgerJournal) -> None:
        self._ledger = ledger

    async def commit(self, events: Sequence[e.AnyEvent]) -> None:
        await asyncio.wrap_future(self._ledger.append(events))

    def replay(self) -> Iterator[e.AnyEvent]:
        return self._ledger.replay()


class Live:
    """A live engine with its ledger, opened once. Belongs to one event loop.

    `open` may wait for somebody to unlock the keys; `unlock` is what a face calls.
    """

    def __init__(self, request: LiveRequest, paths: Paths, bridge: Bridge) -> None:
        if request.venue not in PROVEN_VENUES:
            raise BadInput("--venue", request.venue, f"proven are {', '.join(PROVEN_VENUES)}")
        self._request = request
        self._paths = paths
        self._bridge = bridge
        self._store = KeyStore(paths, request.profile) if request.drill is None else None
        self._keys = Unlocking(self._store) if self._store is not None else None
        self._watchdog = Watchdog()
        self._clock = SteadyClock(LiveClock())
        self._ledger: LedgerJournal | None = None
        self._account: Account | None = None
        self._runtime: LiveRuntime | None = None
        self.resumed = False

    # -- life ----------------------------------------------------------------------------------

    async def unlock(self, passphrase: str) -> str:
        """Why the passphrase does not open the keys; "" when it does."""
        return "nothing is locked" if self._keys is None else await self._keys.unlock(passphrase)

    @property
    def waits_for(self) -> str:
        """What somebody has to do before it can start; "" while nothing."""
        return "" if self._keys is None else self._keys.waits_for

    @property
    def runtime(self) -> LiveRuntime:
        assert self._runtime is not None, "not opened"
        return self._runtime

    async def open(self) -> None:
        """Find key and ledger and begin or resume. One clear error when the first start cannot
        reach the venue; a restart needs no venue, it goes on trying."""
        request = self._request
        key, sessions = await self._find_key()
        fingerprint = key.fingerprint
        world = f"{request.mode} {request.venue} key {fingerprint}"
        self._ledger = open_ledger(
            ledger_path(self._paths, request, world), clock=LiveClock(), on_failure=_note_failure
        )
        seed = 1 + self._ledger.salt % SEED_RANGE
        account = self._account = make_account(
            request.venue,
            key,
            self._clock,
            session_factory=sessions,
            seed=seed,
            folder=self._venue_folder(fingerprint),
        )
        key.forget()  # Whoever signs requests has it now.
        first = next(self._ledger.replay(), None)
        if isinstance(first, e.SessionStarted):
            session = first
            _check_symbols(request, first.instruments)
            if first.world != world:
                raise ConfigError(f"ledger: it belongs to {first.world}, not to {world}")
            account.keep_units(first.instruments)
        else:
            session = await self._first_session(world)
        self._runtime = self._make_runtime(session, sessions, self._venue_folder(fingerprint))
        self.resumed = await self._runtime.open(session, [])
        warm_feeds()  # Now, so that what they load counts as there from the start.

    async def _find_key(self) -> tuple[Credentials, SessionFactory]:
        request = self._request
        if self._keys is not None:
            credentials = await self._keys.credentials(request.venue)
            return credentials, plain_session
        assert request.drill is not None
        return drill_key(request.venue, request.drill)

    async def _first_session(self, world: str) -> e.SessionStarted:
        """What the venue says before there is a ledger; its clock, its rules, what is there."""
        request, account = self._request, self._account
        assert account is not None
        assert self._ledger is not None
        try:
            reading = await account.measure_clock()
            self._clock.raise_to(self._clock.now_ns() + reading.offset_ns)
            instruments = list(await account.load_instruments(request.symbols))
            settle = _one_settle(instruments)
            capital = request.capital
            if not capital:
                held = {one.asset: one.total for one in await account.fetch_balances()}
                capital = held.get(settle, Decimal(0))
        except VenueFault as fault:
            raise explain(request.venue, fault) from None
        if capital <= 0:
            raise ConfigError(f"{request.venue}: the account holds no {settle} to trade with")
        return e.SessionStarted(
            ts_ns=self._clock.now_ns(),
            world=world,
            capital=capital,
            settle=settle,
            salt=self._ledger.salt,
            instruments=instruments,
        )

    def _venue_folder(self, fingerprint: str) -> Path:
        return venue_folder(self._paths, self._request.drill, fingerprint)

    def _make_runtime(
        self, session: e.SessionStarted, sessions: SessionFactory, folder: Path
    ) -> LiveRuntime:
        request = self._request
        assert self._account is not None
        assert self._ledger is not None
        markets = LiveMarkets(session.instruments, periods_of(CHART_TIMEFRAMES), self._clock)
        trader = Trader(
            limits=request.limits,
            markets=markets.views,
            guard=self._watchdog.guard,
            shield=self._watchdog,
            abilities=self._account.traits.abilities,
            marks_fills=True,
        )
        words = f"{request.venue} {', '.join(request.symbols)}"
        return LiveRuntime(
            trader=trader,
            account=self._account,
            feed=make_feed(request.venue, self._clock, session_factory=sessions, folder=folder),
            markets=markets,
            journal=CommittingLedger(self._ledger),
            clock=self._clock,
            bridge=self._bridge,
            policy=LivePolicy(
                mode=request.mode,
                profile=request.profile,
                world_words=words if request.drill is None else f"drill exchange, {words}",
                cancels_on_stop=request.cancels_on_stop,
            ),
            judge_key=self._judge,
        )

    def _judge(self, found: KeyPermissions) -> tuple[str, Sequence[str]]:
        if self._store is None:
            return "", ()
        return judge(found, self._store.entry(self._request.venue))

    async def run(self, stop: asyncio.Event) -> None:
        await self.runtime.run(stop)

    async def linger(self, stop: asyncio.Event) -> None:
        """A live market has no end after which one could linger."""

    async def close(self) -> None:
        """Whatever had been opened by then."""
        if self._runtime is None and self._account is not None:
            await self._account.close()
        if self._ledger is not None:
            self._ledger.close()
        self._watchdog.close()

    # -- for the host --------------------------------------------------------------------------

    @property
    def commands(self) -> Mapping[str, e.CommandDone]:
        return self.runtime.state.commands

    @property
    def ledger_name(self) -> str:
        return "" if self._ledger is None else self._ledger.path.name

    @property
    def last_seq(self) -> int:
        return 0 if self._ledger is None else self._ledger.last_seq

    def snapshot(self) -> EngineSnapshot:
        return self.runtime.snapshot()

    @property
    def stop_words(self) -> str:
        """What the venue said of what is left, at the end of a clean stop."""
        told = None if self._runtime is None else self._runtime.stop_receipt
        return "" if told is None else told.words


def ledger_path(paths: Paths, request: LiveRequest, world: str) -> Path:
    """One ledger per venue and key, apart from every paper ledger."""
    digest = hashlib.sha256(world.encode()).hexdigest()[:10]
    return make_private(paths.profile(request.profile)) / f"{request.mode}-{digest}.db"


def drill_folder(paths: Paths) -> Path:
    """Where `pilothouse drill` keeps its certificates and its note."""
    return paths.state / "drill"


def drill_key(venue: str, folder: Path) -> tuple[Credentials, SessionFactory]:
    """A key and sessions of a running drill exchange; no other name resolves in them."""
    from engine.drill.place import read_place
    from engine.drill.resolver import drill_session

    place = read_place(folder)
    if not place.keys:
        raise ConfigError(f"{folder}: the drill exchange has no account: start it anew")
    first = place.keys[0]
    key = Credentials(venue, key=first.api_key, secret=first.secret)
    ca_path, port, hosts = Path(place.ca_path), place.port, place.hosts
    return key, lambda: drill_session(ca_path, port, hosts)


def _one_settle(instruments: Sequence[Instrument]) -> str:
    """The asset in which all of them settle; BadInput where they differ."""
    settles = {item.settle for item in instruments}
    if len(settles) > 1:
        told = ", ".join(f"{item.symbol} in {item.settle}" for item in instruments)
        raise BadInput("--symbol", told, "one account counts in one asset: run them apart")
    return settles.pop()


def _check_symbols(request: LiveRequest, known: Sequence[Instrument]) -> None:
    symbols = tuple(item.symbol for item in known)
    if set(symbols) != set(request.symbols):
        remedy = f"this profile's ledger trades {', '.join(symbols)}: name another --profile"
        raise BadInput("--symbol", ", ".join(request.symbols), remedy)


def _note_failure(failure: object) -> None:
    """The loop gets the same error from its own commit."""
    log.error("ledger: %s", failure)
