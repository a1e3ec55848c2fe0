"""What a person is told when the way to the venue, the key or the clock is wrong: one clear line,
the right state, and no storm of requests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from app.live import drill_folder
from app.paths import HOME_VARIABLE, locate
from engine.domain.snapshots import LinkStage
from engine.drill.faults.catalogue import FaultKind as K
from engine.drill.faults.plan import FaultPlan, FaultRule
from engine.drill.place import read_place, write_place
from tests.drill.rig import EngineLife, Rig, open_rig

LOOK_S = 5.0
REQUESTS_MAX = 25
"""In `LOOK_S`, of everything that an engine asks while it cannot trade."""
BACK_S = 60.0


class Outcome(NamedTuple):
    rules: tuple[FaultRule, ...]
    stage: LinkStage
    words: str


_LONG_S = 600.0
_DISCONNECT = FaultRule(kind=K.FORCED_DISCONNECT)
OUTCOMES = {
    "no network": Outcome(
        (FaultRule(kind=K.NAME_UNKNOWN, for_s=_LONG_S),),
        LinkStage.DEGRADED,
        "the venue cannot be reached: api.binance.com: no such name, or no network",
    ),
    "nobody listens": Outcome(
        (FaultRule(kind=K.CONNECTION_REFUSED, for_s=_LONG_S),),
        LinkStage.DEGRADED,
        "the venue cannot be reached: api.binance.com: Connect call failed",
    ),
    "expired certificate": Outcome(
        (FaultRule(kind=K.CERTIFICATE_EXPIRED, for_s=_LONG_S),),
        LinkStage.DEGRADED,
        "no trusted connection (certificate has expired): check this machine's date",
    ),
    "captive portal": Outcome(
        (
            FaultRule(kind=K.CAPTIVE_PORTAL, on="*"),
            FaultRule(kind=K.SOCKET_REFUSED),
            _DISCONNECT,
        ),
        LinkStage.DEGRADED,
        "a captive portal or a proxy; log in to the network",
    ),
    "clock an hour off": Outcome(
        (FaultRule(kind=K.CLOCK_SKEW, amount=3600, for_s=_LONG_S), _DISCONNECT),
        LinkStage.SYNCING,
        "this machine's clock is 3600.0 s behind the venue's: set it",
    ),
    "revoked key": Outcome(
        (FaultRule(kind=K.KEY_REVOKED, for_s=_LONG_S), _DISCONNECT),
        LinkStage.HALTED,
        "the key is refused: binance_spot: Invalid API-key, IP, or permissions for action. (-2015)",
    ),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("captive portal", "revoked key"), id="two"),
        pytest.param(tuple(OUTCOMES), id="all", marks=pytest.mark.long),
    ],
)
async def test_each_has_its_line_its_state_and_its_patience(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """One engine meets them one after the other, and is back after each but the last."""
    async with open_rig(tmp_path / "home") as rig:
        life = await rig.start_engine()
        for name in names:
            await rig.until(lambda: life.stage is LinkStage.TRADING, BACK_S)
            outcome = OUTCOMES[name]
            rig.marksman.begin(FaultPlan(name=name, rules=outcome.rules))
            await rig.until(lambda o=outcome: _is_told(life, o), BACK_S)
            heard = len(rig.marksman.heard)
            await asyncio.sleep(LOOK_S)
            assert _is_told(life, outcome), (name, rig.describe())
            link = life.picture.link
            assert link is not None
            assert "\n" not in link.words
            assert len(rig.marksman.heard) - heard <= REQUESTS_MAX, name
            rig.marksman.switch_off()
        assert await life.stop() == 0


def _is_told(life: EngineLife, outcome: Outcome) -> bool:
    link = life.picture.link
    return link is not None and link.stage is outcome.stage and outcome.words in link.words


# -- at the first start ----------------------------------------------------------------------------


async def _refused_start(rig: Rig) -> tuple[int, str]:
    life = EngineLife(rig.home, ["--venue", rig.venue, "--symbol", "BTCUSDT"])
    code = await life.bury()
    return code, life.said()


async def test_a_wrong_key_is_one_line_and_a_code(tmp_path: Path) -> None:
    async with open_rig(tmp_path / "home") as rig:
        folder = drill_folder(locate({HOME_VARIABLE: str(rig.home)}))
        place = read_place(folder)
        wrong = msgspec.structs.replace(place.keys[0], secret="w" * 64)
        write_place(folder, msgspec.structs.replace(place, keys=(wrong,)))
        code, words = await _refused_start(rig)
        assert code == 4, words
        assert "binance_spot" in words
        assert "signature" in words.lower()
        assert "Traceback" not in words
        assert len(words.splitlines()) == 1
        assert "w" * 64 not in words


async def test_a_captive_portal_is_one_line_and_a_code(tmp_path: Path) -> None:
    async with open_rig(tmp_path / "home") as rig:
        rules = (FaultRule(kind=K.CAPTIVE_PORTAL, on="*"),)
        rig.marksman.begin(FaultPlan(name="portal", rules=rules))
        code, words = await _refused_start(rig)
        assert code != 0
        assert "captive portal" in words
        assert len(words.splitlines()) == 1
        assert len(rig.marksman.heard) <= REQUESTS_MAX


async def test_no_exchange_is_one_line_and_a_code(tmp_path: Path) -> None:
    async with open_rig(tmp_path / "home") as rig:
        home = rig.home
    life = EngineLife(home, ["--venue", "binance_spot", "--symbol", "BTCUSDT"])
    code = await life.bury()
    assert code != 0
    assert len(life.said().splitlines()) == 1
    assert "see whether the network is up" in life.said()
