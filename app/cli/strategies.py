"""`pilothouse strategies`: what is shipped and how it can be set."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.output import print_json, print_table

app = typer.Typer()


@app.command("strategies")
def strategies(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """The shipped strategies, their parameters and ranges."""
    from engine.strategy.catalogue import STRATEGIES, describe_params

    if json:
        print_json(
            [
                {
                    "name": kind.name,
                    "summary": kind.summary,
                    "params": [
                        {"name": name, "default": default, "range": bounds, "meaning": meaning}
                        for name, default, bounds, meaning in describe_params(kind)
                    ],
                }
                for kind in STRATEGIES.values()
            ]
        )
        return
    for number, kind in enumerate(STRATEGIES.values()):
        if number:
            print()
        print(f"{kind.name}: {kind.summary}\n")
        print_table(("parameter", "default", "range", "meaning"), describe_params(kind))
