from __future__ import annotations

import asyncio
import threading

import pytest

from engine.core.inbox import Inbox, InboxClosed, InboxFull, Lane, Overflow, Policy


def an_inbox(capacity: int = 3) -> Inbox[str]:
    return Inbox(
        {
            "command": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=capacity),
            "book": Policy(lane=Lane.MARKET, overflow=Overflow.CONFLATE, capacity=capacity),
            "trade": Policy(lane=Lane.MARKET, overflow=Overflow.NEVER_DROP, capacity=capacity),
            "note": Policy(lane=Lane.MARKET, overflow=Overflow.DROP_OLDEST, capacity=capacity),
        }
    )


def test_orders_overtake_market_data_and_each_lane_keeps_its_order() -> None:
    inbox = an_inbox()
    inbox.put("trade", "t1")
    inbox.put("book", "b1", "BTC")
    inbox.put("trade", "t2")
    inbox.put("command", "c1")
    assert inbox.drain(10) == ["c1", "t1", "b1", "t2"]


def test_a_newer_book_takes_the_place_of_the_older_one() -> None:
    inbox = an_inbox()
    inbox.put("book", "btc 1", "BTC")
    inbox.put("book", "eth 1", "ETH")
    inbox.put("book", "btc 2", "BTC")
    assert inbox.drain(10) == ["btc 2", "eth 1"]


def test_a_full_inbox_refuses_commands_loudly_and_keeps_the_earlier_ones() -> None:
    inbox = an_inbox(capacity=2)
    inbox.put("command", "c1")
    inbox.put("command", "c2")
    with pytest.raises(InboxFull, match="2 messages of kind command"):
        inbox.put("command", "c3")
    assert inbox.drain(10) == ["c1", "c2"]


def test_more_instruments_than_a_conflating_kind_was_made_for_are_refused() -> None:
    inbox = an_inbox(capacity=1)
    inbox.put("book", "btc", "BTC")
    with pytest.raises(InboxFull):
        inbox.put("book", "eth", "ETH")


def test_log_like_messages_lose_the_oldest_and_are_counted() -> None:
    inbox = an_inbox(capacity=2)
    for number in range(5):
        inbox.put("note", f"n{number}")
    assert inbox.drain(10) == ["n3", "n4"]
    notes = next(row for row in inbox.statistics() if row.kind == "note")
    assert (notes.put, notes.taken, notes.dropped) == (5, 2, 3)
    assert (notes.waiting, notes.waiting_max) == (0, 2)


def test_drain_stops_at_its_limit() -> None:
    inbox = an_inbox()
    inbox.put("command", "c1")
    inbox.put("command", "c2")
    assert inbox.drain(1) == ["c1"]
    assert len(inbox) == 1
    assert inbox.take() == "c2"
    assert inbox.take() is None


async def test_a_put_from_another_thread_wakes_the_waiting_engine() -> None:
    inbox = an_inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    assert not getting.done()
    producer = threading.Thread(target=inbox.put, args=("command", "c1"))
    producer.start()
    assert await asyncio.wait_for(getting, 5) == "c1"
    producer.join()


async def test_many_producers_lose_nothing() -> None:
    inbox = an_inbox(capacity=10_000)

    def produce(name: str) -> None:
        for number in range(500):
            inbox.put("command", f"{name} {number}")

    producers = [threading.Thread(target=produce, args=(name,)) for name in "abcd"]
    for producer in producers:
        producer.start()
    got = [await asyncio.wait_for(inbox.get(), 5) for _ in range(2000)]
    for producer in producers:
        producer.join()
    for name in "abcd":
        assert [m for m in got if m[0] == name] == [f"{name} {n}" for n in range(500)]


async def test_a_wait_that_times_out_loses_nothing_and_can_be_repeated() -> None:
    inbox = an_inbox()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(inbox.wait(), 0.001)
    inbox.put("command", "c1")
    await asyncio.wait_for(inbox.wait(), 5)
    assert inbox.take() == "c1"


async def test_closing_lets_the_engine_finish_and_then_says_so() -> None:
    inbox = an_inbox()
    inbox.put("command", "c1")
    inbox.close()
    with pytest.raises(InboxClosed):
        inbox.put("command", "c2")
    assert await inbox.get() == "c1"
    with pytest.raises(InboxClosed):
        await inbox.get()


async def test_closing_wakes_a_waiting_engine() -> None:
    inbox = an_inbox()
    getting = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.close()
    with pytest.raises(InboxClosed):
        await asyncio.wait_for(getting, 5)


def test_a_producer_hears_that_the_engine_is_gone() -> None:
    inbox = an_inbox()
    loop = asyncio.new_event_loop()
    getting = loop.create_task(inbox.get())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    with pytest.raises(InboxClosed, match="loop is gone"):
        inbox.put("command", "c1")
    getting._log_destroy_pending = False  # type: ignore[attr-defined]  # it was meant to die
