"""The Binance spot account against the drill exchange: real ccxt, real sockets, the venue's ledger
as the oracle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from app.drill import SPOT_BALANCES
from engine.core.clock import NS_PER_SECOND, LiveClock
from engine.domain.claims import ClaimStatus, OrderClaim
from engine.domain.order import OrderType, Side, TimeInForce
from engine.drill.control import Certificate
from engine.drill.ports import Ending, Fault, FrameAct, FrameSeen, Reply, Send
from engine.ports.live import (
    FaultKind,
    LinkState,
    NotWorking,
    Placed,
    Refused,
    Unanswered,
    VenueFault,
)
from engine.ports.venue import Submit
from tests.support.accounts import SPOT, submit
from tests.support.drill_accounts import Rig, open_rig

ORDER = "POST /api/v3/order"
DIALECT = "binance_spot"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path, DIALECT) as opened:
        yield opened


def order(number: int, rig: Rig, factor: str = "0.9", **changes: object) -> Submit:
    return submit(
        price_ticks=rig.price_ticks(factor),
        client_order_id=f"q{number:017}",
        **changes,  # type: ignore[arg-type]
    )


async def test_a_life_of_an_order(rig: Rig) -> None:
    """NEW, PARTIAL, PARTIAL, FILLED at once: ccxt.pro loses the last."""
    wish = order(1, rig)
    placed = await rig.account.place(wish)
    assert isinstance(placed, Placed)
    for share in ("0.3", "0.5", "1"):
        rig.fill(wish.client_order_id, share)
    await rig.sink.until(lambda: ClaimStatus.FILLED in {claim.status for claim in rig.sink.orders})
    assert [claim.filled_lots for claim in rig.sink.orders] == [0, 300, 650, 1_000]
    stream = [trade.fill for trade in rig.sink.trades]
    asked = await rig.account.fetch_trades(SPOT, venue_order_id=placed.order.venue_order_id)
    assert [trade.fill for trade in asked] == stream
    truth = rig.core.trades["demo", "BTCUSDT"]
    assert [fill.trade_id for fill in stream] == [str(trade.trade_id) for trade in truth]
    found = await rig.account.find_order(SPOT, wish.client_order_id)
    assert found is not None
    assert (found.status, found.filled_lots) == (ClaimStatus.FILLED, 1_000)


async def test_every_kind_of_order_and_its_end(rig: Rig) -> None:
    far = rig.price_ticks("0.8")
    wishes = [
        order(1, rig),
        order(2, rig, tif=TimeInForce.POST_ONLY),
        order(3, rig, side=Side.SELL, type=OrderType.STOP_LIMIT, trigger_ticks=far),
        submit(
            Side.SELL, price_ticks=0, type=OrderType.STOP, trigger_ticks=far,
            client_order_id="q4",
        ),
    ]  # fmt: skip
    for wish in wishes:
        placed = await rig.account.place(wish)
        assert isinstance(placed, Placed), placed
        assert placed.order.status is ClaimStatus.OPEN
    listed = {claim.client_order_id: claim for claim in await rig.account.fetch_open_orders()}
    assert set(listed) == {wish.client_order_id for wish in wishes}
    assert [listed[wish.client_order_id].type for wish in wishes] == [
        OrderType.LIMIT,
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.STOP,
    ]
    assert not listed["q4"].is_triggered
    for wish in wishes[:2]:
        ended = await rig.account.cancel(SPOT, wish.client_order_id)
        assert isinstance(ended, OrderClaim)
        assert ended.status is ClaimStatus.CANCELED
    assert isinstance(await rig.account.cancel(SPOT, wishes[0].client_order_id), NotWorking)
    await rig.account.cancel_all(SPOT)
    await rig.account.cancel_all(SPOT)
    assert await rig.account.fetch_open_orders() == []
    await rig.sink.until(
        lambda: Counter(claim.status for claim in rig.sink.orders)[ClaimStatus.CANCELED] == 4
    )


async def test_takers_and_what_cannot_be(rig: Rig) -> None:
    market = submit(price_ticks=0, type=OrderType.MARKET, client_order_id="q1")
    placed = await rig.account.place(market)
    assert isinstance(placed, Placed)
    assert placed.order.status is ClaimStatus.FILLED
    assert sum(trade.fill.lots for trade in placed.trades) == 1_000
    # A buyer's fee is taken from what was bought; its worth is exact at the fill's own price.
    for trade in placed.trades:
        assert trade.fill.fee_asset == "BTC"
        price = Decimal(trade.fill.price_ticks) / 100
        assert trade.fill.fee_worth == trade.fill.fee * price
    killed = await rig.account.place(order(2, rig, tif=TimeInForce.FOK))
    assert isinstance(killed, Placed)
    assert killed.order.status is ClaimStatus.EXPIRED
    taking = await rig.account.place(order(3, rig, "1.1", tif=TimeInForce.POST_ONLY))
    assert isinstance(taking, Refused)
    poor = await rig.account.place(order(4, rig, qty_lots=1_000_000))
    assert isinstance(poor, Refused)
    assert "insufficient balance" in poor.reason
    assert await rig.account.find_order(SPOT, "q99") is None


async def test_balances_add_up(rig: Rig) -> None:
    await rig.account.place(submit(price_ticks=0, type=OrderType.MARKET, client_order_id="q1"))
    await rig.account.place(order(2, rig))
    trades = [trade.fill for trade in await rig.account.fetch_trades(SPOT)]
    held = {claim.asset: claim for claim in await rig.account.fetch_balances()}
    spent = sum(Decimal(fill.price_ticks * fill.lots).scaleb(-7) for fill in trades)
    fees = sum(fill.fee for fill in trades)
    assert held["USDT"].total == SPOT_BALANCES["USDT"] - spent
    assert held["BTC"].total == SPOT_BALANCES["BTC"] + Decimal("0.01") - fees
    assert held["USDT"].free < held["USDT"].total
    permissions = await rig.account.fetch_key_permissions()
    assert (permissions.can_trade, permissions.can_withdraw) == (True, False)


ANSWERS = {
    "504": Reply(status=504, body=b'{"code":-1007,"msg":"Timeout waiting for response."}'),
    "503 page": Reply(status=503, body=b"<html>busy</html>", content_type="text/html"),
    "200 unknown": Reply(status=200, body=b'{"code":-1006,"msg":"Unexpected response."}'),
    "portal": Reply(status=200, body=b"<html>log in</html>", content_type="text/html"),
    "half": Reply(status=200, body=b'{"symbol":"BTCU'),
    "unknown code": Reply(status=400, body=b'{"code":-7777,"msg":"?"}'),
}
LOST = {name: Fault(reply=reply) for name, reply in ANSWERS.items()} | {
    "dropped": Fault(ending=Ending.RST),
    "closed": Fault(ending=Ending.FIN),
    "cut": Fault(ending=Ending.CUT),
}


@pytest.mark.parametrize("times", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("name", LOST)
async def test_an_answer_that_proves_nothing(rig: Rig, name: str, times: int) -> None:
    """The order lives or does not: the account says that it does not know, and asks nothing
    again; the stream and a later question tell."""
    fault = LOST[name]
    rig.plan.on_route[ORDER] = Fault(times=times, reply=fault.reply, ending=fault.ending)
    wish = order(1, rig)
    outcome = await rig.account.place(wish)
    assert isinstance(outcome, Unanswered), outcome
    assert outcome.decided_ns > LiveClock().now_ns()
    assert rig.server.requests[ORDER] == 1
    found = await rig.account.find_order(SPOT, wish.client_order_id)
    assert (found is not None) is bool(times)
    if times:
        await rig.sink.until(lambda: len(rig.sink.orders) == 1)


async def test_a_hanging_answer_is_given_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.venues.ccxt_client.REQUEST_TIMEOUT_S", 0.5)
    rig.plan.on_route[ORDER] = Fault(ending=Ending.HANG)
    outcome = await rig.account.place(order(1, rig))
    assert isinstance(outcome, Unanswered)
    assert outcome.kind is FaultKind.TIMEOUT
    assert len(await rig.account.fetch_open_orders()) == 1


async def test_a_request_that_arrives_twice_is_one_order(rig: Rig) -> None:
    rig.plan.on_route[ORDER] = Fault(times=2)
    await rig.account.place(order(1, rig))
    assert len(await rig.account.fetch_open_orders()) == 1
    # The same id again is no refusal of the order that exists.
    outcome = await rig.account.place(order(1, rig))
    assert isinstance(outcome, Unanswered)
    assert "already there" in outcome.reason


async def test_a_wrong_clock_is_refused_and_measured(rig: Rig) -> None:
    rig.control.set_clock_offset_ns(3_600 * NS_PER_SECOND)
    outcome = await rig.account.place(order(1, rig))
    assert isinstance(outcome, Refused)
    assert outcome.kind is FaultKind.CLOCK
    reading = await rig.account.measure_clock()
    assert abs(reading.offset_ns - 3_600 * NS_PER_SECOND) < NS_PER_SECOND // 10
    assert isinstance(await rig.account.place(order(2, rig)), Placed)


async def test_a_ban_a_revoked_key_and_maintenance(rig: Rig) -> None:
    rig.control.set_key_active("demo", False)
    outcome = await rig.account.place(order(1, rig))
    assert isinstance(outcome, Refused)
    assert outcome.kind is FaultKind.KEY
    assert "keys check" in outcome.reason
    rig.control.set_key_active("demo", True)
    rig.control.set_maintenance(DIALECT, True)
    with pytest.raises(VenueFault) as caught:
        await rig.account.fetch_balances()
    assert caught.value.kind in (FaultKind.MAINTENANCE, FaultKind.OVERLOADED)
    rig.control.set_maintenance(DIALECT, False)
    until_ns = rig.control.now_ns() + 100 * NS_PER_SECOND
    rig.control.ban(until_ns)
    outcome = await rig.account.place(order(2, rig))
    assert isinstance(outcome, Refused)
    assert outcome.kind is FaultKind.BANNED
    assert abs(outcome.until_ns - until_ns) < 2 * NS_PER_SECOND


@pytest.mark.parametrize(
    "certificate", [each for each in Certificate if each is not Certificate.GOOD]
)
async def test_a_certificate_that_is_not_the_venues(rig: Rig, certificate: Certificate) -> None:
    rig.control.set_certificate(certificate)
    fresh = rig.another()
    with pytest.raises(VenueFault) as caught:
        await fresh.measure_clock()
    await fresh.close()
    expected = (FaultKind.NETWORK, FaultKind.TLS) if certificate is Certificate.CUT else (
        FaultKind.TLS,
    )  # fmt: skip
    assert caught.value.kind in expected
    assert len(caught.value.words.splitlines()) == 1


async def test_no_name_and_no_connection(rig: Rig) -> None:
    """Nothing left this machine: the order definitely does not exist."""
    account = rig.another()
    rig.control.set_names_known(False)
    with pytest.raises(VenueFault, match="no such name"):
        await account.measure_clock()
    rig.control.set_names_known(True)
    rig.control.refuse_connections(True)
    with pytest.raises(VenueFault) as caught:
        await account.measure_clock()
    assert caught.value.kind is FaultKind.NETWORK
    await account.close()


async def test_streams_that_end_are_opened_again_and_lose_nothing(rig: Rig) -> None:
    ends: list[Callable[[], None]] = [
        lambda: rig.control.close_user_streams(DIALECT, "demo"),
        lambda: rig.control.close_sockets(DIALECT),
        lambda: rig.control.close_sockets(DIALECT, abort=True),
        lambda: rig.control.announce_shutdown(NS_PER_SECOND // 10),
    ]
    for number, end in enumerate(ends):
        ups = rig.sink.states.count(LinkState.UP)
        end()
        await rig.sink.until(lambda ups=ups: rig.sink.states.count(LinkState.UP) > ups)  # type: ignore[misc]
        wish = order(number, rig)
        assert isinstance(await rig.account.place(wish), Placed)
        await rig.sink.until(
            lambda wish=wish: (
                wish.client_order_id  # type: ignore[misc]
                in {claim.client_order_id for claim in rig.sink.orders}
            )
        )


async def test_frames_that_lie_are_not_believed(rig: Rig) -> None:
    """Rubbish in place of an event ends the link; what it told is found by asking."""
    rubbish = [b'{"half', b"\xff\xfe", b'{"event":{"e":"executionReport","s":"BTCUSDT"}}', b"[]"]
    wish = order(1, rig)

    def lie(seen: FrameSeen) -> Sequence[FrameAct] | None:
        if seen.kind != "executionReport" or not rubbish:
            return None
        return (Send(rubbish.pop(0)),)

    rig.plan.frames = lie
    for number in range(len(rubbish)):
        ups = rig.sink.states.count(LinkState.UP)
        await rig.account.place(order(10 + number, rig))
        await rig.sink.until(lambda ups=ups: rig.sink.states.count(LinkState.UP) > ups)  # type: ignore[misc]
    rig.plan.frames = None
    await rig.account.place(wish)
    await rig.sink.until(
        lambda: wish.client_order_id in {claim.client_order_id for claim in rig.sink.orders}
    )
    assert len(await rig.account.fetch_open_orders()) == 5


async def test_a_strangers_order_is_told_and_left_alone(rig: Rig) -> None:
    price = Decimal(rig.price_ticks("0.9")) / 100
    rig.control.place_foreign(DIALECT, "demo", "BTCUSDT", Side.BUY, Decimal("0.01"), price)
    await rig.sink.until(lambda: len(rig.sink.orders) == 1)
    [claim] = await rig.account.fetch_open_orders()
    assert claim.client_order_id.startswith("foreign_")


async def test_a_deposit_is_cash(rig: Rig) -> None:
    rig.control.deposit(DIALECT, "demo", "USDT", Decimal("12.5"))
    await rig.sink.until(lambda: any(hasattr(item, "cash_id") for item in rig.sink.news))


async def test_a_fee_in_a_third_asset_has_its_worth(tmp_path: Path) -> None:
    symbols = ("BTCUSDT", "BNBUSDT")
    async with open_rig(tmp_path, DIALECT, symbols=symbols, burns_fee_asset=True) as rig:
        price = rig.control.price_of(DIALECT, "BNBUSDT")
        assert price is not None
        await rig.account.load_instruments(["BTCUSDT"])
        placed = await rig.account.place(
            submit(price_ticks=0, type=OrderType.MARKET, client_order_id="q1")
        )
        assert isinstance(placed, Placed)
        for trade in placed.trades:
            assert trade.fill.fee_asset == "BNB"
            assert trade.fill.fee_worth is not None
            # The market has moved on since the price was asked for, by a little.
            known = trade.fill.fee_worth / trade.fill.fee
            assert abs(known / price - 1) < Decimal("0.05")


async def test_a_ban_is_known_to_every_process(rig: Rig) -> None:
    rig.control.ban(rig.control.now_ns() + 100 * NS_PER_SECOND)
    with pytest.raises(VenueFault):
        await rig.account.fetch_balances()
    asked = rig.server.requests.total()
    another = rig.another()
    with pytest.raises(VenueFault) as caught:
        await another.measure_clock()
    assert caught.value.kind is FaultKind.BANNED
    outcome = await rig.account.place(order(1, rig))
    assert isinstance(outcome, Refused)
    assert (outcome.kind, outcome.was_sent) == (FaultKind.BANNED, False)
    assert rig.server.requests.total() == asked
    await another.close()


async def test_giving_up_a_placement_leaves_its_fate_to_be_asked(rig: Rig) -> None:
    rig.plan.on_route[ORDER] = Fault(ending=Ending.HANG)
    placing = asyncio.create_task(rig.account.place(order(1, rig)))
    await rig.sink.until(lambda: len(rig.sink.orders) == 1)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    found = await rig.account.find_order(SPOT, order(1, rig).client_order_id)
    assert found is not None


async def test_a_change_of_steps_changes_no_number_of_ours(rig: Rig) -> None:
    """The venue makes its tick ten times as large while our order rests between the new ones."""
    wish = order(1, rig)
    wish = submit(price_ticks=wish.spec.price_ticks + 1, client_order_id=wish.client_order_id)
    assert isinstance(await rig.account.place(wish), Placed)
    rig.control.set_filter(DIALECT, "BTCUSDT", "tick", Decimal("0.1"))
    refused = await rig.account.place(
        submit(price_ticks=wish.spec.price_ticks, client_order_id="q2")
    )
    assert isinstance(refused, Refused)
    assert refused.was_sent  # Nobody has told us before.
    another = rig.another()
    await another.measure_clock()
    another.keep_units(list(rig.account._units.values()))
    for account in (rig.account, another):
        account._markets._tried_mono_ns = None  # As if the last look were longer ago.
        account._markets.doubt()
        [told] = await account.load_instruments(["BTCUSDT"])
        assert told.tick == Decimal("0.1")
        found = await account.find_order(SPOT, wish.client_order_id)
        assert found is not None
        assert found.price_ticks == wish.spec.price_ticks
        refused = await account.place(
            submit(price_ticks=wish.spec.price_ticks, client_order_id="q3")
        )
        assert isinstance(refused, Refused)
        assert (refused.was_sent, "multiples of 0.1" in refused.reason) == (False, True)
        ours = wish.spec.price_ticks - 1
        placed = await account.place(submit(price_ticks=ours, client_order_id="q4"))
        assert isinstance(placed, Placed)
        assert placed.order.price_ticks == ours
        await account.cancel(SPOT, "q4")
    await another.close()


async def test_a_key_pair_signs_requests_and_the_stream(tmp_path: Path) -> None:
    """Ed25519: the venue never sees what signs."""
    pair = Ed25519PrivateKey.generate()
    private = pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private = private.replace("\n", "\r\n")  # As a key comes from another system.
    fields = {"secret": private, "public_key": public.decode()}
    async with open_rig(tmp_path, DIALECT, **fields) as rig:
        assert rig.sink.states[-1] is LinkState.UP
        wish = order(1, rig)
        assert isinstance(await rig.account.place(wish), Placed)
        await rig.sink.until(lambda: len(rig.sink.orders) == 1)
