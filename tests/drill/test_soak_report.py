"""The soak's own books: what it runs, what it skips, and what it says of a run that went wrong."""

from __future__ import annotations

import subprocess
import sys

from engine.drill.ports import Reply
from tests.drill.ordeal import DEADLY, RULES, VENUES, Run, venue_of
from tests.drill.rig import Marksman
from tests.drill.soak import BOTH, Job, Lane, open_jobs, summed


def a_run(seed: int, venue: str = VENUES[0], **fields: object) -> Run:
    return Run(seed=seed, venue=venue, rules=["drop-after"], moment="commit", **fields)  # type: ignore[arg-type]


def test_every_rule_meets_both_venues_and_every_moment():
    seeds = range(len(RULES) * len(DEADLY) * len(VENUES))
    met = {(seed % len(RULES), venue_of(seed)) for seed in seeds}
    assert len(met) == len(RULES) * len(VENUES)
    struck = {(seed % len(RULES), seed % len(DEADLY)) for seed in seeds}
    assert len(struck) == len(RULES) * len(DEADLY)


def test_what_is_done_is_not_done_again():
    done = [a_run(1), a_run(2, VENUES[1])]
    left = open_jobs(range(4), VENUES[0], done, "")
    assert [(job.seed, job.venue) for job in left] == [(seed, VENUES[0]) for seed in (0, 2, 3)]
    both = open_jobs(range(3), BOTH, done, "")
    assert [(job.seed, job.venue) for job in both] == [
        (0, VENUES[0]), (1, VENUES[1]), (2, VENUES[0]),
    ]  # fmt: skip


def test_the_report_adds_up_and_says_how_to_repeat():
    broken = a_run(3, VENUES[1], orders=5, fills=2, back_s=7.5, problems=["lost", "doubled"])
    report = summed([a_run(2, orders=4, struck={"ban": 2}), broken])
    assert (report.runs, report.failed, report.orders, report.fills) == (2, 1, 9, 2)
    assert (report.kinds_struck, report.kinds) == (1, {"ban": 2})
    assert report.worst["back_s"].seconds == 7.5
    assert (report.worst["back_s"].venue, report.worst["back_s"].seed) == (VENUES[1], 3)
    assert report.broken == [
        "python -m tests.drill.soak --runs 1 --seed 3 --venue binance_usdm  # lost"
    ]


async def test_a_lane_that_dies_is_a_broken_run():
    lane = Lane()
    try:
        run = await lane.run(Job(seed=1, venue="nowhere"))
    finally:
        await lane.close()
    assert run.problems == ["its process ended without a word, exit code 1"]
    assert (run.seed, run.venue) == (1, "nowhere")


def test_a_marksman_shoots_once_and_never_itself():
    """Signal 9 to process 0 goes to every process of the own group: two requests that are under
    way at the same time ended the soak."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as target:
        marksman = Marksman()
        marksman.aim(target.pid, "POST *", 1, after=True)
        reply = Reply(status=200, body=b"")
        assert marksman._shoot_and(reply) is marksman._shoot_and(reply) is reply
        assert target.wait() == -9
