"""Tells stories from the shell: one with its trace, or many, with what they have seen.

python3 -m tests.simulation.run --seed 4711 --trace
python3 -m tests.simulation.run --count 500 --processes 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter

from tests.simulation.faults import Kind
from tests.simulation.world import Outcome, run_seed


def reproduction(outcome: Outcome) -> str:
    """The one line that a broken seed leaves."""
    return (
        f"{outcome.broken} {outcome.words}   "
        f"[python3 -m tests.simulation.run --seed {outcome.seed} --trace]"
    )


def run_seeds(seeds: Sequence[int], processes: int = 1) -> Iterator[Outcome]:
    """The outcomes, in any order."""
    if processes == 1:
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=20)


def unseen(seen: Counter[str]) -> list[str]:
    return [kind for kind in Kind if not seen[kind]]


def _run_many(seeds: Iterable[int], processes: int) -> int:
    seen: Counter[str] = Counter()
    broken = count = steps = 0
    virtual_s = 0.0
    began = perf_counter()
    for outcome in run_seeds(list(seeds), processes):
        count += 1
        seen += outcome.seen
        steps += outcome.steps
        virtual_s += outcome.virtual_s
        if outcome.broken:
            broken += 1
            print(reproduction(outcome), flush=True)
    passed_s = perf_counter() - began
    print(
        f"{count} seeds, {broken} broken, {virtual_s / 3600:.1f} h told in {passed_s:.1f} s: "
        f"{count / passed_s * 60:.0f} seeds a minute, {steps / count:.0f} steps each"
    )
    print("seen: " + ", ".join(f"{kind} {times}" for kind, times in sorted(seen.items())))
    if missing := unseen(seen):
        print("not seen: " + ", ".join(missing))
    return 1 if broken else 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tests.simulation.run", description=__doc__)
    parser.add_argument("--seed", type=int, help="tell this one")
    parser.add_argument("--trace", action="store_true", help="print every step worth a line")
    parser.add_argument("--count", type=int, default=500, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args(arguments)
    if given.seed is None:
        return _run_many(range(given.first, given.first + given.count), given.processes)
    outcome = run_seed(given.seed, keeps_trace=given.trace)
    for line in outcome.trace:
        print(line)
    print(
        f"seed {outcome.seed}: {outcome.orders} orders, {outcome.trades} trades, "
        f"{outcome.starts} starts, {outcome.steps} steps, {outcome.virtual_s:.0f} s, "
        f"digest {outcome.digest[:16]}"
    )
    print("seen: " + ", ".join(f"{kind} {times}" for kind, times in sorted(outcome.seen.items())))
    if outcome.broken:
        print(f"{outcome.broken} {outcome.words}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
