"""How far apart the faces of one engine are under 2,000 market messages a second: two terminals of
160x45 at ptys and a scripted client.

`faces_order_p50/max`     ms from when the first of the three shows a new order until the last does
`faces_cancel_p50/max`    the same for its going
`faces_position_p50/max`  the same for a position, opened and closed in turns
`faces_waited`            ms that the two terminals together stood ready and had no processor, for
                          each change: what other work on the machine took

The script looks at its picture every millisecond; a terminal shows what is on its screen.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from app.paths import HOME_VARIABLE
from app.service.client import RemoteSession
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import WorkFailed
from engine.domain.order import OrderSpec, OrderType, Side
from engine.domain.snapshots import EngineSnapshot
from engine.trading.state import MANUAL
from tests.bench.figures import Context, Figure, figure
from tests.bench.tui import SETTLE_S, SIZE, SPEED
from tests.support.service import EngineProcess, attached, command_line
from tests.support.terminal import Terminal
from tests.support.vt import Vt

CHANGES = 12
"""Of each kind, in each run."""
BELOW = 3000
"""Ticks below the market at which orders rest, where nothing fills them."""
POSITION_LOTS = 7
PAUSE_S = (0.3, 0.6)
"""Between changes: no change is to meet the same moment of the panes' turns."""
SEED = 1


class Apart(NamedTuple):
    """Milliseconds from the first face to the last, of one run."""

    order: list[float]
    cancel: list[float]
    position: list[float]


def run(context: Context) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environ = {
            **os.environ,
            HOME_VARIABLE: folder,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
        }
        with (
            EngineProcess(home, "--speed", SPEED),
            attached(home, "script", "over") as script,
            Terminal(command_line("tui"), SIZE, environ) as one,
            Terminal(command_line("tui"), SIZE, environ) as other,
        ):
            company = Company(script, (one, other))
            company.begin()
            found, waited_ms = [], []
            for number in range(context.runs + 1):
                before_ms = company.waited_ms()
                apart = company.measure()
                if number:  # The first is to warm up.
                    found.append(apart)
                    waited_ms.append((company.waited_ms() - before_ms) / (3 * CHANGES))
    return [
        *(
            figure(f"faces_{kind}_{name}", "ms", [of(getattr(r, kind)) for r in found], CHANGES)
            for kind in Apart._fields
            for name, of in (("p50", statistics.median), ("max", max))
        ),
        figure("faces_waited", "ms", waited_ms, 3 * CHANGES),
    ]


class Company:
    """The script and the terminals; the bots are paused, so that all changes are the script's."""

    def __init__(self, script: RemoteSession, terminals: tuple[Terminal, ...]) -> None:
        self._script = script
        self._terminals = terminals
        self._chance = random.Random(SEED)
        self._placed = 0

    def begin(self) -> None:
        for terminal in self._terminals:
            terminal.until(lambda vt: "orders" in vt.text() and "positions" in vt.text())
        self._do(c.PauseBot(command_id=new_command_id(), bot_id=""))
        self._do(c.CancelAll(command_id=new_command_id()))
        time.sleep(SETTLE_S)

    def waited_ms(self) -> float:
        return sum(terminal.waited_ms() for terminal in self._terminals)

    def measure(self) -> Apart:
        apart = Apart([], [], [])
        for number in range(CHANGES):
            ticks = self._market_ticks() - BELOW - self._placed
            self._placed += 1  # No two orders at one price: each is known on the screens by it.
            apart.order.append(self._place(ticks))
            apart.cancel.append(self._cancel(ticks))
            apart.position.append(self._trade(opens=number % 2 == 0))
        return apart

    # -- changes ---------------------------------------------------------------------------------

    def _place(self, ticks: int) -> float:
        spec = OrderSpec(instrument_id=self._instrument_id, side=Side.BUY, qty_lots=3,
                         price_ticks=ticks)  # fmt: skip
        shown = self._shown(ticks)
        return self._change(
            self._order(spec),
            lambda shot: _order_at(shot, ticks) != "",
            lambda vt: shown in vt.text(),
        )

    def _cancel(self, ticks: int) -> float:
        order_id = _order_at(self._picture, ticks)
        shown = self._shown(ticks)
        return self._change(
            c.CancelOrder(command_id=new_command_id(), client_order_id=order_id),
            lambda shot: not _order_at(shot, ticks),
            lambda vt: shown not in vt.text(),
        )

    def _trade(self, *, opens: bool) -> float:
        spec = OrderSpec(
            instrument_id=self._instrument_id,
            side=Side.BUY if opens else Side.SELL,
            qty_lots=POSITION_LOTS,
            type=OrderType.MARKET,
        )
        held = POSITION_LOTS if opens else 0
        shown = f"+{self._picture.instruments[0].qty(POSITION_LOTS)}"
        return self._change(
            self._order(spec),
            lambda shot: _held_lots(shot) == held,
            lambda vt: (shown in vt.text()) == opens,
        )

    def _change(
        self,
        command: c.AnyCommand,
        is_told: Callable[[EngineSnapshot], bool],
        is_shown: Callable[[Vt], bool],
    ) -> float:
        """Give `command`; milliseconds from the first face that knows of it to the last."""
        time.sleep(self._chance.uniform(*PAUSE_S))
        at_ns: list[int] = []
        watchers = [
            threading.Thread(target=lambda t=terminal: at_ns.append(t.until(is_shown)))
            for terminal in self._terminals
        ]
        for watcher in watchers:
            watcher.start()
        self._script.submit(command)
        deadline_s = time.monotonic() + 30
        while not is_told(self._picture):
            if time.monotonic() > deadline_s:
                raise WorkFailed(f"bench faces: {type(command).__name__} came to nothing")
            time.sleep(0.001)
        at_ns.append(time.monotonic_ns())
        for watcher in watchers:
            watcher.join()
        if len(at_ns) != 1 + len(watchers):
            raise WorkFailed("bench faces: a terminal never showed what the engine told")
        return (max(at_ns) - min(at_ns)) / 1e6

    # -- what is known ---------------------------------------------------------------------------

    @property
    def _picture(self) -> EngineSnapshot:
        shot = self._script.snapshot()
        assert shot is not None
        return shot

    @property
    def _instrument_id(self) -> str:
        return self._picture.instruments[0].instrument_id

    def _market_ticks(self) -> int:
        return self._picture.markets[0].last_ticks

    def _shown(self, ticks: int) -> str:
        """A price as the panes write it."""
        return f"{self._picture.instruments[0].price(ticks):,}"

    def _order(self, spec: OrderSpec) -> c.PlaceOrder:
        return c.PlaceOrder(
            command_id=new_command_id(),
            bot_id=MANUAL,
            spec=spec,
            painted_ticks=self._market_ticks(),
        )

    def _do(self, command: c.AnyCommand) -> None:
        self._script.submit(command)
        if why := self._script.wait_for(command.command_id, 30).refused:
            raise WorkFailed(f"bench faces: {type(command).__name__}: {why}")


def _order_at(shot: EngineSnapshot, ticks: int) -> str:
    found = (row.order for row in shot.orders if row.order.spec.price_ticks == ticks)
    return next((order.client_order_id for order in found), "")


def _held_lots(shot: EngineSnapshot) -> int:
    return sum(row.lots for row in shot.positions if row.bot_id == MANUAL)
