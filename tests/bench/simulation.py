"""Deterministic simulation: how many stories a minute of one core tells, and how much time they
are about. Every one of them must hold."""

from __future__ import annotations

from engine.domain.errors import WorkFailed
from tests.bench.figures import Context, Figure, figure, seconds_of
from tests.simulation.run import reproduction
from tests.simulation.world import Outcome, run_seed

SEEDS = 40


def run(context: Context) -> list[Figure]:
    rates, speeds = [], []
    for _ in range(context.runs + 1):
        outcomes: list[Outcome] = []
        passed_s = seconds_of(lambda told=outcomes: told.extend(map(run_seed, range(SEEDS))))
        for outcome in outcomes:
            if outcome.broken:
                raise WorkFailed(f"bench simulation: {reproduction(outcome)}")
        rates.append(SEEDS / passed_s * 60)
        speeds.append(sum(outcome.virtual_s for outcome in outcomes) / passed_s)
    return [
        figure("simulation_seeds", "seeds/min", rates[1:], SEEDS),
        figure("simulation_speed", "times real time", speeds[1:], SEEDS),
    ]
