"""`warm`: fills numba's cache and Python's. The installation calls it; a person need not."""

from __future__ import annotations

import compileall
from pathlib import Path

import typer

app = typer.Typer()


@app.command("warm")
def warm() -> None:
    """Compile the kernels and the sources ahead of time."""
    from engine.runtime.warm import warm_all

    compile_sources()
    warm_all()


def compile_sources() -> None:
    """Bytecode beside the sources. Python writes it by itself, unless its environment forbids
    that: then every start would compile anew, for a third of its time. What cannot be written is
    compiled when it is used."""
    root = Path(__file__).resolve().parents[2]
    for name in ("app", "engine", "ui_tui"):
        compileall.compile_dir(root / name, quiet=2)
