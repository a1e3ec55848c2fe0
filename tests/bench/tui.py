"""The terminal on an engine in another process, through a real pseudo terminal at 160x45.

The engine trades its generated market with two bots at ten times the clock, which is about 2,000
market messages a second. `pilothouse tui` runs as a user would start it. This process is the
terminal: it reads, draws into cells, answers questions and presses keys. It shares the machine
with both, so its own work counts against them.

A run is one attachment: first frame, first data, quiet, keys, keys on a link of 20 kB/s, a
stalled reader. `tui_first_paint` is the first frame of any kind: the curtain, without figures;
`tui_first_data` the first with the engine's figures in it. Sources and kernels are compiled
before, as the second start of any program finds them.

On a machine that others use, too, much of a key's time is waiting for a processor:
`tui_key_unhindered` leaves out what the app's first thread stood ready and did not run (the kernel
counts it; the waiting of its other threads, of the engine and of this reader is left in), and
`tui_key_cpu` is what a key costs the app beyond what it spends anyway, in processor time.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from app.paths import HOME_VARIABLE
from tests.bench.figures import Context, Figure, figure
from tests.support.service import EngineProcess, command_line
from tests.support.terminal import Terminal
from tests.support.vt import Vt

SIZE = (160, 45)
SPEED = "10"
"""Of the engine's market, which has some 210 messages a second of its own time."""
SETTLE_S = 4.0
"""Until there are candles, orders and fills everywhere."""
QUIET_S = 15.0
KEYS = 240
KEY_GAP_S = 0.05
KEY_GAP_STEPS = 101
"""The gaps between keys grow from that by 1 ms each, in an order that meets all phases of the app's
clock of 100 ms."""
SLOW_RATE = 20_000
SLOW_KEYS = 15
STALL_S = 60.0
_MARK = "▸"
"""In front of the selected bot; up and down move it."""


class Run(NamedTuple):
    first_paint_ms: float
    data_ms: float
    start_cpu_ms: float
    written_kb_s: float
    cpu_percent: float
    key_ms: list[float]
    unhindered_key_ms: list[float]
    key_cpu_ms: float
    slow_key_ms: list[float]
    stall_written_kb: float
    stall_growth_mb: float
    stall_cpu_percent: float
    return_ms: float
    rss_mb: float


def run(context: Context) -> list[Figure]:
    subprocess.run(command_line("warm"), check=True)
    with tempfile.TemporaryDirectory(prefix="pilothouse-bench-") as folder:
        home = Path(folder)
        with EngineProcess(home, "--speed", SPEED):
            runs = [_attachment(home) for _ in range(context.runs + 1)][-context.runs :]
    return _figures(runs)


def _figures(runs: list[Run]) -> list[Figure]:
    def of(name: str, unit: str, values: list[float], n: int = 1) -> Figure:
        return figure(name, unit, values, n)

    def keys(name: str, share: float, taken: list[list[float]]) -> Figure:
        return of(name, "ms", [_quantile(one, share) for one in taken], KEYS)

    key_ms = [one.key_ms for one in runs]
    unhindered_ms = [one.unhindered_key_ms for one in runs]

    return [
        keys("tui_key_p50", 0.50, key_ms),
        keys("tui_key_p99", 0.99, key_ms),
        keys("tui_key_unhindered_p50", 0.50, unhindered_ms),
        keys("tui_key_unhindered_p99", 0.99, unhindered_ms),
        of("tui_key_cpu", "ms", [one.key_cpu_ms for one in runs], KEYS),
        of("tui_slow_key_p50", "ms", [_quantile(one.slow_key_ms, 0.5) for one in runs], SLOW_KEYS),
        of("tui_slow_key_max", "ms", [max(one.slow_key_ms) for one in runs], SLOW_KEYS),
        of("tui_written", "kB/s", [one.written_kb_s for one in runs]),
        of("tui_cpu", "% of a core", [one.cpu_percent for one in runs]),
        of("tui_rss", "MB", [one.rss_mb for one in runs]),
        of("tui_first_paint", "ms", [one.first_paint_ms for one in runs]),
        of("tui_first_data", "ms", [one.data_ms for one in runs]),
        of("tui_start_cpu", "ms", [one.start_cpu_ms for one in runs]),
        of("tui_stall_written", "kB", [one.stall_written_kb for one in runs]),
        of("tui_stall_growth", "MB", [one.stall_growth_mb for one in runs]),
        of("tui_stall_cpu", "% of a core", [one.stall_cpu_percent for one in runs]),
        of("tui_stall_return", "ms", [one.return_ms for one in runs]),
    ]


def _quantile(values: list[float], share: float) -> float:
    """The value that this share of all does not exceed; with few values p99 is the largest."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _attachment(home: Path) -> Run:
    environ = {
        **os.environ,
        HOME_VARIABLE: str(home),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }
    with Terminal(command_line("tui"), SIZE, environ) as terminal:
        data_ns = terminal.until(lambda vt: _marked(vt) >= 0 and "equity" in vt.line(1))
        start_cpu_ms = terminal.cpu_s() * 1000
        time.sleep(SETTLE_S)
        written_kb_s, cpu_percent = _quiet(terminal)
        cpu_s, since_s = terminal.cpu_s(), time.monotonic()
        keys, unhindered = _keys(terminal, KEYS)
        took_s = time.monotonic() - since_s
        key_cpu_ms = ((terminal.cpu_s() - cpu_s) - took_s * cpu_percent / 100) * 1000 / KEYS
        rss_mb = terminal.rss_mb()
        terminal.rate = SLOW_RATE
        time.sleep(1.0)
        slow_keys, _ = _keys(terminal, SLOW_KEYS)
        terminal.rate = 0
        stall = _stall(terminal)
        return Run(
            first_paint_ms=(terminal.first_text_ns - terminal.started_ns) / 1e6,
            data_ms=(data_ns - terminal.started_ns) / 1e6,
            start_cpu_ms=start_cpu_ms,
            written_kb_s=written_kb_s,
            cpu_percent=cpu_percent,
            key_ms=keys,
            unhindered_key_ms=unhindered,
            key_cpu_ms=key_cpu_ms,
            slow_key_ms=slow_keys,
            stall_written_kb=stall[0],
            stall_growth_mb=stall[1],
            stall_cpu_percent=stall[2],
            return_ms=stall[3],
            rss_mb=rss_mb,
        )


def _marked(vt: Vt) -> int:
    """The row of the selected bot; -1 when it is not on the screen."""
    found = [row for row in range(vt.height) if vt.line(row)[1] == _MARK]
    return found[0] if found else -1


def _quiet(terminal: Terminal) -> tuple[float, float]:
    """Kilobytes a second and per cent of a core while nobody does anything."""
    bytes_read, cpu_s, since_s = terminal.bytes_read, terminal.cpu_s(), time.monotonic()
    time.sleep(QUIET_S)
    took_s = time.monotonic() - since_s
    written_kb_s = (terminal.bytes_read - bytes_read) / took_s / 1000
    return written_kb_s, (terminal.cpu_s() - cpu_s) / took_s * 100


def _keys(terminal: Terminal, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a key's write to its effect among the terminal's cells; and the same
    without what the app waited for a processor meanwhile."""
    taken, unhindered = [], []
    for number in range(count):
        before, waited_ms = _marked(terminal.vt), terminal.waited_ms()
        pressed_ns = terminal.press("\x1b[A" if number % 2 else "\x1b[B")
        shown_ns = terminal.until(lambda vt, at=before: _marked(vt) not in (at, -1))
        took_ms = (shown_ns - pressed_ns) / 1e6
        taken.append(took_ms)
        unhindered.append(max(0.0, took_ms - (terminal.waited_ms() - waited_ms)))
        time.sleep(KEY_GAP_S + number * 37 % KEY_GAP_STEPS / 1000)
    return taken, unhindered


def _stall(terminal: Terminal) -> tuple[float, float, float, float]:
    """A reader that stops for a minute: kilobytes that were written into the stall, megabytes
    grown, per cent of a core, and how long a key takes once the reader is back."""
    rss_mb, cpu_s, since_s = terminal.rss_mb(), terminal.cpu_s(), time.monotonic()
    terminal.stop_reading()
    time.sleep(STALL_S)
    took_s = time.monotonic() - since_s
    grown_mb = terminal.rss_mb() - rss_mb
    cpu_percent = (terminal.cpu_s() - cpu_s) / took_s * 100
    bytes_read, before = terminal.bytes_read, _marked(terminal.vt)
    pressed_ns = terminal.press("\x1b[B" if before < _marked_last(terminal.vt) else "\x1b[A")
    terminal.read_on()
    shown_ns = terminal.until(lambda vt: _marked(vt) not in (before, -1))
    return (
        (terminal.bytes_read - bytes_read) / 1000,
        grown_mb,
        cpu_percent,
        (shown_ns - pressed_ns) / 1e6,
    )


def _marked_last(vt: Vt) -> int:
    """The row of the last bot: the list has as many as its title says."""
    title = next(row for row in range(vt.height) if vt.line(row)[3:7] == "bots")
    return title + 1 + int(vt.line(title)[8:10])
