"""What needs a person's eye now, and the decision on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.attach import (
    DEFAULT_PROFILE,
    Json,
    Profile,
    TakeToken,
    ask,
    attached,
    check,
    is_group_call,
    picture,
)
from app.cli.output import print_json, print_table
from engine.core.ids import new_command_id
from engine.domain import commands as c

if TYPE_CHECKING:
    from engine.domain.snapshots import EngineSnapshot

app = typer.Typer(invoke_without_command=True)

Ident = Annotated[str, typer.Argument(metavar="ID", help="The incident; see incidents list.")]


@app.callback()
def incidents(
    context: typer.Context, profile: Profile = DEFAULT_PROFILE, json: Json = False
) -> None:
    """Differences between the venue and us, failed bots, tripped limits."""
    if not is_group_call(context):
        _list(profile, json)


@app.command("list")
def list_incidents(profile: Profile = DEFAULT_PROFILE, json: Json = False) -> None:
    """Differences between the venue and us, failed bots, tripped limits."""
    _list(profile, json)


def _list(profile: str, json: bool) -> None:
    with attached(profile, topics=()) as session:
        rows = _rows(picture(session))
    if json:
        print_json(rows)
    elif rows:
        columns = ("id", "kind", "about", "what", "choices")
        print_table(columns, [[_text(row[name]) for name in columns] for row in rows])
    else:
        print("nothing needs a look")


def _rows(shot: EngineSnapshot) -> list[dict[str, Any]]:
    """Those of the engine, which are decided by their id, then what a bot or a limit says."""
    rows: list[dict[str, Any]] = []
    for shown in shot.incidents:
        one = shown.incident
        about = one.client_order_id or one.bot_id or one.instrument_id or "the venue"
        what = f"ours: {one.ours}; the venue's: {one.venues}; last: {one.last_event}"
        rows.append(_row(one.incident_id, one.kind, about, what, [*shown.choices]))
    rows += [
        _row("", "limit", limit.name, "reached", ["reset"])
        for limit in shot.limits
        if limit.is_tripped
    ]
    rows += [_row("", "bot", bot.bot_id, bot.error, ["resume"]) for bot in shot.bots if bot.error]
    return rows


def _row(ident: str, kind: str, about: str, what: str, choices: list[str]) -> dict[str, Any]:
    return {"id": ident, "kind": kind, "about": about, "what": what, "choices": choices}


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@app.command("adopt")
def adopt(
    ident: Ident,
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """The venue is right: our record becomes what it says."""
    _decide(
        c.AdoptIncident(command_id=new_command_id(), incident_id=ident), profile, take_token, json
    )


@app.command("ignore")
def ignore(
    ident: Ident,
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Our record is right: nothing changes."""
    _decide(
        c.IgnoreIncident(command_id=new_command_id(), incident_id=ident), profile, take_token, json
    )


@app.command("flatten")
def flatten(ident: Ident, profile: Profile = DEFAULT_PROFILE, json: Json = False) -> None:
    """The venue is right, and the book is closed."""
    command = c.FlattenIncident(command_id=new_command_id(), incident_id=ident)
    _decide(command, profile, False, json)


def _decide(command: c.AnyCommand, profile: str, take_token: bool, json: bool) -> None:
    with attached(profile, "over" if take_token else "nothing", ()) as session:
        receipt = ask(session, command)
    if json:
        print_json(receipt)
    check(receipt)
    if not json:
        print("decided; why and logs tell what became of it")
