"""The loop of the simulation: virtual, seeded, and cut off from the machine."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from engine.core.inbox import Inbox, Lane, Overflow, Policy
from tests.simulation.chance import Chance
from tests.simulation.loop import RealWorld, SimLoop, SimTime, Stalled


def _story(seed: int) -> str:
    """A digest of who did what when, for tasks that sleep, meet and wait with timeouts."""
    chance = Chance(seed)
    loop = SimLoop(chance.fork("schedule"))
    times = chance.fork("times")
    digest = hashlib.sha256()

    async def worker(number: int, gate: asyncio.Event, queue: asyncio.Queue[int]) -> None:
        for turn in range(20):
            await asyncio.sleep(times.below(3) / 10)
            digest.update(f"{loop.time():.9f} {number} {turn}\n".encode())
            queue.put_nowait(number)
            if turn == 10:
                gate.set()
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        except TimeoutError:
            digest.update(f"{number} waited an hour\n".encode())

    async def story() -> None:
        gate: asyncio.Event = asyncio.Event()
        queue: asyncio.Queue[int] = asyncio.Queue()
        tasks = [asyncio.create_task(worker(number, gate, queue)) for number in range(5)]
        await gate.wait()
        await asyncio.gather(*tasks)
        digest.update(str([queue.get_nowait() for _ in range(queue.qsize())]).encode())

    loop.run_until_complete(story())
    digest.update(str(loop.steps).encode())
    loop.finish()
    return digest.hexdigest()


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    assert _story(1) == _story(1)
    assert len({_story(seed) for seed in range(8)}) == 8


def test_an_hour_costs_no_time_and_time_never_goes_back() -> None:
    loop = SimLoop(Chance(3))
    seen = []

    async def sleeper(duration_s: float) -> None:
        await asyncio.sleep(duration_s)
        seen.append(loop.time())

    async def story() -> None:
        await asyncio.gather(*(sleeper(duration_s) for duration_s in (7200.0, 1.5, 3600.25)))

    loop.run_until_complete(story())
    loop.finish()
    assert seen == [1.5, 3600.25, 7200.0]


def test_a_killed_process_never_runs_again_and_the_others_do() -> None:
    loop = SimLoop(Chance(4))
    ticks: dict[str, int] = {"a": 0, "b": 0}
    undone = []

    async def child(name: str) -> None:
        while True:
            await asyncio.sleep(1)
            ticks[name] += 1

    async def process(name: str) -> None:
        try:
            await asyncio.create_task(child(name))
        finally:
            undone.append(name)

    async def story() -> None:
        loop.spawn("a", process("a"))
        loop.spawn("b", process("b"))
        await asyncio.sleep(3.5)
        loop.kill("a")
        await asyncio.sleep(3)

    loop.run_until_complete(story())
    assert ticks == {"a": 3, "b": 6}
    assert undone == ["a"]
    loop.finish()


def test_what_will_never_come_is_named() -> None:
    loop = SimLoop(Chance(5))

    async def story() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stalled):
        loop.run_until_complete(story())
    loop.finish()


def test_no_thread_no_socket_no_process() -> None:
    loop = SimLoop(Chance(6))

    async def story() -> None:
        with pytest.raises(RealWorld):
            await asyncio.to_thread(print)
        with pytest.raises(RealWorld):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(RealWorld):
            await asyncio.start_server(print, "127.0.0.1", 0)
        with pytest.raises(RealWorld):
            await asyncio.create_subprocess_exec("true")

    loop.run_until_complete(story())
    loop.finish()


def test_the_engines_inbox_and_clock_work_on_it() -> None:
    loop = SimLoop(Chance(7))
    clock = SimTime(loop, 1_700_000_000_000_000_000)
    inbox: Inbox[int] = Inbox(
        {"order": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=8)}
    )

    async def producer() -> None:
        for number in range(5):
            await clock.sleep(60_000_000_000)
            inbox.put("order", number)

    async def story() -> list[int]:
        task = asyncio.create_task(producer())
        taken = [await inbox.get() for _ in range(5)]
        await task
        return taken

    assert loop.run_until_complete(story()) == [0, 1, 2, 3, 4]
    assert clock.now_ns() - 1_700_000_000_000_000_000 == 300_000_000_000 == clock.monotonic_ns()
    loop.finish()
