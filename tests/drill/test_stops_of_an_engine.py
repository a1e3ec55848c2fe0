"""Stops of a live engine at the drill's USD-M venue: they wait as algo orders, trigger, and go on
as ordinary ones under other ids; with engines that are killed in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.domain import commands as c
from engine.domain.order import Order, OrderSpec, OrderStatus, OrderType, Purpose, Side, TimeInForce
from engine.domain.snapshots import LinkStage
from engine.drill.margin import MarginSettlement
from engine.drill.units import amount
from engine.drill.values import Order as VenueOrder
from tests.drill.rig import ACCOUNT, EngineLife, Rig, open_rig

VENUE, SYMBOL = "binance_usdm", "BTCUSDT"
KEY = f"{VENUE}.{SYMBOL}"
QTY = Decimal("0.004")
PATIENCE_S = 60.0

pytestmark = pytest.mark.timeout(300)


class Story:
    """A person with a position and a stop for it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    @property
    def life(self) -> EngineLife:
        assert self.rig.life is not None
        return self.rig.life

    @property
    def shot_orders(self) -> dict[str, Order]:
        return {one.order.client_order_id: one.order for one in self.life.picture.orders}

    @property
    def lots(self) -> int:
        return sum(one.lots for one in self.life.picture.positions)

    def venue_lots(self) -> int:
        instrument = self.life.picture.instruments[0]
        settlement = self.rig.core.settlement
        assert isinstance(settlement, MarginSettlement)
        return int(amount(settlement.holding(ACCOUNT, SYMBOL).qty) / instrument.lot)

    async def until(self, is_so: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Until it is so; at no moment may anything look foreign or lost meanwhile."""

        def look() -> object:
            shot = self.life.picture
            assert not shot.incidents, self.rig.describe()
            assert shot.link is None or not shot.link.foreign, self.rig.describe()
            return is_so()

        await self.rig.until(look, within_s)

    async def start(self) -> None:
        await self.rig.start_engine()
        await self.until(lambda: self.life.stage is LinkStage.TRADING)

    async def die(self) -> None:
        self.life.kill()
        await self.life.bury()

    def place(self, **fields: object) -> None:
        lots = self.life.picture.instruments[0].lots(QTY, "qty")
        spec = OrderSpec(instrument_id=KEY, qty_lots=lots, **fields)  # type: ignore[arg-type]
        self.life.send(c.PlaceOrder(command_id=self.life.new_id(), bot_id="manual", spec=spec))

    def ticks(self, factor: str) -> int:
        price = self.rig.server.control.price_of(VENUE, SYMBOL)
        assert price is not None
        return int(price * Decimal(factor) / self.life.picture.instruments[0].tick)

    async def hold_with_a_stop(self, **fields: object) -> str:
        """The stop's id, once the venue has it."""
        self.place(side=Side.BUY, type=OrderType.MARKET, tif=TimeInForce.IOC)
        await self.until(lambda: self.lots > 0 and not self.shot_orders)
        stop: dict[str, object] = {
            "side": Side.SELL,
            "type": OrderType.STOP,
            "trigger_ticks": self.ticks("0.97"),
            "reduce_only": True,
            "purpose": Purpose.PROTECTIVE,
        }
        self.place(**(stop | fields))
        await self.until(
            lambda: any(one.status is OrderStatus.OPEN for one in self.shot_orders.values())
        )
        [order] = self.shot_orders.values()
        assert order.venue_order_id.startswith("algo-")
        return order.client_order_id

    def fall(self) -> None:
        self.rig.server.control.scale_market(VENUE, SYMBOL, Decimal("0.96"))

    async def fall_until_triggered(self, order_id: str) -> None:
        self.fall()
        await self.rig.until(lambda: self._venues(order_id).is_triggered, PATIENCE_S)

    def _venues(self, order_id: str) -> VenueOrder:
        [order] = [one for one in self.rig.core.orders.values() if one.client_order_id == order_id]
        return order

    def has_ended_at_venue(self, order_id: str) -> bool:
        return not self._venues(order_id).status.is_open

    async def compare(self) -> None:
        """The engine compares everything anew."""
        link = self.life.picture.link
        assert link is not None
        before_ns = link.reconciled_ns
        self.rig.server.control.close_user_streams(VENUE)

        def is_compared() -> bool:
            now = self.life.picture.link
            return (
                now is not None
                and now.stage is LinkStage.TRADING
                and (now.reconciled_ns or 0) > (before_ns or 0)
            )

        await self.until(is_compared)

    async def check(self, *, is_flat: bool) -> None:
        """Both sides tell the same story."""
        await self.compare()
        assert not self.shot_orders
        assert not self.rig.our_open_orders()
        assert (self.lots == 0) is is_flat
        assert self.lots == self.venue_lots()
        assert await self.life.stop() == 0
        _, problems = self.rig.judge()
        assert problems == []


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with open_rig(tmp_path / "home", venue=VENUE) as rig:
        told = Story(rig)
        await told.start()
        yield told
        assert not rig.server.failures


async def test_a_stop_triggers_and_is_booked(story: Story) -> None:
    await story.hold_with_a_stop()
    story.fall()
    await story.until(lambda: not story.shot_orders and story.lots == 0)
    await story.check(is_flat=True)


@pytest.mark.long
async def test_a_stop_triggers_while_the_engine_is_dead(story: Story) -> None:
    order_id = await story.hold_with_a_stop()
    await story.die()
    story.fall()
    await story.rig.until(lambda: story.has_ended_at_venue(order_id), PATIENCE_S)
    await story.start()
    await story.until(lambda: not story.shot_orders and story.lots == 0)
    await story.check(is_flat=True)


@pytest.mark.parametrize(
    "knows",
    [
        pytest.param(True, id="heard of it"),
        pytest.param(False, id="dead at the trigger", marks=pytest.mark.long),
    ],
)
async def test_an_engine_dies_between_trigger_and_fill(story: Story, knows: bool) -> None:
    order_id = await story.hold_with_a_stop(
        type=OrderType.STOP_LIMIT, price_ticks=story.ticks("1.01")
    )
    if not knows:
        await story.die()
    await story.fall_until_triggered(order_id)
    if knows:
        await story.until(
            lambda: not story.shot_orders[order_id].venue_order_id.startswith("algo-")
        )
        await story.compare()
        await story.die()
    control = story.rig.server.control
    control.fill_at_venue(VENUE, ACCOUNT, order_id, Decimal("0.5"))
    await story.start()
    await story.until(lambda: story.shot_orders[order_id].filled_lots > 0)
    control.fill_at_venue(VENUE, ACCOUNT, order_id, Decimal(1))
    await story.until(lambda: not story.shot_orders and story.lots == 0)
    await story.check(is_flat=True)


@pytest.mark.parametrize(
    ("kills", "has_triggered", "dies"),
    [
        pytest.param(False, True, False, id="cancel, triggered, one life", marks=pytest.mark.long),
        pytest.param(False, False, True, id="cancel, waiting, restart", marks=pytest.mark.long),
        pytest.param(True, False, False, id="kill, waiting, one life", marks=pytest.mark.long),
        pytest.param(True, True, True, id="kill, triggered, restart"),
    ],
)
async def test_it_can_be_taken_off(
    story: Story, kills: bool, has_triggered: bool, dies: bool
) -> None:
    order_id = await story.hold_with_a_stop(
        type=OrderType.STOP_LIMIT, price_ticks=story.ticks("1.01")
    )
    if dies:
        await story.die()
    if has_triggered:
        await story.fall_until_triggered(order_id)
    if dies:
        await story.start()
    life, wish = story.life, story.life.new_id()
    life.send(
        c.Kill(command_id=wish)
        if kills
        else c.CancelOrder(command_id=wish, client_order_id=order_id)
    )
    await story.until(lambda: not story.shot_orders and not story.rig.our_open_orders(), 20)
    await story.check(is_flat=False)
