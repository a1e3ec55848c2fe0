"""A face of `bench service`: says on stdout when it first had each of the script's orders.

python -m tests.bench.service_face HOME     prints "PRICE_TICKS MONOTONIC_NS" lines
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from app.service.client import RemoteSession
from app.service.links import SocketRoad
from engine.core.clock import LiveClock
from tests.support.service import endpoint_at

POLL_S = 0.001


def run(home: Path) -> None:
    clock = LiveClock()
    session = RemoteSession(SocketRoad(endpoint_at(home)), "face")
    session.start()
    print("attached", flush=True)
    seen: set[int] = set()
    shown = None
    while not session.failure():
        time.sleep(POLL_S)
        shot = session.snapshot()
        if shot is None or shot is shown:
            continue
        shown = shot
        for row in shot.orders:
            ticks = row.order.spec.price_ticks
            if row.order.bot_id == "manual" and ticks not in seen:
                seen.add(ticks)
                print(ticks, clock.monotonic_ns(), flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
