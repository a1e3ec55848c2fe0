"""The bots of a running engine: who steers, what they hold; more of them, fewer of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.attach import (
    DEFAULT_PROFILE,
    Bot,
    Json,
    Profile,
    TakeToken,
    ask,
    attached,
    check,
    check_bot,
    instrument_of,
    is_group_call,
    picture,
)
from app.cli.backtest import parse_assignments
from app.cli.output import print_json, print_table
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import BadInput, TimedOut

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from engine.domain.instrument import Instrument
    from engine.domain.snapshots import BotSnapshot, EngineSnapshot

app = typer.Typer(invoke_without_command=True)

FLAT_S = 30.0
"""How long `remove --flatten` waits for a bot to be flat."""
_LOOK_S = 0.05

BotId = Annotated[str, typer.Argument(metavar="ID", help="The bot; see bots list.")]


@app.callback()
def bots(
    context: typer.Context, profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False
) -> None:
    """The bots: who steers, what they hold and earn."""
    if not is_group_call(context):
        _list(profile, bot, json)


@app.command("list")
def list_bots(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """The bots: who steers, what they hold and earn."""
    _list(profile, bot, json)


def _list(profile: str, bot: str, json: bool) -> None:
    with attached(profile, topics=()) as session:
        shot = picture(session)
    check_bot(shot, bot)
    rows = [row for row in shot.bots if bot in ("", row.bot_id)]
    if json:
        print_json([_bot_row(row, instrument_of(shot, row.instrument_id)) for row in rows])
    else:
        print_bots(shot, rows)


def _bot_row(bot: BotSnapshot, instrument: Instrument) -> dict[str, Any]:
    names = (
        "bot_id", "strategy", "instrument_id", "helm", "helm_by", "helm_reason", "realised",
        "unrealised", "fees", "pnl", "open_orders", "fills", "last_action", "params", "error",
    )  # fmt: skip
    row: dict[str, Any] = {name: getattr(bot, name) for name in names}
    return row | {"symbol": instrument.symbol, "position": instrument.qty(bot.position_lots)}


def print_bots(shot: EngineSnapshot, rows: list[BotSnapshot]) -> None:
    from app.views import format as fmt

    lines = []
    for row in rows:
        instrument = instrument_of(shot, row.instrument_id)
        lines.append(
            (
                row.bot_id,
                row.strategy,
                row.helm,
                instrument.symbol,
                fmt.signed_qty(row.position_lots, instrument),
                fmt.signed_money(row.pnl, shot.settle),
                row.open_orders,
                row.fills,
                row.error or row.helm_reason or row.last_action,
            )
        )
    columns = ("bot", "strategy", "helm", "symbol", "position", "pnl", "orders", "fills", "last")
    print_table(columns, lines, right=columns[4:8])


# -- more and fewer ----------------------------------------------------------------------------


@app.command("add")
def add(
    strategy: Annotated[str, typer.Argument(help="Which; see strategies.")],
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A parameter as name=value; again for more."),
    ] = None,
    bot: Annotated[
        str, typer.Option("--bot", metavar="ID", help="Its id; STRATEGY-N if not given.")
    ] = "",
    instrument: Annotated[
        str, typer.Option(metavar="INSTRUMENT", help="What it trades, where there is a choice.")
    ] = "",
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Let another bot steer on a running engine, from now on and after every restart."""
    from engine.strategy.catalogue import (
        find_strategy,
        params_to_dict,
        params_to_json,
        parse_params,
    )

    kind = find_strategy(strategy)
    params = parse_params(kind, parse_assignments(param or []))
    with attached(profile, "over" if take_token else "nothing", ()) as session:
        shot = picture(session)
        traded = _chosen(shot, instrument)
        kind(params, traded)  # What does not fit the instrument is bad input, told before sending.
        command = c.AddBot(
            command_id=new_command_id(),
            bot_id=bot or _free_id(shot, strategy),
            strategy=strategy,
            instrument_id=traded.instrument_id,
            params_json=params_to_json(params),
        )
        check(ask(session, command))
    if json:
        names = ("bot_id", "strategy", "instrument_id")
        document = {name: getattr(command, name) for name in names}
        print_json(document | {"params": params_to_dict(params)})
    else:
        print(f"{command.bot_id} steers by itself on {traded.symbol}")


def _chosen(shot: EngineSnapshot, instrument_id: str) -> Instrument:
    known = {one.instrument_id: one for one in shot.instruments}
    choice = ", ".join(known)
    if not instrument_id and len(known) > 1:
        raise BadInput("--instrument", "not given", f"name one of {choice}")
    found = known.get(instrument_id) if instrument_id else next(iter(known.values()), None)
    if found is None:
        raise BadInput("--instrument", instrument_id, f"this engine trades {choice or 'nothing'}")
    return found


def _free_id(shot: EngineSnapshot, strategy: str) -> str:
    """`strategy-N` that no bot has, nor one that has left a book behind."""
    taken = {bot.bot_id for bot in shot.bots} | {book.bot_id for book in shot.positions}
    return next(name for n in range(1, 1000) if (name := f"{strategy}-{n}") not in taken)


@app.command("edit")
def edit(
    bot: BotId,
    param: Annotated[
        list[str],
        typer.Option(metavar="NAME=VALUE", help="A parameter as name=value; again for more."),
    ],
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Change parameters of a bot; those that cannot change while it steers need a pause first."""
    from json import dumps

    from engine.strategy.catalogue import find_strategy, parse_params

    given = parse_assignments(param)
    with attached(profile, "over" if take_token else "nothing") as session:
        row = next((one for one in picture(session).bots if one.bot_id == bot), None)
        if row is None:
            raise BadInput("ID", bot, "no such bot; pilothouse bots lists them")
        parse_params(find_strategy(row.strategy), given)
        command = c.EditParams(command_id=new_command_id(), bot_id=bot, params_json=dumps(given))
        check(ask(session, command))
    if json:
        print_json({"bot_id": bot, "params": given})
    else:
        print(f"{bot}: " + ", ".join(f"{name} is {value}" for name, value in given.items()))


@app.command("remove")
def remove(
    bot: BotId,
    flatten: Annotated[
        bool, typer.Option("--flatten", help="Cancel its orders and close its position first.")
    ] = False,
    profile: Profile = DEFAULT_PROFILE,
    json: Json = False,
) -> None:
    """Let go of a bot that is flat; what it did stays in the ledger."""
    with attached(profile, topics=()) as session:
        if flatten:
            check(ask(session, c.Flatten(command_id=new_command_id(), bot_id=bot)))
            _wait_until_flat(session, bot)
        check(ask(session, c.RemoveBot(command_id=new_command_id(), bot_id=bot)))
    if json:
        print_json({"bot_id": bot, "removed": True})
    else:
        print(f"{bot} removed; why {bot} tells its story")


def _wait_until_flat(session: RemoteSession, bot_id: str) -> None:
    for _ in range(int(FLAT_S / _LOOK_S)):
        shot = picture(session)
        row = next((one for one in shot.bots if one.bot_id == bot_id), None)
        if row is None or (row.position_lots == 0 and row.open_orders == 0):
            return
        time.sleep(_LOOK_S)
    raise TimedOut(f"{bot_id}: not flat within {FLAT_S:g} s: see orders and positions")
