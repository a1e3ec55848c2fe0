"""The drill exchange keeps its own books: whatever is asked of it, nothing is lost or made."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.order import Side
from engine.drill.exchange import Exchange
from engine.drill.ledger import Moved, Traded, encode_entries, read_entries
from engine.drill.settlement import FEE_ASSET
from engine.drill.units import ONE, value
from engine.drill.values import Kind, Order, OrderAsked, Refusal, SelfTrade, Status, Tif
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_TRADE, SELL
from tests.support.drill import BTCUSDT, small_exchange

MONEY = {"USDT": Decimal(30_000), "BTC": Decimal("0.5"), "BNB": Decimal("0.005")}
MID = 6_000_000
"""Ticks of 0.01."""
NAMES = ("ann", "bob")
MS = 1_000_000

sides = st.sampled_from((Side.BUY, Side.SELL))
near = st.integers(MID - 6, MID + 6)


class Step(NamedTuple):
    """An order, a cancel of the n-th open order, or time that passes."""

    account: str = ""
    asked: OrderAsked | None = None
    cancels: int = -1
    waits_ms: int = 0


@st.composite
def orders(draw: st.DrawFn) -> Step:
    kind = draw(st.sampled_from([*Kind, Kind.LIMIT, Kind.LIMIT]))
    tif = Tif.GTC
    if kind.has_price and kind is not Kind.LIMIT_MAKER:
        tif = draw(st.sampled_from(list(Tif)))
    by_value = kind is Kind.MARKET and draw(st.booleans())
    return Step(
        account=draw(st.sampled_from(NAMES)),
        asked=OrderAsked(
            symbol="BTCUSDT",
            side=draw(sides),
            kind=kind,
            qty=0 if by_value else draw(st.integers(10, 12_000)) * 1000,
            quote_qty=draw(st.integers(6, 9_000)) * ONE if by_value else 0,
            price=draw(near) * MS if kind.has_price else 0,
            trigger=draw(near) * MS if kind.has_trigger else 0,
            tif=tif,
            client_order_id=f"c{draw(st.integers(0, 40))}",
            self_trade=draw(st.sampled_from([None, *SelfTrade, SelfTrade.DECREMENT])),
        ),
    )


steps = st.lists(
    st.one_of(
        orders(),
        orders(),
        orders(),
        st.builds(Step, cancels=st.integers(0, 20)),
        st.builds(Step, waits_ms=st.integers(1, 400)),
    ),
    min_size=25,
    max_size=50,
)
rows = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.sampled_from((ROW_DEPTH, ROW_DEPTH, ROW_TRADE, ROW_CLEAR)),
        st.sampled_from((BUY, SELL)),
        near,
        st.integers(1, 20_000),
    ),
    min_size=10,
    max_size=60,
)
first_rows = [
    (0, ROW_DEPTH, side, MID - side * distance, lots)
    for side in (BUY, SELL)
    for distance, lots in ((1, 4000), (2, 9000), (5, 30_000))
]


def _run(exchange: Exchange, clock: object, script: Sequence[Step]) -> None:
    for step in script:
        if step.asked is not None:
            # A refusal changes nothing: `_check_books` looks.
            with contextlib.suppress(Refusal):
                exchange.place(step.account, step.asked)
        elif step.cancels >= 0:
            working = exchange.open_orders()
            if working:
                exchange.cancel(working[step.cancels % len(working)], "gone")
        else:
            clock.advance_to(clock.now_ns() + step.waits_ms * MS)  # type: ignore[attr-defined]
            exchange.step()
        _check_books(exchange)


def _check_books(exchange: Exchange) -> None:
    totals = exchange.ledger.totals
    by_asset: defaultdict[str, int] = defaultdict(int)
    for (_, asset), held in totals.items():
        by_asset[asset] += held
    assert set(by_asset.values()) <= {0}
    listing = exchange.listings["BTCUSDT"]
    locked: defaultdict[tuple[str, str], int] = defaultdict(int)
    for order in exchange.open_orders():
        assert order.status.is_open
        assert order.leaves > 0
        limit = order.price if order.kind.has_price else order.trigger
        is_sell = order.side is Side.SELL
        assert order.locked == (order.leaves if is_sell else value(limit, order.leaves))
        locked[order.account, "BTC" if is_sell else "USDT"] += order.locked
    for name in NAMES:
        for asset, holding in exchange.wallets.assets(name).items():
            assert holding.free >= 0
            assert holding.locked == locked[name, asset]
            assert holding.free + holding.locked == totals[name, asset]
    for order in exchange.orders.values():
        _check_order(order)
    bid, ask = listing.bids.best_own, listing.asks.best_own
    if bid is not None and ask is not None and bid >= ask:
        # Only orders of one account that may not, but need not, meet can lie like this.
        raise AssertionError(f"orders that should have met: {bid} {ask}")


def _check_order(order: Order) -> None:
    assert order.filled == sum(trade.qty for trade in order.trades)
    assert order.filled_value == sum(value(trade.price, trade.qty) for trade in order.trades)
    assert order.filled + order.prevented <= order.qty
    if order.filled == order.qty:
        assert order.status is Status.FILLED
    if order.status is Status.FILLED:
        assert order.leaves == 0  # What was prevented is not coming any more.
    if not order.status.is_open:
        assert order.locked == 0
    for trade in order.trades:
        if order.price:
            is_within = (
                trade.price <= order.price if order.side is Side.BUY else trade.price >= order.price
            )
            assert is_within
        if order.kind is Kind.LIMIT_MAKER:
            assert trade.is_maker
    if order.tif is Tif.FOK and not order.kind.has_trigger:
        assert order.filled in (0, order.qty - order.prevented)


@settings(max_examples=150)
@given(script=steps, market=rows, burns=st.booleans())
def test_money_is_neither_lost_nor_made(
    script: list[Step], market: list[tuple[int, int, int, int, int]], burns: bool
) -> None:
    exchange, clock = small_exchange(
        dict.fromkeys(NAMES, MONEY),
        [*first_rows, *sorted(market)],
        msgspec.structs.replace(BTCUSDT, max_stops=50),
        burns_fee_asset=burns,
    )
    _run(exchange, clock, script)
    entries = exchange.ledger.entries
    assert read_entries(encode_entries(entries)) == entries
    _check_fees(exchange)


def _check_fees(exchange: Exchange) -> None:
    """Every fee of every trade was moved, in its asset, and nothing else was."""
    told: defaultdict[str, int] = defaultdict(int)
    moved: defaultdict[str, int] = defaultdict(int)
    for entry in exchange.ledger.entries:
        if isinstance(entry, Traded):
            trade = entry.trade
            told[trade.fee_asset] += trade.fee
            received = trade.qty if trade.side is Side.BUY else value(trade.price, trade.qty)
            if trade.fee_asset != FEE_ASSET:
                assert trade.fee == received // 1000
        elif isinstance(entry, Moved) and entry.reason == "fee":
            moved[entry.move.asset] += entry.move.amount
    assert {k: v for k, v in told.items() if v} == dict(moved)


# -- price and time, against a matcher that is too simple to be wrong -----------------------------


class Plain(NamedTuple):
    number: int
    account: str
    side: Side
    price: int
    leaves: int


@st.composite
def limits(draw: st.DrawFn) -> tuple[str, Side, int, int]:
    return (
        draw(st.sampled_from(NAMES)),
        draw(sides),
        draw(st.integers(MID - 3, MID + 3)),
        draw(st.integers(10, 60)),
    )


@settings(max_examples=150)
@given(st.lists(limits(), min_size=10, max_size=40))
def test_accounts_meet_by_price_then_time(script: list[tuple[str, Side, int, int]]) -> None:
    rules = msgspec.structs.replace(BTCUSDT, self_trade=SelfTrade.NONE)
    exchange, _ = small_exchange(dict.fromkeys(NAMES, MONEY), (), rules)
    book: list[Plain] = []
    expected: list[tuple[int, int, int, int]] = []
    numbers: dict[int, int] = {}
    for number, (account, side, price, lots) in enumerate(script):
        order = OrderAsked(
            symbol="BTCUSDT",
            side=side,
            kind=Kind.LIMIT,
            qty=lots * 1000,
            price=price * MS,
            client_order_id=f"c{number}",
        )
        try:
            placed = exchange.place(account, order)
        except Refusal:
            continue  # Out of money; the plain matcher has none to run out of.
        numbers[placed.order_id] = number
        book, met = _plain(book, Plain(number, account, side, price, lots))
        expected += met
    takers = [
        entry.trade
        for entry in exchange.ledger.entries
        if isinstance(entry, Traded) and not entry.trade.is_maker
    ]
    makers = [
        entry.trade
        for entry in exchange.ledger.entries
        if isinstance(entry, Traded) and entry.trade.is_maker
    ]
    assert expected == [
        (numbers[taker.order_id], numbers[maker.order_id], taker.price // MS, taker.qty // 1000)
        for taker, maker in zip(takers, makers, strict=True)
    ]
    assert [(row.price, row.leaves) for row in book if row.side is Side.BUY] == [
        (order.price // MS, order.leaves // 1000)
        for order in exchange.open_orders()
        if order.side is Side.BUY
    ]


def _plain(book: list[Plain], taker: Plain) -> tuple[list[Plain], list[tuple[int, int, int, int]]]:
    """The book afterwards, oldest first, and (taker, maker, price, lots) of what traded."""
    is_buy, met = taker.side is Side.BUY, []
    facing = [row for row in book if row.side is not taker.side]
    facing.sort(key=lambda row: (row.price if is_buy else -row.price, row.number))
    left = {row.number: row for row in book}
    for row in facing:
        crosses = row.price <= taker.price if is_buy else row.price >= taker.price
        lots = min(row.leaves, taker.leaves)
        if not crosses or not lots:
            break
        met.append((taker.number, row.number, row.price, lots))
        taker = taker._replace(leaves=taker.leaves - lots)
        left[row.number] = row._replace(leaves=row.leaves - lots)
    return [row for row in [*left.values(), taker] if row.leaves], met
