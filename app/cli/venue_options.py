"""How the simulated venue is chosen on the command line: the same options for runs and sweeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from engine.sim.scenario import Scenario

PLAIN = "plain"

ScenarioName = Annotated[
    str, typer.Option(help="plain, optimistic, realistic, pessimistic, or a .toml file.")
]
Models = Annotated[
    list[str] | None,
    typer.Option(help="One assumption as key=value, see the manual: fills; again for more."),
]
LatencyMs = Annotated[
    str, typer.Option(help="Order entry and response latency, each, in ms; plain: 10.")
]
Queue = Annotated[
    str,
    typer.Option(
        help="Queue model: risk-averse (plain), trades-only, power-prob-N, log-prob-1, -2."
    ),
]
Fills = Annotated[str, typer.Option(help="Fills of resting orders: whole, or partial (plain).")]
Maker = Annotated[str, typer.Option(help="Maker fee rate, negative for a rebate; plain: 0.0002.")]
Taker = Annotated[str, typer.Option(help="Taker fee rate; plain: 0.0005.")]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", help="Run on a recording with holes all the same.")
]
Capital = Annotated[
    str, typer.Option(help="In the settle asset; default 10,000,000, or 1,000 in coin.")
]


def venue_of(
    name: str,
    models: list[str] | None,
    latency_ms: str,
    queue: str,
    fills: str,
    maker: str,
    taker: str,
) -> Scenario:
    """The scenario that the options name. BadInput for what none of them knows."""
    from app.scenarios import scenario_of

    single = {
        "latency": latency_ms,
        "queue": queue,
        "fills": fills,
        "maker": maker,
        "taker": taker,
    }
    return scenario_of(name, models or [], single)
