"""Kills a headless demo again and again and holds its ledger against one that was never killed.

    python -m tests.support.kill --kills 200 --seed 7

A kill is SIGKILL, at a random moment of the start and the replay, at a random moment of trading,
or within microseconds of a commit. After each one the ledger is copied and looked at: it passes the
full integrity check and holds everything that the process had said to be durable. In the end its
events equal, to the last byte of the hash chain, those of a demo that ran undisturbed in this
process with the same salt. So no order, fill or cent is lost or doubled.

Every other life is a *witness*: the same demo with a bridge that writes down the newest fill that a
face would have been shown. The others are the command line itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from app.bootstrap import paper_runtime, session_of
from app.demo import (
    Demo,
    DemoRequest,
    capital_in,
    demo_bots,
    first_price,
    ledger_path,
    open_market,
)
from app.paths import HOME_VARIABLE, Paths, locate
from app.scenarios import paper_scenario
from app.settings import load_settings
from engine.core.clock import LiveClock
from engine.core.tasks import Failure
from engine.core.watchdog import Watchdog
from engine.domain import events as e
from engine.domain.commands import AnyCommand
from engine.domain.money import MONEY
from engine.domain.snapshots import EngineSnapshot
from engine.runtime.paper import Nobody, seconds
from engine.store import codec
from engine.store.journal import open_ledger
from engine.store.memory import MemoryJournal

ROOT = Path(__file__).resolve().parents[2]
COMMAND_LINE = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"

STARTUP_S = 1.6
"""About how long a process takes from its start to its first trade on the machine of the tests."""
TRADING_S = 0.6
"""The longest that a life is let trade."""
COMMITS_MAX = 60
SECONDS_PER_KILL = Decimal(6)
"""More market than a life of `TRADING_S` at `SPEED` gets through on average."""
SPEED = "20"
LIFE_MAX_S = 120.0


class Plan(NamedTuple):
    home: Path
    kills: int
    seed: int = 1
    market_seconds: Decimal = Decimal(0)
    """0: `SECONDS_PER_KILL` each."""
    speed: str = SPEED
    capture: str = ""

    @property
    def length(self) -> Decimal:
        return self.market_seconds or SECONDS_PER_KILL * max(5, self.kills)


class Outcome(NamedTuple):
    kills: int
    moments: Counter[str]
    """How often it was killed: at the start, while trading, at a commit."""
    witnessed: int
    """Fills that a process had shown before it was killed."""
    events: int
    fills: int
    equity: Decimal


def run(plan: Plan) -> Outcome:
    """AssertionError, with what happened, as soon as anything is lost, doubled or damaged."""
    request, paths = _request(plan)
    path = ledger_path(paths, request)
    moments = random.Random(plan.seed)
    done: Counter[str] = Counter()
    witnessed = 0
    last_seq = 0
    while done.total() < plan.kills:
        kind = moments.choices(("start", "trading", "commit"), (25, 40, 35))[0]
        life = _Life(plan, path, is_witness=moments.random() < 0.5)
        try:
            life.wait_for(kind, moments)
        finally:
            was_running = life.kill()
        if not was_running:
            # It ended by itself: only a market that is over is a reason for that.
            assert life.code == 0, life.errors
            break
        done[kind] += 1
        seen = life.seen()
        witnessed += len(seen)
        last_seq = _look_at(path, seen, last_seq)
    last = _Life(plan, path, is_witness=False, speed="0")
    last.finish()
    assert last.code == 0, last.errors
    return _compare(plan, path, done, witnessed)


class _Life:
    """One process, from its start to its kill."""

    def __init__(self, plan: Plan, path: Path, *, is_witness: bool, speed: str = "") -> None:
        self._wal = path.with_name(path.name + "-wal")
        options = ["--seconds", str(plan.length), "--speed", speed or plan.speed]
        if plan.capture:
            options += ["--capture", plan.capture]
        program = (
            ["-m", "tests.support.kill", "--witness"]
            if is_witness
            else ["-c", COMMAND_LINE, "demo", "--headless", "--json"]
        )
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_end`
        self._error_output = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, *program, *options],
            cwd=ROOT,
            env={**os.environ, HOME_VARIABLE: str(plan.home)},
            stdout=self._output,
            stderr=self._error_output,
        )
        self._is_witness = is_witness
        self.errors = ""
        self.output = b""
        self.code: int | None = None

    def wait_for(self, kind: str, moments: random.Random) -> None:
        """Until the moment to kill has come, or the process has ended by itself."""
        if kind == "start":
            self._pass(moments.uniform(0, STARTUP_S))
            return
        # The first is the note that the ledger is open.
        is_trading = self._await_commits(2, LIFE_MAX_S)
        assert is_trading or self._process.poll() is not None, "no commit for two minutes"
        if kind == "trading":
            self._pass(moments.uniform(0, TRADING_S))
            return
        # Bots that a limit has paused commit little: then any moment will do.
        self._await_commits(moments.randint(1, COMMITS_MAX), TRADING_S)
        # Anything from the commit itself to the requests that follow it.
        self._pass(moments.choice((0, 0, moments.uniform(0, 0.003))))

    def _pass(self, duration_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(duration_s)

    def _await_commits(self, count: int, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        seen = self._mark()
        while count and self._process.poll() is None:
            time.sleep(0.0003)
            now = self._mark()
            if now != seen:
                seen, count = now, count - 1
            if time.monotonic() > deadline:
                return False
        return count == 0

    def _mark(self) -> tuple[int, int]:
        try:
            found = self._wal.stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_size, found.st_mtime_ns)

    def kill(self) -> bool:
        """False when it had ended before."""
        was_running = self._process.poll() is None
        if was_running:
            self._process.send_signal(signal.SIGKILL)
        self._end()
        return was_running and self.code == -signal.SIGKILL

    def finish(self) -> None:
        try:
            self._process.wait(LIFE_MAX_S * 5)
        finally:
            self.kill()

    def _end(self) -> None:
        self.code = self._process.wait()
        for file in (self._output, self._error_output):
            file.seek(0)
        self.output = self._output.read()
        self.errors = self._error_output.read().decode(errors="replace")
        self._output.close()
        self._error_output.close()

    def seen(self) -> list[_Seen]:
        """What a witness has written down; the last line may be torn by the kill."""
        if not self._is_witness:
            return []
        lines = self.output.split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=_Seen) for line in lines]


class _Seen(msgspec.Struct, frozen=True, array_like=True):
    """A fill as a face was shown it; `seq` is the number of its event."""

    seq: int
    client_order_id: str
    ticks: int
    lots: int
    fee: Decimal


def _look_at(path: Path, seen: Sequence[_Seen], last_seq: int) -> int:
    """Check a copy, so that the next start finds the ledger as the kill has left it."""
    if not path.exists():
        assert not seen
        return 0
    with _copied(path) as copy:
        with open_ledger(copy, clock=LiveClock(), on_failure=_unexpected) as journal:
            assert journal.last_seq >= last_seq, "the ledger has become shorter"
            last_seq = journal.last_seq
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            for fill in seen:
                row = connection.execute(
                    "SELECT body FROM event WHERE seq = ?", (fill.seq,)
                ).fetchone()
                assert row is not None, f"{fill} had been shown and is not in the ledger"
                event = codec.decode(row[0])
                assert isinstance(event, e.OrderFilled), (fill, event)
                found = event.fill
                assert (event.client_order_id, found.price_ticks, found.lots, found.fee) == (
                    fill.client_order_id,
                    fill.ticks,
                    fill.lots,
                    fill.fee,
                ), (fill, event)
    return last_seq


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path.with_name(path.name + suffix), f"{copy}{suffix}")
        yield copy


def _compare(plan: Plan, path: Path, done: Counter[str], witnessed: int) -> Outcome:
    with open_ledger(path, clock=LiveClock(), on_failure=_unexpected) as journal:
        events = list(journal.replay())
        digest, salt = journal.digest(), journal.salt
    undisturbed, equity = asyncio.run(_undisturbed(plan, salt))
    if digest != undisturbed.digest():
        wanted = [_comparable(event) for event in undisturbed.replay()]
        found = [_comparable(event) for event in events]
        for number, (one, other) in enumerate(zip(found, wanted, strict=False), 1):
            assert one == other, f"event {number} differs from the undisturbed run's"
        assert len(found) == len(wanted), (found[len(wanted) :][:3], wanted[len(found) :][:3])
    ids = [event.order.client_order_id for event in events if isinstance(event, e.OrderIntended)]
    assert len(ids) == len(set(ids)), "an intent was given twice"
    trades = [event.fill.trade_id for event in events if isinstance(event, e.OrderFilled)]
    assert len(trades) == len(set(trades)), "a fill was booked twice"
    return Outcome(done.total(), done, witnessed, len(events), len(trades), equity)


def _comparable(event: e.AnyEvent) -> e.AnyEvent:
    """How often a refusal was repeated in silence is counted in memory, and lost with it."""
    if isinstance(event, e.OrderDenied):
        return msgspec.structs.replace(event, repeats=0)
    return event


async def _undisturbed(plan: Plan, salt: int) -> tuple[MemoryJournal, Decimal]:
    """The events of the same demo when nothing happens to it, and what it has earned."""
    request, _ = _request(plan)
    market = open_market(request)
    instrument = next(iter(market.world.instruments.values()))
    capital = capital_in(instrument, request.capital, market)
    price = first_price(market, market.views[instrument.instrument_id])
    journal = MemoryJournal()
    watchdog = Watchdog()
    runtime = paper_runtime(
        market, request.limits, journal, watchdog, Nobody(), speed=Decimal(0), profile="demo"
    )
    try:
        session = session_of(market, request.scenario, capital, salt)
        await runtime.open(session, demo_bots(instrument, capital, price))
        until_ns = market.world.start_ns + seconds(plan.length)
        await runtime.run(asyncio.Event(), until_ns)
    finally:
        watchdog.close()
    snapshot = runtime.snapshot()
    return journal, MONEY.subtract(snapshot.equity, snapshot.capital)


def _request(plan: Plan) -> tuple[DemoRequest, Paths]:
    """As the command line would make it."""
    paths = locate({HOME_VARIABLE: str(plan.home)})
    settings = load_settings(paths.settings_file if paths.settings_file.exists() else None)
    request = DemoRequest(
        scenario=paper_scenario(settings.paper),
        limits=settings.risk,
        capital=settings.paper.capital,
        captures=[Path(plan.capture)] if plan.capture else (),
        speed=Decimal(plan.speed),
        seconds=plan.length,
    )
    return request, paths


def _unexpected(failure: Failure) -> None:
    raise AssertionError(failure)


# -- the witness's process -------------------------------------------------------------------------


class _Witness:
    """A bridge that looks, every turn of the runtime, at what a face would be shown."""

    demo: Demo

    def __init__(self) -> None:
        self._last_seq = 0

    def take_commands(self) -> Sequence[AnyCommand]:
        for fill in self.demo.runtime.snapshot().fills:
            if fill.seq > self._last_seq:
                self._last_seq = fill.seq
                line = _Seen(fill.seq, fill.client_order_id, fill.ticks, fill.lots, fill.fee)
                # One write: a line that is there was complete before the kill.
                os.write(1, msgspec.json.encode(line) + b"\n")
        return ()

    def take_crash(self) -> bool:
        return False

    def show(self, snapshot: EngineSnapshot) -> None:
        """It looks by itself."""


async def _witness(plan: Plan) -> None:
    request, paths = _request(plan)
    bridge = _Witness()
    demo = Demo(request, paths, bridge)
    bridge.demo = demo
    try:
        await demo.open()
        await demo.run(asyncio.Event())
    finally:
        demo.close()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.kill")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--seconds", type=Decimal, default=Decimal(0), help="of market in all")
    parser.add_argument("--speed", default=SPEED)
    parser.add_argument("--capture", default="")
    parser.add_argument("--home", type=Path, help="default: a temporary folder")
    parser.add_argument("--witness", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.witness:
        home = Path(os.environ[HOME_VARIABLE])
        plan = Plan(home, 0, 0, given.seconds, given.speed, given.capture)
        asyncio.run(_witness(plan))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            given.home or Path(folder),
            given.kills,
            given.seed,
            given.seconds,
            given.speed,
            given.capture,
        )
        began = time.perf_counter()
        outcome = run(plan)
    print(f"{outcome.kills} kills {dict(outcome.moments)} in {time.perf_counter() - began:.0f} s:")
    print(
        f"{outcome.events} events and {outcome.fills} fills equal those of an undisturbed run; "
        f"{outcome.witnessed} fills had been shown before a kill; profit or loss {outcome.equity}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
