"""I12: an engine of another world leaves a ledger that is not its own as it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING

from engine.core.clock import Clock
from engine.domain.errors import ConfigError
from engine.domain.events import AnyEvent
from engine.domain.snapshots import Mode
from engine.runtime.paper import Nobody, PaperRuntime
from engine.runtime.trader import Trader
from engine.store.memory import MemoryJournal
from engine.trading.risk.limits import RiskLimits
from tests.simulation.picture import Broken
from tests.support.worlds import generated

if TYPE_CHECKING:
    from tests.simulation.engine import EngineProcess


class FoundJournal(MemoryJournal):
    """What the disk holds, as either kind of engine would read it; it counts what is written."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        super().__init__()
        self._found = events

    def replay(self) -> Iterator[AnyEvent]:
        return iter(self._found)

    async def commit(self, events: Sequence[AnyEvent]) -> None:
        self.append(events)


async def check_strangers(durable: Sequence[AnyEvent], engine: EngineProcess, clock: Clock) -> None:
    """Raises Broken where one of them takes the ledger over, or writes to it."""
    await _check("a live engine with another key", durable, engine.open_with_other_key)
    await _check("a paper engine", durable, lambda journal: _open_paper(journal, clock))


async def _check(
    who: str, durable: Sequence[AnyEvent], opens: Callable[[FoundJournal], Awaitable[None]]
) -> None:
    journal = FoundJournal(durable)
    try:
        await opens(journal)
    except ConfigError as error:
        # Of all that may be wrong with it, this is what a person must be told.
        if "it belongs to" not in str(error):
            raise Broken("I12", f"{who} did not see whose ledger it is: {error}") from error
        if journal.last_seq:
            raise Broken("I12", f"{who} wrote {journal.last_seq} events and left") from None
    except Exception as error:
        raise Broken("I12", f"{who} went on with a live ledger: {error!r}") from error
    else:
        raise Broken("I12", f"{who} opened a live ledger")


async def _open_paper(journal: FoundJournal, clock: Clock) -> None:
    setting = generated(seconds=1)
    market = setting.open_market()
    runtime = PaperRuntime(
        trader=Trader(limits=RiskLimits(), markets=market.views, guard=lambda _: nullcontext()),
        world=market.world,
        journal=journal,
        clock=clock,
        speed=Decimal(1),
        mode=Mode.PAPER,
        profile="sim",
        world_words=market.words,
        bridge=Nobody(),
        press_crash=None,
        queue_ahead=market.queue_ahead,
    )
    await runtime.open(setting.session(market), setting.bots)
