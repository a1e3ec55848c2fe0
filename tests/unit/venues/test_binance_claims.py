"""Binance's own samples through the parsers, and rubbish."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.claims import (
    BalanceClaim,
    CashKind,
    ClaimStatus,
    OrderClaim,
    PositionClaim,
    TradeClaim,
)
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import OrderSpec, OrderType, Side
from engine.domain.text import is_symbol
from engine.venues.binance import spot_claims, usdm_claims
from engine.venues.binance.permissions import read_permissions
from engine.venues.binance.rules import read_exchange_info, read_symbol
from engine.venues.binance.usdm_claims import ALGO, AlgoLinks
from engine.venues.fields import Unreadable, decode
from engine.venues.fills import unknown_worth
from tests.support.shared import DATA, needs_shared

pytestmark = needs_shared

SAMPLES = DATA / "samples" / "binance"


def _sample(path: str) -> Any:
    return decode((SAMPLES / path).read_bytes())


class _Any(dict[str, Instrument]):
    """Every symbol is known, with steps fine enough for all samples."""

    def __init__(self, kind: InstrumentKind, lot: str = "0.00000001") -> None:
        super().__init__()
        self._kind, self._lot = kind, Decimal(lot)

    def get(self, symbol: str, default: Any = None) -> Any:
        if not is_symbol(symbol):
            return default
        venue = "binance_spot" if self._kind is InstrumentKind.SPOT else "binance_usdm"
        return Instrument(
            instrument_id=f"{venue}.{symbol}",
            venue=venue,
            symbol=symbol,
            kind=self._kind,
            base=symbol[:3],
            quote=symbol[3:7],
            tick=Decimal("0.00000001"),
            lot=self._lot,
        )


SPOT = _Any(InstrumentKind.SPOT)
USDM = _Any(InstrumentKind.LINEAR)


def _spot(event: Any) -> list[Any]:
    return list(spot_claims.read_event(event.get("event", event), SPOT, unknown_worth))


def _usdm(event: Any) -> list[Any]:
    return list(usdm_claims.read_event(event, USDM, unknown_worth, AlgoLinks()))


# -- every sample ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("spot/user_data_json/*")), ids=lambda p: p.stem
)
def test_spot_stream_samples(path: Path) -> None:
    news = _spot(decode(path.read_bytes()))
    # An order list says nothing that its orders do not say themselves.
    assert bool(news) is not path.stem.startswith("list_status")


@pytest.mark.parametrize(
    "path", sorted(SAMPLES.glob("futures/user_data_json/*")), ids=lambda p: p.stem
)
def test_usdm_stream_samples(path: Path) -> None:
    news = _usdm(decode(path.read_bytes()))
    assert bool(news) is (path.stem != "trade_lite")


def _each(read: Callable[[Any, Instrument], Any]) -> Callable[[Any], Any]:
    return lambda rows: [read(row, SPOT.get(row["symbol"])) for row in rows if "orderId" in row]


_SPEC = OrderSpec(instrument_id="x", side=Side.SELL, qty_lots=1)
PRIVATE_ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    "spot/http_json/account_response.json": spot_claims.read_account,
    "spot/http_json/account_trades_response.json": _each(
        lambda row, instrument: spot_claims.read_trade(row, instrument, unknown_worth)
    ),
    "spot/http_json/all_orders_response.json": _each(spot_claims.read_order),
    "spot/http_json/open_orders_response.json": _each(spot_claims.read_order),
    "spot/http_json/cancel_open_orders_response.json": _each(spot_claims.read_order),
    "spot/http_json/order_response.json": lambda row: spot_claims.read_order(
        row, SPOT.get(row["symbol"])
    ),
    "spot/http_json/cancel_order_response.json": lambda row: spot_claims.read_order(
        row, SPOT.get(row["symbol"])
    ),
    "spot/http_json/new_order_full_response.json": lambda row: spot_claims.read_placed(
        row, _SPEC, SPOT.get(row["symbol"]), unknown_worth
    ),
    "futures/http_json/balance.json": usdm_claims.read_balances,
    "futures/http_json/position_risk.json": lambda rows: usdm_claims.read_positions(rows, USDM),
    "futures/http_json/account_info_v2.json": lambda body: usdm_claims.read_positions(
        body["positions"], USDM
    ),
    "futures/http_json/order_response.json": lambda row: usdm_claims.read_order(
        row, USDM.get(row["symbol"]), AlgoLinks()
    ),
    "futures/http_json/open_algo_orders.json": lambda rows: [
        usdm_claims.read_algo_order(row, USDM.get(row["symbol"]), AlgoLinks()) for row in rows
    ],
}


@pytest.mark.parametrize("path", PRIVATE_ANSWERS)
def test_private_answers(path: str) -> None:
    assert PRIVATE_ANSWERS[path](_sample(path))


def test_public_answers_are_json_without_floats() -> None:
    paths = sorted(SAMPLES.glob("*/*/*.json"))
    assert len(paths) > 40
    for path in paths:
        assert not list(_floats(decode(path.read_bytes()))), path


def _floats(value: Any) -> Any:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _floats(item)


# -- what they say -----------------------------------------------------------------------------


def test_a_spot_trade() -> None:
    trade, claim = _spot(_sample("spot/user_data_json/execution_report_trade.json"))
    assert isinstance(trade, TradeClaim)
    assert isinstance(claim, OrderClaim)
    assert trade.fill.trade_id == "98765432"
    assert trade.fill.fee == Decimal("0.001")
    assert (trade.fill.fee_asset, trade.fill.fee_worth) == ("ETH", Decimal("2.5"))
    assert trade.fill.is_maker
    assert (claim.status, claim.filled_lots, claim.qty_lots) == (ClaimStatus.FILLED, 10**8, 10**8)


def test_the_id_of_a_cancelled_order_is_not_that_of_the_request() -> None:
    event = {
        **_sample("spot/user_data_json/execution_report_canceled.json"),
        "c": "cancel-request",
        "C": "q0",
    }
    [claim] = _spot(event)
    assert (claim.client_order_id, claim.status) == ("q0", ClaimStatus.CANCELED)
    answer = _sample("spot/http_json/cancel_order_response.json")
    assert spot_claims.read_order(answer, SPOT.get("LTCBTC")).client_order_id == "myOrder1"


def test_a_spot_end_gives_its_reason() -> None:
    [claim] = _spot(_sample("spot/user_data_json/execution_report_expired.json"))
    assert (claim.status, claim.words) == (ClaimStatus.EXPIRED, "INSUFFICIENT_LIQUIDITY")
    self_trade = {**_sample("spot/user_data_json/execution_report_expired.json")}
    self_trade |= {"X": "EXPIRED_IN_MATCH"}
    [claim] = _spot(self_trade)
    assert (claim.status, claim.words) == (ClaimStatus.EXPIRED, "EXPIRED_IN_MATCH")


def test_a_strange_status_is_told_as_such() -> None:
    event = {**_sample("spot/user_data_json/execution_report_new.json"), "X": "HALF_DONE"}
    [claim] = _spot(event)
    assert (claim.status, claim.words) == (ClaimStatus.STRANGE, "HALF_DONE")
    assert not claim.status.is_final


def test_spot_balances_and_transfers() -> None:
    [usdt, eth] = _spot(_sample("spot/user_data_json/account_position.json"))
    assert usdt == BalanceClaim(
        asset="USDT",
        total=Decimal(12500),
        free=Decimal(10000),
        venue_ns=1709654400000 * 1_000_000,
    )
    [cash] = _spot(_sample("spot/user_data_json/balance_update.json"))
    assert (cash.kind, cash.asset, cash.amount) == (CashKind.TRANSFER, "BTC", Decimal("0.001"))
    assert eth.asset == "ETH"


def test_assets_of_any_script_and_none_that_could_harm() -> None:
    def held(name: str) -> Any:
        row = {"asset": name, "free": "1", "locked": "0"}
        return spot_claims.read_account({"balances": [row], "updateTime": 1})

    assert held("币安人生")[0].asset == "币安人生"
    assert held("1000SATS")[0].asset == "1000SATS"
    for name in ("", "BTC ", "B\x1bTC", "B\u202eTC", "X" * 41):
        with pytest.raises(Unreadable):
            held(name)


def test_fills_of_a_placed_order_add_up() -> None:
    row = _sample("spot/http_json/new_order_full_response.json")
    instrument = SPOT.get("BTCUSDT")
    claim, trades = spot_claims.read_placed(row, _SPEC, instrument, unknown_worth)
    assert (
        sum(trade.fill.lots for trade in trades)
        == claim.filled_lots
        == instrument.lots(Decimal(10))
    )
    assert {trade.side for trade in trades} == {Side.SELL}
    assert sum(trade.fill.fee for trade in trades) == Decimal("39.983")


def test_a_usdm_trade() -> None:
    trade, claim = _usdm(_sample("futures/user_data_json/order_update_trade_partial.json"))
    assert trade.fill.fee == Decimal("0.01")
    assert trade.fill.fee_worth is None
    assert (claim.status, claim.filled_lots * 2) == (ClaimStatus.PARTIAL, claim.qty_lots)


@pytest.mark.parametrize("name", ["calculated", "adl", "insurance"])
def test_the_venues_own_closing_orders_are_fills(name: str) -> None:
    trade, claim = _usdm(_sample(f"futures/user_data_json/order_update_{name}.json"))
    assert trade.fill.lots == claim.filled_lots == claim.qty_lots
    assert claim.status is ClaimStatus.FILLED


def test_a_closing_order_that_has_not_traded_is_no_fill() -> None:
    [claim] = _usdm(_sample("futures/user_data_json/order_update_calculated_pending.json"))
    assert (claim.status, claim.filled_lots) == (ClaimStatus.OPEN, 0)


def test_an_algo_order_and_what_it_became() -> None:
    links = AlgoLinks()
    waiting = _sample("futures/user_data_json/algo_update_new.json")
    [claim] = usdm_claims.read_event(waiting, USDM, unknown_worth, links)
    assert isinstance(claim, OrderClaim)
    assert claim.venue_order_id == f"{ALGO}2148719"
    assert not claim.is_triggered
    triggered = {**waiting, "o": {**waiting["o"], "X": "TRIGGERED", "ai": "8886774"}}
    [claim] = usdm_claims.read_event(triggered, USDM, unknown_worth, links)
    assert isinstance(claim, OrderClaim)
    assert claim.is_triggered
    assert claim.venue_order_id == "8886774"
    trade = _sample("futures/user_data_json/order_update_trade.json")
    for news in usdm_claims.read_event(trade, USDM, unknown_worth, links):
        assert isinstance(news, OrderClaim | TradeClaim)
        assert news.client_order_id == "Q5xaq5EGKgXXa0fD7fs0Ip"


def test_positions_of_hedge_mode_are_told_as_their_sum_only() -> None:
    news = _usdm(_sample("futures/user_data_json/account_update.json"))
    assert [type(item) for item in news] == [BalanceClaim]
    rows = [
        {"symbol": "BTCUSDT", "positionAmt": amount, "entryPrice": "1", "positionSide": side}
        for side, amount in (("LONG", "0.002"), ("SHORT", "-0.0005"))
    ]
    [position] = usdm_claims.read_positions(rows, USDM)
    assert isinstance(position, PositionClaim)
    assert position.lots == USDM.get("BTCUSDT").lots(Decimal("0.0015"))
    assert position.entry_price is None


def test_income_is_counted_by_id_and_trades_are_not_income() -> None:
    row = {
        "symbol": "BTCUSDT",
        "incomeType": "FUNDING_FEE",
        "income": "-0.37500000",
        "asset": "USDT",
        "time": 1570636800000,
        "tranId": 9689322392,
    }
    claim = usdm_claims.read_income(row, USDM)
    assert claim is not None
    assert (claim.kind, claim.amount) == (CashKind.FUNDING, Decimal("-0.375"))
    assert usdm_claims.read_income({**row, "incomeType": "COMMISSION"}, USDM) is None
    other = usdm_claims.read_income({**row, "incomeType": "SOMETHING_NEW"}, USDM)
    assert other is not None
    assert (other.kind, other.words) == (CashKind.OTHER, "SOMETHING_NEW")


def test_permissions() -> None:
    told = read_permissions(
        {"enableWithdrawals": True, "ipRestrict": False, "enableReading": True}, "enableFutures"
    )
    assert (told.can_withdraw, told.is_ip_restricted, told.can_trade) == (True, False, None)
    assert "enableFutures" in told.words


def test_exchange_info_of_the_captures() -> None:
    """The whole lists of 2021, as recorded."""
    for name, venue, count in (
        ("BINANCE.rest.txt.gz", "binance_spot", 1500),
        ("BINANCE_FUTURES.rest.txt.gz", "binance_usdm", 100),
    ):
        info = _captured(name)
        found = read_exchange_info(info, venue)
        assert len(found) > count
        assert len(found) == len(info["symbols"]), venue
    assert found["BTCUSDT"].instrument.tick == Decimal("0.01")


def _captured(name: str) -> Any:
    text = gzip.decompress((DATA / "captures" / "binance_2021" / name).read_bytes()).decode()
    return json.JSONDecoder().raw_decode(text[text.index("{") :])[0]


# -- rubbish -----------------------------------------------------------------------------------

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["NaN", "1e400", "-1", "0.000000001", "Infinity", "1_000", "٣", "\x1b[2J"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
_STREAM = [
    json.loads(path.read_bytes()) for path in sorted(SAMPLES.glob("*/user_data_json/*.json"))
]


@given(data=st.data())
@settings(max_examples=300)
def test_a_damaged_message_is_read_right_or_not_at_all(data: st.DataObject) -> None:
    """One field replaced by anything: `Unreadable`, or claims whose numbers are whole and whose
    texts are clean."""
    event = json.loads(json.dumps(data.draw(st.sampled_from(_STREAM))))
    rows = [event, *[part for part in (event.get("event"), event.get("o"), event.get("a"))
                     if isinstance(part, dict)]]  # fmt: skip
    row = data.draw(st.sampled_from(rows))
    field = data.draw(st.sampled_from(sorted(row)))
    row[field] = data.draw(_VALUES)
    body = event.get("event", event)
    for read in (_spot, _usdm):
        if not isinstance(body, dict):
            continue
        news, words = _read(read, body)
        assert words.isprintable()
        for claim in news:
            _assert_sound(claim)


def _read(read: Callable[[Any], list[Any]], body: Any) -> tuple[list[Any], str]:
    try:
        return read(body), ""
    except Unreadable as error:
        return [], error.words


def _assert_sound(claim: Any) -> None:
    for name in claim.__struct_fields__:
        value = getattr(claim, name)
        assert not isinstance(value, float), name
        if isinstance(value, str):
            assert value.isprintable(), name
        if isinstance(value, Decimal):
            assert value.is_finite()
        if name.endswith(("_lots", "_ticks")):
            assert type(value) is int
            assert value >= 0
    if isinstance(claim, TradeClaim):
        assert claim.fill.lots > 0
        assert claim.fill.price_ticks > 0


@given(_VALUES)
def test_rubbish_is_unreadable(value: Any) -> None:
    if not isinstance(value, dict):
        return
    instrument = SPOT.get("BTCUSDT")
    for read in (
        _spot,
        _usdm,
        spot_claims.read_account,
        usdm_claims.read_balances,
        lambda row: spot_claims.read_order(row, instrument),
        lambda row: spot_claims.read_trade(row, instrument, unknown_worth),
        lambda row: usdm_claims.read_order(row, instrument, AlgoLinks()),
        lambda row: usdm_claims.read_algo_order(row, instrument, AlgoLinks()),
        lambda row: usdm_claims.read_trade(row, instrument, unknown_worth, AlgoLinks()),
        lambda row: usdm_claims.read_income(row, USDM),
        lambda row: read_symbol(row, "binance_spot"),
    ):
        with pytest.raises(Unreadable):
            read(value)


@given(price=st.integers(1, 10**12), qty=st.integers(1, 10**12), fee=st.integers(-(10**9), 10**9))
def test_numbers_come_through_to_the_last_digit(price: int, qty: int, fee: int) -> None:
    event = {
        **_sample("spot/user_data_json/execution_report_trade.json"),
        "L": f"{Decimal(price).scaleb(-8):f}",
        "l": f"{Decimal(qty).scaleb(-8):f}",
        "z": f"{Decimal(qty).scaleb(-8):f}",
        "q": f"{Decimal(qty).scaleb(-8):f}",
        "n": f"{Decimal(fee).scaleb(-8):f}",
    }
    trade, claim = _spot(event)
    assert (trade.fill.price_ticks, trade.fill.lots) == (price, qty)
    assert trade.fill.fee == Decimal(fee).scaleb(-8)
    assert claim.filled_lots == qty
    assert claim.type is OrderType.LIMIT
