"""What `data record` writes, `data import` reads: without a hole, and with the venue's prices."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from app.drill import new_account, open_drill
from app.record import record, record_market
from engine.archive.catalogue import load_recording
from engine.archive.check import check_recording
from engine.domain.errors import BadInput
from engine.drill.resolver import drill_session


async def test_a_recording_is_a_capture_without_defects(tmp_path: Path) -> None:
    drill = open_drill(
        tmp_path / "drill", accounts=[new_account("ann")], symbols=("BTCUSDT",), usdm_symbols=()
    )
    async with drill as server:
        place = server.place

        def session() -> aiohttp.ClientSession:
            return drill_session(Path(place.ca_path), place.port, place.hosts)

        said: list[str] = []
        (told,) = await record(
            "binance_spot", ["BTCUSDT"], tmp_path, 3.0, said.append, session, tmp_path
        )
        with pytest.raises(BadInput, match="lists no such one"):
            await record("binance_spot", ["NOPE"], tmp_path, 1.0, said.append, session, tmp_path)

    assert told.snapshots == 1
    assert told.refused == 0
    assert not [words for words in said if "missing" in words]
    recording = load_recording([Path(told.file)])
    assert recording.meta.instrument.instrument_id == "binance_spot.BTCUSDT"
    report = check_recording(recording)
    assert report.defects == []
    assert report.streams["trades"].rows == told.trades > 0
    assert report.streams["depth"].messages >= told.depth - 1
    assert {stream.gaps for stream in report.streams.values()} == {0}


def test_an_unknown_venue_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="known are: binance_spot, binance_usdm"):
        record_market("nowhere", ["BTCUSDT"], tmp_path, 1.0, print, is_drill=True)


@pytest.mark.parametrize("symbol", ["../etc", "BTC USDT", "", "BTC\x1b[2J"])
def test_a_symbol_that_is_none_is_named_before_anybody_is_asked(
    tmp_path: Path, symbol: str
) -> None:
    with pytest.raises(BadInput, match=r"SYMBOL: .*letters and digits"):
        record_market("binance_spot", [symbol], tmp_path, 1.0, print, is_drill=True)
