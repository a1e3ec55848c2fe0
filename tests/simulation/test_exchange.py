"""The oracle itself: its money adds up, and its past can be looked at."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest

from engine.domain.claims import AccountNews, ClaimStatus, OrderClaim, TradeClaim
from engine.domain.instrument import InstrumentKind
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from tests.simulation.chance import Chance
from tests.simulation.exchange import Exchange, NotTaken
from tests.simulation.story import tell

ZERO = Decimal(0)


def _busy(seed: int) -> tuple[Exchange, list[AccountNews]]:
    """An exchange after some hundred orders, cancels and ticks, and everything that it told."""
    chance = Chance(seed)
    story = tell(seed)
    now_ns = [0]
    exchange = Exchange(
        now_ns=lambda: now_ns[0],
        chance=chance.fork("exchange"),
        instruments=story.instruments,
        balances=story.balances,
        fee_asset=story.fee_asset,
    )
    told: list[AccountNews] = []
    exchange.tell = told.append
    keys = [one.instrument_id for one in story.instruments]
    for number in range(300):
        now_ns[0] += chance.between(1, 500_000_000)
        key = chance.pick(keys)
        match chance.below(4):
            case 0:
                exchange.tick(key)
            case 1 if exchange.working():
                exchange.cancel(chance.pick(exchange.working()).client_order_id)
            case _:
                book = exchange.books[key]
                is_market = chance.hits(200)
                spec = OrderSpec(
                    instrument_id=key,
                    side=chance.pick((Side.BUY, Side.SELL)),
                    qty_lots=chance.between(1, 90),
                    type=OrderType.MARKET if is_market else OrderType.LIMIT,
                    price_ticks=0 if is_market else book.mid + chance.between(-6, 6),
                    tif=TimeInForce.IOC if is_market else chance.pick(list(TimeInForce)),
                )
                with suppress(NotTaken):
                    exchange.accept(f"o{number}", spec, is_ours=chance.hits(900))
    return exchange, told


@pytest.mark.parametrize("seed", range(12))
def test_money_is_conserved_and_trades_are_whole(seed: int) -> None:
    exchange, told = _busy(seed)
    totals = dict(exchange.opening)
    filled: dict[str, int] = {}
    for _, trade in exchange.trades:
        instrument = exchange.instruments[trade.instrument_id]
        fill, sign = trade.fill, trade.side.sign
        cash = Decimal(fill.lots * fill.price_ticks) * instrument.tick * instrument.lot
        flows = {instrument.quote: -sign * cash}
        if instrument.kind is InstrumentKind.SPOT:
            flows[instrument.base] = sign * instrument.qty(fill.lots)
        for asset, amount in (*flows.items(), (fill.fee_asset, -fill.fee)):
            totals[asset] = totals.get(asset, ZERO) + amount
        filled[trade.venue_order_id] = filled.get(trade.venue_order_id, 0) + fill.lots
    assert totals == exchange.balances
    assert len({trade.fill.trade_id for _, trade in exchange.trades}) == len(exchange.trades) > 20
    for order in exchange.orders.values():
        assert order.filled_lots == filled.get(order.venue_order_id, 0) <= order.qty_lots
        assert (order.status is ClaimStatus.FILLED) == (order.leaves == 0)
    if all(one.kind is InstrumentKind.SPOT for one in exchange.instruments.values()):
        assert min(exchange.balances.values()) >= 0
    assert [one for one in told if isinstance(one, TradeClaim)] == [
        trade for _, trade in exchange.trades
    ]


def test_quantities_only_grow_and_an_end_is_an_end() -> None:
    for seed in range(12):
        _, told = _busy(seed)
        last: dict[str, OrderClaim] = {}
        for claim in told:
            if not isinstance(claim, OrderClaim):
                continue
            before = last.get(claim.venue_order_id)
            if before is not None:
                assert not before.status.is_final
                assert claim.filled_lots >= before.filled_lots
            last[claim.venue_order_id] = claim


def test_the_past_can_be_asked_for() -> None:
    exchange, _ = _busy(3)
    assert exchange.trades_as_of(0) == []
    assert exchange.open_as_of(0) == []
    middle_ns = exchange.trades[len(exchange.trades) // 2][0]
    then = {one.asset: one.total for one in exchange.balances_as_of(middle_ns)}
    flows = dict(exchange.opening)
    for trade in exchange.trades_as_of(middle_ns):
        instrument = exchange.instruments[trade.instrument_id]
        flows["USDT"] -= trade.side.sign * instrument.notional(
            trade.fill.lots, trade.fill.price_ticks
        )
        flows[trade.fill.fee_asset] = flows.get(trade.fill.fee_asset, ZERO) - trade.fill.fee
    assert then["USDT"] == flows["USDT"]
    for order in exchange.orders.values():
        first_ns, first = order.history[0]
        assert exchange.order_as_of(order.client_order_id, first_ns - 1) is None
        found = exchange.order_as_of(order.client_order_id, first_ns)
        assert found is not None
        assert found.client_order_id == first.client_order_id
