"""The helm from a shell: pause, resume, take, give, flatten, cancel-all, kill, reset.

Each attaches, sends one command, waits for its receipt and prints a line. What takes risk away is
always accepted; what adds risk needs the trade token, see `--take-token`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.attach import (
    DEFAULT_PROFILE,
    Bot,
    Json,
    OneBot,
    Profile,
    TakeToken,
    ask,
    attached,
    check,
    check_bot,
    picture,
)
from app.cli.output import print_json
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import BadInput

app = typer.Typer()

KILL_LEVELS = {
    level.name.lower().replace("_", "-"): level
    for level in c.KillLevel
    if level is not c.KillLevel.NONE
}


Preview = Annotated[
    bool, typer.Option("--preview", help="Change nothing: say what it would change.")
]


@app.command("pause")
def pause(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """Pause a bot, or all of them: no new entries, exits still run."""
    command = c.PauseBot(command_id=new_command_id(), bot_id=bot)
    _carry_out(command, f"{bot or 'every bot'} paused", profile, json)


@app.command("resume")
def resume(
    profile: Profile = DEFAULT_PROFILE,
    bot: OneBot = "",
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Let a paused or stopped bot steer again."""
    command = c.ResumeBot(command_id=new_command_id(), bot_id=_named(bot))
    _carry_out(command, f"{bot} steers by itself", profile, json, take_token)


@app.command("take")
def take(
    profile: Profile = DEFAULT_PROFILE,
    bot: OneBot = "",
    preview: Preview = False,
    json: Json = False,
) -> None:
    """Take a bot's helm: its orders and position are yours, the bot only watches."""
    if preview:
        _preview(profile, _named(bot), "take", json)
        return
    command = c.TakeHelm(command_id=new_command_id(), bot_id=_named(bot))
    _carry_out(command, f"{bot} is yours", profile, json)


@app.command("give")
def give(
    profile: Profile = DEFAULT_PROFILE,
    bot: OneBot = "",
    take_token: TakeToken = False,
    preview: Preview = False,
    json: Json = False,
) -> None:
    """Give a bot its helm back."""
    if preview:
        _preview(profile, _named(bot), "give", json)
        return
    command = c.GiveHelm(command_id=new_command_id(), bot_id=_named(bot))
    _carry_out(command, f"{bot} steers by itself", profile, json, take_token)


@app.command("flatten")
def flatten(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """Pause, cancel and close: one bot, or everything."""
    command = c.Flatten(command_id=new_command_id(), bot_id=bot)
    _carry_out(command, f"flattening {bot or 'everything'}", profile, json)


@app.command("cancel-all")
def cancel_all(
    profile: Profile = DEFAULT_PROFILE,
    bot: Bot = "",
    protective: Annotated[
        bool, typer.Option("--protective", help="Protective stops and targets as well.")
    ] = False,
    json: Json = False,
) -> None:
    """Cancel working orders, of one bot or of all."""
    command = c.CancelAll(command_id=new_command_id(), bot_id=bot, with_protective=protective)
    _carry_out(command, f"cancelling the orders of {bot or 'everybody'}", profile, json)


@app.command("kill")
def kill(
    profile: Profile = DEFAULT_PROFILE,
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL", help=f"How far: {', '.join(KILL_LEVELS)}. Without one, cancel-all."
        ),
    ] = "",
    bot: Annotated[
        str,
        typer.Option("--bot", metavar="ID", help="Stop this bot alone: no switch, its orders go."),
    ] = "",
    json: Json = False,
) -> None:
    """The kill switch: pause every bot and refuse new orders until it is reset."""
    if bot and level:
        raise BadInput("--level", level, "stands over every bot: leave it, or --bot, out")
    if bot:
        stop = c.StopBot(command_id=new_command_id(), bot_id=bot)
        _carry_out(stop, f"{bot} stopped; its orders are being cancelled", profile, json)
        return
    level = level or "cancel-all"
    if level not in KILL_LEVELS:
        raise BadInput("--level", level, f"choose one of {', '.join(KILL_LEVELS)}")
    command = c.Kill(command_id=new_command_id(), level=KILL_LEVELS[level])
    _carry_out(command, f"kill switch on: {level.replace('-', ' ')}", profile, json)


@app.command("reset")
def reset(
    word: Annotated[str, typer.Argument(help="RESUME, in capitals: nobody resets by accident.")],
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Leave the kill state or a tripped limit; bots stay paused until each is resumed."""
    from app.views.desk import RESET_WORD

    if word != RESET_WORD:
        raise BadInput("WORD", word, f"type {RESET_WORD} in capitals")
    command = c.ResetKill(command_id=new_command_id())
    _carry_out(command, "reset; bots stay paused until resumed", profile, json, take_token)


def _preview(profile: str, bot_id: str, step: str, json: bool) -> None:
    """What taking or giving would change now; nothing is sent."""
    from app.views.handover import preview

    with attached(profile) as session:
        shot = picture(session)
    check_bot(shot, bot_id)
    bot = next((one for one in shot.bots if one.bot_id == bot_id), None)
    if bot is None:
        raise BadInput("bot", bot_id, "a book without a bot has no helm")
    told = preview(shot, bot, step)
    if json:
        print_json(told)
    else:
        print("\n".join(told.sentences))


def _named(bot: str) -> str:
    if not bot:
        raise BadInput("--bot", "not given", "name the bot; pilothouse bots lists them")
    return bot


def _carry_out(
    command: c.AnyCommand, done: str, profile: str, json: bool, take_token: bool = False
) -> None:
    with attached(profile, "over" if take_token else "nothing", ()) as session:
        receipt = ask(session, command)
    if json:
        print_json(receipt)
    check(receipt)
    if not json:
        print(f"{done}; {receipt.verified}" if receipt.verified else done)
