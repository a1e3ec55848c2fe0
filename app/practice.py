"""Practice: the demo's bots on an engine that trades at the drill exchange while faults strike.

Two processes, like a live engine and its venue; both end with the practice.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from app.demo import WITHIN_LIMITS, demo_bots
from app.paths import Paths, make_private
from app.processes import apart
from app.service.client import RemoteSession
from app.service.endpoint import endpoint_of
from app.service.launch import command_line, wait_until_open
from app.service.links import SocketRoad
from engine.domain.commands import AddBot
from engine.domain.errors import ConfigError, WorkFailed
from engine.domain.snapshots import EngineSnapshot, LinkStage
from engine.domain.text import clean
from engine.drill.faults.scenarios import find_plan
from engine.drill.place import PLACE_FILE, read_place

PROFILE = "practice"
VENUE, SYMBOL = "binance_spot", "BTCUSDT"
OPEN_S = 120.0
"""A fresh installation compiles first."""
STOP_S = 30.0
LOOK_S = 0.05


class PracticeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `demo --drill NAME --headless --json` prints."""

    scenario: str
    stage: str
    words: str
    orders: int
    fills: int
    incidents: int
    equity: str
    settle: str


class Practice:
    """`with Practice(...) as practice:`: exchange and engine run, the bots are on their way."""

    def __init__(self, scenario: str, seed: int, paths: Paths) -> None:
        """BadInput when there is no such scenario."""
        self.plan = find_plan(scenario)
        self._scenario = scenario
        self._seed = seed
        self._paths = paths
        self._folder = make_private(paths.state / PROFILE)
        self._children: list[subprocess.Popen[bytes]] = []
        self.session: RemoteSession

    def __enter__(self) -> Self:
        try:
            self._open_exchange()
            self._open_engine()
            self._add_bots()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
        self._stop()

    # -- processes -------------------------------------------------------------------------------

    def _start(self, name: str, *arguments: str) -> tuple[subprocess.Popen[bytes], Path]:
        output = make_private(self._paths.logs) / f"{PROFILE}-{name}.out"
        with output.open("wb") as log:
            child = subprocess.Popen(
                [*command_line(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=make_private(self._paths.state),
                **apart(),  # Ctrl+C is for the face; children are told to stop.
            )
        self._children.append(child)
        return child, output

    def _open_exchange(self) -> None:
        (self._folder / PLACE_FILE).unlink(missing_ok=True)
        options = ["--dir", str(self._folder), "--seed", str(self._seed)]
        child, output = self._start(
            "exchange", "drill", *options, "--faults", self._scenario, "--json"
        )
        _wait(self._is_placed, child, output, "the drill exchange")

    def _is_placed(self) -> bool:
        try:
            return bool(read_place(self._folder).keys)
        except ConfigError:
            return False

    def _open_engine(self) -> None:
        where = ["--dir", str(self._folder), "--venue", VENUE, "--symbol", SYMBOL]
        child, output = self._start("engine", "engine", "--drill", "--profile", PROFILE, *where)
        endpoint = endpoint_of(self._paths, PROFILE)
        wait_until_open(endpoint, child, output)
        self.session = RemoteSession(SocketRoad(endpoint), "practice", wants="free")
        self.session.start()
        _wait(self._is_ready, child, output, "the engine")

    def _is_ready(self) -> bool:
        """Trading has been reached, and there is a price to size bots by."""
        shot = self.picture
        is_trading = shot.link is not None and shot.link.stage is LinkStage.TRADING
        return is_trading and bool(shot.markets and shot.markets[0].bids)

    def _stop(self) -> None:
        """The engine first: it asks the exchange what is left."""
        for child in reversed(self._children):
            if child.poll() is None:
                child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()

    # -- the engine ------------------------------------------------------------------------------

    @property
    def picture(self) -> EngineSnapshot:
        shot = self.session.snapshot()
        assert shot is not None, "a session that has started has a picture"
        return shot

    def _add_bots(self) -> None:
        shot = self.picture
        instrument = shot.instruments[0]
        price = instrument.price(shot.markets[0].bids[0][0])
        for bot in demo_bots(instrument, shot.capital, price, WITHIN_LIMITS):
            self.session.submit(
                AddBot(
                    command_id=self.session.new_command_id(),
                    bot_id=bot.bot_id,
                    strategy=bot.strategy,
                    instrument_id=bot.instrument_id,
                    params_json=bot.params_json,
                )
            )

    def report(self) -> PracticeReport:
        shot = self.picture
        assert shot.link is not None
        return PracticeReport(
            scenario=self.plan.name,
            stage=shot.link.stage,
            words=shot.link.words,
            orders=len(shot.orders),
            fills=sum(bot.fills for bot in shot.bots),
            incidents=len(shot.incidents),
            equity=format(shot.equity, "f"),
            settle=shot.settle,
        )


def _wait(
    is_so: Callable[[], bool], child: subprocess.Popen[bytes], output: Path, name: str
) -> None:
    for _ in range(int(OPEN_S / LOOK_S)):
        if is_so():
            return
        if child.poll() is not None:
            lines = output.read_text(errors="replace").strip().splitlines()
            raise WorkFailed(clean(lines[-1]) if lines else f"{name} ended at once")
        time.sleep(LOOK_S)
    raise WorkFailed(f"{name} is not ready after {OPEN_S:.0f} s: see {output}")
