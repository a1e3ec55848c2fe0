"""Real engines, real faces, real signals: what holds when processes come, go and are killed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.service import delta
from app.service import protocol as p
from app.service.client import RemoteSession
from app.service.endpoint import claimant
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import WorkFailed
from engine.domain.events import BotAdded, Helm, OrderFilled
from engine.domain.snapshots import EngineSnapshot
from engine.store import history
from tests.support.service import (
    Bare,
    EngineProcess,
    attached,
    command_line,
    endpoint_at,
    eventually,
    paths_of,
    shell,
)

pytestmark = pytest.mark.timeout(180)


def shot_of(face: RemoteSession) -> EngineSnapshot:
    shot = face.snapshot()
    assert shot is not None
    return shot


def do(face: RemoteSession, command: type[Any], **fields: Any) -> str:
    wish = command(command_id=new_command_id(), **fields)
    face.submit(wish)
    return face.wait_for(wish.command_id, 10).refused


def told(home: Path, *words: str) -> Any:
    """What a shell command says in JSON."""
    done = shell(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def terminal(home: Path) -> Iterator[int]:
    """`pilothouse tui` in a terminal of its own, read but not looked at; its process."""
    pid, master = pty.fork()
    if pid == 0:  # The child: only exec from here on.
        os.environ.update(
            PILOTHOUSE_HOME=str(home), TERM="xterm-256color", COLUMNS="100", LINES="30"
        )
        line = command_line("tui")
        os.execv(line[0], line)
    reader = threading.Thread(target=_drain, args=[master], daemon=True)
    reader.start()
    try:
        yield pid
    finally:
        with _gone_is_fine():
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(master)


def _drain(master: int) -> None:
    with _gone_is_fine():
        while os.read(master, 1 << 16):
            pass


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except OSError:  # The terminal or its process has ended.
        return


def kinds(face: RemoteSession) -> list[str]:
    """What sort of faces are attached, in the order they came."""
    standing = face.standing()
    return [] if standing is None else [name.partition("@")[0] for name in standing.faces]


def test_two_faces_and_a_script_see_the_same(own_home: Path) -> None:
    """While all three give commands: pictures of one version are equal in every face."""
    with (
        EngineProcess(own_home),
        attached(own_home, "tui", "free") as one,
        attached(own_home, "gui") as other,
    ):
        seen: list[dict[int, EngineSnapshot]] = [{}, {}]
        watching = threading.Event()

        def watch(face: RemoteSession, pictures: dict[int, EngineSnapshot]) -> None:
            while not watching.wait(0.01):
                pictures[shot_of(face).version] = shot_of(face)

        watchers = [
            threading.Thread(target=watch, args=[face, pictures], daemon=True)
            for face, pictures in zip((one, other), seen, strict=True)
        ]
        for watcher in watchers:
            watcher.start()
        refused = shell(own_home, "bots", "add", "grid")
        assert "holds the trade token: take it over first (--take-token)" in refused.stderr
        params = ["--param", "qty=0.01", "--param", "levels=2"]
        added = told(own_home, "bots", "add", "grid", *params, "--take-token")
        assert (added["bot_id"], added["params"]["levels"]) == ("grid-1", "2")
        eventually(lambda: "has the trade token again" in one.standing().notice)  # type: ignore[union-attr]
        eventually(lambda: any(row.order.bot_id == "grid-1" for row in shot_of(other).orders))
        assert do(one, c.PauseBot, bot_id="maker-1") == ""
        assert do(other, c.TakeHelm, bot_id="grid-1") == ""
        assert told(own_home, "flatten")["refused"] == ""
        eventually(lambda: not any(book.lots for book in shot_of(one).positions))
        assert told(own_home, "kill")["refused"] == ""
        eventually(lambda: not shot_of(one).orders and not shot_of(other).orders)
        watching.set()
        for watcher in watchers:
            watcher.join(10)

        common = sorted(seen[0].keys() & seen[1].keys())
        assert len(common) > 5, "the faces have hardly met"
        for version in common:
            mine, theirs = seen[0][version], seen[1][version]
            assert (mine.orders, mine.positions, mine.bots) == (
                theirs.orders,
                theirs.positions,
                theirs.bots,
            ), version
            assert (mine.equity, mine.fills) == (theirs.equity, theirs.fills)
        listed = {bot["bot_id"]: bot["helm"] for bot in told(own_home, "bots")}
        assert listed == {bot.bot_id: str(bot.helm) for bot in shot_of(one).bots}
        assert listed["maker-1"] == "paused"
        assert told(own_home, "orders") == []


@pytest.mark.parametrize("stall_s", [2, pytest.param(60, marks=pytest.mark.long)])
def test_a_client_that_stops_reading_keeps_its_place(own_home: Path, stall_s: int) -> None:
    """Under 2,000 messages a second: commands of others are answered all the while, and the first
    it reads again after what was on the line is the present."""
    with (
        EngineProcess(own_home, "--speed", "10"),
        Bare.attach(own_home) as asleep,
        attached(own_home, "tui", "free") as awake,
    ):
        shown = asleep.hear_until(p.Picture).snapshot
        commands = (c.PauseBot, c.ResumeBot)
        until_s = time.monotonic() + stall_s
        count = 0
        while time.monotonic() < until_s or count % 2:
            assert do(awake, commands[count % 2], bot_id="maker-1") == ""
            assert awake.failure() == ""
            count += 1
            time.sleep(0.1)
        assert kinds(awake) == ["bare 0", "tui"]
        assert do(awake, c.PauseBot, bot_id="trend-1") == ""
        eventually(lambda: "paused" in [bot.helm for bot in shot_of(awake).bots[1:]])
        last, pictures = shot_of(awake).version, 0
        while shown.version < last:
            frame = asleep.hear()
            if isinstance(frame, p.Picture | p.Delta):
                pictures += 1
                shown = (
                    frame.snapshot
                    if isinstance(frame, p.Picture)
                    else delta.apply(shown, frame.changes)
                )
                asleep.say(p.Seen(version=shown.version))
        assert pictures <= p.PICTURES_IN_FLIGHT + 2
        assert {bot.bot_id: bot.helm for bot in shown.bots}["trend-1"] is Helm.PAUSED


def test_a_killed_face_changes_nothing_and_a_new_one_sees_the_truth(own_home: Path) -> None:
    with EngineProcess(own_home) as engine, attached(own_home, "doctor") as looker:
        with terminal(own_home) as pid:
            eventually(lambda: "tui" in kinds(looker), 30)
            assert shot_of(looker).bots[0].helm is Helm.AUTO
            holder = looker.standing()
            assert holder is not None
            assert holder.holder.startswith("tui@")
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: kinds(looker) == ["doctor"])
        assert looker.standing().holder == ""  # type: ignore[union-attr]
        version, fills = shot_of(looker).version, shot_of(looker).bots[0].fills
        eventually(lambda: shot_of(looker).version > version + 20)
        eventually(lambda: shot_of(looker).bots[0].fills > fills, 60)
        assert [bot.helm for bot in shot_of(looker).bots] == [Helm.AUTO, Helm.AUTO]
        with attached(own_home, "again") as again:
            eventually(lambda: shot_of(again).version >= shot_of(looker).version)
        code, words = engine.stop()
        assert code == 0
        assert "stopped: " in words
        assert "closed after" in words


def test_a_killed_engine_is_missed_at_once_and_comes_back_with_everything(own_home: Path) -> None:
    with attached_to_a_killed_engine(own_home) as (face, before):
        assert shot_of(face).orders == before.orders, "the last picture is still to be read"
        with EngineProcess(own_home) as engine:
            eventually(lambda: not face.failure())
            # It goes on from its last event, which may be older than the last picture.
            eventually(lambda: shot_of(face).ts_ns >= before.ts_ns)
            after = shot_of(face)
            known = {(fill.client_order_id, fill.seq) for fill in after.fills}
            assert {(fill.client_order_id, fill.seq) for fill in before.fills[-50:]} <= known
            assert [bot.bot_id for bot in after.bots] == [bot.bot_id for bot in before.bots]
            code, _ = engine.stop(signal.SIGINT)
            assert code == 0
        eventually(lambda: "stopped: " in face.failure())
    ledger = next(paths_of(own_home).profile("paper").glob("ledger-*.db"))
    events = [row.event for row in history.last_events(ledger, 1_000_000)]
    assert sum(isinstance(event, BotAdded) for event in events) == 3
    booked = {event.client_order_id for event in events if isinstance(event, OrderFilled)}
    assert {fill.client_order_id for fill in before.fills} <= booked


@contextmanager
def attached_to_a_killed_engine(home: Path) -> Iterator[tuple[RemoteSession, EngineSnapshot]]:
    """A face that has seen fills and a third bot, and its last picture before a kill -9."""
    with EngineProcess(home) as engine, attached(home, "tui", "free") as face:
        added = {"strategy": "trend", "instrument_id": "sim.BTCUSDT"}
        assert do(face, c.AddBot, bot_id="trend-2", **added) == ""
        eventually(lambda: len(shot_of(face).fills) > 3, 60)
        engine.kill()
        # On a busy machine the engine is silent before it is gone.
        eventually(lambda: "reconnecting" in face.failure())
        yield face, shot_of(face)


def test_one_engine_a_ledger_and_profiles_side_by_side(own_home: Path) -> None:
    with EngineProcess(own_home) as paper, EngineProcess(own_home, "--profile", "other") as other:
        second = shell(own_home, "engine")
        assert (second.returncode, second.stdout) == (4, "")
        assert second.stderr.count("\n") == 1
        assert f"one already serves profile paper (process {paper.pid})" in second.stderr
        assert told(own_home, "kill", "--profile", "other")["refused"] == ""
        assert told(own_home, "status")["kill"] == "none"
        assert told(own_home, "status", "--profile", "other")["kill"] == "cancel-all"
        assert endpoint_at(own_home).folder != endpoint_at(own_home, "other").folder
        report = told(own_home, "stop", "--profile", "other")
        assert report["orders_working"] == 0
        assert report["by"].startswith("shell@")
        assert other.wait() == 0
        assert told(own_home, "status")["profile"] == "paper"
        refused = shell(own_home, "engine", "--fresh")
        assert (refused.returncode, refused.stderr.count("\n")) == (4, 1), "it is in use"
    with EngineProcess(own_home, "--fresh", "--profile", "other"):
        assert told(own_home, "status", "--profile", "other")["kill"] == "none"
    assert len(list(paths_of(own_home).profile("other").glob("ledger-*-until-*.db"))) == 1


def test_an_engine_of_another_build_is_stopped_all_the_same(own_home: Path) -> None:
    """What refuses every face of this build must not need a kill."""
    *python, program = command_line()
    at, begin, rest = program.partition("from app.cli")
    newer = f"{at}import app.service.protocol as p; p.SCHEMA += 1; {begin}{rest}"
    with EngineProcess(own_home, command=[*python, newer]) as engine:
        status = shell(own_home, "status")
        assert (status.returncode, status.stderr.count("\n")) == (4, 1)
        assert "update this face" in status.stderr
        done = told(own_home, "stop")
        assert done["pid"] == engine.pid
        assert engine.wait() == 0
    assert shell(own_home, "stop").returncode == 3


def test_an_engine_that_still_opens_is_stopped(own_home: Path) -> None:
    """A long ledger may take minutes: nobody has to wait for its end only to stop it."""
    engine = subprocess.Popen(
        command_line("engine"),
        env={**os.environ, "PILOTHOUSE_HOME": str(own_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: claimant(endpoint_at(own_home)), 60)
    engine.send_signal(signal.SIGSTOP)
    stopping = subprocess.Popen(
        command_line("stop"),
        env={**os.environ, "PILOTHOUSE_HOME": str(own_home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    status = Path(f"/proc/{engine.pid}/status")
    pending = f"ShdPnd:\t{1 << signal.SIGTERM - 1:016x}"
    eventually(lambda: pending in status.read_text(), 60)
    engine.send_signal(signal.SIGCONT)
    said, _ = stopping.communicate(timeout=60)
    assert (stopping.returncode, said) == (
        0,
        f"stopped: process {engine.pid}, which was still opening\n",
    )
    assert engine.communicate(timeout=60)[0] == "stopped before it had opened its ledger\n"
    assert engine.returncode == 0


def test_the_helm_from_a_shell(own_home: Path) -> None:
    """Each word does what it says, once; what cannot be done says why, with the agreed code."""
    with EngineProcess(own_home):
        story = [
            ("pause --bot maker-1", 0, "maker-1 paused"),
            ("resume --bot maker-1", 0, "maker-1 steers by itself"),
            ("take --bot maker-1", 0, "maker-1 is yours"),
            ("take --bot maker-1", 1, "TakeHelm refused: maker-1 is already yours"),
            ("give --bot maker-1", 0, "maker-1 steers by itself"),
            ("give --bot nobody", 2, "bot: nobody: no such bot; pilothouse bots lists them"),
            ("orders --bot nobody", 2, "bot: nobody"),
            ("positions --bot manual", 0, "PNL"),
            ("kill --bot maker-1", 0, "maker-1 stopped; its orders are being cancelled"),
            ("kill --bot maker-1", 1, "maker-1 is already stopped"),
            ("kill --bot maker-1 --level flatten", 2, "stands over every bot"),
            ("status --bot maker-1", 0, "stopped"),
            ("resume --bot maker-1", 0, "maker-1 steers by itself"),
            ("give", 2, "name the bot"),
            ("cancel-all", 0, "cancelling the orders of everybody"),
            ("bots remove maker-1 --flatten", 0, "maker-1 removed"),
            ("bots add nope", 2, "strategy: nope"),
            ("bots add grid --param levels=many", 2, "levels: many"),
            ("bots add trend --param timeframe=9h", 1, "this engine keeps"),
            ("kill --level no-entries", 0, "kill switch on: no entries"),
            ("bots add grid", 1, "the kill switch is on"),
            ("reset resume", 2, "type RESUME in capitals"),
            ("reset RESUME", 0, "bots stay paused"),
            ("incidents", 0, "nothing needs a look"),
            ("why maker-1", 0, "removed by shell@"),
            ("logs -n 3", 0, "shell@"),
            ("status --profile empty", 3, "pilothouse engine --profile empty"),
        ]
        for words, code, said in story:
            done = shell(own_home, *words.split())
            assert (done.returncode, done.stdout.count("Traceback")) == (code, 0), words
            assert said in (done.stdout if code == 0 else done.stderr), words
            assert done.stderr.count("\n") == (code != 0), done.stderr


def test_a_story_through_the_engine_is_that_of_the_ledger(own_home: Path) -> None:
    """What a face on another machine is told, and what `why` reads beside the ledger."""
    with EngineProcess(own_home, "--speed", "10"), attached(own_home, "tui") as face:
        eventually(lambda: shot_of(face).fills, 60)
        order_id = shot_of(face).fills[0].client_order_id
        # The order may still go on: what is read later only goes on, too.
        first = face.story(order_id)
        rows = told(own_home, "why", order_id)["story"]
        last = face.story(order_id)
        assert first
        known = [(row["ts_ns"], row["text"]) for row in rows]
        assert list(first) == known[: len(first)]
        assert list(last)[: len(known)] == known
        with pytest.raises(WorkFailed, match="nobody: no ledger of profile paper knows it yet"):
            face.story("nobody")


def test_logs_follow_until_the_engine_is_gone(own_home: Path) -> None:
    with EngineProcess(own_home) as engine:
        follower = subprocess.Popen(
            command_line("logs", "-f", "-n", "1", "--json"),
            env={**os.environ, "PILOTHOUSE_HOME": str(own_home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert follower.stdout is not None
        lines = [json.loads(follower.stdout.readline()) for _ in range(5)]
        assert [row["seq"] for row in lines] == sorted({row["seq"] for row in lines})
        engine.kill()
        _, errors = follower.communicate(timeout=20)
        assert follower.returncode == 3
        assert "engine gone" in errors


# -- terminals that go ---------------------------------------------------------------------------


def test_a_terminal_that_goes_stops_the_engine_in_it(own_home: Path) -> None:
    with EngineProcess(own_home) as engine:
        code, words = engine.stop(signal.SIGHUP)
    assert code == 0
    assert "stopped" in words


NOHUP = ("sh", "-c", 'trap "" HUP; exec "$@"', "sh")
"""As the program of that name, without its words."""


@pytest.mark.parametrize("options", [(), ("--restart",)])
def test_an_engine_under_nohup_outlives_its_terminal(
    own_home: Path, options: tuple[str, ...]
) -> None:
    with EngineProcess(own_home, *options, before=NOHUP) as engine:
        os.kill(engine.pid, signal.SIGHUP)
        with attached(own_home) as face:
            version = shot_of(face).version
            eventually(lambda: shot_of(face).version > version + 5)
        code, _ = engine.stop(signal.SIGTERM)
    assert code == 0


def test_an_engine_in_the_background_of_a_script_hears_an_interrupt(own_home: Path) -> None:
    """A shell without job control has its background programs begin with Ctrl+C ignored."""
    before = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    with EngineProcess(own_home, before=before) as engine:
        code, words = engine.stop(signal.SIGINT)
    assert code == 0
    assert "stopped" in words
