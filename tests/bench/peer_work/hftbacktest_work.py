"""hftbacktest with its array depth: nobody trading, and the quoting grid of its tutorials."""

from __future__ import annotations

import json
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY,
    BUY_EVENT,
    DEPTH_CLEAR_EVENT,
    DEPTH_EVENT,
    DEPTH_SNAPSHOT_EVENT,
    GTX,
    LIMIT,
    SELL,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.data import correct_event_order
from hftbacktest.types import event_dtype
from numba import njit
from numba.typed import Dict

KINDS = {1: DEPTH_EVENT, 2: TRADE_EVENT, 3: DEPTH_SNAPSHOT_EVENT, 4: DEPTH_CLEAR_EVENT}
WAKE_NS = 100_000_000


def events_of(rows, terms):
    """Their events of our rows; a row that is out of order on one of the clocks becomes two."""
    events = np.zeros(len(rows["kind"]), event_dtype)
    sides = np.where(rows["side"] > 0, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    kinds = np.zeros(len(events), np.uint64)
    for ours, theirs in KINDS.items():
        kinds[rows["kind"] == ours] = theirs
    events["ev"] = kinds | sides
    events["exch_ts"], events["local_ts"] = rows["exch"], rows["local"]
    events["px"] = rows["ticks"] * terms["tick"][0] / terms["tick"][1]
    events["qty"] = rows["lots"] * terms["lot"][0] / terms["lot"][1]
    by_exchange = np.argsort(events["exch_ts"], kind="stable")
    by_receipt = np.argsort(events["local_ts"], kind="stable")
    return correct_event_order(events, by_exchange, by_receipt)


@njit
def idle(hbt):
    wakes = 0
    while hbt.elapse(WAKE_NS) == 0:
        wakes += 1
    return wakes


@njit
def grid(hbt, tick, half, interval, levels, most, qty):
    wakes = 0
    while hbt.elapse(WAKE_NS) == 0:
        hbt.clear_inactive_orders(0)
        depth, held, orders = hbt.depth(0), hbt.position(0), hbt.orders(0)
        mid = (depth.best_bid + depth.best_ask) / 2.0
        bid = math.floor((mid - half) / interval) * interval
        ask = math.ceil((mid + half) / interval) * interval
        bids = Dict.empty(np.uint64, np.float64)
        asks = Dict.empty(np.uint64, np.float64)
        if held < most:
            for _ in range(levels):
                bids[np.uint64(round(bid / tick))] = bid
                bid -= interval
        if held > -most:
            for _ in range(levels):
                asks[np.uint64(round(ask / tick))] = ask
                ask += interval
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.cancellable:
                gone = order.side == BUY and order.order_id not in bids
                gone |= order.side == SELL and order.order_id not in asks
                if gone:
                    hbt.cancel(0, order.order_id, False)
        for number, price in bids.items():
            if number not in orders:
                hbt.submit_buy_order(0, number, price, qty, GTX, LIMIT, False)
        for number, price in asks.items():
            if number not in orders:
                hbt.submit_sell_order(0, number, price, qty, GTX, LIMIT, False)
        wakes += 1
    return wakes


def world_of(events, terms):
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(terms["entry_ns"], terms["response_ns"])
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(terms["maker"], terms["taker"])
        .tick_size(terms["tick"][0] / terms["tick"][1])
        .lot_size(terms["lot"][0] / terms["lot"][1])
        .roi_lb(terms["roi"][0])
        .roi_ub(terms["roi"][1])
    )
    return ROIVectorMarketDepthBacktest([asset])


def run(work, events, terms):
    hbt = world_of(events, terms)
    start = time.perf_counter()
    if work == "idle":
        wakes = idle(hbt)
    else:
        shape = terms["grid"]
        wakes = grid(
            hbt,
            terms["tick"][0] / terms["tick"][1],
            shape["half_spread"],
            shape["interval"],
            shape["levels"],
            shape["max_position"],
            shape["qty"],
        )
    seconds = time.perf_counter() - start
    state = hbt.state_values(0)
    check = {
        "wakes": wakes,
        "fills": int(state.num_trades),
        "position": float(state.position),
        "rows": len(events),
    }
    hbt.close()
    return {"seconds": seconds, "check": check}


def main():
    folder = Path(sys.argv[1])
    terms = json.loads((folder / "terms.json").read_text())
    with np.load(folder / "rows.npz") as rows:
        events = events_of(rows, terms)
    print(json.dumps({"ready": version("hftbacktest")}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line)["work"], events, terms)), flush=True)


main()
