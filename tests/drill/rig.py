"""A drill exchange in this process, an engine in another, and a hand on both: kill -9 included."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from app.drill import new_account, open_drill
from app.live import drill_folder
from app.paths import DRILL_PROFILE, HOME_VARIABLE, locate
from app.service.client import RemoteSession
from app.service.endpoint import endpoint_of
from app.service.links import SocketRoad
from engine.core.ids import parse_client_order_id
from engine.domain.commands import AnyCommand
from engine.domain.errors import BadInput, EngineNotRunning, PilothouseError
from engine.domain.snapshots import EngineSnapshot, LinkStage
from engine.drill.faults.plan import NO_FAULTS
from engine.drill.faults.saboteur import Saboteur
from engine.drill.margin import MarginSettlement
from engine.drill.place import PLACE_FILE
from engine.drill.ports import Fault, Reply, RequestSeen
from engine.drill.server import DrillServer
from engine.drill.units import amount
from engine.drill.values import Order
from tests.drill.oracle import OurSide, VenueSide, differences, read_ours
from tests.support.canary import Canary

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINE = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"
ACCOUNT = "ann"
START_S = 60.0
PAUSE_S = 0.02


class Marksman(Saboteur):
    """A saboteur that also notes when which request came, and kills a process with the n-th."""

    def __init__(self) -> None:
        super().__init__(NO_FAULTS)
        self.heard: list[tuple[float, str, str]] = []
        """(monotonic seconds, route, the order it names) of every request."""
        self._target = 0
        self._globs = ""
        self._left = 0
        self._after = False

    def aim(self, pid: int, globs: str, number: int, *, after: bool) -> None:
        """kill -9 `pid` as soon as the `number`-th request of these routes has come, or (`after`)
        once the venue has done it and before it answers."""
        self._target, self._globs, self._left, self._after = pid, globs, number, after

    def disarm(self) -> None:
        """Its target is dead, by another hand: the number may soon be somebody else's."""
        self._target = 0

    def on_request(self, seen: RequestSeen) -> Fault | None:
        order_id = seen.request.params.get("origClientOrderId", "")
        self.heard.append((time.monotonic(), seen.request.route, order_id))
        fault = super().on_request(seen)
        if not self._target or not fnmatch.fnmatchcase(seen.request.route, self._globs):
            return fault
        self._left -= 1
        if self._left > 0:
            return fault
        if not self._after:
            self._shoot()
            return fault
        return _with_change(fault or Fault(), self._shoot_and)

    def _shoot(self) -> None:
        target, self._target = self._target, 0
        if not target:  # Two requests were done before the first was answered; 0 is ourselves.
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, signal.SIGKILL)

    def _shoot_and(self, reply: Reply) -> Reply:
        self._shoot()
        return reply


def _with_change(fault: Fault, last: Callable[[Reply], Reply]) -> Fault:
    """The fault as it is, with one more thing done between the venue's work and its answer."""
    first = fault.change
    if fault.reply is not None:
        answer = fault.reply
        return msgspec.structs.replace(fault, reply=None, change=lambda _: last(answer))
    return msgspec.structs.replace(
        fault, change=lambda reply: last(first(reply) if first is not None else reply)
    )


class EngineLife:
    """One life of `pilothouse engine --drill`."""

    def __init__(self, home: Path, options: Sequence[str]) -> None:
        self._home = home
        self._errors_path = home / "engine.err"
        paths = locate({HOME_VARIABLE: str(home)})
        self._log_path = paths.state / "logs" / f"engine-{DRILL_PROFILE}.log"
        self._errors = self._errors_path.open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                COMMAND_LINE,
                "engine",
                "--drill",
                "--dir",
                str(drill_folder(paths)),
                *options,
            ],
            cwd=ROOT,
            env={**os.environ, HOME_VARIABLE: str(home)},
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
        )
        self.session: RemoteSession | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    async def attach(self, within_s: float = START_S) -> None:
        """A session with a first picture; AssertionError with what it said when it ended."""
        road = SocketRoad(endpoint_of(locate({HOME_VARIABLE: str(self._home)}), DRILL_PROFILE))
        for _ in range(int(within_s / 0.1)):
            assert self.is_alive, f"the engine ended by itself: {self.words()}"
            session = RemoteSession(road, "soak", wants="free")
            try:
                await asyncio.to_thread(session.start, 5.0)
            except PilothouseError:
                await asyncio.sleep(0.1)
            else:
                self.session = session
                return
        raise AssertionError(f"no engine within {within_s} s: {self.words()}")

    @property
    def picture(self) -> EngineSnapshot:
        assert self.session is not None, "not attached"
        shot = self.session.snapshot()
        assert shot is not None
        return shot

    @property
    def stage(self) -> LinkStage:
        link = self.picture.link
        return LinkStage.STARTING if link is None else link.stage

    def send(self, command: AnyCommand) -> bool:
        """False when there is nobody to hear it."""
        assert self.session is not None
        try:
            self.session.submit(command)
        except EngineNotRunning:
            return False
        return True

    def new_id(self) -> str:
        assert self.session is not None
        return self.session.new_command_id()

    def said(self) -> str:
        """What a person at its terminal has seen."""
        return self._errors_path.read_text(errors="replace").strip()

    def words(self) -> str:
        """The same, and the last traceback of its log."""
        logged = self._log_path.read_text(errors="replace") if self._log_path.exists() else ""
        crash = logged.rpartition("Traceback")[2].replace("\\n", "\n")[:5000]
        return f"{self.said()[-800:]}\n{crash}"

    def waited_s(self) -> float:
        """How long its main thread was ready and had no core, since it began; 0 where the system
        does not tell."""
        try:
            told = Path(f"/proc/{self.pid}/schedstat").read_text("ascii").split()
        except OSError:
            return 0.0
        return int(told[1]) / 1e9

    def kill(self) -> None:
        self.process.kill()

    async def bury(self) -> int:
        """Its exit code, once it has ended."""
        if self.session is not None:
            await asyncio.to_thread(self.session.close)
            self.session = None
        code = await asyncio.to_thread(self.process.wait, 30.0)
        self._errors.close()
        return code

    async def stop(self) -> int:
        self.process.terminate()
        return await self.bury()


class Rig:
    def __init__(
        self, home: Path, server: DrillServer, marksman: Marksman, venue: str, canary: Canary
    ) -> None:
        self.home = home
        self.canary = canary
        """The account's key."""
        self.server = server
        self.marksman = marksman
        self.venue = venue
        self.core = server.venues[venue].core
        self.life: EngineLife | None = None

    async def start_engine(self) -> EngineLife:
        self.life = EngineLife(self.home, ["--venue", self.venue, "--symbol", "BTCUSDT"])
        await self.life.attach()
        return self.life

    async def until(self, is_so: Callable[[], object], within_s: float) -> float:
        """Seconds until it was so; AssertionError with the state of the link when it never was."""
        start = time.monotonic()
        while (passed_s := time.monotonic() - start) <= within_s:
            if is_so():
                return passed_s
            await asyncio.sleep(PAUSE_S)
        raise AssertionError(f"not within {within_s} s: {self.describe()}")

    def describe(self) -> str:
        life = self.life
        if life is None or life.session is None:
            return "no engine"
        shot = life.picture
        told = [row.text for row in shot.log[-8:]]
        incidents = [one.incident for one in shot.incidents]
        return f"link {shot.link}, halted {shot.halted!r}, incidents {incidents}, log {told}"

    def our_open_orders(self) -> list[Order]:
        return [order for order in self.core.open_orders(ACCOUNT) if _is_ours(order)]

    @property
    def ledger_path(self) -> Path:
        folder = locate({HOME_VARIABLE: str(self.home)}).profile(DRILL_PROFILE)
        (found,) = folder.glob("*.db")
        return found

    def leaks(self) -> list[str]:
        """Where the account's key can be read and should not be: the one file that may hold it is
        the exchange's note for its clients."""
        note = drill_folder(locate({HOME_VARIABLE: str(self.home)})) / PLACE_FILE
        assert self.canary.is_in(note.read_bytes()), "a search that would find nothing"
        try:
            self.canary.assert_silent(self.home, spared=(note,))
        except AssertionError as error:
            return [str(error)]
        return []

    def judge(self) -> tuple[OurSide, list[str]]:
        ours = read_ours(self.ledger_path)
        venue = VenueSide(self.core.ledger.entries, ACCOUNT)
        settlement, cost = self.core.settlement, {}
        if isinstance(settlement, MarginSettlement):
            cost = {"USDT": amount(settlement.holding(ACCOUNT, "BTCUSDT").cost)}
        return ours, differences(ours, venue, open_cost=cost)


def _is_ours(order: Order) -> bool:
    try:
        parse_client_order_id(order.client_order_id)
    except BadInput:
        return False
    return True


@contextlib.asynccontextmanager
async def open_rig(home: Path, *, seed: int = 1, venue: str = "binance_spot") -> AsyncIterator[Rig]:
    """A running exchange with one account and one symbol; no engine yet. `home` is made."""
    folder = drill_folder(locate({HOME_VARIABLE: str(home)}))
    await asyncio.to_thread(folder.mkdir, 0o700, True, True)
    marksman, canary = Marksman(), Canary()
    is_spot = venue == "binance_spot"
    server = open_drill(
        folder,
        accounts=[new_account(ACCOUNT, api_key=canary.key, secret=canary.secret)],
        seed=seed,
        symbols=("BTCUSDT",) if is_spot else (),
        usdm_symbols=() if is_spot else ("BTCUSDT",),
        interceptor=marksman,
    )
    async with server:
        rig = Rig(home, server, marksman, venue, canary)
        try:
            yield rig
        finally:
            if rig.life is not None and rig.life.is_alive:
                rig.life.kill()
            if rig.life is not None:
                await rig.life.bury()
