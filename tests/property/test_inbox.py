"""The inbox against a plain list: nothing is lost, nothing is invented, newest book wins."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.core.inbox import Inbox, InboxFull, Lane, Overflow, Policy

CAPACITY = 4
POLICIES = {
    "command": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=CAPACITY),
    "report": Policy(lane=Lane.ORDERS, overflow=Overflow.NEVER_DROP, capacity=CAPACITY),
    "book": Policy(lane=Lane.MARKET, overflow=Overflow.CONFLATE, capacity=CAPACITY),
    "trade": Policy(lane=Lane.MARKET, overflow=Overflow.NEVER_DROP, capacity=CAPACITY),
    "note": Policy(lane=Lane.MARKET, overflow=Overflow.DROP_OLDEST, capacity=CAPACITY),
}

Message = tuple[str, int, int]
"""Kind, key, number."""

puts = st.tuples(st.sampled_from(sorted(POLICIES)), st.integers(0, 5))
takes = st.just(None)
steps = st.lists(st.one_of(puts, puts, takes), max_size=80)


class Model:
    """The inbox as anybody would describe it: one list, searched from the front."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []

    def put(self, message: Message) -> bool:
        kind, key, _ = message
        same = [place for place, other in enumerate(self.waiting) if other[0] == kind]
        overflow = POLICIES[kind].overflow
        if overflow is Overflow.CONFLATE:
            for place in same:
                if self.waiting[place][1] == key:
                    self.waiting[place] = message
                    return True
        if len(same) == CAPACITY:
            if overflow is not Overflow.DROP_OLDEST:
                return False
            del self.waiting[same[0]]
        self.waiting.append(message)
        return True

    def take(self) -> Message | None:
        for lane in Lane:
            for place, message in enumerate(self.waiting):
                if POLICIES[message[0]].lane is lane:
                    return self.waiting.pop(place)
        return None


@given(steps)
def test_the_inbox_does_what_its_policies_say(steps: list[tuple[str, int] | None]) -> None:
    inbox: Inbox[Message] = Inbox(POLICIES)
    model = Model()
    for number, step in enumerate(steps):
        if step is None:
            assert inbox.take() == model.take()
            continue
        kind, key = step
        message = (kind, key, number)
        if model.put(message):
            inbox.put(kind, message, key)
        else:
            try:
                inbox.put(kind, message, key)
            except InboxFull:
                continue
            raise AssertionError("a message that finds no room must be refused")
        assert len(inbox) == len(model.waiting)
    remaining = inbox.drain(1000)
    expected = []
    while (message_or_none := model.take()) is not None:
        expected.append(message_or_none)
    assert remaining == expected
    for row in inbox.statistics():
        assert row.put == row.taken + row.conflated + row.dropped + row.waiting
        assert row.waiting_max <= CAPACITY
        if POLICIES[row.kind].overflow is not Overflow.DROP_OLDEST:
            assert row.dropped == 0
