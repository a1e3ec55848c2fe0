"""The disk of the simulation loses what a power cut may lose, and the real ledger survives it."""

from __future__ import annotations

import sqlite3

import pytest

from engine.domain.errors import LedgerError
from engine.domain.events import AnyEvent, Noted
from engine.store.database import LEDGER, Schema
from tests.simulation.chance import Chance
from tests.simulation.disk import SECTOR, Disk, DiskFault, File
from tests.simulation.ledger import SimLedger, format_disk, read_disk
from tests.simulation.loop import SimLoop, SimTime

EPOCH_NS = 1_700_000_000_000_000_000


def _note(number: int) -> AnyEvent:
    return Noted(ts_ns=EPOCH_NS + number, bot_id="", text=f"note {number} " + "x" * (number % 700))


def _cut_story(seed: int, schema: Schema) -> tuple[int, list[AnyEvent]]:
    """Append until the power goes; how many were acknowledged, and what a restart finds."""
    chance = Chance(seed)
    loop = SimLoop(chance.fork("schedule"))
    clock = SimTime(loop, EPOCH_NS)
    disk = Disk(chance.fork("disk"))
    format_disk(disk, EPOCH_NS, schema)
    acknowledged = 0
    # Held until the power is back: a connection that the collector closes before would write to a
    # dead disk, and nobody could catch what that raises.
    ledger = SimLedger(disk, clock, lambda: 0.004, lambda _: None, schema)

    async def story() -> None:
        nonlocal acknowledged
        disk.cut_at = disk.writes + 1 + chance.below(400)
        number = 0
        while True:
            number += 1
            future = ledger.append([_note(number)])
            while not future.done():
                await clock.sleep(1_000_000)
            if future.exception() is not None:
                return
            acknowledged = number

    loop.run_until_complete(story())
    loop.finish()
    disk.cut_power()
    return acknowledged, read_disk(disk)


def test_no_acknowledged_event_is_lost_with_full_and_every_ledger_opens() -> None:
    for seed in range(60):
        acknowledged, found = _cut_story(seed, LEDGER)
        assert len(found) >= acknowledged
        assert found == [_note(number) for number in range(1, len(found) + 1)]


def test_normal_loses_acknowledged_events_so_the_disk_is_harsh_enough() -> None:
    careless = LEDGER._replace(synchronous="NORMAL")
    lost = 0
    for seed in range(60):
        acknowledged, found = _cut_story(seed, careless)
        assert found == [_note(number) for number in range(1, len(found) + 1)]
        lost += len(found) < acknowledged
    assert lost > 10


def test_a_crash_of_the_process_loses_nothing_that_was_written() -> None:
    loop = SimLoop(Chance(1))
    clock = SimTime(loop, EPOCH_NS)
    disk = Disk(Chance(2))
    format_disk(disk, EPOCH_NS)

    async def story() -> None:
        ledger = SimLedger(disk, clock, lambda: 0.001, lambda _: None)
        for number in range(1, 30):
            ledger.append([_note(number)])
            await clock.sleep(5_000_000)

    loop.run_until_complete(story())
    loop.finish()
    disk.crash()
    assert read_disk(disk) == [_note(number) for number in range(1, 30)]


@pytest.mark.parametrize("fault", list(DiskFault))
def test_a_failing_disk_is_loud_and_what_it_acknowledged_stays(fault: DiskFault) -> None:
    loop = SimLoop(Chance(1))
    clock = SimTime(loop, EPOCH_NS)
    disk = Disk(Chance(2))
    format_disk(disk, EPOCH_NS)
    told: list[LedgerError] = []

    async def story() -> None:
        ledger = SimLedger(disk, clock, lambda: 0.001, told.append)
        first = ledger.append([_note(1)])
        await clock.sleep(5_000_000)
        assert first.result() == 1
        disk.fault = fault
        second = ledger.append([_note(2)])
        await clock.sleep(5_000_000)
        assert "could not be written" in str(second.exception())
        with pytest.raises(LedgerError, match="nothing after event 1 was saved"):
            ledger.append([_note(3)])

    loop.run_until_complete(story())
    loop.finish()
    assert len(told) == 1
    disk.fault = None
    disk.crash()
    assert read_disk(disk) == [_note(1)]


def test_a_cut_keeps_the_synced_and_tears_the_rest_at_sectors() -> None:
    seen = set()
    for seed in range(200):
        file = File(b"a" * 4 * SECTOR)
        file.write(0, b"b" * 4 * SECTOR)
        file.sync()
        file.write(0, b"c" * 4 * SECTOR)
        image = file.after_cut(Chance(seed))
        kept = image.count(b"c")
        assert kept % SECTOR == 0
        assert image == b"c" * kept + b"b" * (4 * SECTOR - kept)
        seen.add(kept // SECTOR)
    assert seen == {0, 1, 2, 3, 4}


def test_errors_come_as_the_store_expects_them() -> None:
    disk = Disk(Chance(1))
    disk.put("ledger.db", b"not a database" * 100)
    with pytest.raises((sqlite3.Error, LedgerError)):
        read_disk(disk)
