"""The engine as a service under 2,000 market messages a second: what faces cost it, and how soon
they know.

`service_propagation_p50/p99`   ms from a scripted client's order to its being in a face's picture,
                                the later of two faces
`service_tick_to_order_alone`   p99, ms from the market's wake-up to the order's leaving (durable
                                commit included), nobody attached
`service_tick_to_order_faces`   the same with two faces and the script
`service_tick_to_order_stalled` the same with a further client that does not read

The three are measured in turns against one engine in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from app.paths import HOME_VARIABLE
from app.service.client import RemoteSession
from app.service.links import SocketRoad
from engine.core.clock import LiveClock
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import WorkFailed
from engine.domain.order import OrderSpec, Side
from tests.bench.figures import Context, Figure, figure
from tests.support.service import ROOT, Bare, endpoint_at

SPEED = 10
"""The generated market makes a little over 200 messages a second; this makes it 2,000."""
PHASE_S = 10.0
SETTLE_S = 1.0
ORDER_EVERY_S = 0.3
BELOW = 4000
"""Ticks below the market at which the script's orders rest, where nothing fills them."""

_clock = LiveClock()


class Face:
    """A client in a process of its own; `seen` says when it had which order."""

    def __init__(self, home: Path) -> None:
        self.seen: dict[int, int] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.service_face", str(home)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "attached\n":
            raise WorkFailed("bench service: a face could not attach")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            ticks, at_ns = line.split()
            self.seen[int(ticks)] = int(at_ns)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(5)


def run(context: Context) -> list[Figure]:
    phases: dict[str, list[tuple[int, int]]] = {"alone": [], "faces": [], "stalled": []}
    trips_ms: list[list[float]] = []
    with tempfile.TemporaryDirectory() as folder:
        home, samples = Path(folder), Path(folder) / "samples"
        with _engine(home, samples) as stop:
            time.sleep(3 * SETTLE_S)
            rows, began_ns = _rows(home), _clock.monotonic_ns()
            for _ in range(context.runs):
                phases["alone"].append(_window(lambda: time.sleep(PHASE_S)))
                faces = [Face(home), Face(home)]
                trips_ms.append([])
                trade = partial(_trade, home, faces, trips_ms[-1])
                phases["faces"].append(_window(trade))
                with Bare.attach(home):  # Never reads again.
                    phases["stalled"].append(_window(trade))
                for face in faces:
                    face.close()
            rate = (_rows(home) - rows) / ((_clock.monotonic_ns() - began_ns) / 1e9)
            stop()
        spent = [tuple(map(int, line.split())) for line in samples.read_text().splitlines()]
    orders = sum(len(trips) for trips in trips_ms)
    found = [
        figure("service_market", "messages/s", [rate], 1),
        figure("service_propagation_p50", "ms", [_share(t, 0.5) for t in trips_ms], orders),
        figure("service_propagation_p99", "ms", [_share(t, 0.99) for t in trips_ms], orders),
    ]
    for name, windows in phases.items():
        runs = [[ns / 1e6 for at, ns in spent if low < at < high] for low, high in windows]
        count = sum(map(len, runs))
        for label, part in (("p50", 0.5), ("p99", 0.99)):
            values = [_share(values, part) for values in runs]
            found.append(figure(f"service_tick_to_order_{name}_{label}", "ms", values, count))
    return found


@contextmanager
def _engine(home: Path, samples: Path) -> Iterator[Callable[[], None]]:
    program = ["-m", "tests.bench.service_engine", str(samples)]
    process = subprocess.Popen(
        [sys.executable, *program, "engine", "--speed", str(SPEED)],
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(home)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    greeting = process.stderr.readline()
    if "serving" not in greeting:
        raise WorkFailed(f"bench service: {greeting.strip() or 'the engine ended'}")

    def stop() -> None:
        process.terminate()
        process.communicate(timeout=30)

    try:
        yield stop
    finally:
        process.kill()
        process.communicate()


def _window(work: Callable[[], None]) -> tuple[int, int]:
    """From when to when `work` ran, without its beginning."""
    time.sleep(SETTLE_S)
    began_ns = _clock.monotonic_ns()
    work()
    return began_ns, _clock.monotonic_ns()


def _trade(home: Path, faces: list[Face], trips_ms: list[float]) -> None:
    """The scripted client: rests an order, waits until both faces have it, cancels it."""
    session = RemoteSession(SocketRoad(endpoint_at(home)), "script")
    session.start()
    until_ns = _clock.monotonic_ns() + int(PHASE_S * 1e9)
    while _clock.monotonic_ns() < until_ns:
        shot = session.snapshot()
        assert shot is not None
        used = faces[0].seen.keys() | faces[1].seen.keys()
        ticks = shot.markets[0].last_ticks - BELOW
        while ticks in used:
            ticks -= 1
        spec = OrderSpec(
            instrument_id=shot.markets[0].instrument_id,
            side=Side.BUY,
            qty_lots=1,
            price_ticks=ticks,
        )
        sent_ns = _clock.monotonic_ns()
        wish = c.PlaceOrder(command_id=new_command_id(), bot_id="manual", spec=spec)
        session.submit(wish)
        if refused := session.wait_for(wish.command_id, 5).refused:
            raise WorkFailed(f"bench service: {refused}")
        while not all(ticks in face.seen for face in faces):
            time.sleep(0.001)
            if _clock.monotonic_ns() - sent_ns > 5e9:
                raise WorkFailed("bench service: an order was not seen within 5 s")
        trips_ms.append((max(face.seen[ticks] for face in faces) - sent_ns) / 1e6)
        session.submit(c.CancelAll(command_id=new_command_id(), bot_id="manual"))
        time.sleep(ORDER_EVERY_S)
    session.close()


def _rows(home: Path) -> int:
    session = RemoteSession(SocketRoad(endpoint_at(home)), "counter")
    session.start()
    shot = session.snapshot()
    session.close()
    assert shot is not None
    return shot.markets[0].rows


def _share(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
