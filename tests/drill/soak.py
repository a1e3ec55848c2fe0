"""Many ordeals, some side by side: 300 of them are issue 4's proof.

    python -m tests.drill.soak --runs 300 --parallel 4 --venue both --report soak.json
    python -m tests.drill.soak --runs 300 --parallel 4 --venue both --report soak.json --resume

Each lane is a process that runs one ordeal after the other, each with its own exchange, folder and
engines. The report is written after every run, so nothing is lost when the soak is killed:
`--resume` does what the report lacks. A broken run's folder is kept beside the report.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from tests.drill.ordeal import VENUES, Run, one_run, venue_of

ROOT = Path(__file__).resolve().parents[2]
RUN_S_MAX = 420.0
"""Longer no run takes that still moves: its lane is killed, engines and all."""
LEAVE_S = 5.0
BOTH = "both"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One line to a lane."""

    seed: int
    venue: str
    keep: str = ""


class Worst(msgspec.Struct, kw_only=True):
    """The longest of a time, and which run it was."""

    seconds: float = 0.0
    venue: str = ""
    seed: int = 0


class Report(msgspec.Struct, kw_only=True):
    """What `--report` writes."""

    runs: int
    failed: int
    venues: dict[str, int]
    kills: dict[str, int]
    kinds_struck: int
    kinds: dict[str, int]
    """How often each kind of fault struck."""
    orders: int
    fills: int
    worst: dict[str, Worst]
    """By the name of the time in `Run`."""
    broken: list[str]
    """What went wrong in which run, and how to repeat it."""
    every: list[Run]


TIMES = ("back_s", "settled_s", "kill_sent_s", "kill_zero_s", "kill_verified_s", "took_s")


def summed(runs: Sequence[Run]) -> Report:
    kinds: Counter[str] = Counter()
    for run in runs:
        kinds.update(run.struck)
    bad = [run for run in runs if run.problems]
    return Report(
        runs=len(runs),
        failed=len(bad),
        venues=dict(Counter(run.venue for run in runs)),
        kills=dict(Counter(run.moment for run in runs)),
        kinds_struck=len(kinds),
        kinds=dict(kinds.most_common()),
        orders=sum(run.orders for run in runs),
        fills=sum(run.fills for run in runs),
        worst={name: _worst(runs, name) for name in TIMES},
        broken=[f"{run.again}  # {run.problems[0][:300]}" for run in bad],
        every=sorted(runs, key=lambda run: (run.seed, run.venue)),
    )


def _worst(runs: Sequence[Run], name: str) -> Worst:
    if not runs:
        return Worst()
    run = max(runs, key=lambda one: float(getattr(one, name)))
    return Worst(seconds=getattr(run, name), venue=run.venue, seed=run.seed)


class Lane:
    """A process that runs ordeals one after the other; started when it is needed."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, job: Job) -> Run:
        began = time.monotonic()
        words = f"no end within {RUN_S_MAX:g} s: its processes were killed"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RUN_S_MAX):
                answer = await self._ask(job)
                if answer:
                    return msgspec.json.decode(answer, type=Run)
                words = "its process ended without a word"
        code = await self.close()
        words += f", exit code {code}"
        took_s = round(time.monotonic() - began, 1)
        return Run(
            seed=job.seed, venue=job.venue, rules=[], moment="", took_s=took_s, problems=[words]
        )

    async def _ask(self, job: Job) -> bytes:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.drill.soak", "--lane"),
                cwd=ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Engines and all can be killed together.
                limit=1 << 24,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            await process.stdin.drain()
        return await process.stdout.readline()

    async def close(self) -> int | None:
        """Engines and all; the lane's exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        process.stdin.close()  # One that waits for a job ends by itself.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # Engines outlive a lane that was killed.
        return await process.wait()


def serve_lane() -> None:
    """The other end: a job a line in, a run a line out, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Whatever else is printed is no answer.
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        keep = Path(job.keep) if job.keep else None
        run = asyncio.run(one_run(job.seed, job.venue, keep=keep))
        with contextlib.suppress(BrokenPipeError):  # The soak was killed: stdin ends as well.
            answers.write(msgspec.json.encode(run) + b"\n")
            answers.flush()


class Soak:
    """Jobs over lanes, and the report."""

    def __init__(self, jobs: Sequence[Job], done: Sequence[Run], report: Path | None) -> None:
        self.runs = list(done)
        self._total = len(jobs) + len(done)
        self._jobs: Iterator[Job] = iter(jobs)
        self._report = report
        self._began = time.monotonic()
        self._first = len(done)

    async def run(self, parallel: int) -> None:
        await self._warm()
        async with asyncio.TaskGroup() as lanes:
            for _ in range(parallel):
                lanes.create_task(self._work())

    async def _warm(self) -> None:
        """Compiled kernels, before several processes would make them at the same time."""
        command = "from engine.runtime.warm import warm_all; warm_all()"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", command, cwd=ROOT)
        assert await process.wait() == 0, "the kernels cannot be compiled"

    async def _work(self) -> None:
        lane = Lane()
        try:
            for job in self._jobs:  # Shared: each lane takes the next one.
                self._note(await lane.run(job))
        finally:
            await lane.close()

    def _note(self, run: Run) -> None:
        self.runs.append(run)
        passed_s = time.monotonic() - self._began
        left = self._total - len(self.runs)
        left_min = left * passed_s / (len(self.runs) - self._first) / 60
        print(f"[{len(self.runs)}/{self._total}, {left_min:.0f} min left] {_line(run)}", flush=True)
        if self._report is not None:
            fresh = self._report.with_name(self._report.name + ".new")
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(summed(self.runs))))
            fresh.replace(self._report)


def _line(run: Run) -> str:
    told = "; ".join(run.problems)[:2000] if run.problems else "right"
    return (
        f"{run.venue} {run.seed}: {'+'.join(run.rules)}, killed at {run.moment}: "
        f"{run.orders} orders, {run.fills} fills, back {run.back_s} s, settled {run.settled_s} s, "
        f"kill {run.kill_sent_s}/{run.kill_verified_s} s, {run.took_s:.0f} s in all: {told}"
    )


def open_jobs(seeds: Iterable[int], venue: str, done: Sequence[Run], keep: str) -> list[Job]:
    """What is wanted and not done yet."""
    known = {(run.venue, run.seed) for run in done}
    wanted = [(seed, venue_of(seed) if venue == BOTH else venue) for seed in seeds]
    return [
        Job(seed=seed, venue=name, keep=keep) for seed, name in wanted if (name, seed) not in known
    ]


def _print_summary(report: Report) -> None:
    print(
        f"{report.runs} runs ({report.venues}), {report.failed} broken, {report.kinds_struck} "
        f"kinds of fault struck, {report.orders} orders, {report.fills} fills"
    )
    for name, worst in report.worst.items():
        print(f"  {name} at most {worst.seconds} ({worst.venue} {worst.seed})")
    for line in report.broken:
        print(f"  {line}")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.soak")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; each next one more")
    parser.add_argument("--venue", default=VENUES[0], choices=[*VENUES, BOTH])
    parser.add_argument("--parallel", type=int, default=1, help="runs side by side")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--resume", action="store_true", help="only what the report lacks")
    parser.add_argument("--lane", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.lane:
        serve_lane()
        return 0
    done: list[Run] = []
    if given.resume and given.report is not None and given.report.exists():
        told = msgspec.json.decode(given.report.read_bytes(), type=Report).every
        # A lane that was killed says nothing of the engine: its run is done again.
        done = [run for run in told if run.rules]
    keep = "" if given.report is None else str(given.report.resolve()) + ".broken"
    seeds = range(given.seed, given.seed + given.runs)
    soak = Soak(open_jobs(seeds, given.venue, done, keep), done, given.report)
    asyncio.run(soak.run(given.parallel))
    report = summed(soak.runs)
    _print_summary(report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
