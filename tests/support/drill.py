"""A drill exchange for a test, and real ccxt on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt.pro
import numpy as np

from app.drill import SPOT_RULES
from engine.core.clock import SimClock
from engine.drill.clock import VenueClock
from engine.drill.exchange import Exchange
from engine.drill.market import MarketSource
from engine.drill.resolver import drill_session
from engine.drill.server import DrillServer
from engine.drill.values import AccountSpec, InstrumentRules, OrderAsked
from engine.kernels.layout import ROW, Rows

START_NS = 1_767_225_600_000_000_000
BTCUSDT = SPOT_RULES[0]


@asynccontextmanager
async def ccxt_on(
    server: DrillServer, account: AccountSpec | None = None, **options: Any
) -> AsyncIterator[Any]:
    """ccxt.pro's binance as it comes, but for the session. `account` None: without a key."""
    place = server.place
    session = drill_session(Path(place.ca_path), place.port, place.hosts)
    keys = {"apiKey": account.api_key, "secret": account.secret} if account is not None else {}
    client = ccxt.pro.binance(
        {
            "session": session,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}, **options},
            **keys,
        }
    )
    try:
        yield client
    finally:
        await client.close()
        await session.close()


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Return once `condition` holds; AssertionError when it does not come true."""
    for _ in range(int(within_s * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"did not come true within {within_s} s")


class FixedRows:
    """A market of given rows: a `RowSource` with one block. Rows: (ms, kind, side, ticks, lots)."""

    def __init__(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        block: Rows | None = np.zeros(len(rows), ROW)
        for index, (at_ms, kind, side, ticks, lots) in enumerate(rows):
            row = block[index]
            row["ts_exch_ns"] = row["ts_local_ns"] = START_NS + at_ms * 1_000_000
            row["kind"], row["side"] = kind, side
            row["price_ticks"], row["qty_lots"] = ticks, lots
        self._block = block

    def next_block(self) -> Rows | None:
        block, self._block = self._block, None
        return block


def fixed_market(rows: Sequence[tuple[int, int, int, int, int]]) -> MarketSource:
    """In ticks of 0.01 and lots of 0.00001."""
    return MarketSource(FixedRows(rows), Decimal("0.01"), Decimal("0.00001"))


def small_exchange(
    accounts: Mapping[str, Mapping[str, Decimal]],
    rows: Sequence[tuple[int, int, int, int, int]] = (),
    rules: InstrumentRules = BTCUSDT,
    **fields: Any,
) -> tuple[Exchange, SimClock]:
    """BTCUSDT alone, on a clock that stands still until it is moved. `accounts`: balances by
    name; `fields` are those of every account."""
    clock = SimClock(START_NS)
    specs = [
        AccountSpec(name=name, api_key=f"key{name:0>20}", secret="s", balances=held, **fields)
        for name, held in accounts.items()
    ]
    markets = {rules.symbol: fixed_market(rows)} if rows else {}
    return Exchange("binance_spot", [rules], specs, VenueClock(clock), markets), clock


def asked(side: Any, kind: Any, qty: int, price: int = 0, **fields: Any) -> OrderAsked:
    """`qty` in lots of 0.00001, `price` in ticks of 0.01."""
    fields.setdefault("client_order_id", f"c{asked.count}")  # type: ignore[attr-defined]
    asked.count += 1  # type: ignore[attr-defined]
    return OrderAsked(
        symbol="BTCUSDT",
        side=side,
        kind=kind,
        qty=qty * 1000,
        price=price * 1_000_000,
        **fields,
    )


asked.count = 0  # type: ignore[attr-defined]
