"""The engine as a service under 2,000 market messages a second: what faces cost it, and how soon
they know.

`service_propagation_p50/p99`   ms from a scripted client's order to its being in a face's picture,
                                the later of two faces
`service_tick_to_order_faces`   ms from the market's wake-up to the order's leaving (durable commit
                                included) meanwhile
`service_tick_to_order_alone`   the same with nobody attached
`service_tick_to_order_stalled` the same with a client that was let in and never reads
`service_stalled_ratio_...`     stalled over alone, of those times and of the engine's processor
                                time, in pairs of windows that follow each other, in turns alone
                                first and stalled first: the median of all pairs'
                                ratios; its minimum and maximum are the ends of the median's
                                95 % interval (bootstrap over pairs)

Beside the wall figures, what other work on the machine cannot blur:

`service_tick_cpu_alone/stalled`     ms of processor time that the engine's loop spends from the
                                     wake-up to the order's leaving, on whatever it is
`service_message_cpu_alone/stalled`  us of the loop's processor time for each market message, all
                                     that it does (faces, ledger, timers) included
`service_stalled_ratio_tick_cpu_...` stalled over alone, of all windows' ticks together; minimum and
                                     maximum as above
`service_stalled_sent`               bytes of pictures made for the stalled client within a window

One engine in a process of its own for all of it. A machine that others use makes single windows
slow; pairs feel that alike, so the ratio says what the client costs where the two figures cannot.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from app.paths import HOME_VARIABLE
from app.service.client import RemoteSession
from app.service.links import SocketRoad
from engine.core.clock import LiveClock
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import WorkFailed
from engine.domain.order import OrderSpec, Side
from tests.bench.figures import Context, Figure, figure
from tests.support.service import ROOT, Bare, command_line, endpoint_at

SPEED = 10
"""The generated market makes a little over 200 messages a second; this makes it 2,000."""
PHASE_S = 10.0
WINDOW_S = 3.0
PAIRS = 6
"""Of windows, in each run."""
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
BOOTSTRAP_DRAWS = 4000
BOOTSTRAP_SEED = 1
POOLED_DRAWS = 400
SETTLE_S = 1.0
ORDER_EVERY_S = 0.3
BELOW = 4000
"""Ticks below the market at which the script's orders rest, where nothing fills them."""

_clock = LiveClock()


class Window(NamedTuple):
    """From when to when, in monotonic ns, and the engine's processor seconds in between."""

    from_ns: int
    until_ns: int
    cpu_s: float

    @property
    def load(self) -> float:
        """Share of a core."""
        return self.cpu_s * 1e9 / (self.until_ns - self.from_ns)


class Pair(NamedTuple):
    alone: Window
    stalled: Window


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
    faces_windows: list[Window] = []
    trips_ms: list[list[float]] = []
    pairs: list[list[Pair]] = []
    subprocess.run(command_line("warm"), check=True)
    with tempfile.TemporaryDirectory() as folder:
        home, samples = Path(folder), Path(folder) / "samples"
        with _engine(home, samples) as (pid, stop):
            time.sleep(3 * SETTLE_S)
            rows, began_ns = _rows(home), _clock.monotonic_ns()
            for _ in range(context.runs):
                pairs.append([_pair(home, pid, number % 2 == 1) for number in range(PAIRS)])
                trips_ms.append([])
                faces_windows.append(_with_faces(home, pid, trips_ms[-1]))
            rate = (_rows(home) - rows) / ((_clock.monotonic_ns() - began_ns) / 1e9)
            stop()
        spent = Spent(samples.read_text())
    every = [pair for run in pairs for pair in run]
    orders = sum(len(trips) for trips in trips_ms)
    return [
        figure("service_market", "messages/s", [rate], 1),
        figure("service_propagation_p50", "ms", [_share(t, 0.5) for t in trips_ms], orders),
        figure("service_propagation_p99", "ms", [_share(t, 0.99) for t in trips_ms], orders),
        *_tick_to_order("faces", [[window] for window in faces_windows], spent),
        *_tick_to_order("alone", [[pair.alone for pair in run] for run in pairs], spent),
        *_tick_to_order("stalled", [[pair.stalled for pair in run] for run in pairs], spent),
        *_ratios(every, spent),
        *_processor(every, spent),
    ]


class Spent:
    """What the engine wrote down of its orders and turns (`service_engine`), by window."""

    def __init__(self, text: str) -> None:
        rows = [line.split() for line in text.splitlines()]
        found = [(kind, tuple(map(int, figures))) for kind, *figures in rows]
        self._orders = [figures for kind, figures in found if kind == "order"]
        self._turns = [figures for kind, figures in found if kind == "turn"]

    def within(self, window: Window) -> list[float]:
        """How long ticks took to orders; milliseconds."""
        return [spent_ns / 1e6 for _, spent_ns, _ in _inside(self._orders, window)]

    def cpu_within(self, window: Window) -> list[float]:
        """The loop's processor time on that way; milliseconds."""
        return [cpu_ns / 1e6 for *_, cpu_ns in _inside(self._orders, window)]

    def message_us(self, window: Window) -> float:
        """The loop's processor time for each market message."""
        (_, cpu_ns, rows, _), *_, (_, until_cpu_ns, until_rows, _) = _inside(self._turns, window)
        return (until_cpu_ns - cpu_ns) / (until_rows - rows) / 1e3

    def sent_bytes(self, window: Window) -> int:
        first, *_, last = _inside(self._turns, window)
        return last[3] - first[3]


def _inside(rows: list[tuple[int, ...]], window: Window) -> list[tuple[int, ...]]:
    return [row for row in rows if window.from_ns < row[0] < window.until_ns]


def _tick_to_order(name: str, runs: list[list[Window]], spent: Spent) -> Iterator[Figure]:
    """A value a run, of all its windows together."""
    taken = [[ms for window in windows for ms in spent.within(window)] for windows in runs]
    for label, part in SHARES.items():
        values = [_share(one, part) for one in taken]
        yield figure(f"service_tick_to_order_{name}_{label}", "ms", values, sum(map(len, taken)))


def _ratios(pairs: list[Pair], spent: Spent) -> Iterator[Figure]:
    both = [(spent.within(pair.stalled), spent.within(pair.alone)) for pair in pairs]
    for label, part in SHARES.items():
        ratios = [_share(stalled, part) / _share(alone, part) for stalled, alone in both]
        yield _ratio(label, ratios, sum(len(stalled) + len(alone) for stalled, alone in both))
    yield _ratio("cpu", [pair.stalled.load / pair.alone.load for pair in pairs], len(pairs))


def _processor(pairs: list[Pair], spent: Spent) -> Iterator[Figure]:
    """The same in processor time, which is nobody's but the engine's."""
    ticks = [(spent.cpu_within(pair.stalled), spent.cpu_within(pair.alone)) for pair in pairs]
    messages = [(spent.message_us(pair.stalled), spent.message_us(pair.alone)) for pair in pairs]
    for at, name in enumerate(("stalled", "alone")):
        count = sum(len(both[at]) for both in ticks)
        for label, part in SHARES.items():
            value = _share(_together(ticks, at), part)
            yield figure(f"service_tick_cpu_{name}_{label}", "ms", [value], count)
        values = [both[at] for both in messages]
        yield figure(f"service_message_cpu_{name}", "us", values, len(pairs))
    for label, part in SHARES.items():
        yield _pooled_ratio(f"tick_cpu_{label}", ticks, part)
    yield _ratio("message_cpu", [stalled / alone for stalled, alone in messages], len(pairs))
    sent = [float(spent.sent_bytes(pair.stalled)) for pair in pairs]
    yield figure("service_stalled_sent", "bytes", sent, len(pairs))


def _together(pairs: list[tuple[list[float], list[float]]], at: int) -> list[float]:
    return [value for both in pairs for value in both[at]]


def _pooled_ratio(label: str, pairs: list[tuple[list[float], list[float]]], part: float) -> Figure:
    """Of all windows together: one window has too few ticks for its slowest hundredth. The
    interval comes from drawing as many pairs again and again."""

    def ratio(drawn: list[tuple[list[float], list[float]]]) -> float:
        return _share(_together(drawn, 0), part) / _share(_together(drawn, 1), part)

    draw = random.Random(BOOTSTRAP_SEED)
    ratios = sorted(ratio(draw.choices(pairs, k=len(pairs))) for _ in range(POOLED_DRAWS))
    edge = POOLED_DRAWS // 40
    return Figure(
        name=f"service_stalled_ratio_{label}",
        unit="of alone",
        median=ratio(pairs),
        min=ratios[edge],
        max=ratios[-edge - 1],
        runs=len(pairs),
        n=sum(len(stalled) + len(alone) for stalled, alone in pairs),
    )


def _ratio(label: str, ratios: list[float], count: int) -> Figure:
    low, high = median_interval(ratios)
    return Figure(
        name=f"service_stalled_ratio_{label}",
        unit="of alone",
        median=statistics.median(ratios),
        min=low,
        max=high,
        runs=len(ratios),
        n=count,
    )


def median_interval(values: list[float]) -> tuple[float, float]:
    """Between which two values the median of `values` lies, 19 times of 20: by drawing as many of
    them again and again, with the same draws each time."""
    draw = random.Random(BOOTSTRAP_SEED)
    medians = sorted(
        statistics.median(draw.choices(values, k=len(values))) for _ in range(BOOTSTRAP_DRAWS)
    )
    edge = BOOTSTRAP_DRAWS // 40
    return medians[edge], medians[-edge - 1]


def _pair(home: Path, pid: int, is_stalled_first: bool) -> Pair:
    """Two windows, one after the other."""
    if is_stalled_first:
        stalled = _stalled(home, pid)
        return Pair(_window(pid, _rest), stalled)
    return Pair(_window(pid, _rest), _stalled(home, pid))


def _stalled(home: Path, pid: int) -> Window:
    with Bare.attach(home):  # Never reads again.
        return _window(pid, _rest)


def _with_faces(home: Path, pid: int, trips_ms: list[float]) -> Window:
    faces = [Face(home), Face(home)]
    try:
        return _window(pid, partial(_trade, home, faces, trips_ms))
    finally:
        for face in faces:
            face.close()


@contextmanager
def _engine(home: Path, samples: Path) -> Iterator[tuple[int, Callable[[], None]]]:
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
        yield process.pid, stop
    finally:
        process.kill()
        process.communicate()


def _window(pid: int, work: Callable[[], None]) -> Window:
    """What `work` saw, without its beginning."""
    time.sleep(SETTLE_S)
    began_ns, cpu_s = _clock.monotonic_ns(), _cpu_s(pid)
    work()
    return Window(began_ns, _clock.monotonic_ns(), _cpu_s(pid) - cpu_s)


def _rest() -> None:
    time.sleep(WINDOW_S)


def _cpu_s(pid: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
