"""What the ticket says an order would do, against a walk lot by lot."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.views.truth import truth, truth_words, walk
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.domain.snapshots import MarketSnapshot
from tests.support.builders import linear
from tests.support.session import BTC, MID, a_limit, a_market

LIMITS = [a_limit("daily_loss", "0", "1000", "USDT")]


def a_book(**changes: object) -> MarketSnapshot:
    """0.010 at each of five ticks on both sides; maker 0.02 %, taker 0.05 %."""
    fields: dict[str, object] = {
        "bids": [(MID - at, 10) for at in range(5)],
        "asks": [(MID + 1 + at, 10) for at in range(5)],
        "maker_rate": Decimal("0.0002"),
        "taker_rate": Decimal("0.0005"),
    }
    return a_market(**{**fields, **changes})


def an_order(side: Side, lots: int, ticks: int = 0, **changes: object) -> OrderSpec:
    fields: dict[str, object] = {
        "instrument_id": BTC,
        "side": side,
        "qty_lots": lots,
        "price_ticks": ticks,
        "type": OrderType.LIMIT if ticks else OrderType.MARKET,
        "tif": TimeInForce.GTC if ticks else TimeInForce.IOC,
    }
    return OrderSpec(**{**fields, **changes})  # type: ignore[arg-type]


def words(spec: OrderSpec, market: MarketSnapshot | None = None) -> str:
    return " | ".join(truth_words(spec, market or a_book(), linear(), LIMITS))


levels = st.lists(st.integers(1, 50), min_size=1, max_size=12)


@given(levels, st.sampled_from(Side), st.integers(1, 400), st.integers(-3, 15) | st.none())
def test_the_walk_is_lot_by_lot(sizes: list[int], side: Side, lots: int, reach: int | None) -> None:
    """Each lot goes to the best level that has one left, until the limit."""
    touch = MID if side is Side.SELL else MID + 1
    book = [(touch + side.sign * at, size) for at, size in enumerate(sizes)]
    limit = touch + side.sign * reach if reach is not None else 0
    wanted: dict[int, int] = {}
    left = dict(book)
    for _ in range(lots):
        best = next((ticks for ticks, _ in book if left[ticks]), None)
        if best is None or (limit and side.sign * (best - limit) > 0):
            break
        left[best] -= 1
        wanted[best] = wanted.get(best, 0) + 1
    assert dict(walk(book, an_order(side, lots, limit))) == wanted


def test_a_buy_through_two_levels() -> None:
    """0.010 at 60,012.6 and 0.005 at 60,012.7; the mid is 60,012.55."""
    found = truth(an_order(Side.BUY, 15), a_book(), linear(), LIMITS)
    assert found is not None
    assert (found.at_once_lots, found.rest_lots, found.worst_ticks) == (15, 0, MID + 2)
    value = Decimal("0.010") * Decimal("60012.6") + Decimal("0.005") * Decimal("60012.7")
    assert found.taker_fee == value * Decimal("0.0005")
    assert found.cost == value - Decimal("0.015") * Decimal("60012.55")
    assert found.slippage_bp == pytest.approx(Decimal("0.01388"), abs=Decimal("0.0001"))
    assert found.daily_share_pct == (found.cost + found.taker_fee) / 10


@given(st.sampled_from(Side), st.integers(1, 60))
def test_crossing_always_costs(side: Side, lots: int) -> None:
    """Both sides alike: what is taken is never better than the mid."""
    found = truth(an_order(side, lots), a_book(), linear(), LIMITS)
    assert found is not None
    assert found.cost > 0
    assert found.slippage_bp is not None
    assert found.slippage_bp > 0
    assert found.is_beyond_book == (lots > 50)
    assert found.at_once_lots + found.rest_lots == lots


def test_what_is_said() -> None:
    assert words(an_order(Side.BUY, 5, MID - 2)) == (
        "0.005 rests @ 60,012.3 behind 0.010 | costs 0.06 USDT of fee when it fills, as maker"
    )
    assert "0.010 fills at once @ 60,012.6 on average" in words(an_order(Side.BUY, 25, MID + 1))
    assert "0.015 rests @ 60,012.6" in words(an_order(Side.BUY, 25, MID + 1))
    assert "0.010 is dropped" in words(an_order(Side.BUY, 20, MID + 1, tif=TimeInForce.IOC))
    assert "shown book ends" in words(an_order(Side.SELL, 90))


def test_what_the_venue_would_refuse_is_said_before_it_is_sent() -> None:
    post = an_order(Side.BUY, 5, MID + 1, tif=TimeInForce.POST_ONLY)
    assert words(post) == "post-only, and it would cross the book: the venue refuses it"
    fok = an_order(Side.SELL, 25, MID - 1, tif=TimeInForce.FOK)
    assert "only 0.020 stands within its limit" in words(fok)


def test_what_cannot_be_known_is_not_claimed() -> None:
    stop = an_order(Side.SELL, 5, trigger_ticks=MID - 50, type=OrderType.STOP)
    assert "its price is not known now" in words(stop)
    assert "has not both sides" in words(an_order(Side.BUY, 5), a_book(asks=[]))
    rates_unknown = a_book(maker_rate=None, taker_rate=None)
    assert "the fee is not known" in words(an_order(Side.BUY, 5), rates_unknown)
    deep = an_order(Side.BUY, 5, MID - 400)
    assert "behind" not in words(deep), "the shown book does not reach that price"


def test_a_rebate_is_negative() -> None:
    market = a_book(maker_rate=Decimal("-0.0001"))
    found = truth(an_order(Side.BUY, 5, MID - 2), market, linear())
    assert found is not None
    assert found.maker_fee is not None
    assert found.maker_fee < 0
    assert found.daily_share_pct is None
    assert msgspec.structs.asdict(found)["at_once_lots"] == 0
