from __future__ import annotations

import asyncio
from concurrent import futures

from engine.store.memory import MemoryJournal
from tests.support.events import a_note


def test_an_append_is_done_at_once() -> None:
    journal = MemoryJournal()
    assert journal.append([a_note(1), a_note(2)]).result() == 2
    future = journal.append([a_note(3)])
    assert future.done()
    assert future.exception() is None
    assert not future.cancel()
    heard: list[int] = []
    future.add_done_callback(lambda done: heard.append(done.result()))
    assert heard == [3]
    assert journal.last_seq == 3
    assert list(journal.replay()) == [a_note(1), a_note(2), a_note(3)]


async def test_its_future_can_be_awaited_like_any_other() -> None:
    assert await asyncio.wrap_future(MemoryJournal().append([a_note()])) == 1


def test_its_future_can_be_waited_for_among_others() -> None:
    future = MemoryJournal().append([a_note()])
    assert futures.wait([future], timeout=1).done == {future}


def test_the_digest_depends_on_every_event_and_not_on_when_it_is_asked() -> None:
    asked_late, asked_often, other = MemoryJournal(), MemoryJournal(), MemoryJournal()
    for number in range(5):
        asked_late.append([a_note(number)])
        asked_often.append([a_note(number)])
        asked_often.digest()
        other.append([a_note(number + (number == 2))])
    assert asked_late.digest() == asked_often.digest() != other.digest()
