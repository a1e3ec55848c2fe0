"""The faults that strike at a planned moment: what each does to the world, and for how long."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from engine.core.ids import client_order_id
from engine.domain.claims import ClaimStatus
from engine.domain.errors import LedgerError
from engine.domain.order import OrderSpec, Side
from tests.simulation.disk import DiskFault
from tests.simulation.exchange import NotTaken
from tests.simulation.faults import Kind
from tests.simulation.ledger import SALT
from tests.simulation.picture import Broken
from tests.simulation.story import Stroke

if TYPE_CHECKING:
    from tests.simulation.engine import EngineProcess
    from tests.simulation.world import World

MS = 1_000_000
VENUE_ENDS = (ClaimStatus.CANCELED, ClaimStatus.EXPIRED)


class Strokes:
    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance.fork("strokes")

    def strike(self, stroke: Stroke) -> None:
        """Do it now; what lasts ends with the faults at the latest."""
        world = self._world
        for_s = min(stroke.for_s, max(0.0, world.story.faults_end_s - world.loop.time()))
        key = self._chance.pick([one.instrument_id for one in world.story.instruments])
        kind = stroke.kind
        match kind:
            case Kind.CRASH | Kind.POWER_CUT:
                self._plan_end(kind, stroke.for_s)
                return  # Seen when it happens.
            case Kind.ENDED_BY_VENUE | Kind.FOREIGN_ORDER | Kind.FOREIGN_FILL | Kind.ID_REUSE:
                has_struck = self._meddle(kind, key)
            case Kind.SECOND_ENGINE:
                has_struck = world.engine is not None and self._start_second_engine()
            case Kind.DISK_FULL | Kind.SYNC_EIO | Kind.SLOW_DISK | Kind.CLOCK_STEP:
                has_struck = self._strike_machine(kind, for_s)
            case _ if self._strike_venue(kind, key, for_s):
                has_struck = True
            case _:
                engine = world.engine
                has_struck = engine is not None and self._strike_stream(engine, kind, key, for_s)
        if has_struck:
            world.note(f"stroke {kind} for {for_s:.3f} s")
            world.faults.saw(kind)

    # -- the machine -----------------------------------------------------------------------------

    def _plan_end(self, kind: Kind, down_s: float) -> None:
        """At one of the next steps, whatever is under way then; a power cut also in a write."""
        world, chance = self._world, self._chance
        if kind is Kind.POWER_CUT and chance.hits(500):
            world.power_down_s = down_s
            world.disk.cut_at = world.disk.writes + 1 + chance.below(12)
        else:
            world.dies_at = (world.loop.steps + chance.below(60), kind, down_s)

    def _strike_machine(self, kind: Kind, for_s: float) -> bool:
        world = self._world
        match kind:
            case Kind.DISK_FULL:
                world.disk.fault = DiskFault.FULL
            case Kind.SYNC_EIO:
                world.disk.fault = DiskFault.SYNC_EIO
            case Kind.SLOW_DISK:
                world.disk_is_slow = True
                world.wire.later(for_s, setattr, world, "disk_is_slow", False)
            case _:
                world.clock.skew_ns += self._chance.between(-3600, 3600) * 1000 * MS
                world.wire.later(for_s, setattr, world.clock, "skew_ns", 0)
        return True

    def _start_second_engine(self) -> bool:
        """On the same ledger: it must find the lock taken, and leave without having written."""
        world = self._world
        before = world.disk.writes
        try:
            world.open_ledger(lambda error: None)
        except LedgerError:
            return world.disk.writes == before
        world.checker.first = Broken("I12", "two engines opened one ledger")
        return True

    # -- the venue -------------------------------------------------------------------------------

    def _strike_venue(self, kind: Kind, key: str, for_s: float) -> bool:
        """False for kinds that are no business of the venue's."""
        world, wire, exchange = self._world, self._world.wire, self._world.exchange
        match kind:
            case Kind.BANNED:
                wire.banned_until_s = world.loop.time() + for_s
            case Kind.MAINTENANCE:
                wire.maintenance = True
                wire.later(for_s, setattr, wire, "maintenance", False)
            case Kind.KEY_REVOKED:
                wire.key_is_revoked = True
                wire.later(for_s, self._renew_key)
            case Kind.VENUE_SKEW:
                exchange.skew_ns += self._chance.between(-20_000, 20_000) * MS
                wire.later(for_s, setattr, exchange, "skew_ns", 0)
            case Kind.DEPOSIT:
                exchange.deposit("USDT", Decimal(self._chance.between(1, 500)))
            case Kind.RULES_CHANGE:
                changed = exchange.change_rules(key)
                for feed in wire.feeds:
                    feed.changed(changed)
            case Kind.HALT:
                exchange.halted.add(key)
                for feed in wire.feeds:
                    feed.halt(key)
                wire.later(for_s, self.unhalt, key)
            case _:
                return False
        return True

    def _renew_key(self) -> None:
        """A person puts a working key in and starts the engine again."""
        self._world.wire.key_is_revoked = False
        self._world.restart_cleanly()

    def unhalt(self, key: str) -> None:
        self._world.exchange.halted.discard(key)
        for feed in self._world.wire.feeds:
            feed.resume(key)

    def _meddle(self, kind: Kind, key: str) -> bool:
        """The venue, or a stranger with the same key, does something with the account's orders."""
        exchange, chance = self._world.exchange, self._chance
        if kind is Kind.ENDED_BY_VENUE:
            working = [order for order in exchange.working() if order.is_ours]
            if working:
                exchange.end(chance.pick(working), chance.pick(VENUE_ENDS), "by the venue")
            return bool(working)
        number = len(exchange.orders)
        # Typed in by hand, or by another engine of the same account: by its ids alone a stranger.
        name = f"web_{number}" if number % 2 else client_order_id(1, number, SALT + 1)
        if kind is Kind.ID_REUSE:
            # Of those that the engine has seen end: of others nobody could tell the second from
            # the first.
            checker = self._world.checker
            ended = [
                key
                for key, order in exchange.ours.items()
                if not order.is_working and checker.has_seen_end(key)
            ]
            if not ended:
                return False
            name = chance.pick(ended)
        book = exchange.books[key]
        price = book.ask if kind is Kind.FOREIGN_FILL else book.bid - 40
        spec = OrderSpec(instrument_id=key, side=Side.BUY, qty_lots=3, price_ticks=price)
        try:
            exchange.accept(name, spec, is_ours=False)
        except NotTaken:
            return False
        return True

    # -- the streams -------------------------------------------------------------------------------

    def _strike_stream(self, engine: EngineProcess, kind: Kind, key: str, for_s: float) -> bool:
        if engine.account is None or engine.feed is None:
            return False
        match kind:
            case Kind.STREAM_DROP:
                engine.account.break_stream(0.01, for_s)
            case Kind.HALF_OPEN:
                engine.account.break_stream(for_s, 0.5)
            case Kind.FEED_DROP:
                engine.feed.drop(key, for_s)
            case Kind.PRICE_SPIKE:
                engine.feed.doubt(key, "a jump of more than 50 %", for_s)
            case Kind.BOOK_GAP:
                engine.feed.doubt(key, "a gap in the sequence", for_s)
            case Kind.BOOK_CROSSED:
                engine.feed.doubt(key, "crossed", for_s)
            case Kind.BOOK_STALE:
                engine.feed.doubt(key, "stale", for_s)
            case _:
                raise AssertionError(kind)
        return True
