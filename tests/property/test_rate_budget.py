"""The rate budget against a venue that counts for itself, over any history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.ports.live import FaultKind, Priority
from engine.venues.budget_core import (
    NS_PER_S,
    PARTS,
    ROOM_PCT,
    STOP_NS_MAX,
    Budget,
    Denied,
    Instant,
    Rule,
    Ticket,
)

WEIGHT = Rule(header="w", span_s=60, most=200)
ORDERS = Rule(header="o", span_s=10, most=8, counts_orders=True)
RULES = (WEIGHT, ORDERS)
WALL_NS = 1_800_000_000 * NS_PER_S

steps = st.lists(
    st.tuples(
        st.integers(0, 20 * NS_PER_S),
        st.sampled_from(Priority),
        st.integers(1, 40),
        st.booleans(),
    ),
    max_size=150,
)


def at(mono_ns: int, wall_ns: int | None = None, boot: str = "a") -> Instant:
    return Instant(WALL_NS + mono_ns if wall_ns is None else wall_ns, mono_ns, boot)


@given(steps)
def test_no_span_of_the_venues_clock_ever_sees_more_than_its_limit(
    history: list[tuple[int, Priority, int, bool]],
) -> None:
    budget, now_ns = Budget(), 0
    sent: list[tuple[int, int, bool, Priority]] = []
    budget.rebase(at(0))
    for passed_ns, priority, weight, is_order in history:
        now_ns += passed_ns
        answer = budget.admit(RULES, at(now_ns), priority, weight, is_order)
        if isinstance(answer, Denied):
            assert answer.until_ns > WALL_NS + now_ns
        else:
            sent.append((now_ns, weight, is_order, priority))
    for begin_ns, *_ in sent:  # Wherever the venue's window begins.
        for rule in RULES:
            inside = [one for one in sent if begin_ns <= one[0] < begin_ns + rule.span_s * NS_PER_S]
            used = sum(int(one[2]) if rule.counts_orders else one[1] for one in inside)
            assert used <= rule.most
            lesser = [one for one in inside if one[3] is Priority.DATA]
            spent = sum(int(one[2]) if rule.counts_orders else one[1] for one in lesser)
            assert spent <= rule.most * ROOM_PCT[Priority.DATA] // 100


@given(steps, st.sampled_from(Priority), st.integers(1, 40), st.booleans())
def test_what_is_denied_is_admitted_when_it_was_said_to_be(
    history: list[tuple[int, Priority, int, bool]], priority: Priority, weight: int, is_order: bool
) -> None:
    budget, now_ns = Budget(), 0
    budget.rebase(at(0))
    for passed_ns, *request in history:
        now_ns += passed_ns
        budget.admit(RULES, at(now_ns), *request)
    for _ in range(len(RULES)):  # Each limit in its turn.
        answer = budget.admit(RULES, at(now_ns), priority, weight, is_order)
        if isinstance(answer, Ticket):
            return
        now_ns = answer.until_ns - WALL_NS
    assert isinstance(budget.admit(RULES, at(now_ns), priority, weight, is_order), Ticket)


@given(steps)
def test_a_cancel_finds_room_whatever_the_lesser_ones_did(
    history: list[tuple[int, Priority, int, bool]],
) -> None:
    budget, now_ns = Budget(), 0
    budget.rebase(at(0))
    for passed_ns, priority, weight, is_order in history:
        now_ns += passed_ns
        if priority is not Priority.CANCEL:
            budget.admit(RULES, at(now_ns), priority, weight, is_order)
    reserved = WEIGHT.most * (100 - ROOM_PCT[Priority.RECONCILE]) // 100
    for _ in range(reserved):
        assert isinstance(budget.admit(RULES, at(now_ns), Priority.CANCEL, 1), Ticket)


@given(st.lists(st.tuples(st.integers(0, 30 * NS_PER_S), st.integers(0, 400)), max_size=40))
def test_what_the_venue_says_is_never_undercut(headers: list[tuple[int, int]]) -> None:
    budget, now_ns = Budget(), 0
    budget.rebase(at(0))
    for passed_ns, used in headers:
        now_ns += passed_ns
        budget.heard(RULES, at(now_ns), {"w": str(used)})
        assert budget.used_pct(RULES, at(now_ns)) >= used * 100 // WEIGHT.most
        for priority, pct in ROOM_PCT.items():
            if used >= WEIGHT.most * pct // 100:
                assert isinstance(budget.admit(RULES, at(now_ns), priority, 1), Denied)


@given(st.text(max_size=12))
def test_rubbish_in_headers_changes_nothing(told: str) -> None:
    budget = Budget()
    budget.rebase(at(0))
    budget.heard(RULES, at(0), {"w": told})
    clean = told.isascii() and told.isdigit() and len(told) < 10
    assert (budget.used_pct((WEIGHT,), at(0)) > 0) <= clean


stops = st.lists(
    st.tuples(
        st.integers(0, 100 * NS_PER_S),
        st.sampled_from([FaultKind.LIMITED, FaultKind.BANNED]),
        st.integers(-NS_PER_S, 400 * NS_PER_S),
    ),
    min_size=1,
    max_size=12,
)


@given(stops, st.integers(-(10**9), 10**9), st.booleans())
def test_a_stop_is_served_to_its_end_whatever_the_wall_clock_does(
    told: list[tuple[int, FaultKind, int]], step_s: int, is_rebooted: bool
) -> None:
    """It may be served longer than asked, never shorter, unless the clock lies over a reboot; and
    never for longer than its length once more."""
    budget, now_ns = Budget(), 0
    budget.rebase(at(0))
    end_ns = 0
    for passed_ns, kind, length_ns in told:
        now_ns += passed_ns
        budget.stopped(at(now_ns), kind, WALL_NS + now_ns + length_ns)
        end_ns = max(end_ns, now_ns + length_ns)
    stepped = at(now_ns, WALL_NS + now_ns + step_s * NS_PER_S)
    left_ns = max(end_ns - now_ns, 0)
    if is_rebooted:
        stepped = Instant(stepped.wall_ns, 5, "b")
    budget.rebase(stepped)
    asked = budget.stop_left_ns(stepped)
    assert asked <= max(left_ns, NS_PER_S)
    if not is_rebooted or step_s <= 0:
        assert asked >= left_ns
    assert asked <= STOP_NS_MAX
    for priority in (Priority.DATA, Priority.ORDER, Priority.RECONCILE):
        if asked:
            denied = budget.admit(RULES, stepped, priority, 1)
            assert isinstance(denied, Denied)
            assert denied.until_ns == stepped.wall_ns + asked


@given(stops, st.integers(2, 30))
def test_after_a_stop_one_probe_goes_and_only_its_success_opens_the_door(
    told: list[tuple[int, FaultKind, int]], tries: int
) -> None:
    budget, now_ns = Budget(), 0
    budget.rebase(at(0))
    for passed_ns, kind, length_ns in told:
        now_ns += passed_ns
        budget.stopped(at(now_ns), kind, WALL_NS + now_ns + length_ns)
    now_ns += budget.stop_left_ns(at(now_ns))
    answers = [budget.admit(RULES, at(now_ns), Priority.RECONCILE, 1) for _ in range(tries)]
    (probe,) = [answer for answer in answers if isinstance(answer, Ticket)]
    assert probe is answers[0]
    budget.answered(RULES, at(now_ns), Ticket(now_ns, is_probe=False), {})  # A straggler.
    assert isinstance(budget.admit(RULES, at(now_ns), Priority.RECONCILE, 1), Denied)
    budget.answered(RULES, at(now_ns), probe, {})
    assert isinstance(budget.admit(RULES, at(now_ns), Priority.RECONCILE, 1), Ticket)


@given(st.integers(1, 20))
def test_during_a_warning_one_cancel_is_tried_and_after_a_ban_none(count: int) -> None:
    for kind, tried in ((FaultKind.LIMITED, 1), (FaultKind.BANNED, 0)):
        budget = Budget()
        budget.rebase(at(0))
        budget.stopped(at(0), kind, WALL_NS + 60 * NS_PER_S)
        answers = [budget.admit(RULES, at(1), Priority.CANCEL, 1) for _ in range(count)]
        tickets = [answer for answer in answers if isinstance(answer, Ticket)]
        assert len(tickets) == min(count, tried)
        for ticket in tickets:  # It was limited again: no third.
            budget.stopped(at(2), FaultKind.LIMITED, WALL_NS + 90 * NS_PER_S, ticket)
            assert isinstance(budget.admit(RULES, at(3), Priority.CANCEL, 1), Denied)


def test_room_is_cut_into_parts_that_slide() -> None:
    budget = Budget()
    budget.rebase(at(0))
    part_ns = 60 * NS_PER_S // PARTS
    for part in range(PARTS):
        assert isinstance(budget.admit((WEIGHT,), at(part * part_ns), Priority.CANCEL, 30), Ticket)
    full = budget.admit((WEIGHT,), at(PARTS * part_ns), Priority.CANCEL, 30)
    assert isinstance(full, Denied)
    assert full.until_ns == WALL_NS + (PARTS + 1) * part_ns
    assert isinstance(
        budget.admit((WEIGHT,), at((PARTS + 1) * part_ns), Priority.CANCEL, 30), Ticket
    )
