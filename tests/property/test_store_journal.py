"""Any list of any events, in any batches, comes back from the file as it was."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.clock import SimClock
from engine.core.tasks import Failure
from engine.domain.events import AnyEvent
from engine.store import codec
from engine.store.journal import open_ledger
from engine.store.memory import MemoryJournal
from tests.support.events import EVENT_TYPES, values_of
from tests.support.events import events as any_events


def unexpected(failure: Failure) -> None:
    raise AssertionError(failure)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
def test_every_event_survives_its_bytes(kind: type[AnyEvent]) -> None:
    @settings(max_examples=30)
    @given(values_of(kind))
    def check(event: AnyEvent) -> None:
        body = codec.encode(event)
        back = codec.decode(body)
        assert type(back) is kind
        assert back == event
        assert codec.encode(back) == body
        assert codec.columns(back) == codec.columns(event)
        assert codec.columns(event).kind == kind.__name__

    check()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(any_events, max_size=4), max_size=8))
def test_any_batches_of_any_events_come_back_in_order(batches: list[list[AnyEvent]]) -> None:
    batches = without_repeated_intents(batches)
    memory = MemoryJournal()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        with open_ledger(path, clock=SimClock(1), on_failure=unexpected) as journal:
            written = [(journal.append(batch), memory.append(batch)) for batch in batches]
            assert [one.result() for one, _ in written] == [other.result() for _, other in written]
        with open_ledger(path, clock=SimClock(1), on_failure=unexpected) as journal:
            assert list(journal.replay()) == list(memory.replay())
            assert journal.digest() == memory.digest()


def without_repeated_intents(batches: list[list[AnyEvent]]) -> list[list[AnyEvent]]:
    """An id may be intended once per ledger; random ones repeat (the empty one, say)."""
    intended: set[str | None] = set()
    kept: list[list[AnyEvent]] = []
    for batch in batches:
        kept.append([])
        for event in batch:
            columns = codec.columns(event)
            if columns.kind != "OrderIntended" or columns.client_order_id not in intended:
                kept[-1].append(event)
            if columns.kind == "OrderIntended":
                intended.add(columns.client_order_id)
    return kept


DIGEST_OF_SETS = """
from engine.store.memory import MemoryJournal
from tests.support.events import an_intent
journal = MemoryJournal()
journal.append([an_intent(trade_ids=frozenset("abcdefgh"))])
print(journal.digest())
"""


def test_the_digest_is_the_same_under_another_hash_seed() -> None:
    root = Path(__file__).parents[2]
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST_OF_SETS],
            cwd=root,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
