"""What the shell's commands share: attaching to an engine for a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.paths import DEFAULT_PROFILE as DEFAULT_PROFILE
from engine.domain.errors import BadInput, TimedOut, WorkFailed

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.service.protocol import Wants
    from engine.domain.commands import AnyCommand
    from engine.domain.instrument import Instrument
    from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot

ANSWER_S = 5.0
"""How long an engine may take to answer a command of the shell."""
STOP_S = 30.0
"""How long an engine may take to close its ledger."""

VERIFIED_S = 15.0
"""How long a venue may take to say what is left: its own deadline and a little more."""
_LOOK_S = 0.1
_UNVERIFIED = f"no word from the venue within {VERIFIED_S:g} s: look at orders and incidents"

Profile = Annotated[
    str, typer.Option(metavar="NAME", help="Which engine: the name of its ledger's folder.")
]
Bot = Annotated[
    str, typer.Option("--bot", metavar="ID", help="This bot alone; without it, every one.")
]
OneBot = Annotated[str, typer.Option("--bot", metavar="ID", help="Which bot; bots lists them.")]
TakeToken = Annotated[
    bool, typer.Option("--take-token", help="Take the trade token over from another face.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@contextmanager
def attached(
    profile: str, wants: Wants = "nothing", topics: Iterable[str] | None = None
) -> Iterator[RemoteSession]:
    """A session with a first picture; EngineNotRunning when there is no engine.

    `topics` of `app.service.protocol`, None for all: a command that shows no market should not
    make the engine send one.
    """
    from app.paths import locate
    from app.service.client import RemoteSession
    from app.service.endpoint import endpoint_of
    from app.service.links import SocketRoad
    from app.service.protocol import TOPICS

    shown = TOPICS if topics is None else topics
    road = SocketRoad(endpoint_of(locate(), profile))
    session = RemoteSession(road, "shell", wants=wants, topics=shown)
    session.start(2 * ANSWER_S)  # So that the connection says first what is wrong with it.
    try:
        yield session
    finally:
        session.close()


def ask(session: RemoteSession, command: AnyCommand) -> ReceiptSnapshot:
    """What became of the command, where a live engine asks its venue also what is left; BadInput
    where no engine could take it, TimedOut when nobody says what became of it."""
    _check_usable(session, command)
    session.submit(command)
    receipt = session.wait_for(command.command_id, ANSWER_S)
    return _verified(session, receipt) if _is_verified(command) else receipt


def _check_usable(session: RemoteSession, command: AnyCommand) -> None:
    """The engine's own rule, before anything is sent: what breaks it is bad input."""
    from app.service.wishes import unusable
    from engine.domain.commands import AddBot

    words = unusable(command, None)
    if words:
        field, _, remedy = words.partition(": ")
        holder = command if hasattr(command, field) else getattr(command, "spec", None)
        value = getattr(holder, field, "")
        raise BadInput(field, value if str(value).isprintable() else ascii(value), remedy)
    bot = getattr(command, "bot_id", "")
    if bot and not isinstance(command, AddBot):
        check_bot(picture(session), bot)


def check_bot(shot: EngineSnapshot, bot: str, more: Iterable[str] = ()) -> None:
    """BadInput unless "" (all) or a bot, a book or one of `more`: a typo must not look like a bot
    that has nothing."""
    from app.service.wishes import MANUAL

    books = (row.bot_id for row in shot.positions)
    if bot not in ("", MANUAL, *(one.bot_id for one in shot.bots), *books, *more):
        raise BadInput("bot", bot, "no such bot; pilothouse bots lists them")


def _is_verified(command: AnyCommand) -> bool:
    """Whether a live engine asks the venue what the command has left."""
    from engine.domain import commands as c

    if isinstance(command, c.Kill):
        return command.level >= c.KillLevel.CANCEL_ALL
    return isinstance(command, c.CancelAll | c.Flatten)


def _verified(session: RemoteSession, receipt: ReceiptSnapshot) -> ReceiptSnapshot:
    """The receipt with the venue's word on what is left; as it is where no venue is asked."""
    from msgspec.structs import replace

    if receipt.refused or picture(session).link is None:
        return receipt
    for _ in range(int(VERIFIED_S / _LOOK_S)):
        for told in picture(session).receipts:
            if told.command_id == receipt.command_id and told.verified:
                return told
        time.sleep(_LOOK_S)
    return replace(receipt, verified=_UNVERIFIED, is_clean=False)


def check(receipt: ReceiptSnapshot) -> None:
    """WorkFailed when it was refused, or has left orders; TimedOut when that is not known."""
    from app.service.client import LOST
    from app.service.presence import HELD

    if receipt.refused == LOST:
        raise TimedOut(f"{receipt.name}: {LOST}")
    if receipt.refused:
        how = " (--take-token)" if receipt.refused.endswith(HELD) else ""
        raise WorkFailed(f"{receipt.name} refused: {receipt.refused}{how}")
    if receipt.verified == _UNVERIFIED:
        raise TimedOut(f"{receipt.name} done; {receipt.verified}")
    if not receipt.is_clean:
        raise WorkFailed(f"{receipt.name} done; {receipt.verified}")


def picture(session: RemoteSession) -> EngineSnapshot:
    shot = session.snapshot()
    assert shot is not None, "a session that has started has a picture"
    return shot


def instrument_of(shot: EngineSnapshot, instrument_id: str) -> Instrument:
    return next(one for one in shot.instruments if one.instrument_id == instrument_id)


def is_group_call(context: typer.Context) -> bool:
    """Whether a subcommand follows; options before it would say nothing to it."""
    if context.invoked_subcommand is None:
        return False
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            words = f"--{name} before {context.invoked_subcommand}"
            raise BadInput(str(context.info_name), words, "put it behind that word")
    return True
