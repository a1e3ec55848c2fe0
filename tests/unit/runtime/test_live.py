"""A live engine from boot to restart, over a fake venue in virtual time."""

from __future__ import annotations

from decimal import Decimal

from app.bootstrap import build_bot
from engine.domain import commands as c
from engine.domain import events as e
from engine.domain.order import OrderStatus, Side
from engine.domain.snapshots import LinkStage
from engine.ports.live import BookDoubted, BookTrusted
from engine.trading.state import MANUAL
from tests.support.builders import spot
from tests.support.live import LiveRig, VirtualClock, a_buy, run_virtual

KEY = "test.BTCUSDT"


def test_boots_trades_and_goes_on_after_a_restart():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1000))
            await live.until(lambda: bool(rig.exchange.working()))
            order_id = rig.exchange.working()[0].client_order_id
            await live.until(lambda: live.state.orders[order_id].status is OrderStatus.OPEN)
            rig.exchange.fill(order_id, 400)
            await live.until(lambda: live.state.orders[order_id].filled_lots == 400)
            await live.kill()
        rig.exchange.fill(order_id, 600)  # While nobody listens.
        async with rig.engine() as live:
            assert live.state.orders[order_id].filled_lots == 400
            await live.until_trading()
            order = live.state.final_orders[order_id]
            assert order.status is OrderStatus.FILLED
            assert len(rig.exchange.places) == 1
            position = live.state.position(MANUAL, KEY)
            instrument = rig.instruments[0]
            held = instrument.qty(position.lots) + position.dust
            assert held == rig.exchange.balances["BTC"]
            assert not live.state.incidents
        assert live.runtime.stop_receipt is not None
        assert "none of our orders is left" in live.runtime.stop_receipt.words

    run_virtual(program)


def test_the_way_to_trading_is_journalled_and_no_bot_acts_before():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            assert live.state.holds[""] == "the engine is starting"
            await live.until_trading()
        reasons = [
            event.reason
            for event in rig.journal.events
            if isinstance(event, e.HoldChanged) and not event.instrument_id
        ]
        assert reasons[0] == "the engine is starting"
        assert "comparing our books with the venue's" in reasons
        assert reasons[-2:] == ["", "the engine is stopping"]

    run_virtual(program)


def test_a_restart_folds_to_the_same_state():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1000, 50_001))
            await live.until(lambda: live.state.fills == 1)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(300, 50_100, side=Side.SELL))
            await live.until(lambda: len(rig.exchange.working()) == 1)
            await live.wait(1)
            held = live.state
        folded = rig.folded()
        assert folded.orders == held.orders
        assert folded.positions == held.positions
        assert folded.net_lots == held.net_lots
        assert folded.accounting is not None
        assert held.accounting is not None
        assert folded.accounting.totals == held.accounting.totals
        assert folded.accounting.total("USDT") == rig.exchange.balances["USDT"]
        assert live.stage is LinkStage.TRADING
        assert folded.accounting.total("BTC") == Decimal(rig.exchange.balances["BTC"])

    run_virtual(program)


def test_a_restart_without_a_market_values_at_the_last_price_of_the_ledger():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1000, 50_001))
            await live.until(lambda: live.state.fills == 1)
            rig.exchange.move(KEY, 59_999, 60_001)
            await live.wait(21)  # Over a mark of the equity.
            before = live.trader.portfolio.equity()
            await live.kill()
        async with rig.engine() as live:
            assert not live.markets.views[KEY].is_ready
            assert live.trader.portfolio.equity() == before

    run_virtual(program)


def test_rules_that_the_venue_changed_bind_the_gate_and_survive_a_restart():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            assert not any(isinstance(event, e.RulesChanged) for event in rig.journal.events)
            rig.exchange.instruments = [spot(min_lots=50)]
            await live.kill()
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(49))
            await live.until(lambda: live.state.denied == 1)
        assert rig.folded().instruments[KEY].min_lots == 50
        assert not rig.exchange.places

    run_virtual(program)


def test_a_bot_acts_only_while_venue_and_book_can_be_relied_on():
    async def program(clock: VirtualClock) -> None:
        params = {"levels": "2", "interval_ticks": "5", "half_spread_ticks": "5"}
        sizes = {"qty": "0.01", "max_position": "0.05", "every_ms": "500"}
        bot = build_bot("grid-1", "grid", {**params, **sizes}, spot())
        rig = LiveRig(clock, bots=[bot])
        async with rig.engine() as live:
            assert not rig.exchange.places  # Started, and held until both sides were compared.
            await live.until_trading()
            await live.until(lambda: len(rig.exchange.working()) >= 2)

            live.markets.on_feed(BookDoubted(instrument_id=KEY, reason="a gap"))
            await live.wait(1)
            before = len(rig.exchange.places)
            rig.exchange.move(KEY, 50_099, 50_101)
            await live.wait(20)
            assert len(rig.exchange.places) == before
            live.markets.on_feed(BookTrusted(instrument_id=KEY))
            await live.until(lambda: len(rig.exchange.places) > before, 5)

            rig.exchange.drop_stream()
            await live.wait(1)
            before = len(rig.exchange.places)
            rig.exchange.move(KEY, 50_199, 50_201)
            await live.wait(20)
            assert len(rig.exchange.places) == before
            rig.exchange.raise_stream()
            await live.until(lambda: len(rig.exchange.places) > before, 10)
            assert live.state.bots["grid-1"].error == ""

    run_virtual(program)


def test_what_reduces_risk_is_sent_in_every_stage_that_reaches_the_venue():
    async def program(clock: VirtualClock) -> None:
        rig = LiveRig(clock)
        async with rig.engine() as live:
            await live.until_trading()
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(1000, 50_001))
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(500))
            await live.until(lambda: live.state.fills == 1 and len(rig.exchange.working()) == 1)
            rig.exchange.drop_stream()
            await live.until(lambda: live.stage is LinkStage.CONNECTING, 1)
            rig.wish(c.PlaceOrder, bot_id=MANUAL, spec=a_buy(500))
            rig.wish(c.Flatten)
            await live.wait(30)
            assert live.state.denied >= 1  # The entry; its reason is the link's.
            assert not rig.exchange.working()
            # The fill of the close is not told over a dead stream, but its answer told it.
            assert live.state.position(MANUAL, KEY).is_flat
            assert live.stage is LinkStage.CONNECTING

    run_virtual(program)
