"""An engine that waits for its keys, and the faces that bring the passphrase over the socket."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from pathlib import Path

import pytest

from app import logs
from app.paths import HOME_VARIABLE, locate
from app.secrets import Credentials, KeyStore, StoreKind, Unlocking, sealed
from app.service import protocol as p
from app.service.links import SocketRoad
from app.service.locked import unlock_engine
from engine.domain.errors import ConfigError, EngineNotRunning
from tests.support.canary import Canary
from tests.support.service import (
    Bare,
    EngineProcess,
    ScriptedEngine,
    attached,
    command_line,
    endpoint_at,
    shell,
)
from tests.support.terminal import Terminal

VENUE = "binance"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are sealed with the least that is accepted: tests open them often."""
    monkeypatch.setattr(sealed, "SCRYPT_N", 1 << 14)


def sealed_store(canary: Canary) -> KeyStore:
    store = KeyStore(locate(), "live")
    held = Credentials(VENUE, key=canary.key, secret=canary.secret)
    store.add(held, StoreKind.SEALED, lambda: canary.sealing)
    return store


async def until_locked(keys: Unlocking, *venues: str) -> None:
    async with asyncio.timeout(10):
        while set(keys.locked) != set(venues):  # noqa: ASYNC110  No event tells of it.
            await asyncio.sleep(0.005)


async def test_it_waits_until_the_right_passphrase_comes() -> None:
    canary = Canary()
    keys = Unlocking(sealed_store(canary))
    assert await keys.unlock("whatever comes early") == "nothing is locked"
    wanted = asyncio.create_task(keys.credentials("binance_spot"))
    also = asyncio.create_task(keys.credentials("binance_usdm"))
    await until_locked(keys, "binance_spot", "binance_usdm")
    assert "keys unlock --profile live" in keys.waits_for
    assert "wrong passphrase" in await keys.unlock("not this one, no")
    assert not wanted.done()
    assert await keys.unlock(canary.sealing) == ""
    assert (await wanted).reveal() == (canary.key, canary.secret, "")
    assert (await also).venue == "binance_usdm"
    assert (keys.locked, keys.waits_for) == ((), "")


async def test_who_gives_up_waiting_is_forgotten() -> None:
    canary = Canary()
    keys = Unlocking(sealed_store(canary))
    wanted = asyncio.create_task(keys.credentials(VENUE))
    await until_locked(keys, VENUE)
    wanted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wanted
    assert await keys.unlock(canary.sealing) == "nothing is locked"


async def test_without_any_key_it_does_not_wait() -> None:
    with pytest.raises(ConfigError, match="pilothouse keys add binance"):
        await Unlocking(KeyStore(locate(), "live")).credentials("binance_spot")


def test_a_shell_unlocks_an_engine_and_nothing_of_it_is_kept(own_home: Path) -> None:
    canary = Canary()
    sealed_store(canary)
    log_file = logs.start("engine-live", "debug")
    try:
        with WaitingEngine(own_home) as waiting:
            wrong = shell_with(own_home, "no, not this one\n")
            assert wrong.returncode == 4
            assert "wrong passphrase" in wrong.stderr
            right = shell_with(own_home, f"{canary.sealing}\n")
            assert (right.returncode, right.stdout) == (0, "unlocked\n"), right.stderr
            assert waiting.got() == (canary.key, canary.secret, "")
            again = shell_with(own_home, f"{canary.sealing}\n")
            assert again.returncode == 4
            assert "nothing is locked" in again.stderr
            canary.assert_not_in(wrong.stderr, right.stdout, right.stderr, again.stderr)
    finally:
        root = logging.getLogger()
        for handler in root.handlers[:]:
            root.removeHandler(handler)
            handler.close()
    assert "keys unlocked" in log_file.read_text()
    canary.assert_silent(own_home)


def shell_with(home: Path, said: str) -> subprocess.CompletedProcess[str]:
    return shell(home, "keys", "unlock", "--passphrase-stdin", said=said)


class WaitingEngine(ScriptedEngine):
    """The real server of a live profile that stands locked."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            home,
            profile="live",
            on_unlock=self._unlock,
            waits_for=lambda: self._keys.waits_for,
        )
        self._keys = Unlocking(KeyStore(locate(), "live"))
        self._wanted: asyncio.Task[Credentials] | None = None

    async def _live(self) -> None:
        self._wanted = asyncio.create_task(self._keys.credentials(VENUE))
        await until_locked(self._keys, VENUE)
        await super()._live()

    async def _unlock(self, passphrase: str) -> str:
        return await self._keys.unlock(passphrase)

    def got(self) -> tuple[str, str, str]:
        assert self._wanted is not None
        return self._wanted.result().reveal()


def test_a_face_of_a_locked_engine_is_told_what_to_do(own_home: Path) -> None:
    canary = Canary()
    sealed_store(canary)
    with WaitingEngine(own_home):
        with (
            pytest.raises(p.Refused, match="keys unlock --profile live") as told,
            attached(own_home, profile="live"),
        ):
            pass
        assert (told.value.code, told.value.exit_code) == (p.LOCKED, 4)
        status = shell(own_home, "status", "--profile", "live")
        assert status.returncode == 4
        assert "pilothouse keys unlock --profile live" in status.stderr
        unlock_engine(SocketRoad(endpoint_at(own_home, "live")), lambda: canary.sealing)
        with attached(own_home, profile="live") as session:
            assert session.snapshot() is not None


def test_a_locked_engine_can_be_stopped(own_home: Path) -> None:
    """The real one: it never gets as far as its venue."""
    canary = Canary()
    sealed_store(canary)
    (own_home / "config").mkdir()
    (own_home / "config" / "settings.toml").write_text("[live]\narmed = true\n")
    with LockedEngine(own_home, "--live") as engine:
        assert "engine: locked: keys of profile live are sealed" in engine.greeting
        wrong = shell_with(own_home, "no, not this one\n")
        assert (wrong.returncode, wrong.stdout) == (4, "")
        stopped = shell(own_home, "stop", "--profile", "live")
        assert (stopped.returncode, stopped.stderr) == (0, "")
        assert "before it had opened its ledger" in stopped.stdout
        assert engine.wait() == 0
    canary.assert_silent(own_home)


class LockedEngine(EngineProcess):
    ready = "locked"


def test_the_terminal_asks_for_the_passphrase_and_goes_on(own_home: Path) -> None:
    canary = Canary()
    sealed_store(canary)
    environ = {**os.environ, HOME_VARIABLE: str(own_home), "TERM": "xterm-256color"}
    command = command_line("tui", "--profile", "live")
    with WaitingEngine(own_home), Terminal(command, (160, 45), environ) as terminal:
        terminal.until(lambda vt: "passphrase of the sealed file" in vt.text())
        terminal.press(f"{canary.sealing}\n")
        terminal.until(lambda vt: "bots 2" in vt.text())
        canary.assert_not_in(terminal.vt.text())
    canary.assert_silent(own_home)


def test_an_engine_on_paper_has_nothing_to_unlock(own_home: Path) -> None:
    with ScriptedEngine(own_home), pytest.raises(ConfigError, match="has no keys"):
        unlock_engine(SocketRoad(endpoint_at(own_home)), lambda: "correct horse battery")
    with pytest.raises(EngineNotRunning):
        unlock_engine(SocketRoad(endpoint_at(own_home)), lambda: "correct horse battery")


def test_a_trial_that_fails_is_answered_and_the_engine_lives(own_home: Path) -> None:
    async def fail(passphrase: str) -> str:
        raise RuntimeError("the disk is gone")

    with ScriptedEngine(own_home, on_unlock=fail) as engine:
        with pytest.raises(ConfigError, match="RuntimeError: see the engine's log"):
            unlock_engine(SocketRoad(endpoint_at(own_home)), lambda: "correct horse battery")
        assert engine.is_well()


def test_a_frame_never_shows_the_passphrase(own_home: Path) -> None:
    frame = p.UnlockKeys(passphrase="correct horse battery")
    assert "horse" not in f"{frame} {frame!r} {[frame]}"
    with ScriptedEngine(own_home) as engine, Bare.attach(own_home) as bare:
        bare.send(p.encode(frame).replace(b"passphrase", b"passphrasE"))
        assert "horse" not in bare.refusal()
        assert engine.is_well()
