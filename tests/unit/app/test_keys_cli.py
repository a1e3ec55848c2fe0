"""`pilothouse keys` as a person meets it: at a real terminal, through pipes, and done wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.paths import HOME_VARIABLE, locate
from app.secrets import KeyStore
from tests.support.canary import Canary
from tests.support.service import ROOT, command_line, shell
from tests.support.terminal import Terminal

SEALED = ("--password-stdin", "--passphrase-stdin", "--store", "sealed")


def a_terminal(home: Path, *words: str) -> Terminal:
    environ = {**os.environ, HOME_VARIABLE: str(home), "TERM": "xterm"}
    environ.pop("DBUS_SESSION_BUS_ADDRESS", None)
    return Terminal(command_line("keys", *words), (110, 40), environ)


def add(home: Path, canary: Canary, *words: str) -> subprocess.CompletedProcess[str]:
    said = f"{canary.sealing}\n{canary.lines}"
    return shell(home, "keys", "add", "binance", *SEALED, *words, said=said)


def test_typed_at_a_terminal_where_no_keyring_is(own_home: Path) -> None:
    canary = Canary()
    with a_terminal(own_home, "add", "binance") as terminal:
        terminal.until(lambda vt: "Which (1" in vt.text())
        shown = terminal.vt.text()
        assert "protects against" in shown
        assert "somebody types the passphrase after every start" in " ".join(shown.split())
        terminal.press("1\n")
        for prompt, typed in (
            ("binance API key", canary.key),
            ("binance secret", canary.secret),
            ("new passphrase", canary.sealing),
            ("once more", canary.sealing),
        ):
            terminal.until(lambda vt, prompt=prompt: prompt in vt.text())
            terminal.press(f"{typed}\n")
        terminal.until(lambda vt: "stored and read back" in vt.text())
        canary.assert_not_in(terminal.vt.text())
    assert KeyStore(locate(), "live").load("binance", lambda: canary.sealing).reveal() == (
        canary.key,
        canary.secret,
        "",
    )
    canary.assert_silent(own_home)


def test_choosing_no_place_stores_nothing(own_home: Path) -> None:
    with a_terminal(own_home, "add", "binance") as terminal:
        terminal.until(lambda vt: "Which (1" in vt.text())
        terminal.press("\n")
        terminal.until(lambda vt: "nothing is stored" in vt.text())
        assert terminal.process.wait(10) == 4
    assert KeyStore(locate(), "live").entries() == []


def test_through_a_pipe_listed_and_removed(own_home: Path) -> None:
    canary = Canary()
    added = add(own_home, canary, "--json")
    assert added.returncode == 0, added.stderr
    entry = json.loads(added.stdout)
    assert (entry["venue"], entry["store"]) == ("binance", "sealed")
    listed = shell(own_home, "keys", "list")
    assert entry["fingerprint"] in listed.stdout
    assert json.loads(shell(own_home, "keys", "list", "--json").stdout) == [entry]
    wrong = shell(own_home, "keys", "remove", "binance", "--passphrase-stdin", said="no, not it\n")
    assert (wrong.returncode, wrong.stdout) == (4, "")
    assert "wrong passphrase" in wrong.stderr
    gone = shell(
        own_home, "keys", "remove", "binance", "--passphrase-stdin", said=f"{canary.sealing}\n"
    )
    assert (gone.returncode, gone.stderr) == (0, "")
    assert shell(own_home, "keys", "list").stdout == "profile live has no keys\n"
    for done in (added, listed, wrong, gone):
        canary.assert_not_in(done.stdout, done.stderr)
    canary.assert_silent(own_home)


@pytest.mark.parametrize(
    ("words", "said", "code", "parts"),
    [
        (["add"], "", 2, ["VENUE"]),
        (["add", "binanse"], "", 2, ["VENUE: binanse", "did you mean binance?"]),
        (["add", "binance", "--store", "paper"], "", 2, ["--store: paper", "keyring, sealed"]),
        (["add", "binance", "--profile", "paper"], "", 2, ["--profile: paper", "no keys"]),
        (["add", "binance", "--profile", "../x"], "", 2, ["--profile"]),
        (["add", "binance"], "", 4, ["keyring: none that may hold keys", "--store sealed"]),
        (["add", "binance", "--store", "sealed"], "", 2, ["binance API key", "--password-stdin"]),
        (["add", "binance", *SEALED], "", 2, ["stdin", "passphrase on its first line"]),
        (["add", "binance", *SEALED], "phrase is long enough\n", 2, ["stdin: 0 lines"]),
        (["add", "binance", *SEALED], "short\n{}\n{}\n", 2, ["passphrase: 5 characters"]),
        (["add", "binance", *SEALED], "long enough to do\n{}x\n{}\n", 2, ["key: 65 characters"]),
        (["add", "binance", *SEALED], "long enough to do\n{}\n{}x\n", 2, ["secret: 65 char"]),
        (["add", "binance", *SEALED], "long enough to do\n{0}\n{0}\n", 2, ["key once more"]),
        (["add", "binance", *SEALED], "a\nb\nc\nd\ne\nf\n", 2, ["stdin"]),
        (["remove", "binance"], "", 2, ["VENUE: binance", "no key of that name"]),
        (["unlock"], "", 3, ["none runs for profile live"]),
        (["nope"], "", 2, ["No such command"]),
    ],
)
def test_wrong_use_is_one_line_that_repeats_no_secret(
    own_home: Path, words: list[str], said: str, code: int, parts: list[str]
) -> None:
    canary = Canary()
    done = shell(
        own_home, "keys", *words, said=said.format(canary.key, canary.secret),
        DBUS_SESSION_BUS_ADDRESS="",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.count("\n") == 1
    for part in parts:
        assert part in done.stderr
    canary.assert_not_in(done.stderr)
    canary.assert_silent(own_home)


def test_a_secret_among_the_arguments_is_refused_and_not_repeated(own_home: Path) -> None:
    canary = Canary()
    for words in (
        [canary.key, canary.secret],
        [f"--secret={canary.secret}"],
        ["--key", canary.key],
    ):
        done = shell(own_home, "keys", "add", "binance", *words)
        assert done.returncode == 2
        canary.assert_not_in(done.stdout, done.stderr)
    assert "never arguments" in shell(own_home, "keys", "add", "binance", canary.key).stderr


def test_a_paper_engine_refuses_a_live_profile(own_home: Path) -> None:
    canary = Canary()
    assert add(own_home, canary).returncode == 0
    done = shell(own_home, "engine", "--profile", "live")
    assert done.returncode == 2
    assert "--profile: live: is a live one" in done.stderr


# -- whatever fails, however ---------------------------------------------------------------------

FAILING_ENGINE = """
import asyncio, logging, sys, threading, traceback
sys.path.insert(0, {root!r})
from app import hardening, logs
from app.cli.main import main
from app.paths import locate
from app.secrets import KeyStore

logs.start("engine-live", "debug")
logs.catch_strays()
assert hardening.harden() == []
held = KeyStore(locate(), "live").load("binance", sys.stdin.readline().strip)
key, secret, _ = held.reveal()

class Venue:
    "Says everything it knows, as libraries do."
    def __init__(self): self.held, self.apiKey, self.secret = held, key, secret
    def fail(self, url): raise ConnectionError(f"GET {{url}}&signature={{secret}} {{self.apiKey}}")

venue = Venue()
log = logging.getLogger("ccxt.base.exchange")
log.warning("POST /api/v3/order headers %s", {{"X-MBX-APIKEY": key}})
log.warning("body %s", f"symbol=BTC&secret in the middle {{secret}} of it")
log.info("vars %s", vars(venue))
try:
    venue.fail("https://venue/order?timestamp=1")
except ConnectionError:
    log.exception("order", extra={{"detail": vars(venue), "api_key": key}})
threading.Thread(target=venue.fail, args=("https://venue/thread",)).start()

async def stray():
    async def fails(): venue.fail("https://venue/task")
    task = asyncio.create_task(fails())
    await asyncio.sleep(0.01)
asyncio.run(stray())

import app.cli.doctor as broken
def fails(*_, **__): venue.fail("https://venue/command")
import app.doctor
app.doctor.examine = fails
code = main(["doctor"])
held.forget()
print("ended with", code, held)
"""


def test_the_canary_stays_silent_however_an_engine_fails(own_home: Path, tmp_path: Path) -> None:
    canary = Canary()
    assert add(own_home, canary).returncode == 0
    failing = subprocess.run(
        [sys.executable, "-P", "-c", FAILING_ENGINE.format(root=str(ROOT))],
        env={**os.environ, HOME_VARIABLE: str(own_home)},
        input=f"{canary.sealing}\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=60,
    )
    assert "ended with 1 Credentials(binance, hidden)" in failing.stdout, failing.stderr
    log = locate().logs / "engine-live.log"
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["level"] for line in told].count("critical") == 2  # The thread and the command.
    assert any("traceback" in line for line in told)
    assert "[redacted]" in failing.stderr
    canary.assert_not_in(failing.stdout, failing.stderr)
    canary.assert_silent(own_home, tmp_path)


DYING = """
import sys, os
sys.path.insert(0, {root!r})
from app import hardening
import resource
assert hardening.is_dumpable()
assert hardening.harden() == []
assert not hardening.is_dumpable()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
open("made", "w").close()
os.abort()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_a_hardened_engine_leaves_no_core_and_private_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", DYING.format(root=str(ROOT))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -6, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made").stat().st_mode & 0o077 == 0


ASKING = """
import sys
sys.path.insert(0, {root!r})
from app import hardening
from app.cli.main import main
assert hardening.is_dumpable()
try:
    main({words!r})
except SystemExit:
    pass
print("hidden" if not hardening.is_dumpable() else "open")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
@pytest.mark.parametrize("words", [["add"], ["check"], ["remove"], ["unlock"], ["list"]])
def test_no_command_that_holds_a_secret_can_be_looked_into(
    own_home: Path, words: list[str]
) -> None:
    more = ["binance", "--store", "sealed"] if words == ["add"] else ["binance"]
    asked = ["keys", *words, *(more if words not in (["unlock"], ["list"]) else [])]
    done = subprocess.run(
        [sys.executable, "-P", "-c", ASKING.format(root=str(ROOT), words=asked)],
        env={**os.environ, HOME_VARIABLE: str(own_home)},
        input="",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    expected = "open" if words == ["list"] else "hidden"  # A list holds none.
    assert done.stdout.splitlines()[-1] == expected, done.stderr


def test_a_canary_that_sings_is_heard(tmp_path: Path) -> None:
    """The search itself: in every form, and in another process's arguments."""
    import base64

    canary = Canary()
    raw = canary.secret.encode()
    for number, content in enumerate(
        (
            b"x" + raw + b"x",
            canary.key.encode("utf-16-le"),
            raw.hex().encode(),
            base64.b64encode(b"ab" + raw),
            base64.b64encode(raw + b"x"),
        )
    ):
        file = tmp_path / str(number)
        file.write_bytes(content)
        with pytest.raises(AssertionError, match=f"/{number}"):
            canary.assert_silent(tmp_path)
        file.unlink()
    canary.assert_silent(tmp_path)
    sleeper = subprocess.Popen([sys.executable, "-c", "input()", canary.key], stdin=subprocess.PIPE)
    try:
        with pytest.raises(AssertionError, match="cmdline"):
            canary.assert_silent(tmp_path)
    finally:
        sleeper.communicate(b"\n")
