"""The same input gives the same bytes, and the money adds up to the last digit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.archive.catalogue import load_rows
from engine.domain import events as e
from engine.domain.instrument import Instrument, InstrumentKind
from engine.domain.money import MONEY
from tests.support.shared import capture, needs_shared
from tests.support.worlds import Life, generated, rebuilt, unpaced

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINE = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"

USDM = ["usdm_btcusdt_20240808"]
SPOT = ["spot_btcusdt_20240808"]
COINM = ["cm_btcusd_perp_20240808"]
GRID_OF = {
    "usdm": [],
    "spot": ["interval_ticks=50", "half_spread_ticks=50"],
    "coinm": ["qty=10", "max_position=100"],
}


def backtests(
    home: Path, names: list[str], params: list[str], *surroundings: dict[str, str]
) -> list[bytes]:
    """What `backtest run grid --json` prints, in one process for each of the `surroundings`."""
    arguments = ["backtest", "run", "grid", "--json"]
    for path in capture(*names):
        arguments += ["--data", str(path)]
    for param in params:
        arguments += ["--param", param]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND_LINE, *arguments],
            cwd=ROOT,
            env={**os.environ, "PILOTHOUSE_HOME": str(home), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for environ in surroundings
    ]
    printed = []
    for process in running:
        output, errors = process.communicate()
        assert (process.returncode, errors) == (0, b""), errors.decode()
        printed.append(output)
    return printed


@needs_shared
@pytest.mark.parametrize(
    ("kind", "names"),
    [("usdm", USDM), ("spot", SPOT), ("coinm", COINM)],
    ids=lambda value: value[0],
)
def test_a_backtest_gives_the_same_bytes_and_its_money_adds_up(
    kind: str, names: list[str], tmp_path: Path
) -> None:
    here = {"PYTHONHASHSEED": "0"}
    elsewhere = {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kolkata", "LC_ALL": "C", "COLUMNS": "20"}
    printed, again = backtests(tmp_path, names, GRID_OF[kind], here, elsewhere)
    assert again == printed

    document: dict[str, Any] = json.loads(printed, parse_float=Decimal, parse_int=Decimal)
    instrument, rows = load_rows(capture(*names))
    assert document["rows"] == len(rows)
    assert document["fills"] > 20
    assert document["fees"] > 0
    assert_adds_up(document, instrument)


def assert_adds_up(document: dict[str, Any], instrument: Instrument) -> None:
    """equity == cash + inventory - fees - funding, and inventory == position at the mid."""
    value = MONEY.add(document["cash"], document["inventory"])
    spent = MONEY.add(document["fees"], document["funding"])
    assert document["equity"] == MONEY.subtract(value, spent)
    position, mid = document["position"], document["mid"]
    assert position != 0, "a flat end would prove nothing"
    if instrument.kind is InstrumentKind.INVERSE:
        coin = -MONEY.divide(MONEY.multiply(position, instrument.contract_size), mid)
        assert document["inventory"] == coin.quantize(Decimal("1e-8"), context=MONEY)
    else:
        assert document["inventory"] == MONEY.multiply(position, mid)


# -- without the recordings ----------------------------------------------------------------------


def test_the_same_market_gives_the_same_chain_of_events() -> None:
    first, second = unpaced(generated(30, seed=3)), unpaced(generated(30, seed=3))

    assert first.journal.last_seq > 500
    assert first.journal.digest() == second.journal.digest()
    assert unpaced(generated(30, seed=4)).journal.digest() != first.journal.digest()


def test_another_hash_seed_gives_the_same_chain_of_events() -> None:
    program = (
        "from tests.support.worlds import generated, unpaced;"
        "print(unpaced(generated(30, seed=3)).journal.digest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("0", "77")
    }

    assert printed == {unpaced(generated(30, seed=3)).journal.digest()}


@pytest.fixture(scope="module")
def life() -> Life:
    return unpaced(generated(60, seed=9))


def test_the_account_is_the_sum_of_its_fills_counted_by_hand(life: Life) -> None:
    """Cash and fees from nothing but sides, prices, sizes and rates; equity at the final mid."""
    instrument = next(iter(life.trader.state.instruments.values()))
    orders = {
        event.order.client_order_id: event.order
        for event in life.of(e.OrderIntended)
        if isinstance(event, e.OrderIntended)
    }
    cash = fees = held = Decimal(0)
    for event in life.of(e.OrderFilled):
        assert isinstance(event, e.OrderFilled)
        side = orders[event.client_order_id].spec.side
        qty = instrument.qty(event.fill.lots)
        value = qty * instrument.price(event.fill.price_ticks)
        cash -= value * side.sign
        held += qty * side.sign
        fees += value * (Decimal("0.0002") if event.fill.is_maker else Decimal("0.0005"))

    view = life.trader.markets[instrument.instrument_id]
    life.trader.portfolio.refresh(instrument.instrument_id)
    account = life.trader.portfolio.account()
    assert (account.cash, account.fees) == (cash, fees)
    assert account.inventory == held * view.mid
    assert account.profit == cash + held * view.mid - fees
    assert account.realised + account.unrealised == cash + held * view.mid


def test_no_order_fills_more_than_it_asked_and_positions_are_their_fills(life: Life) -> None:
    state = rebuilt(life.events)
    for order in [*state.orders.values(), *state.final_orders.values()]:
        assert 0 <= order.filled_lots <= order.spec.qty_lots, order
    assert state.net_lots == {
        key: sum(
            position.lots
            for (_, instrument), position in state.positions.items()
            if instrument == key
        )
        for key in state.net_lots
    }
    assert not state.suspects
