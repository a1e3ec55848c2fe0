"""`doctor`: looks this machine over."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.output import ExitCode, print_json, print_table

app = typer.Typer()


@app.command("doctor")
def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look this machine over and say what could hurt. Exit 1 when something does not work."""
    from app.doctor import examine

    findings = examine()
    ok = all(finding.status != "bad" for finding in findings)
    if json:
        print_json({"ok": ok, "findings": findings})
    else:
        columns = ("check", "status", "found", "what to do")
        print_table(columns, [(f.name, f.status, f.value, f.remedy) for f in findings])
    if not ok:
        raise typer.Exit(ExitCode.FAILED)
