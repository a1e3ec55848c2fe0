"""The made-up market: plausible figures, no drift, the crash button, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable

import numpy as np
import pytest

from engine.kernels.layout import BUY, ROW, ROW_CLEAR, ROW_SNAPSHOT, ROW_TRADE, Rows
from engine.sim.generator import FEED_LATENCY_NS, SIM_INSTRUMENT, START_NS, MarketGenerator

SECOND_NS = 1_000_000_000
YEAR_S = 365 * 86_400

WHOLE_ROW = np.dtype((np.void, ROW.itemsize))
"""With its padding, so that bytes can be compared."""

Script = Iterable[int]
"""Seconds after the start at which the crash button is pressed."""


def market(seed: int, seconds: int, *, crashes: Script = (), block_ns: int = SECOND_NS) -> Rows:
    """All rows of the first `seconds`; blocks are taken only when their time has come."""
    generator = MarketGenerator(seed, block_ns=block_ns)
    blocks, now_ns, pending = [], START_NS, sorted(crashes)
    while now_ns < START_NS + seconds * SECOND_NS:
        while pending and START_NS + pending[0] * SECOND_NS <= now_ns:
            generator.crash(START_NS + pending.pop(0) * SECOND_NS)
        block = generator.next_block()
        assert block is not None
        blocks.append(block.view(WHOLE_ROW))
        now_ns += block_ns
    joined: Rows = np.concatenate(blocks).view(ROW)
    return joined


def digest(rows: Rows) -> str:
    return hashlib.sha256(rows.tobytes()).hexdigest()


def trade_prices(rows: Rows, seconds: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Last trade price of each second."""
    trades = rows[rows["kind"] == ROW_TRADE]
    ends = START_NS + SECOND_NS * np.arange(1, seconds + 1)
    last = np.searchsorted(trades["ts_exch_ns"], ends) - 1
    return trades["price_ticks"][np.maximum(last, 0)].astype(np.float64)


def touches(rows: Rows) -> tuple[list[int], list[int]]:
    """(spreads in ticks, lots within 50 ticks of the best bid), both at the end of each second."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    spreads, depths = [], []
    end_ns = START_NS + SECOND_NS
    for ts_ns, _, ticks, lots, kind, side in rows.tolist():
        while ts_ns >= end_ns:
            bid, ask = max(sides[0]), min(sides[1])
            spreads.append(ask - bid)
            depths.append(sum(held for level, held in sides[0].items() if level > bid - 50))
            end_ns += SECOND_NS
        if kind not in (ROW_TRADE, ROW_CLEAR):
            book = sides[0] if side == BUY else sides[1]
            book[ticks] = lots
            if not lots:
                del book[ticks]
    return spreads, depths


# -- statistics --------------------------------------------------------------------------------


def test_rows_spread_and_sizes_are_plausible() -> None:
    seconds = 300
    rows = market(1, seconds)
    spreads, _ = touches(rows)
    trades = rows[rows["kind"] == ROW_TRADE]
    sizes = trades["qty_lots"]

    assert 150 <= len(rows) / seconds <= 300
    assert 1 <= np.median(spreads) <= 3
    assert np.mean(np.array(spreads) <= 3) > 0.8
    # Heavy-tailed: a few trades carry much of the volume.
    assert np.mean(sizes) > 3 * np.median(sizes)
    assert 0.4 < np.mean(trades["side"] == BUY) < 0.6


def test_trades_come_in_bursts() -> None:
    rows = market(2, 600)
    per_second = np.bincount((rows["ts_exch_ns"] - START_NS) // SECOND_NS, minlength=600)[1:]

    # A plain Poisson process has a variance equal to its mean.
    assert np.var(per_second) > 5 * np.mean(per_second)


def test_volatility_is_that_of_bitcoin_and_there_is_no_drift() -> None:
    seconds, seeds = 600, range(100, 140)
    variances, ends = [], []
    for seed in seeds:
        prices = np.log(trade_prices(market(seed, seconds), seconds))
        variances.append(np.var(np.diff(prices[::10])) / 10)
        ends.append(prices[-1] - prices[0])
    volatility = np.sqrt(np.mean(variances) * YEAR_S)
    error = np.std(ends) / np.sqrt(len(ends))

    assert 0.45 < volatility < 0.70
    assert abs(np.mean(ends)) < 3 * error


# -- crash -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_the_crash_button(seed: int) -> None:
    seconds = 260
    rows = market(seed, seconds, crashes=[30])
    prices = trade_prices(rows, seconds)
    spreads, depths = touches(rows)
    before = prices[31]
    low = int(np.argmin(prices))

    assert np.array_equal(prices[:31], trade_prices(market(seed, 31), 31))
    assert -0.105 < prices[low] / before - 1 < -0.045
    assert 30 <= low - 31 <= 75
    assert 0.2 < (prices[-1] - prices[low]) / (before - prices[low]) < 0.8
    assert np.mean(depths[33:60]) < np.mean(depths[:30]) / 5
    assert np.mean(spreads[33:60]) > 4 * np.mean(spreads[:30])
    crash = rows[(rows["ts_exch_ns"] - START_NS) // SECOND_NS == 45]
    trades = crash[crash["kind"] == ROW_TRADE]
    assert np.mean(trades["side"] == BUY) < 0.3


def test_a_second_press_begins_a_new_episode() -> None:
    once = trade_prices(market(7, 300, crashes=[10]), 300)
    twice = trade_prices(market(7, 300, crashes=[10, 100]), 300)

    assert np.array_equal(once[:100], twice[:100])
    assert twice[-1] < once[-1]


def test_a_late_press_works_on_what_has_not_been_handed_out() -> None:
    generator = MarketGenerator(1)
    for _ in range(20):
        generator.next_block()
    generator.crash(START_NS)

    block = generator.next_block()

    assert block is not None
    assert len(block) > 600


# -- determinism ---------------------------------------------------------------------------------


def test_block_size_makes_no_difference() -> None:
    whole = market(5, 60, crashes=[20, 45])
    pieces = market(5, 60, crashes=[20, 45], block_ns=SECOND_NS // 10)

    assert whole.tobytes() == pieces.tobytes()
    long = market(5, 63, block_ns=7 * SECOND_NS)
    assert long.tobytes() == market(5, 63).tobytes()


def test_seeds_differ() -> None:
    assert len({digest(market(seed, 5)) for seed in (0, 1, 2, 2**64 - 1)}) == 4


GOLDEN = "0dab9e9476bedd17b99ea8ed0dad99571c766410c9c395686a3379de4510f049"

PROGRAM = """
import sys, warnings
warnings.simplefilter("ignore")  # Plain Python counts uint64 overflow, which is meant here.
from tests.unit.sim.test_generator import digest, market
print(digest(market(3, int(sys.argv[1]), crashes=[0])))
"""


@pytest.mark.parametrize(
    "environment", [{"PYTHONHASHSEED": "99"}, {"NUMBA_DISABLE_JIT": "1"}], ids=["hash", "no jit"]
)
def test_another_process_and_plain_python_give_the_same_bytes(environment: dict[str, str]) -> None:
    seconds = 4
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(seconds)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == digest(market(3, seconds, crashes=[0]))


def test_the_bytes_of_a_seed_are_the_same_on_every_machine() -> None:
    """Changes with the model; then put the new digest here."""
    assert digest(market(1, 60, crashes=[5])) == GOLDEN


# -- shape ---------------------------------------------------------------------------------------


def test_it_begins_with_a_snapshot() -> None:
    rows = market(1, 1)
    kinds = rows["kind"].tolist()
    snapshot = [kind for kind in kinds if kind in (ROW_CLEAR, ROW_SNAPSHOT)]

    assert kinds[: len(snapshot)] == snapshot
    assert snapshot[:2] == [ROW_CLEAR, ROW_CLEAR]
    assert ROW_CLEAR not in snapshot[2:]
    assert rows["ts_exch_ns"][0] == START_NS
    assert np.all(rows["ts_local_ns"] - rows["ts_exch_ns"] == FEED_LATENCY_NS)
    assert SIM_INSTRUMENT.price(int(rows["price_ticks"][2])) < 70_000


def test_it_can_begin_elsewhere() -> None:
    generator = MarketGenerator(1, start_ns=0, start_ticks=30_000, latency_ns=0)
    block = generator.next_block()

    assert block is not None
    assert block["ts_local_ns"][0] == 0
    assert abs(int(np.median(block["price_ticks"])) - 30_000) < 5_000
