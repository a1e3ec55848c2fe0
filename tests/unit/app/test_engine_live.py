"""What `engine --live` and `--drill` refuse before anything is traded."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from app.cli.engine_live import Wish, request_of
from app.settings import LiveSettings, Settings
from engine.domain.errors import BadInput, ConfigError
from engine.domain.snapshots import Mode

ARMED = Settings(live=LiveSettings(armed=True, symbols="BTCUSDT, ETHUSDT", capital=Decimal(500)))


def wish(**changes: object) -> Wish:
    fields: dict[str, object] = {
        "profile": "",
        "live": True,
        "drill": False,
        "directory": None,
        "venue": "",
        "symbols": (),
    }
    return Wish(**{**fields, **changes})  # type: ignore[arg-type]


def test_real_money_must_be_armed_and_the_drill_need_not() -> None:
    with pytest.raises(ConfigError, match=r"armed = true under \[live\]"):
        request_of(wish(), Settings())
    assert request_of(wish(live=False, drill=True), Settings()).mode is Mode.DRILL


def test_the_command_line_wins_over_the_settings() -> None:
    request = request_of(wish(), ARMED)
    assert (request.venue, request.symbols) == ("binance_spot", ("BTCUSDT", "ETHUSDT"))
    assert (request.profile, request.capital, request.mode) == ("live", 500, Mode.LIVE)
    other = request_of(wish(venue="binance_usdm", symbols=("BNBUSDT",), profile="mine"), ARMED)
    assert (other.venue, other.symbols, other.profile) == ("binance_usdm", ("BNBUSDT",), "mine")


@pytest.mark.parametrize(
    "mistake",
    [
        {"drill": True},
        {"directory": Path("somewhere")},
        {"profile": "paper"},
        {"profile": "demo"},
        {"profile": "a/b"},
    ],
)
def test_wishes_that_contradict_themselves_are_named(mistake: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"^--"):
        request_of(wish(**mistake), ARMED)
