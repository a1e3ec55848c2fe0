"""Random rows and random requests for the simulated exchange, from a seed. Run as a module it
prints what the exchange reported: the same text is expected from compiled and from plain Python."""

from __future__ import annotations

import sys

import numpy as np

from engine.core.ids import session_rng
from engine.domain.order import OrderSpec, OrderType, Side, TimeInForce
from engine.kernels import layout as k
from engine.ports.venue import Cancel, Submit, VenueRequest
from engine.sim.exchange import SimExchange
from engine.sim.scenario import FillMode, QueueModel, Scenario
from tests.support.builders import linear

MID = 50_000
MS = 1_000_000


def random_rows(seed: int, count: int = 400) -> k.Rows:
    """A small two-sided book around `MID` with trades; stamps in ms, many of them equal."""
    rng = session_rng(seed)
    rows = np.zeros(count + 20, k.ROW)
    venue_ms = np.cumsum(rng.integers(0, 4, len(rows)))
    rows["ts_exch_ns"] = venue_ms * MS
    delay_ms = np.maximum.accumulate(venue_ms + rng.integers(0, 3, len(rows)))
    rows["ts_local_ns"] = delay_ms * MS
    for index in range(len(rows)):
        side = k.BUY if rng.integers(2) else k.SELL
        away = int(rng.integers(1, 8))
        row = rows[index]
        row["side"] = side
        row["price_ticks"] = MID - away * side
        row["qty_lots"] = rng.integers(0, 20)
        row["kind"] = k.ROW_DEPTH
        if index < 20:
            row["side"] = k.BUY if index % 2 else k.SELL
            row["price_ticks"] = MID - (1 + index // 2) * int(row["side"])
            row["qty_lots"] = 10
        elif rng.integers(3) == 0:
            row["kind"] = k.ROW_TRADE
            row["price_ticks"] = MID + int(rng.integers(-4, 5))
            row["qty_lots"] = rng.integers(1, 15)
    return rows


def random_scenario(seed: int) -> Scenario:
    rng = session_rng(seed, 1)
    power = int(rng.integers(0, 3))
    return Scenario(
        entry_latency_ns=int(rng.integers(0, 5)) * MS,
        response_latency_ns=int(rng.integers(0, 5)) * MS,
        queue=QueueModel(code=k.QUEUE_POWER_PROB, power=power) if power else QueueModel(),
        fills=FillMode.WHOLE if rng.integers(2) else FillMode.PARTIAL,
    )


def random_request(rng: np.random.Generator, number: int) -> VenueRequest:
    if number > 1 and rng.integers(4) == 0:
        return Cancel(client_order_id=f"o{rng.integers(1, number)}")
    kind = list(OrderType)[int(rng.integers(4))]
    price = MID + int(rng.integers(-6, 7))
    has_price = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    has_trigger = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    spec = OrderSpec(
        instrument_id="test.BTCUSDT",
        side=Side.BUY if rng.integers(2) else Side.SELL,
        qty_lots=int(rng.integers(1, 30)),
        type=kind,
        price_ticks=price if has_price else 0,
        trigger_ticks=MID + int(rng.integers(-5, 6)) if has_trigger else 0,
        tif=list(TimeInForce)[int(rng.integers(4))],
        reduce_only=bool(rng.integers(5) == 0),
    )
    return Submit(client_order_id=f"o{number}", bot_id=f"bot-{rng.integers(2)}", spec=spec)


def run(seed: int, *, steps_ms: tuple[int, ...] = (7,)) -> list[str]:
    """Trade a random market; every report as text. `steps_ms` is how the time is cut, which must
    not matter: requests go out at fixed times."""
    rows = random_rows(seed)
    last_ns = int(rows["ts_local_ns"][-1])
    world = SimExchange(linear(), rows, random_scenario(seed))
    rng = session_rng(seed, 2)
    said: list[str] = []
    number = 0
    step = 0
    now_ns = world.start_ns
    next_request_ns = now_ns + 21 * MS
    while True:
        until_ns = now_ns + steps_ms[step % len(steps_ms)] * MS
        if now_ns < last_ns:
            until_ns = min(until_ns, next_request_ns)
        step += 1
        wake = world.advance(until_ns, 0)
        said += [repr(report) for report in world.drain_reports()]
        if wake.reasons & k.WAKE_END:
            return said
        now_ns = wake.ts_ns
        if next_request_ns <= now_ns < last_ns:
            next_request_ns += 5 * MS
            number += 1
            world.submit([random_request(rng, number)], now_ns)


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        print("\n".join(run(int(asked))))
