"""A process that writes numbered events until it is killed; see `test_crash.py`.

    appender.py LEDGER run            append for ever
    appender.py LEDGER full BYTES     append until no file may grow beyond BYTES

Prints `open N` once the ledger is open with N events, `ack N` when event N is durable.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from engine.core.clock import LiveClock
from engine.core.tasks import Failure
from engine.domain.errors import LedgerError
from engine.store.journal import LedgerJournal, open_ledger
from tests.support.plain_events import numbered


def say(text: str) -> None:
    # One write: a line that the parent has seen was complete before the kill.
    os.write(1, text.encode() + b"\n")


def say_failure(failure: Failure) -> None:
    say(f"failure {failure.error}")


def acknowledge(future: Future[int]) -> None:
    if future.exception() is None:
        say(f"ack {future.result()}")


def run(journal: LedgerJournal) -> None:
    """Batches of one to seven, with several on their way, as many bots would."""
    number = journal.last_seq
    waiting: deque[Future[int]] = deque()
    while True:
        size = number % 7 + 1
        future = journal.append([numbered(n) for n in range(number + 1, number + size + 1)])
        future.add_done_callback(acknowledge)
        waiting.append(future)
        number += size
        if len(waiting) > 20:
            waiting.popleft().result()


def main() -> None:
    journal = open_ledger(Path(sys.argv[1]), clock=LiveClock(), on_failure=say_failure)
    say(f"open {journal.last_seq}")
    if sys.argv[2] == "full":
        import resource

        limit = int(sys.argv[3])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        run(journal)
    except LedgerError as error:
        say(f"error {error}")
    try:
        journal.append([numbered(0)])
    except LedgerError as error:
        say(f"again {error}")
    journal.close()
    say("closed")


if __name__ == "__main__":
    main()
