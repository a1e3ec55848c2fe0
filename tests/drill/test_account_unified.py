"""The general road, for exchanges that nobody has studied: ccxt's own methods against the drill
exchange, which is taken for such a one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from engine.core.clock import LiveClock
from engine.core.ids import session_rng
from engine.domain.claims import ClaimStatus, OrderClaim
from engine.domain.errors import BadInput
from engine.domain.order import OrderType, Side, TimeInForce
from engine.drill.ports import Ending, Fault, Reply
from engine.ports.live import DeadMan, FaultKind, LinkState, NotWorking, Placed, Refused, Unanswered
from engine.ports.venue import Submit
from engine.venues import user_stream
from engine.venues.account import VenueAccount, open_account
from engine.venues.quirks import Quirks, Road, quirks_of
from tests.support.accounts import Remembering, submit
from tests.support.drill_accounts import Keys, Rig, open_rig

ORDER = "POST /api/v3/order"
QUIRKS = Quirks(
    venue="somewhere",
    ccxt_id="binance",
    # Else ccxt asks hosts of futures, which the drill exchange has not got.
    ccxt_options={
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
    },
)
HERE = "somewhere.BTC/USDT"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, "binance_spot") as opened:
        yield opened


@pytest.fixture
async def account(rig: Rig) -> AsyncIterator[VenueAccount]:
    made = open_account(
        QUIRKS,
        Keys(rig.spec),
        session_factory=rig.session,
        clock=LiveClock(),
        rng=session_rng(1),
    )
    await made.measure_clock()
    await made.load_instruments(["BTC/USDT"])
    yield made
    await made.close()


def order(number: int, rig: Rig, factor: str = "0.9", **changes: object) -> Submit:
    wish: dict[str, object] = {
        "price_ticks": rig.price_ticks(factor),
        "client_order_id": f"q{number:017}",
        "instrument_id": HERE,
    }
    return submit(**(wish | changes))  # type: ignore[arg-type]


def test_an_unlisted_exchange_is_trusted_in_nothing() -> None:
    quirks = quirks_of("kraken")
    assert (quirks.road, quirks.ccxt_id, quirks.dead_man) == (
        Road.UNIFIED,
        "kraken",
        DeadMan.NOTHING,
    )
    assert not quirks.rejects
    assert not quirks.proves_limits
    assert not quirks.abilities.has_stop
    assert not quirks.has_user_stream


async def test_what_ccxt_does_not_have_is_named(rig: Rig) -> None:
    with pytest.raises(BadInput, match="nosuchplace"):
        open_account(
            quirks_of("nosuchplace"),
            Keys(rig.spec),
            session_factory=rig.session,
            clock=LiveClock(),
            rng=session_rng(1),
        )


async def test_symbols_by_either_name(account: VenueAccount) -> None:
    [instrument] = await account.load_instruments(["BTCUSDT"])
    assert instrument.instrument_id == HERE
    assert (instrument.tick, instrument.lot) == (Decimal("0.01"), Decimal("0.00001"))
    with pytest.raises(BadInput, match="NO/SUCH"):
        await account.load_instruments(["NO/SUCH"])


async def test_orders_go_out_exactly_and_are_found_by_our_id(
    rig: Rig, account: VenueAccount
) -> None:
    wish = order(1, rig)
    placed = await account.place(wish)
    assert isinstance(placed, Placed), placed
    [truth] = rig.core.open_orders("demo")
    assert truth.client_order_id == wish.client_order_id
    found = await account.find_order(HERE, wish.client_order_id)
    assert found is not None
    assert (found.qty_lots, found.price_ticks) == (1_000, wish.spec.price_ticks)
    rig.fill(wish.client_order_id, "0.4")
    listed = {claim.client_order_id: claim for claim in await account.fetch_open_orders()}
    assert listed[wish.client_order_id].filled_lots == 400
    [trade] = await account.fetch_trades(HERE, venue_order_id=placed.order.venue_order_id)
    assert (trade.fill.lots, trade.fill.is_maker) == (400, True)
    assert (trade.fill.fee, trade.fill.fee_asset) == (Decimal("0.000004"), "BTC")
    ended = await account.cancel(HERE, wish.client_order_id)
    assert isinstance(ended, OrderClaim)
    assert (ended.status, ended.filled_lots) == (ClaimStatus.CANCELED, 400)
    assert isinstance(await account.cancel(HERE, "q77"), NotWorking)
    assert await account.find_order(HERE, "q77") is None
    held = {claim.asset: claim.total for claim in await account.fetch_balances()}
    assert held["BTC"] == Decimal(2) + Decimal("0.004") - Decimal("0.000004")


async def test_no_answer_is_a_definite_refusal(rig: Rig, account: VenueAccount) -> None:
    poor = await account.place(order(1, rig, qty_lots=100_000_0))
    assert isinstance(poor, Unanswered)
    rig.plan.on_route[ORDER] = Fault(ending=Ending.RST)
    assert isinstance(await account.place(order(2, rig)), Unanswered)
    rig.plan.on_route[ORDER] = Fault(reply=Reply(status=429, headers={"Retry-After": "1"}))
    limited = await account.place(order(3, rig))
    assert isinstance(limited, Unanswered)
    assert limited.kind is FaultKind.LIMITED


async def test_what_is_not_sent_there_is_refused_here(rig: Rig, account: VenueAccount) -> None:
    stop = order(
        1, rig, side=Side.SELL, type=OrderType.STOP, price_ticks=0, trigger_ticks=1_000_000
    )
    outcome = await account.place(stop)
    assert isinstance(outcome, Refused)
    assert not outcome.was_sent
    assert rig.server.requests[ORDER] == 0
    taken = await account.place(order(2, rig, "1.1", tif=TimeInForce.IOC))
    assert isinstance(taken, Placed)


async def test_orders_are_polled(
    rig: Rig, account: VenueAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_stream, "POLL_EVERY_S", 0.2)
    sink = Remembering()
    await account.open_user_stream(sink)
    assert sink.states == [LinkState.CONNECTING, LinkState.POLLING]
    wish = order(1, rig)
    await account.place(wish)
    await sink.until(lambda: len(sink.orders) > 0)
    rig.fill(wish.client_order_id, "1")
    await sink.until(lambda: sink.orders[-1].status is ClaimStatus.FILLED)
    assert (
        sum(trade.fill.lots for trade in {t.fill.trade_id: t for t in sink.trades}.values())
        == 1_000
    )
