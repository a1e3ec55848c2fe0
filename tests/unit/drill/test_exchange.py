"""Single rules of the drill exchange, each by the smallest market that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.core.clock import SimClock
from engine.domain.order import Side
from engine.drill.exchange import Exchange
from engine.drill.ledger import MARKET, Noted, OrderChanged, encode_entries, read_entries
from engine.drill.rate_limits import RateLimits, Verdict
from engine.drill.units import amount, text, units
from engine.drill.values import (
    Kind,
    Order,
    OrderAsked,
    Refusal,
    RefusalKind,
    SelfTrade,
    Status,
    Tif,
)
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_DEPTH, ROW_TRADE, SELL
from tests.support.drill import BTCUSDT, small_exchange

MONEY = {"USDT": Decimal(1_000_000), "BTC": Decimal(20)}
BID, ASK = 6_000_000, 6_000_100
"""Ticks of 0.01: 60,000 and 60,001."""
BOOK = [(0, ROW_DEPTH, BUY, BID, 1000), (0, ROW_DEPTH, SELL, ASK, 1000)]
"""0.01 BTC on each side."""


class Table:
    """An exchange and short words for what is done there. Quantities in lots of 0.00001."""

    def __init__(
        self,
        rows: Sequence[tuple[int, int, int, int, int]] = (),
        accounts: Sequence[str] = ("ann", "bob"),
        money: dict[str, Decimal] = MONEY,
        rules: Any = BTCUSDT,
        **fields: Any,
    ) -> None:
        self.exchange: Exchange
        self.clock: SimClock
        self.exchange, self.clock = small_exchange(
            dict.fromkeys(accounts, money), [*BOOK, *rows], rules, **fields
        )
        self.listing = self.exchange.listings["BTCUSDT"]
        self._orders = 0

    def place(
        self,
        account: str,
        side: Side,
        lots: int,
        price: int = 0,
        kind: Kind = Kind.LIMIT,
        **fields: Any,
    ) -> Order:
        self._orders += 1
        fields.setdefault("client_order_id", f"c{self._orders}")
        fields["trigger"] = fields.get("trigger", 0) * 1_000_000
        return self.exchange.place(
            account,
            OrderAsked(
                symbol="BTCUSDT",
                side=side,
                kind=kind,
                qty=lots * 1000,
                price=price * 1_000_000,
                **fields,
            ),
        )

    def wait(self, ms: int) -> None:
        self.clock.advance_to(self.clock.now_ns() + ms * 1_000_000)
        self.exchange.step()

    def refusal(self, *words: Any, **fields: Any) -> RefusalKind:
        before = len(self.exchange.ledger.entries)
        with pytest.raises(Refusal) as caught:
            self.place(*words, **fields)
        assert len(self.exchange.ledger.entries) == before
        return caught.value.kind


def lots(number: int) -> int:
    return number // 1000


# -- the queue -------------------------------------------------------------------------------------


def test_a_resting_order_waits_for_what_stands_ahead_of_it() -> None:
    table = Table([(100, ROW_TRADE, SELL, BID, 900), (200, ROW_TRADE, SELL, BID, 150)])
    order = table.place("ann", Side.BUY, 100, BID)
    table.wait(150)
    assert order.filled == 0
    table.wait(100)
    assert lots(order.filled) == 50
    assert order.trades[0].is_maker


def test_a_level_that_shrinks_below_its_queue_shortens_it() -> None:
    table = Table([(100, ROW_DEPTH, BUY, BID, 30), (200, ROW_TRADE, SELL, BID, 40)])
    order = table.place("ann", Side.BUY, 100, BID)
    table.wait(300)
    assert lots(order.filled) == 10


def test_orders_of_a_level_are_served_in_order_and_cancels_give_up_their_place() -> None:
    table = Table([(100, ROW_TRADE, SELL, BID, 1150)])
    first = table.place("ann", Side.BUY, 100, BID)
    second = table.place("bob", Side.BUY, 100, BID)
    third = table.place("ann", Side.BUY, 100, BID)
    table.exchange.cancel(first)
    table.wait(200)
    assert (first.status, lots(second.filled), lots(third.filled)) == (Status.CANCELED, 100, 50)


def test_the_market_quoting_through_an_order_trades_with_it_first() -> None:
    table = Table([(100, ROW_DEPTH, SELL, BID - 50, 70)])
    order = table.place("ann", Side.BUY, 100, BID - 20)
    table.wait(200)
    assert lots(order.filled) == 70
    assert {trade.price for trade in order.trades} == {order.price}
    assert table.listing.asks.best == ASK * 1_000_000


def test_what_a_taker_took_is_gone_until_the_market_says_otherwise() -> None:
    table = Table([(100, ROW_DEPTH, SELL, ASK, 1000)])
    table.place("ann", Side.BUY, 1000, kind=Kind.MARKET)
    assert table.listing.asks.best is None
    table.wait(200)
    assert table.listing.asks.best == ASK * 1_000_000


def test_a_clear_takes_the_market_away_and_leaves_orders() -> None:
    table = Table([(100, ROW_CLEAR, BUY, BID - 100, 0)])
    order = table.place("ann", Side.BUY, 10, BID - 50)
    table.wait(200)
    assert table.listing.bids.levels(9) == [(order.price, order.leaves)]


def test_the_taker_meets_the_market_in_front_of_an_order_and_then_the_order() -> None:
    table = Table()
    resting = table.place("ann", Side.SELL, 500, ASK)
    taking = table.place("bob", Side.BUY, 1200, ASK)
    assert [(lots(each.qty), each.is_maker) for each in taking.trades] == [
        (1000, False),
        (200, False),
    ]
    assert lots(resting.filled) == 200


# -- how orders end --------------------------------------------------------------------------------


def test_ioc_takes_what_is_there_and_fok_only_the_whole() -> None:
    table = Table()
    ioc = table.place("ann", Side.BUY, 1500, ASK, tif=Tif.IOC)
    assert (ioc.status, lots(ioc.filled)) == (Status.EXPIRED, 1000)
    table = Table()
    fok = table.place("ann", Side.BUY, 1500, ASK, tif=Tif.FOK)
    assert (fok.status, fok.filled) == (Status.EXPIRED, 0)
    assert table.place("ann", Side.BUY, 1000, ASK, tif=Tif.FOK).status is Status.FILLED


def test_a_market_order_beyond_the_book_expires_with_what_it_got() -> None:
    order = Table().place("ann", Side.SELL, 1500, kind=Kind.MARKET)
    assert (order.status, lots(order.filled)) == (Status.EXPIRED, 1000)


def test_stops_trigger_on_the_last_trade_one_after_the_other() -> None:
    rows = [
        (50, ROW_TRADE, SELL, BID, 1),
        (100, ROW_DEPTH, BUY, BID - 10, 5000),
        (110, ROW_TRADE, SELL, BID - 1, 1),
    ]
    table = Table(rows)
    table.wait(60)
    first = table.place("ann", Side.SELL, 2000, kind=Kind.STOP_LOSS, trigger=BID - 1)
    limit = table.place("bob", Side.SELL, 100, BID - 5, kind=Kind.STOP_LOSS_LIMIT, trigger=BID - 2)
    assert (first.is_parked, limit.is_parked, lots(limit.locked)) == (True, True, 100)
    table.wait(100)
    # The first one's own trades reach the second one's trigger.
    assert (first.status, lots(first.filled)) == (Status.FILLED, 2000)
    assert limit.is_triggered
    assert (limit.status, table.listing.asks.best_own) == (Status.NEW, limit.price)


def test_a_triggered_stop_that_cannot_be_paid_ends() -> None:
    table = Table(
        [(50, ROW_TRADE, BUY, ASK, 1), (100, ROW_DEPTH, SELL, ASK + 500_000, 5000)],
        money={"USDT": Decimal(700)},
    )
    table.wait(60)
    stop = table.place("ann", Side.BUY, 1100, kind=Kind.STOP_LOSS, trigger=ASK + 100)
    table.exchange.deposit("bob", "USDT", Decimal(5000))
    table.wait(100)
    table.place("bob", Side.BUY, 1100, kind=Kind.MARKET)
    assert (stop.status, stop.reason) == (Status.EXPIRED, "no funds")
    assert 0 < stop.filled < stop.qty
    assert table.exchange.wallets.assets("ann")["USDT"].locked == 0


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        (SelfTrade.NONE, Status.PARTIALLY_FILLED, Status.FILLED),
        (SelfTrade.EXPIRE_MAKER, Status.EXPIRED_IN_MATCH, Status.NEW),
        (SelfTrade.EXPIRE_TAKER, Status.NEW, Status.EXPIRED_IN_MATCH),
        (SelfTrade.EXPIRE_BOTH, Status.EXPIRED_IN_MATCH, Status.EXPIRED_IN_MATCH),
        (SelfTrade.DECREMENT, Status.NEW, Status.EXPIRED_IN_MATCH),
    ],
)
def test_an_account_meets_itself(mode: SelfTrade, maker: Status, taker: Status) -> None:
    table = Table()
    resting = table.place("ann", Side.SELL, 100, ASK - 50)
    taking = table.place("ann", Side.BUY, 40, ASK - 50, self_trade=mode)
    assert (resting.status, taking.status) == (maker, taker)
    assert lots(resting.leaves) == (60 if mode in (SelfTrade.NONE, SelfTrade.DECREMENT) else 100)
    held = table.exchange.wallets.assets("ann")
    assert lots(held["BTC"].locked) == (lots(resting.leaves) if maker.is_open else 0)


# -- fees ------------------------------------------------------------------------------------------


def test_fees_come_off_what_is_received() -> None:
    table = Table(maker=Decimal("0.0005"), taker=Decimal("0.001"))
    bought = table.place("ann", Side.BUY, 1000, kind=Kind.MARKET)
    sold = table.place("bob", Side.SELL, 1000, kind=Kind.MARKET)
    assert [(text(each.fee), each.fee_asset) for each in bought.trades] == [("0.00001000", "BTC")]
    assert [(text(each.fee), each.fee_asset) for each in sold.trades] == [("0.60000000", "USDT")]
    assert amount(table.exchange.wallets.free("ann", "BTC")) == Decimal("20.00999")


def test_the_fee_asset_runs_out_inside_one_order() -> None:
    # One fee asset is 600 USDT: the first level's fee is 0.6 USDT x 0.75 / 600.
    rows = [(10, ROW_DEPTH, BUY, BID - 1, 1000)]
    table = Table(rows, money=MONEY | {"BNB": Decimal("0.001")}, burns_fee_asset=True)
    table.wait(20)
    order = table.place("ann", Side.SELL, 2000, kind=Kind.MARKET)
    assert [(text(each.fee), each.fee_asset) for each in order.trades] == [
        ("0.00075000", "BNB"),
        ("0.59999990", "USDT"),
    ]
    assert text(table.exchange.wallets.free("ann", "BNB")) == "0.00025000"


# -- filters ---------------------------------------------------------------------------------------


def test_filters_refuse_and_change_nothing() -> None:
    table = Table()
    buy = Side.BUY
    K = RefusalKind
    assert table.refusal("ann", buy, 1, BID) is K.BAD_NOTIONAL
    assert table.refusal("ann", buy, 10**12, BID) is K.BAD_QTY
    assert table.refusal("ann", buy, 30_000_000, kind=Kind.MARKET) is K.BAD_MARKET_QTY
    assert table.refusal("ann", buy, 100, BID * 6) is K.BAD_PERCENT_PRICE
    assert table.refusal("ann", buy, 100, 10**9) is K.BAD_PRICE
    assert table.refusal("ann", buy, 5_000_000, BID) is K.NO_FUNDS
    assert table.refusal("ann", Side.SELL, 5_000_000, ASK) is K.NO_FUNDS
    assert table.refusal("ann", buy, 100, ASK, kind=Kind.LIMIT_MAKER) is K.WOULD_TAKE
    stop = Kind.STOP_LOSS
    assert table.refusal("ann", buy, 100, kind=stop, trigger=BID) is K.WOULD_TRIGGER


def test_rules_that_change_bind_new_orders() -> None:
    table = Table()
    table.place("ann", Side.BUY, 100, BID - 100, client_order_id="same")
    K = RefusalKind
    assert table.refusal("ann", Side.BUY, 100, BID, client_order_id="same") is K.DUPLICATE_ID
    table.place("bob", Side.BUY, 100, BID - 100, client_order_id="same")
    for changes, kind in (
        ({"max_orders": 1}, K.TOO_MANY_ORDERS),
        ({"max_position": Decimal("20.0015")}, K.MAX_POSITION),
        ({"tick": Decimal(10)}, K.BAD_PRICE),
        ({"lot": Decimal("0.01")}, K.BAD_QTY),
        ({"status": "BREAK"}, K.NOT_TRADING),
    ):
        before = table.listing.rules
        table.listing.rules = msgspec.structs.replace(before, **changes)
        assert table.refusal("ann", Side.BUY, 100, BID - 101) is kind
        table.listing.rules = before
    stop = {"kind": Kind.STOP_LOSS, "trigger": BID - 500}
    for _ in range(BTCUSDT.max_stops):
        table.place("ann", Side.SELL, 100, **stop)
    assert table.refusal("ann", Side.SELL, 100, **stop) is K.TOO_MANY_STOPS


# -- the books -------------------------------------------------------------------------------------


def test_the_ledger_reads_back_and_leaves_a_torn_line_out() -> None:
    table = Table()
    table.place("ann", Side.BUY, 100, kind=Kind.MARKET)
    table.exchange.ledger.note(1, "a fault")
    entries = table.exchange.ledger.entries
    lines = encode_entries(entries)
    assert read_entries(lines) == entries
    assert read_entries(lines[:-3]) == entries[:-1]
    assert isinstance(entries[-1], Noted)
    changes = [each.change for each in entries if isinstance(each, OrderChanged)]
    assert changes == ["NEW", "TRADE"]
    assert table.exchange.ledger.totals[MARKET, "USDT"] > 0


def test_units_are_exact_or_refused() -> None:
    assert units("x", Decimal("0.00000001")) == 1
    assert text(-150_000_000) == "-1.50000000"
    with pytest.raises(Exception, match="at most eight decimals"):
        units("x", Decimal("0.000000001"))


# -- limits ----------------------------------------------------------------------------------------

MINUTE_NS = 60_000_000_000


def test_weight_is_counted_by_the_minute_and_ignoring_a_429_earns_a_ban() -> None:
    limits = RateLimits(weight_max=10)
    assert limits.ask(10, 0).status == 200
    assert limits.ask(1, 1) == Verdict(429, MINUTE_NS)
    for _ in range(9):
        assert limits.ask(1, 2).status == 429
    ban = limits.ask(1, 3)
    assert ban == Verdict(418, 3 + 2 * MINUTE_NS)
    assert limits.ask(1, MINUTE_NS).status == 418
    assert limits.ask(1, ban.until_ns).status == 200
    assert limits.weight_used == 1


def test_orders_are_counted_by_account() -> None:
    limits = RateLimits(orders_10s_max=2, orders_day_max=3)
    assert [limits.ask_order("ann", 0) for _ in range(3)] == [True, True, False]
    assert limits.ask_order("bob", 0)
    assert limits.ask_order("ann", 10_000_000_000)
    assert not limits.ask_order("ann", 20_000_000_000)
