"""The shared rate budget on a real file: several processes, kills, restarts, one that hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.core.clock import NS_PER_SECOND, LiveClock, SimClock
from engine.ports.live import FaultKind, Priority, VenueFault
from engine.venues.budget import RateBudget
from engine.venues.budget_core import Rule
from engine.venues.classify import AskFailed, read
from engine.venues.quirks import quirks_of
from engine.venues.rest import Answer
from engine.venues.shared_slots import CONTENT_BYTES_MAX, SLOT_BYTES, SharedSlots

if sys.platform != "win32":
    import resource

ROOT = Path(__file__).resolve().parents[3]
RULES = (Rule(header="w", span_s=60, most=100),)
START_NS = 1_800_000_000 * NS_PER_SECOND


def a_budget(folder: Path | None, clock: SimClock, boot: str = "a") -> RateBudget:
    return RateBudget(folder, "v", clock, rules=RULES, boot=boot)


def take_all(budget: RateBudget, priority: Priority, weight: int = 1) -> int:
    """How many go until there is no room."""
    count = 0
    with pytest.raises(AskFailed) as full:  # noqa: PT012  Which one it is, is the question.
        for count in range(1000):  # noqa: B007
            budget.take(priority, weight)
    assert full.value.is_definite
    assert not full.value.may_have_arrived
    assert full.value.kind is FaultKind.LIMITED
    return count


def test_two_of_them_share_one_limit_and_urgency_has_room_of_its_own(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    one, other = a_budget(tmp_path, clock), a_budget(tmp_path, clock)
    assert take_all(one, Priority.DATA) == 80
    assert take_all(other, Priority.DATA) == 0
    assert take_all(other, Priority.ORDER) == 10
    assert take_all(one, Priority.RECONCILE) == 5
    assert take_all(one, Priority.ORDER) == 0
    assert take_all(other, Priority.CANCEL) == 5
    assert one.used_pct() == other.used_pct() == 100
    clock.advance_to(START_NS + 70 * NS_PER_SECOND)
    assert take_all(one, Priority.DATA) == 80
    file = tmp_path / "budget-v.bin"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_others_on_this_address_spend_is_heard_of(tmp_path: Path) -> None:
    budget = a_budget(tmp_path, SimClock(START_NS))
    budget.answered(budget.take(Priority.DATA, 1), {"w": "79"})
    assert take_all(budget, Priority.DATA) == 1
    assert budget.used_pct() == 80


def test_a_ban_outlives_the_process_a_reboot_and_a_clock_from_1970(tmp_path: Path) -> None:
    clock = SimClock(START_NS)
    first = a_budget(tmp_path, clock)
    ban = VenueFault(FaultKind.BANNED, "banned", until_ns=START_NS + 3600 * NS_PER_SECOND)
    first.stopped(ban)
    first.close()
    clock.advance_to(START_NS + 600 * NS_PER_SECOND)
    again = a_budget(tmp_path, clock)
    assert again.stopped_until_ns() == ban.until_ns
    with pytest.raises(AskFailed, match=r"this address is banned: next question in 3000 s") as no:
        again.take(Priority.CANCEL, 1)
    assert (no.value.kind, no.value.until_ns) == (FaultKind.BANNED, ban.until_ns)
    rebooted = a_budget(tmp_path, SimClock(START_NS + 1200 * NS_PER_SECOND), boot="b")
    assert rebooted.stopped_until_ns() == ban.until_ns
    lost = a_budget(tmp_path, SimClock(1000), boot="c")  # No battery: 1970.
    assert lost.stopped_until_ns() == 1000 + 2400 * NS_PER_SECOND
    lost.close()


def test_other_faults_stop_nothing(tmp_path: Path) -> None:
    budget = a_budget(tmp_path, SimClock(START_NS))
    for kind in set(FaultKind) - {FaultKind.LIMITED, FaultKind.BANNED}:
        budget.stopped(VenueFault(kind, "x", until_ns=START_NS + NS_PER_SECOND))
    assert budget.stopped_until_ns() == 0


def _ask_through(firewall_s: int, until_s: int) -> tuple[list[float], float]:
    """Seconds at which requests left, of two processes that always want to ask, while a firewall
    answers 403 for `firewall_s` from the start; and when the first got through."""
    clock = SimClock(START_NS)
    budget = a_budget(None, clock)
    left: list[float] = []
    for step in range(until_s * 10):
        clock.advance_to(START_NS + step * NS_PER_SECOND // 10)
        try:
            ticket = budget.take(Priority.DATA, 1)
        except AskFailed:
            continue
        left.append(step / 10)
        if step / 10 >= firewall_s:
            budget.settle(ticket, {})
            return left, step / 10
        with pytest.raises(AskFailed) as refused:
            read(Answer(403, {}, "<html>"), quirks_of("binance_spot"), clock.now_ns())
        budget.settle(ticket, {}, refused.value)
    return left, until_s


def test_a_firewall_is_asked_soon_then_less_and_less_and_never_in_a_storm() -> None:
    left, _ = _ask_through(3600, 1800)
    pauses = [round(after - before) for before, after in pairwise(left)]
    assert pauses == [10, 20, 40, 40, 40, 40, 40, 80, 160, 300, 300, 300, 300]


@pytest.mark.parametrize("firewall_s", [1, 5, 9, 11, 29, 31, 45, 71, 100, 200, 230])
def test_a_firewall_that_lets_us_in_again_is_noticed_within_40_s(firewall_s: int) -> None:
    left, through_s = _ask_through(firewall_s, 400)
    assert through_s - firewall_s <= 40
    if firewall_s <= 10:
        assert left == [0, 10]


def test_a_good_answer_makes_the_next_firewall_a_first_one() -> None:
    clock = SimClock(START_NS)
    budget = a_budget(None, clock)
    page = AskFailed(FaultKind.LIMITED, "403", until_ns=1, waits_s=(10, 20))
    for wait_s in (10, 20, 20):
        budget.settle(budget.take(Priority.DATA, 1), {}, page)
        assert budget.stopped_until_ns() - clock.now_ns() == wait_s * NS_PER_SECOND
        clock.advance_to(budget.stopped_until_ns())
    budget.settle(budget.take(Priority.DATA, 1), {})
    assert budget.stopped_until_ns() == 0
    budget.settle(budget.take(Priority.DATA, 1), {}, page)
    assert budget.stopped_until_ns() - clock.now_ns() == 10 * NS_PER_SECOND


def test_answers_that_were_under_way_make_no_firewall_worse() -> None:
    clock = SimClock(START_NS)
    budget = a_budget(None, clock)
    page = AskFailed(FaultKind.LIMITED, "403", until_ns=1, waits_s=(10, 20))
    tickets = [budget.take(Priority.DATA, 1) for _ in range(20)]
    for ticket in tickets:
        budget.settle(ticket, {}, page)
    assert budget.stopped_until_ns() - clock.now_ns() == 10 * NS_PER_SECOND


async def test_background_work_waits_for_the_probe_of_another() -> None:
    clock = LiveClock()
    budget = RateBudget(None, "v", clock, rules=RULES)
    budget.stopped(VenueFault(FaultKind.LIMITED, "x", until_ns=clock.now_ns() + NS_PER_SECOND))
    probe = await budget.take_when_free(Priority.RECONCILE, 1)
    waiting = asyncio.ensure_future(budget.take_when_free(Priority.RECONCILE, 1))
    await asyncio.sleep(0)
    budget.settle(probe, {})
    assert not (await waiting).is_probe


async def test_background_work_waits_for_room_but_not_for_ever() -> None:
    clock = LiveClock()
    quick = (Rule(header="w", span_s=1, most=10),)
    budget = RateBudget(None, "v", clock, rules=quick)
    assert take_all(budget, Priority.RECONCILE) == 9
    ticket = await budget.take_when_free(Priority.RECONCILE, 1)
    assert ticket.mono_ns <= clock.monotonic_ns()
    take_all(budget, Priority.RECONCILE)
    with pytest.raises(AskFailed):
        await budget.take_when_free(Priority.RECONCILE, 1, patience_ns=1)


def test_an_unknown_venue_is_asked_with_care(tmp_path: Path) -> None:
    budget = RateBudget(tmp_path, "unheard_of", SimClock(START_NS), boot="a")
    assert take_all(budget, Priority.CANCEL) == 300


# -- processes -----------------------------------------------------------------------------------

SPENDER = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from engine.core.clock import LiveClock
from engine.ports.live import Priority
from engine.venues.budget import RateBudget
from engine.venues.budget_core import Rule
from engine.venues.classify import AskFailed
rules = (Rule(header="w", span_s=3600, most={most}),)
budget = RateBudget(Path({folder!r}), "v", LiveClock(), rules=rules)
print("ready", flush=True)
sys.stdin.readline()
spent = 0
while True:
    try:
        budget.take(Priority.CANCEL, 1)
    except AskFailed:
        break
    spent += 1
    {also}
print(spent, flush=True)
"""


def spender(folder: Path, most: int, also: str = "pass") -> subprocess.Popen[str]:
    program = textwrap.dedent(SPENDER).format(
        root=str(ROOT), folder=str(folder), most=most, also=also
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_processes_spend_one_budget_to_the_last_point(tmp_path: Path) -> None:
    # With a breath between requests, as on a wire: who only ever spins keeps the others out.
    breath = "import time; time.sleep(0.0003)"
    processes = [spender(tmp_path, 3000, also=breath) for _ in range(3)]
    go(*processes)
    spent = [int(process.communicate()[0]) for process in processes]
    # Who cannot get the lock in time goes by its last view, and tells the others afterwards.
    assert 3000 <= sum(spent) <= 3150, spent


def test_a_process_killed_while_it_writes_leaves_the_state_whole(tmp_path: Path) -> None:
    for _ in range(8):
        process = spender(tmp_path, 10**9, also="print(spent, flush=True)")
        go(process)
        assert process.stdout is not None
        before = 0
        for _ in range(50):
            before = int(process.stdout.readline())
        process.kill()
        said = process.communicate()[0].split()
        before = max([before, *(int(one) for one in said[:-1])])
        budget = RateBudget(
            tmp_path, "v", LiveClock(), rules=(Rule(header="w", span_s=3600, most=10**9),)
        )
        assert budget._with(lambda state, now: sum(state.counts["w"].spent)) >= before
        budget.close()
        (tmp_path / "budget-v.bin").unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process with a signal")
def test_a_process_that_stands_still_with_the_lock_holds_nobody_up(tmp_path: Path) -> None:
    hold = "import os, signal\n    with budget._slots.held(): os.kill(os.getpid(), signal.SIGSTOP)"
    process = spender(tmp_path, 100, also=hold)
    try:
        go(process)
        os.waitpid(process.pid, os.WUNTRACED)
        clock = LiveClock()
        budget = RateBudget(tmp_path, "v", clock, rules=RULES)
        assert take_all(budget, Priority.CANCEL) == 100
        budget.close()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


# -- a disk that fails ---------------------------------------------------------------------------


@contextlib.contextmanager
def unwritable() -> Iterator[None]:
    """No file of this process may be written: every write of one fails with OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_disk_that_fails_leaves_the_process_its_own_view(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = SimClock(START_NS)
    one, other = a_budget(tmp_path, clock), a_budget(tmp_path, clock)
    one.take(Priority.DATA, 30)
    for failure in (1, 2):
        ban = VenueFault(
            FaultKind.LIMITED, "x", until_ns=clock.now_ns() + failure * 20 * NS_PER_SECOND
        )
        with unwritable():
            ticket = one.take(Priority.DATA, 10)
            one.settle(ticket, {}, ban)
            for _ in range(5):
                clock.advance_to(clock.now_ns() + NS_PER_SECOND)
                assert one.stopped_until_ns() == ban.until_ns
                with pytest.raises(AskFailed, match="next question in"):
                    one.take(Priority.DATA, 1)
        assert caplog.text.count("is not shared for now") == failure
        clock.advance_to(clock.now_ns() + NS_PER_SECOND)
        assert one.stopped_until_ns() == ban.until_ns
        assert other.stopped_until_ns() == ban.until_ns, "told once the disk works again"
        assert other.used_pct() == 30 + 10 * failure
        assert caplog.text.count("is shared again") == failure
        clock.advance_to(ban.until_ns)
        one.settle(one.take(Priority.DATA, 0), {})
    one.close()
    other.close()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="cannot reserve")
def test_the_file_has_its_blocks_from_the_start(tmp_path: Path) -> None:
    SharedSlots(tmp_path / "s.bin").close()
    assert (tmp_path / "s.bin").stat().st_blocks * 512 >= 2 * SLOT_BYTES


def test_a_file_that_is_cut_short_does_not_end_the_process(tmp_path: Path) -> None:
    cut = "import os; os.truncate({file!r}, 0)".format(file=str(tmp_path / "budget-v.bin"))
    process = spender(tmp_path, 20, also=f"if spent == 5: {cut}")
    go(process)
    # What was spent before is forgotten with the file.
    assert process.communicate()[0] == "25\n"
    assert process.returncode == 0


# -- the file ------------------------------------------------------------------------------------


def test_slots_give_back_the_newest_whole_content(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "s.bin"
    slots = SharedSlots(path)
    assert slots.read() is None
    for content in (b"one", b"", b"x" * CONTENT_BYTES_MAX, b"four"):
        with slots.held() as has_lock:
            assert has_lock
            slots.write(content, durable=True)
        assert slots.read() == content
        assert SharedSlots(path).read() == content
    slots.close()


@pytest.mark.parametrize("place", [0, 4, 8, 20, 4096, 4100, 4110])
def test_a_damaged_slot_falls_back_to_the_one_before(tmp_path: Path, place: int) -> None:
    path = tmp_path / "s.bin"
    slots = SharedSlots(path)
    slots.write(b"content of one")
    slots.write(b"content of two")
    slots.close()
    raw = bytearray(path.read_bytes())
    raw[place] ^= 0xFF
    path.write_bytes(raw)
    assert SharedSlots(path).read() in (b"content of one", b"content of two")


def test_a_file_that_is_none_of_ours_begins_anew(tmp_path: Path) -> None:
    slots = SharedSlots(tmp_path / "budget-v.bin")
    slots.write(b"not a budget")
    assert take_all(a_budget(tmp_path, SimClock(START_NS)), Priority.DATA) == 80


def test_where_nothing_can_be_written_the_budget_is_our_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert take_all(a_budget(tmp_path / "file", SimClock(START_NS)), Priority.DATA) == 80
