from __future__ import annotations

import asyncio
import threading

import pytest

from engine.core.tasks import Failure, OwnedThread, Returned, TaskOwner
from engine.domain.errors import TimedOut


async def forever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError("the feed sent nonsense")


async def test_a_task_that_raises_is_reported_at_once_and_the_others_go_on() -> None:
    heard: list[Failure] = []
    async with TaskOwner("engine", heard.append) as owner:
        healthy = owner.start("healthy", forever())
        owner.start("feed", failing())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [failure.name for failure in heard] == ["engine.feed"]
        assert isinstance(heard[0].error, ValueError)
        assert not healthy.done()
    assert healthy.cancelled()
    assert owner.failures == heard


async def test_a_task_that_comes_back_quietly_is_a_failure_unless_it_may() -> None:
    heard: list[Failure] = []
    async with TaskOwner("engine", heard.append) as owner:
        owner.start("feed", asyncio.sleep(0))
        owner.start("warm-up", asyncio.sleep(0), may_return=True)
        for _ in range(3):
            await asyncio.sleep(0)
    assert [failure.name for failure in heard] == ["engine.feed"]
    assert isinstance(heard[0].error, Returned)


async def test_a_task_cancelled_by_somebody_else_is_a_failure() -> None:
    heard: list[Failure] = []
    async with TaskOwner("engine", heard.append) as owner:
        task = owner.start("feed", forever())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert isinstance(heard[0].error, asyncio.CancelledError)


async def test_a_task_that_ignores_its_cancellation_is_left_behind_and_reported() -> None:
    heard: list[Failure] = []
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with TaskOwner("engine", heard.append, deadline_s=0.01) as owner:
        task = owner.start("stubborn", stubborn())
        await asyncio.sleep(0)
    assert isinstance(heard[0].error, TimedOut)
    assert "engine.stubborn ignored its cancellation" in str(heard[0].error)
    release.set()
    await task


async def test_an_error_while_being_cancelled_is_heard() -> None:
    heard: list[Failure] = []

    async def messy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("could not clean up")

    async with TaskOwner("engine", heard.append) as owner:
        owner.start("messy", messy())
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert isinstance(heard[0].error, ValueError)


async def test_an_owner_that_cannot_handle_a_failure_does_not_hide_it() -> None:
    def clumsy(failure: Failure) -> None:
        raise RuntimeError("no")

    async with TaskOwner("engine", clumsy) as owner:
        owner.start("feed", failing())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert isinstance(owner.failures[0].error, ValueError)


def test_a_thread_that_raises_reports_to_its_owner() -> None:
    heard: list[Failure] = []

    def work(stopping: threading.Event) -> None:
        raise ValueError("no disk")

    thread = OwnedThread("writer", work, heard.append)
    thread.start()
    thread.stop()
    assert [failure.name for failure in heard] == ["writer"]
    assert thread.failure == heard[0]


def test_a_thread_that_comes_back_unasked_is_a_failure() -> None:
    heard: list[Failure] = []
    returned = threading.Event()

    def work(stopping: threading.Event) -> None:
        returned.set()

    def listen(failure: Failure) -> None:
        heard.append(failure)

    thread = OwnedThread("reader", work, listen)
    thread.start()
    thread._thread.join(5)
    assert isinstance(heard[0].error, Returned)


def test_a_thread_that_stops_when_asked_is_fine() -> None:
    heard: list[Failure] = []

    def work(stopping: threading.Event) -> None:
        stopping.wait()

    thread = OwnedThread("writer", work, heard.append)
    thread.start()
    running = thread.is_alive
    thread.stop()
    assert (running, thread.is_alive) == (True, False)
    assert heard == []


def test_a_thread_that_does_not_stop_is_named() -> None:
    release = threading.Event()

    def work(stopping: threading.Event) -> None:
        release.wait()

    thread = OwnedThread("stuck", work, print)
    thread.start()
    with pytest.raises(TimedOut, match="thread stuck did not stop"):
        thread.stop(deadline_s=0.01)
    release.set()
    thread.stop()
