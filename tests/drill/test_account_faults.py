"""Every fault of the catalogue that strikes a request or the user stream, against the account.

Two promises, judged by the venue's own ledger: what the account calls refused does not exist there,
and what the stream tells is true; whatever it did not tell is found by asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.domain.claims import ClaimStatus
from engine.domain.order import OrderType, Side
from engine.drill.faults.catalogue import CATALOGUE, FaultKind, Seam
from engine.drill.faults.plan import FaultPlan, FaultRule
from engine.drill.faults.saboteur import Saboteur
from engine.drill.units import amount
from engine.ports.live import LinkState, Placed, Refused, Unanswered
from engine.venues import user_stream
from tests.support.accounts import SPOT, USDM, submit
from tests.support.drill_accounts import Rig, open_rig

DIALECT = "binance_spot"
ORDERS = 4
ON_ORDERS = [
    kind
    for kind, entry in CATALOGUE.items()
    if entry.seam is Seam.REQUEST and entry.default_subject in ("*", "POST *order")
]
ON_STREAM = [
    kind
    for kind, entry in CATALOGUE.items()
    if entry.seam is Seam.FRAME and "user/" in entry.default_subject
]


@pytest.fixture
def saboteur() -> Saboteur:
    return Saboteur(FaultPlan(name="none", rules=()))


@pytest.fixture
async def rig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saboteur: Saboteur
) -> AsyncIterator[Rig]:
    monkeypatch.setattr("engine.venues.ccxt_client.REQUEST_TIMEOUT_S", 1.5)
    monkeypatch.setattr(user_stream, "ECHO_WITHIN_S", 2.0)
    async with open_rig(tmp_path, DIALECT, plan=saboteur) as opened:
        yield opened


def plan(kind: FaultKind, on: str) -> FaultPlan:
    """Every second event."""
    return FaultPlan(name=kind.value, rules=(FaultRule(kind=kind, on=on, every=2),))


def _ids_at_the_venue(rig: Rig) -> list[str]:
    """Of every order that the venue has ever taken."""
    return [order.client_order_id for order in rig.core.all_orders("demo", "BTCUSDT")]


@pytest.mark.parametrize("kind", ON_ORDERS)
async def test_what_is_called_refused_does_not_exist(
    rig: Rig, saboteur: Saboteur, kind: FaultKind
) -> None:
    saboteur.begin(plan(kind, "POST */order"))
    outcomes = {}
    for number in range(ORDERS):
        wish = submit(price_ticks=rig.price_ticks("0.9"), client_order_id=f"q{number:017}")
        outcomes[wish.client_order_id] = await rig.account.place(wish)
    saboteur.switch_off()
    taken = _ids_at_the_venue(rig)
    assert len(taken) == len(set(taken))
    for ours, outcome in outcomes.items():
        if isinstance(outcome, Placed):
            assert ours in taken
        elif isinstance(outcome, Refused):
            assert ours not in taken
        else:
            assert isinstance(outcome, Unanswered)
    assert any(not isinstance(outcome, Placed) for outcome in outcomes.values()) or (
        kind in HARMLESS
    )


HARMLESS = {FaultKind.DUPLICATE_REQUEST, FaultKind.REORDER_REQUEST, FaultKind.QUERY_LAG}
"""They strike without spoiling an answer."""


@pytest.mark.parametrize("kind", ON_STREAM)
async def test_what_the_stream_tells_is_true_and_the_rest_is_found(
    rig: Rig, saboteur: Saboteur, kind: FaultKind
) -> None:
    saboteur.begin(plan(kind, "user/*"))
    wishes = [
        submit(price_ticks=rig.price_ticks("0.9"), client_order_id=f"q{number:017}")
        for number in range(ORDERS)
    ]
    for wish in wishes:
        assert isinstance(await rig.account.place(wish), Placed)
        rig.fill(wish.client_order_id, "0.4")
        await asyncio.sleep(0.05)
        rig.fill(wish.client_order_id, "1")
    await asyncio.sleep(0.3)
    saboteur.switch_off()
    # A stream that only left something out is noticed by the order that it does not tell of.
    probe = submit(price_ticks=rig.price_ticks("0.9"), client_order_id="qprobe")
    assert isinstance(await rig.account.place(probe), Placed)
    await rig.sink.until(
        lambda: (
            rig.sink.states[-1] is LinkState.UP
            and (
                rig.sink.states.count(LinkState.UP) > 1
                or "qprobe" in {claim.client_order_id for claim in rig.sink.orders}
            )
        )
    )
    truth = {str(trade.trade_id): trade for trade in rig.core.trades["demo", "BTCUSDT"]}
    told = {trade.fill.trade_id: trade for trade in rig.sink.trades}
    for trade_id, trade in told.items():
        true = truth[trade_id]
        assert trade.fill.lots == amount(true.qty) / rig.core.listings["BTCUSDT"].rules.lot
        assert trade.fill.fee == amount(true.fee)
    found = await rig.account.fetch_trades(SPOT)
    assert {trade.fill.trade_id for trade in found} == set(truth)
    for wish in wishes:
        claim = await rig.account.find_order(SPOT, wish.client_order_id)
        assert claim is not None
        assert (claim.status, claim.filled_lots) == (ClaimStatus.FILLED, 1_000)


ON_STOPS = (
    FaultKind.DROP_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.ERROR_AFTER,
    FaultKind.UNKNOWN_1006_AFTER,
    FaultKind.TIMEOUT_1007_BEFORE,
    FaultKind.TRUNCATED_JSON,
    FaultKind.DUPLICATE_REQUEST,
    FaultKind.ORDER_REFUSED,
    FaultKind.KEY_REVOKED_2015,
)


@pytest.mark.parametrize("kind", ON_STOPS)
async def test_futures_orders_and_stops_alike(
    tmp_path: Path, saboteur: Saboteur, kind: FaultKind
) -> None:
    async with open_rig(tmp_path, "binance_usdm", plan=saboteur) as rig:
        saboteur.begin(plan(kind, "POST */order|POST */algoOrder"))
        outcomes = {}
        for number in range(ORDERS):
            is_stop = number >= ORDERS // 2
            wish = submit(
                Side.BUY,
                100,
                0 if is_stop else rig.price_ticks("0.9"),
                instrument_id=USDM,
                client_order_id=f"q{number:017}",
                type=OrderType.STOP if is_stop else OrderType.LIMIT,
                trigger_ticks=rig.price_ticks("1.2") if is_stop else 0,
            )
            outcomes[wish.client_order_id] = await rig.account.place(wish)
        saboteur.switch_off()
        taken = _ids_at_the_venue(rig)
        assert len(taken) == len(set(taken))
        for ours, outcome in outcomes.items():
            found = await rig.account.find_order(USDM, ours)
            assert (found is not None) is (ours in taken)
            assert not (isinstance(outcome, Refused) and ours in taken), outcome
            assert not (isinstance(outcome, Placed) and ours not in taken), outcome
