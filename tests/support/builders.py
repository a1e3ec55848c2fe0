"""Valid values with defaults; a test names only what matters to it."""

from __future__ import annotations

from decimal import Decimal

from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.order import Fill, Order, OrderSpec, OrderStatus, Pending, Side


def linear(**changes: object) -> Instrument:
    """A BTC perpetual paid in USDT: tick 0.1, lot 0.001."""
    fields: dict[str, object] = {
        "instrument_id": "test.BTCUSDT",
        "venue": "test",
        "symbol": "BTCUSDT",
        "kind": InstrumentKind.LINEAR,
        "base": "BTC",
        "quote": "USDT",
        "tick": Decimal("0.1"),
        "lot": Decimal("0.001"),
    }
    return Instrument(**{**fields, **changes})  # type: ignore[arg-type]


def spot(**changes: object) -> Instrument:
    fields: dict[str, object] = {"kind": InstrumentKind.SPOT, "tick": Decimal("0.01")}
    return linear(**{**fields, "lot": Decimal("0.00001"), **changes})


def inverse() -> Instrument:
    """A coin-margined BTC perpetual: one contract is worth 100 USD."""
    return linear(
        instrument_id="test.BTCUSD_PERP",
        symbol="BTCUSD_PERP",
        kind=InstrumentKind.INVERSE,
        quote="USD",
        lot=Decimal(1),
        contract_size=Decimal(100),
    )


def a_spec(**changes: object) -> OrderSpec:
    fields: dict[str, object] = {
        "instrument_id": "test.BTCUSDT",
        "side": Side.BUY,
        "qty_lots": 10,
        "price_ticks": 600_000,
    }
    return OrderSpec(**{**fields, **changes})  # type: ignore[arg-type]


def an_order(
    *,
    status: OrderStatus = OrderStatus.INTENT,
    pending: Pending = Pending.PLACING,
    filled_lots: int = 0,
    trade_ids: frozenset[str] = frozenset(),
    client_order_id: str = "qaa000000000000001",
    **spec: object,
) -> Order:
    return Order(
        client_order_id=client_order_id,
        bot_id="bot-1",
        placed_by="bot",
        spec=a_spec(**spec),
        created_ns=1,
        status=status,
        pending=pending,
        filled_lots=filled_lots,
        filled_value_units=filled_lots * 600_000,
        trade_ids=trade_ids,
    )


def a_fill(trade_id: str = "t1", lots: int = 1, ticks: int = 600_000, **changes: object) -> Fill:
    fields: dict[str, object] = {
        "trade_id": trade_id,
        "price_ticks": ticks,
        "lots": lots,
        "fee": Decimal("0.01"),
        "fee_asset": "USDT",
        "is_maker": True,
        "venue_ns": 5,
    }
    return Fill(**{**fields, **changes})  # type: ignore[arg-type]
