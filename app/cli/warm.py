"""`warm`: fills numba's cache. The installation calls it; a person need not."""

from __future__ import annotations

import typer

app = typer.Typer()


@app.command("warm")
def warm() -> None:
    """Compile the kernels ahead of time."""
    from engine.runtime.warm import warm_all

    warm_all()
