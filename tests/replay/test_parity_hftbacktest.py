"""Our simulator against an independent one, on the same recording, order for order.

The reference is hftbacktest 2.4.4 on the USD-M BTCUSDT capture of 2024-08-08 (its README lies
beside its results). Same conditions, same quoting grid; compared is a row per 100 ms.

Every row is equal, for both parameter sets and both queue models, to the last digit: mid, position,
cash, fees, number of fills. No difference remains, so none needs explaining.

One rule was taken over for that: the reference's strategy sums its fills in binary floating point,
so that fifty times 0.1 is 4.999999999999999 and leaves room under a maximum of 5. Our books
count whole lots; the grid looks at the same sum the reference does (`position_in_floats`).
"""

from __future__ import annotations

import csv
import gzip
import io
from decimal import Decimal
from typing import NamedTuple

import pytest

from app.bootstrap import build_bot, market_of, session_of, trader_of
from engine.archive.catalogue import load_rows
from engine.core.ids import BACKTEST_SALT
from engine.core.watchdog import Watchdog
from engine.domain.instrument import Instrument
from engine.kernels.layout import Rows
from engine.runtime.backtest import Backtest, TraceRow
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, Scenario, parse_queue
from engine.store.memory import MemoryJournal
from engine.trading.risk.limits import RiskLimits
from tests.support.shared import SHARED, needs_shared

REFERENCE = SHARED / "reference" / "simulator"
CAPTURE = SHARED / "data" / "captures" / "binance" / "usdm_btcusdt_20240808.gz"
SETS = {
    "grid": {
        "levels": "20",
        "max_position": "5",
        "interval_ticks": "10",
        "half_spread_ticks": "20",
        "qty": "0.1",
    },
    "touch": {
        "levels": "3",
        "max_position": "0.5",
        "interval_ticks": "1",
        "half_spread_ticks": "0.5",
        "qty": "0.01",
    },
}
QUEUES = {"risk-averse": "risk_adverse", "power-prob-2": "power_prob_2"}

pytestmark = needs_shared


class Row(NamedTuple):
    ts_ns: int
    mid: Decimal
    position: Decimal
    cash: Decimal
    fee: Decimal
    fills: int


@pytest.fixture(scope="module")
def recording() -> tuple[Instrument, Rows]:
    return load_rows(CAPTURE)


def theirs(name: str, queue: str) -> list[Row]:
    packed = (REFERENCE / f"{name}_{QUEUES[queue]}_no_partial.csv.gz").read_bytes()
    text = io.StringIO(gzip.decompress(packed).decode())
    return [
        # Their floats carry noise in the last digits; ours are exact, so round theirs.
        Row(
            int(row["ts_ns"]),
            round(Decimal(row["mid"]), 2),
            round(Decimal(row["position"]), 3),
            round(Decimal(row["balance"]), 4),
            round(Decimal(row["fee"]), 9),
            int(row["fills"]),
        )
        for row in csv.DictReader(text)
    ]


def ours(recording: tuple[Instrument, Rows], name: str, queue: str) -> list[TraceRow]:
    instrument, rows = recording
    scenario = Scenario(
        queue=parse_queue(queue),
        fills=FillMode.WHOLE,
        maker=Decimal("-0.00005"),
        taker=Decimal("0.0007"),
    )
    world = SimExchange(instrument, rows, scenario)
    market = market_of(world, {}, None, 0, "parity")
    watchdog = Watchdog()
    try:
        trader = trader_of(market, RiskLimits(), watchdog)
        backtest = Backtest(trader, world, MemoryJournal(), keep_trace=True)
        session = session_of(market, scenario, Decimal(10_000_000), BACKTEST_SALT)
        return backtest.run(session, build_bot("bot", "grid", SETS[name], instrument)).trace
    finally:
        watchdog.close()


@pytest.mark.parametrize("queue", QUEUES)
@pytest.mark.parametrize("name", SETS)
def test_every_row_agrees_to_the_last_digit(
    recording: tuple[Instrument, Rows], name: str, queue: str
) -> None:
    found = [
        Row(row.ts_ns, row.mid, row.position, row.cash, row.fee, row.fills)
        for row in ours(recording, name, queue)
    ]
    assert found == theirs(name, queue)
