"""`keys check` against a scripted venue over real TLS: each outcome one line, a right exit code."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from app.paths import locate
from app.secrets import Credentials, KeyEntry, KeyStore
from app.secrets.permissions import ACCEPT_PHRASE, judge
from engine.domain.claims import KeyPermissions
from tests.support.canary import Canary
from tests.support.scripted_venue import Asked, ScriptedVenue
from tests.support.shell import Said, Shell, assert_refused

RESTRICTIONS = {
    "ipRestrict": True,
    "createTime": 1698645219000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableMargin": False,
    "enableFutures": True,
    "enableSpotAndMarginTrading": True,
}
TIME = "GET /api/v3/time"
ASKED = "GET /sapi/v1/account/apiRestrictions"


class VenueThread:
    """A scripted venue in a thread of its own, since a command has a loop of its own."""

    def __init__(self, folder: Path, *, is_expired: bool = False) -> None:
        self.venue = ScriptedVenue(folder, is_expired=is_expired)
        self._is_up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        assert self._is_up.wait(10)

    def _main(self) -> None:
        self._loop.run_until_complete(self._live())

    async def _live(self) -> None:
        async with self.venue:
            self._is_up.set()
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()


class Rig:
    def __init__(self, shell: Shell, canary: Canary) -> None:
        self.shell = shell
        self.canary = canary
        self.threads: list[VenueThread] = []

    def venue(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **how: Any) -> ScriptedVenue:
        self.threads.append(VenueThread(folder, **how))
        found = self.threads[-1].venue
        monkeypatch.setattr("app.key_check.plain_session", found.session)
        found.on(TIME, _now)
        return found

    def give(self, venue: str, canary: Canary) -> None:
        held = Credentials(venue, key=canary.key, secret=canary.secret)
        (self.shell.folder / f"pilothouse.live.{venue}").write_bytes(held.to_bytes())

    def check(self, *words: str, venue: str = "binance") -> Said:
        return self.shell("keys", "check", venue, *words)


async def _now(_: Asked) -> web.StreamResponse:
    return web.json_response({"serverTime": time.time_ns() // 1_000_000})


@pytest.fixture
def rig(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rig]:
    """The key comes as systemd hands it over: nobody has to type a passphrase."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    canary = Canary()
    made = Rig(Shell(tmp_path, capsys), canary)
    made.give("binance", canary)
    umask = os.umask(0o077)
    yield made
    os.umask(umask)  # A command that holds a secret narrows it.
    for thread in made.threads:
        thread.close()


@pytest.fixture
def venue(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedVenue:
    return rig.venue(tmp_path, monkeypatch)


def test_a_good_key_is_accepted(rig: Rig, venue: ScriptedVenue, own_home: Path) -> None:
    venue.answer(ASKED, RESTRICTIONS)
    said = rig.check()
    assert (said.code, said.err) == (0, "")
    assert "live trading accepts this key" in said.out
    assert "warning" not in said.out
    told = json.loads(rig.check("--json").out)
    assert (told["withdraw"], told["ip_restricted"], told["live"]) == (False, True, True)
    (first, *_) = [asked for asked in venue.asked if asked.path.endswith("apiRestrictions")]
    assert first.headers["X-MBX-APIKEY"] == rig.canary.key  # It was asked with this key.
    rig.canary.assert_not_in(said.out)
    rig.canary.assert_silent(own_home)


def test_a_key_that_can_withdraw_is_refused_until_a_person_types_it(
    rig: Rig, venue: ScriptedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.answer(ASKED, {**RESTRICTIONS, "enableWithdrawals": True, "ipRestrict": False})
    said = rig.check()
    assert said.code == 4
    assert "live trading refuses this key: it can withdraw" in said.err
    assert "it works from any address" in said.out
    assert rig.check("--allow-withdrawals").code == 2  # Nobody is there to type.
    monkeypatch.setattr("sys.stdin", Typing("yes yes\n"))
    assert "the phrase differs" in rig.check("--allow-withdrawals").err
    assert rig.check().code == 4
    monkeypatch.setattr("sys.stdin", Typing(f"{ACCEPT_PHRASE.upper()}\n"))
    assert rig.check("--allow-withdrawals").code == 0
    (entry,) = KeyStore(locate(), "live").entries()
    assert entry.withdrawals_accepted_ns > 0
    later = rig.check()
    assert later.code == 0
    assert "a person has accepted" in later.out
    rig.give("binance", Canary())  # Another key has to be accepted anew.
    assert rig.check().code == 4


class Typing:
    """A terminal at which somebody types one line."""

    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._line


@pytest.mark.parametrize(
    ("status", "body", "code", "parts"),
    [
        (
            401,
            {"code": -2015, "msg": "Invalid API-key, IP, or permissions"},
            4,
            ["-2015", "pilothouse keys add binance"],
        ),
        (400, {"code": -1022, "msg": "Signature is not valid."}, 4, ["-1022"]),
        (
            400,
            {"code": -1021, "msg": "Timestamp outside of recvWindow"},
            4,
            ["clock and the venue's differ"],
        ),
        (200, "<html><body>Welcome to Hotel WiFi</body></html>", 1, ["captive portal"]),
        (302, "", 1, ["captive portal"]),
        (200, "{ not json", 1, ["binance"]),
        (503, "<html>down</html>", 1, ["try again later"]),
        (
            429,
            {"code": -1003, "msg": "Too many requests"},
            1,
            ["takes no more requests", "in 30 s"],
        ),
        (418, {"code": -1003, "msg": "banned until 1999999999999"}, 1, ["has banned this address"]),
    ],
)
def test_what_the_venue_says_is_one_line(
    rig: Rig, venue: ScriptedVenue, status: int, body: object, code: int, parts: list[str]
) -> None:
    venue.answer(ASKED, body, status=status, headers={"Location": "/"} if status == 302 else {})
    said = rig.check()
    assert_refused(said, *parts, code=code)
    rig.canary.assert_not_in(said.err)
    assert venue.count(ASKED) == 1  # No retries.


def test_a_ban_is_obeyed_by_the_next_check_and_by_a_recording(
    rig: Rig, venue: ScriptedVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.record.plain_session", venue.session)
    venue.answer(ASKED, "{}", status=418, headers={"Retry-After": "3600"})
    assert_refused(rig.check(), "has banned this address", code=1)
    asked = len(venue.asked)
    banned = ("rate limit: this address is banned: next question in",)
    assert_refused(rig.check(), *banned, code=1)
    words = ("binance_spot", "BTCUSDT", "--seconds", "1", "--out", str(tmp_path / "out"))
    assert_refused(rig.shell("data", "record", *words), "data record", *banned, code=1)
    assert len(venue.asked) == asked


def test_an_expired_certificate(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.venue(tmp_path, monkeypatch, is_expired=True)
    assert_refused(rig.check(), "certificate has expired", code=1)


def test_a_clock_an_hour_off(rig: Rig, venue: ScriptedVenue) -> None:
    venue.answer(TIME, {"serverTime": time.time_ns() // 1_000_000 + 3_600_000})
    said = rig.check()
    assert_refused(said, "min behind the venue", "set its clock", code=4)
    assert venue.count(ASKED) == 0


def test_no_network(rig: Rig, venue: ScriptedVenue) -> None:
    rig.threads[-1].close()
    rig.threads.clear()
    assert_refused(rig.check(), "see whether the network is up", code=1)


def test_a_venue_that_hangs_up(rig: Rig, venue: ScriptedVenue) -> None:
    async def hang_up(_: Asked) -> None:
        return None

    venue.on(ASKED, hang_up)
    assert_refused(rig.check(), "the connection broke", code=1)


def test_a_venue_without_key_or_without_exchange(rig: Rig) -> None:
    assert_refused(rig.check(venue="kraken"), "pilothouse keys add kraken", code=4)
    rig.give("nowhere", Canary())
    assert_refused(rig.check(venue="nowhere"), "venue: nowhere", "no such exchange", code=2)


ENTRY = KeyEntry(venue="v", store="keyring", fingerprint="f", added_ns=1)
FINE = KeyPermissions(
    can_read=True, can_trade=True, can_withdraw=False, can_transfer=False, is_ip_restricted=True
)


def test_judgement_of_what_cannot_be_asked() -> None:
    assert judge(FINE, ENTRY) == ("", ())
    silent = KeyPermissions(
        can_read=None, can_trade=None, can_withdraw=None, can_transfer=None, is_ip_restricted=None,
        words="kraken does not tell",
    )  # fmt: skip
    refused, warnings = judge(silent, ENTRY)
    assert refused == ""
    assert len(warnings) == 3
    assert "kraken does not tell" in warnings
