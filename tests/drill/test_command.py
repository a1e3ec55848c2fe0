"""`pilothouse drill` as a person starts it: real process, real port, stopped by Ctrl+C."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from engine.drill.place import read_place
from engine.drill.resolver import drill_session
from tests.support.shared import capture, needs_shared

PROGRAM = "import sys; from app.cli.main import main; sys.exit(main(sys.argv[1:]))"


@asynccontextmanager
async def _drill(
    folder: Path, *words: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, "drill", "--json", "--dir", str(folder), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdout is not None
    try:
        text = await asyncio.wait_for(process.stdout.readuntil(b"\n}\n"), 60)
        yield process, json.loads(text)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _readable_by_others(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.stat().st_mode & 0o077]


async def test_it_says_where_it_listens_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    async with _drill(tmp_path, "--accounts", "2") as (process, said):
        assert [each["name"] for each in said["accounts"]] == ["demo", "demo1"]
        place = read_place(tmp_path)
        assert place.port == said["port"]
        key = said["accounts"][1]
        async with drill_session(Path(said["ca"]), said["port"], said["hosts"]) as session:
            client = ccxt.pro.binance(
                {
                    "session": session,
                    "apiKey": key["api_key"],
                    "secret": key["secret"],
                    "options": {"fetchMarkets": {"types": ["spot"]}},
                }
            )
            placed = await client.create_order("BTC/USDT", "market", "buy", 0.01)
            assert placed["status"] == "closed"
            await client.close()
        second = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "drill", "--dir", str(tmp_path)),
            stderr=asyncio.subprocess.PIPE,
        )
        _, words = await second.communicate()
        assert (second.returncode, words.count(b"\n")) == (4, 1), words
        process.send_signal(signal.SIGINT)
        _, words = await process.communicate()
        assert process.returncode == 0, words
    ledger = (tmp_path / "ledger-binance_spot.jsonl").read_text().splitlines()
    assert any(json.loads(line)["type"] == "trade" for line in ledger)
    assert _readable_by_others(tmp_path) == []


@needs_shared
async def test_a_recording_is_the_market(tmp_path: Path) -> None:
    [recording] = capture("spot_btcusdt_20240808")
    async with (
        _drill(tmp_path, "--capture", str(recording)) as (_, said),
        drill_session(Path(said["ca"]), said["port"], said["hosts"]) as session,
    ):
        client = ccxt.pro.binance(
            {"session": session, "options": {"fetchMarkets": {"types": ["spot"]}}}
        )
        book = await client.fetch_order_book("BTC/USDT")
        await client.close()
        assert 50_000 < book["bids"][0][0] < book["asks"][0][0] < 70_000


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--speed", "0"), "--speed: 0: must be greater than 0"),
        (("--seconds", "-1"), "--seconds: -1: must be greater than zero"),
        (("--faults", "crush"), "did you mean crash?"),
        (("--port", "99999"), "--port"),
        (("--capture", "nowhere.gz"), "nowhere.gz"),
    ],
)
async def test_bad_words_get_one_line(tmp_path: Path, words: tuple[str, ...], part: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, "drill", "--dir", str(tmp_path), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()
    lines = [line for line in told.decode().splitlines() if "opening" not in line]
    assert process.returncode == 2, told
    assert len(lines) == 1
    assert part in lines[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
async def test_a_full_disk_ends_it_with_one_line(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger-binance_spot.jsonl"
    ledger.symlink_to("/dev/full")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, "drill", "--json", "--dir", str(tmp_path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = said.decode().splitlines()
    assert process.returncode == 1
    assert lines[-1].endswith(
        f"{ledger}: cannot be written: No space left on device: make room, or name another --dir"
    )
    assert not any("Traceback" in line for line in lines)
