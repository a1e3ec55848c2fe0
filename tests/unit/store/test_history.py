from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.domain.algo import AlgoOutcome, Twap
from engine.domain.commands import KillLevel
from engine.domain.errors import LedgerError
from engine.domain.events import (
    AlgoEnded,
    AlgoStarted,
    Helm,
    HelmChanged,
    KillChanged,
    OrderIntended,
)
from engine.domain.order import Side
from engine.store import history
from engine.store.journal import LedgerJournal
from tests.support.builders import a_fill
from tests.support.events import (
    ORDER_ID,
    a_filled,
    a_note,
    a_session,
    an_accept,
    an_equity_mark,
    an_intent,
)
from tests.support.plain_events import T0_NS

Open = Callable[[], LedgerJournal]
OTHER_ID = "qaa000000000000002"


@pytest.fixture
def ledger(reopen: Open, path: Path) -> Path:
    """Two orders, three fills of which one was reported twice, while the engine runs."""
    reopen().append(
        [
            a_session(),
            an_intent(),
            an_accept(),
            an_intent(client_order_id=OTHER_ID, side=Side.SELL),
            a_filled(fill=a_fill("t1", lots=4)),
            a_filled(
                client_order_id=OTHER_ID,
                fill=a_fill("t1", lots=1, is_maker=False, queue_ahead_lots=7),
                ts_ns=T0_NS + 10,
            ),
            a_filled(fill=a_fill("t1", lots=4)),
            a_filled(fill=a_fill("t2", lots=6), ts_ns=T0_NS + 20),
        ]
    ).result()
    return path


def test_the_last_events_come_oldest_first(ledger: Path) -> None:
    assert [row.seq for row in history.last_events(ledger, 3)] == [6, 7, 8]
    assert [row.seq for row in history.last_events(ledger, 100)] == list(range(1, 9))
    assert [row.seq for row in history.events_after(ledger, 6)] == [7, 8]


def test_a_bots_events_are_found_behind_any_number_of_orders(reopen: Open, path: Path) -> None:
    """They were looked for among the newest events alone, and a bot that had traded for an hour
    was unknown."""
    taken = HelmChanged(ts_ns=T0_NS, bot_id="bot-1", helm=Helm.MANUAL, by="tui")
    other = HelmChanged(ts_ns=T0_NS, bot_id="bot-2", helm=Helm.MANUAL, by="tui")
    switch = KillChanged(ts_ns=T0_NS, level=KillLevel.NO_ENTRIES, by="tui")
    noise = [an_intent(client_order_id=f"qaa{n:015d}") for n in range(50)]
    reopen().append([a_session(), taken, other, *noise, switch]).result()
    told = history.bot_events(path, "bot-1", 2)
    assert [row.event for row in told] == [taken, switch]
    assert [row.event for row in history.bot_events(path, "bot-1", 1)] == [switch]
    assert [row.event for row in history.bot_events(path, "nobody")] == [switch]


def a_leg(algo_id: str, **changes: object) -> OrderIntended:
    intent = an_intent(**changes)
    return replace(intent, order=replace(intent.order, algo_id=algo_id, leg="part 1"))


def test_an_algos_events_are_its_own_and_those_of_its_legs(reopen: Open, path: Path) -> None:
    spec = Twap(instrument_id="test.BTCUSDT", side=Side.BUY, qty_lots=4, slices=2, every_ms=1000)
    start = AlgoStarted(ts_ns=T0_NS, algo_id="a1", bot_id="manual", owner="human", spec=spec)
    leg = a_leg("a1")
    longer = a_leg("a11", client_order_id=OTHER_ID)
    end = AlgoEnded(ts_ns=T0_NS + 9, algo_id="a1", outcome=AlgoOutcome.DONE, reason="all parts")
    fill = a_filled(fill=a_fill("t1", lots=4))
    theirs = a_filled(client_order_id=OTHER_ID, fill=a_fill("t2", lots=4))
    reopen().append([a_session(), start, longer, leg, theirs, fill, end]).result()
    assert [row.event for row in history.algo_events(path, "a1")] == [start, leg, fill, end]
    assert [row.event for row in history.algo_events(path, "a11")] == [longer, theirs]
    for unknown in ("a2", "a", "", "%"):
        assert history.algo_events(path, unknown) == [], unknown


def test_an_orders_story_is_all_of_its_events_and_no_others(ledger: Path) -> None:
    story = history.order_events(ledger, ORDER_ID)
    assert [row.seq for row in story] == [2, 3, 5, 7, 8]
    assert story[0].event == an_intent()
    assert history.order_events(ledger, "q00000000000000000") == []


def test_fills_are_rows_in_money_and_appear_once(ledger: Path) -> None:
    rows = history.fills(ledger)
    assert [(row.seq, row.client_order_id, row.trade_id) for row in rows] == [
        (5, ORDER_ID, "t1"),
        (6, OTHER_ID, "t1"),
        (8, ORDER_ID, "t2"),
    ]
    sold = rows[1]
    assert (sold.side, sold.price, sold.qty) == (Side.SELL, Decimal("60000.0"), Decimal("0.001"))
    assert (sold.bot_id, sold.placed_by, sold.is_maker) == ("bot-1", "bot", False)
    assert (sold.queue_ahead, rows[0].queue_ahead) == (Decimal("0.007"), None)
    assert [row.seq for row in history.fills(ledger, limit=1)] == [5]
    assert history.fills(ledger, since_ns=T0_NS + 10**12) == []


def test_the_equity_curve_is_thinned_and_keeps_its_newest_point(reopen: Open, path: Path) -> None:
    marks = [an_equity_mark(T0_NS + number, str(number)) for number in range(101)]
    reopen().append(marks).result()
    assert len(history.equity_curve(path)) == 101
    thin = history.equity_curve(path, points=10)
    assert 8 <= len(thin) <= 10
    assert thin[-1] == (T0_NS + 100, Decimal(100))
    assert thin == sorted(thin)
    assert history.equity_curve(path, since_ns=T0_NS + 100) == [(T0_NS + 100, Decimal(100))]


def test_an_empty_ledger_has_an_empty_past(reopen: Open, path: Path) -> None:
    reopen()
    assert history.last_events(path, 5) == []
    assert history.instruments(path) == {}
    assert history.fills(path) == []
    assert history.equity_curve(path) == []


def test_a_closed_ledger_can_be_read(reopen: Open, path: Path) -> None:
    journal = reopen()
    journal.append([a_note()]).result()
    journal.close()
    assert history.last_events(path, 5)[0].event == a_note()


def test_a_ledger_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(LedgerError, match=r"ledger\.db"):
        history.last_events(path, 5)
    assert not path.exists()


def test_questions_are_answered_from_indexes(reopen: Open) -> None:
    connection = reopen()._connection
    for query, index in (
        ("SELECT body FROM event WHERE client_order_id = 'q' ORDER BY seq", "event_by_order"),
        ("SELECT body FROM event WHERE kind = 'OrderFilled' AND ts_ns >= 5", "event_fill"),
        (
            "SELECT body FROM event WHERE kind = 'EquityMarked' AND ts_ns >= 5 ORDER BY ts_ns",
            "event_equity",
        ),
    ):
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
        assert index in plan, plan
