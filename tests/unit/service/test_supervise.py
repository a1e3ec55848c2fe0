"""An engine that crashes comes back, and one that cannot run is not tried again."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.service.endpoint import claimant, connect, keeper, kept
from app.service.unit import remove_unit, unit_path, unit_text, write_unit
from engine.domain.errors import ConfigError, EngineNotRunning
from tests.support.service import (
    ROOT,
    EngineProcess,
    attached,
    command_line,
    endpoint_at,
    eventually,
    shell,
)

ENGINE = """
import os, pathlib, signal, socket, sys, time
log = pathlib.Path({log!r})
number = len(log.read_text()) if log.exists() else 0
log.with_name("pid").write_text(str(os.getpid()))
log.write_text("x" * (number + 1))

notices = socket.socket(fileno=int(os.environ["PILOTHOUSE_NOTIFY_FD"]))

def tell(text):
    notices.send(text.encode())

def linger(tick=lambda: None):
    while True:
        tick()
        time.sleep(0.05)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
{story}
"""
"""An engine in small: it counts its starts in a file, and does what the story says."""

SUPERVISOR = """
import sys
sys.path.insert(0, {root!r})
from app.service.supervise import Supervisor
from engine.core.clock import LiveClock
say = lambda line: print(line, file=sys.stderr, flush=True)
sys.exit(Supervisor(sys.argv[1:], LiveClock(), say, cool_down_s={cool_down_s}, silent_s=1).run())
"""


class Run:
    """A supervisor in a process of its own, over an engine with this story."""

    def __init__(self, folder: Path, story: str, cool_down_s: float = 0.01) -> None:
        self.log = folder / "starts"
        engine = ENGINE.format(log=str(self.log), story=story)
        program = SUPERVISOR.format(root=str(ROOT), cool_down_s=cool_down_s)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, sys.executable, "-c", engine],
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def starts(self) -> int:
        return len(self.log.read_text()) if self.log.exists() else 0

    def end(self) -> tuple[int, list[str]]:
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said.splitlines()


def test_after_a_crash_it_is_started_again(tmp_path: Path) -> None:
    run = Run(tmp_path, "tell('READY=1'); sys.exit(0) if number == 2 else os.kill(os.getpid(), 9)")
    code, said = run.end()
    assert (code, run.starts) == (0, 3)
    assert said == [
        "engine: ended with signal 9: starting it again in 0.01 s (try 1 of 5)",
        "engine: ended with signal 9: starting it again in 0.01 s (try 2 of 5)",
    ]


def test_a_crash_loop_ends(tmp_path: Path) -> None:
    code, said = (run := Run(tmp_path, "tell('READY=1'); sys.exit(1)")).end()
    assert (code, run.starts) == (1, 6)
    assert said[-1] == "engine: ended with code 1, 6 times in 10 minutes: it stays down"


@pytest.mark.parametrize(
    ("story", "code"),
    [
        ("sys.exit(1)", 1),
        ("tell('READY=1'); sys.exit(4)", 4),
        ("tell('READY=1'); sys.exit(2)", 2),
        ("tell('READY=1'); tell('STOPPING=1'); sys.exit(0)", 0),
    ],
    ids=["never up", "settings", "usage", "stopped"],
)
def test_what_another_try_would_not_mend_is_left(tmp_path: Path, story: str, code: int) -> None:
    run = Run(tmp_path, story)
    assert run.end() == (code, [])
    assert run.starts == 1


def test_an_engine_whose_loop_stands_still_is_killed(tmp_path: Path) -> None:
    story = "tell('READY=1'); linger() if number == 0 else sys.exit(0)"
    run = Run(tmp_path, story)
    code, said = run.end()
    assert (code, run.starts) == (0, 2)
    assert said[0] == "engine: its loop has stood still for 1 s: killing it"


def test_a_stop_reaches_the_engine_and_ends_both(tmp_path: Path) -> None:
    run = Run(tmp_path, "tell('READY=1'); linger(lambda: tell('WATCHDOG=1'))")
    eventually(lambda: run.starts == 1)
    run.process.send_signal(signal.SIGTERM)
    assert run.end() == (0, [])
    assert run.starts == 1


@pytest.mark.parametrize(
    ("story", "number", "ended"),
    [
        ("signal.signal(signal.SIGTERM, signal.SIG_DFL)", signal.SIGTERM, (0, [])),
        ("tell('READY=1'); sys.exit(1)", signal.SIGINT, (0, [])),
        ("pass", signal.SIGKILL, (1, ["engine: ended with signal 9"])),
    ],
    ids=["before it listens", "in the cool-down", "killed before it was up"],
)
def test_a_stop_at_the_wrong_moment_is_a_stop(
    tmp_path: Path, story: str, number: int, ended: tuple[int, list[str]]
) -> None:
    """The exit code is one of ours, and not what is left of a signal's."""
    run = Run(tmp_path, f"{story}; log.with_name('up').touch(); linger()", cool_down_s=60)
    eventually(lambda: run.starts == 1 and (number == signal.SIGINT or (tmp_path / "up").exists()))
    if number == signal.SIGKILL:
        os.kill(int((tmp_path / "pid").read_text()), number)
    elif number == signal.SIGINT:
        assert run.process.stderr is not None
        assert "starting it again in 60 s" in run.process.stderr.readline()
        run.process.send_signal(number)
    else:
        run.process.send_signal(number)
    assert run.end() == ended


def test_a_real_engine_that_stands_still_is_replaced(own_home: Path) -> None:
    """Its process is stopped, as if its loop hung: a face says so, and gets the next one."""
    program = SUPERVISOR.format(root=str(ROOT), cool_down_s=0.01)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, *command_line("engine")],
        env={**os.environ, "PILOTHOUSE_HOME": str(own_home)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert supervisor.stderr is not None
    assert "serving" in supervisor.stderr.readline()
    with attached(own_home) as face:
        first = claimant(endpoint_at(own_home))
        os.kill(first, signal.SIGSTOP)
        assert "its loop has stood still" in supervisor.stderr.readline()
        assert "ended with signal 9: starting it again" in supervisor.stderr.readline()
        assert "serving" in supervisor.stderr.readline()
        eventually(lambda: not face.failure())
        assert claimant(endpoint_at(own_home)) not in (0, first)
        assert face.snapshot().bots  # type: ignore[union-attr]
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0


def test_between_a_crash_and_the_next_start_it_can_be_stopped(own_home: Path) -> None:
    """What says that none runs, and trades ten seconds later, would be a lie."""
    supervisor = subprocess.Popen(
        command_line("engine", "--restart"),
        env={**os.environ, "PILOTHOUSE_HOME": str(own_home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stderr is not None
    assert "serving" in supervisor.stderr.readline()
    os.kill(claimant(endpoint_at(own_home)), signal.SIGKILL)
    assert "starting it again in 10 s" in supervisor.stderr.readline()
    endpoint = endpoint_at(own_home)
    assert (claimant(endpoint), keeper(endpoint)) == (0, supervisor.pid)
    with pytest.raises(EngineNotRunning, match=f"process {supervisor.pid} starts it again"):
        connect(endpoint)
    done = shell(own_home, "stop")
    assert (done.returncode, done.stdout) == (
        0,
        f"stopped: process {supervisor.pid}, which would have started it again\n",
    )
    supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0
    assert keeper(endpoint) == 0
    assert "none runs" in shell(own_home, "stop").stderr


def test_two_that_look_after_one_profile_keep_nobody_out(own_home: Path) -> None:
    endpoint = endpoint_at(own_home)
    with kept(endpoint):
        with kept(endpoint):
            assert keeper(endpoint) == os.getpid()
        assert keeper(endpoint) == os.getpid()
    assert keeper(endpoint) == 0


def test_the_real_engine_tells_its_supervisor(own_home: Path) -> None:
    """It is up, its loop turns, it stops: what systemd would be told as well."""
    with EngineProcess(own_home, "--restart") as supervisor, attached(own_home) as face:
        eventually(lambda: face.snapshot() is not None)
        assert shell(own_home, "stop").returncode == 0
        assert supervisor.wait() == 0


# -- systemd -------------------------------------------------------------------------------------


def test_the_unit_is_what_systemd_reads(tmp_path: Path) -> None:
    odd = str(tmp_path / 'a "b" 50% $HOME')
    text = unit_text(
        "paper", [*command_line(), "engine", "--capture", odd], {"PILOTHOUSE_HOME": odd}
    )
    parsed = configparser.RawConfigParser(strict=True)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(text)
    service = parsed["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "on-failure"
    quoted = odd.replace('"', '\\"').replace("%", "%%")
    assert service["Environment"] == f'"PILOTHOUSE_HOME={quoted}"'
    assert service["ExecStart"].endswith(f'"--capture" "{quoted.replace("$", "$$")}"')


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_nothing_to_object_to(own_home: Path, tmp_path: Path) -> None:
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = shell(own_home, "engine", "install", "--profile", "two", "--seed", "3", **config)
    assert (done.returncode, done.stderr) == (0, "")
    path = unit_path("two", config)
    assert str(path) in done.stdout
    assert "systemctl --user enable --now pilothouse-two\n" in done.stdout
    checked = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert shell(own_home, "engine", "uninstall", "--profile", "two", **config).returncode == 0
    again = shell(own_home, "engine", "uninstall", "--profile", "two", **config)
    assert (again.returncode, again.stderr.count("\n")) == (4, 1)


def test_a_live_engine_is_handed_its_credentials(own_home: Path, tmp_path: Path) -> None:
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    settings = own_home / "config" / "settings.toml"
    unarmed = shell(own_home, "engine", "install", "--live", **config)
    assert (unarmed.returncode, unarmed.stdout) == (4, "")
    settings.parent.mkdir()
    settings.write_text("[live]\narmed = true\n")
    no_key = shell(own_home, "engine", "install", "--live", **config)
    assert no_key.returncode == 4
    assert "pilothouse keys add binance --profile live" in no_key.stderr
    sealed = f"a long enough one\n{'k' * 64}\n{'s' * 64}\n"
    options = ("--password-stdin", "--passphrase-stdin", "--store", "sealed")
    assert shell(own_home, "keys", "add", "binance", *options, said=sealed).returncode == 0
    done = shell(own_home, "engine", "install", "--live", "--symbol", "ETHUSDT", **config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pilothouse keys unlock --profile live" in done.stdout
    text = unit_path("live", config).read_text()
    assert '"engine" "--live" "--profile" "live" "--symbol" "ETHUSDT"' in text
    assert "LoadCredential" not in text
    line = "LoadCredentialEncrypted=pilothouse.live.binance:/a 50% b/binance.cred"
    handed = configparser.RawConfigParser(strict=True)
    handed.read_string(unit_text("live", ["x"], {}, credentials=[line]))
    assert handed["Service"]["LoadCredentialEncrypted"].endswith(":/a 50%% b/binance.cred")


def test_a_unit_that_cannot_be_written_or_removed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ConfigError, match="is the settings folder yours"):
        write_unit(file / "u.service", "")
    with pytest.raises(ConfigError, match="nothing is installed"):
        remove_unit(tmp_path / "u.service")
    with pytest.raises(ConfigError, match="cannot stand in a systemd unit"):
        unit_text("p", ["a\nb"], {})
