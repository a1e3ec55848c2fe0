"""`pilothouse act`: any action of the screens from a shell, by its id.

The same table, rules and builders as the keys: what a key would refuse, this refuses. Arming is
not asked for, a typed command is no stray key; the trade token and the engine's limits are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.attach import (
    DEFAULT_PROFILE,
    Json,
    Profile,
    TakeToken,
    ask,
    attached,
    check,
    picture,
)
from app.cli.output import print_json, print_table
from engine.domain.errors import BadInput, WorkFailed

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.views.actions import Action
    from app.views.viewstate import ViewState
    from engine.domain.instrument import Instrument
    from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot

app = typer.Typer()

_SIZED = frozenset(
    {"buy_limit", "sell_limit", "buy_join", "sell_join", "buy_market", "sell_market"}
)
_PRICED = frozenset(
    {"buy_limit", "sell_limit", "stop_at_cursor", "target_at_cursor", "order_move"}
    | {"order_move_guard"}
)
_OF_ORDER = frozenset({"order_cancel", "order_move", "order_move_guard"})
_OF_SYMBOL = frozenset({"flatten_symbol", "cancel_symbol"})
"""Beside those of the ladder."""
_OF_INCIDENT = frozenset({"incident_adopt", "incident_ignore", "incident_flatten"})
_BY_HAND = frozenset({"reset_kill", "algo_cancel", "algo_cancel_all"})
"""Have commands of their own, with words that are no options here."""
_MAY_BECOME = frozenset({"order_move"})
"""A key may toggle what it sees; a script that says `bot_pause` must never resume. Moving a guard
is the same wish as moving an order."""


@app.command("act")
def act(
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="Its id; without one, the list.")
    ] = "",
    symbol: Annotated[
        str, typer.Option(metavar="SYMBOL", help="The instrument; needed where there are two.")
    ] = "",
    bot: Annotated[str, typer.Option("--bot", metavar="ID", help="The bot that is meant.")] = "",
    qty: Annotated[str, typer.Option(metavar="Q", help="Size in the base asset.")] = "",
    price: Annotated[str, typer.Option(metavar="P", help="Limit or trigger price.")] = "",
    order: Annotated[str, typer.Option(metavar="ID", help="The order that is meant.")] = "",
    incident: Annotated[str, typer.Option(metavar="ID", help="The incident that is meant.")] = "",
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Do what a key does: `act buy_join --qty 0.01`; without a word, the list of actions."""
    if not action:
        _print_list(json)
        return
    chosen = _chosen(action)
    with attached(profile, "over" if take_token else "nothing") as session:
        view = _view(chosen, picture(session), symbol, bot, qty, price, order, incident)
        receipts = _carry_out(chosen, view, session)
    if json:
        print_json(receipts)
    for receipt in receipts:
        check(receipt)
    if not json:
        print(f"{chosen.id}: done")


def _chosen(name: str) -> Action:
    from app.views.actions import ACTIONS
    from app.views.commands import BUILDERS

    action = ACTIONS.get(name)
    if action is None:
        raise BadInput("ACTION", name, "no such action; `pilothouse act` lists them")
    if name in _BY_HAND or (name not in BUILDERS and name != "crash"):
        way = f"use: pilothouse {action.shell}" if action.shell else action.view_only
        raise BadInput("ACTION", name, way)
    return action


def _view(
    action: Action,
    shot: EngineSnapshot,
    symbol: str,
    bot: str,
    qty: str,
    price: str,
    order: str,
    incident: str,
) -> ViewState:
    """What the options say, as the state that a key would have been judged on."""
    from app.views.viewstate import ViewState, feed_age_ms
    from engine.core.clock import LiveClock

    _refuse_spare(action, symbol, bot, order, incident)
    if bot and all(one.bot_id != bot for one in shot.bots):
        raise BadInput("--bot", bot, "no such bot; `pilothouse bots` lists them")
    if "bots" in action.contexts and not bot:
        raise BadInput("--bot", "", f"{action.id} needs one; `pilothouse bots` lists them")
    order_ids = {one.order.client_order_id for one in shot.orders}
    if action.id in _OF_ORDER and order not in order_ids:
        raise BadInput("--order", order, "no such working order; `pilothouse orders` lists them")
    incident_ids = {one.incident.incident_id for one in shot.incidents}
    if action.id in _OF_INCIDENT and incident not in incident_ids:
        raise BadInput("--incident", incident, "not open; `pilothouse incidents` lists them")
    instrument = _instrument(action, shot, symbol, order)
    ticks = _ticks(action, instrument, price)
    view = ViewState(
        snapshot=shot,
        instrument_id=instrument.instrument_id,
        bot_id=bot,
        order_id=order,
        incident_id=incident,
        pane="orders",
        cursor_ticks=ticks,
        is_cursor_painted=ticks > 0,
        qty_lots=_lots(action, instrument, qty),
        grabbed_id=order if action.id in _OF_ORDER else "",
        is_armed=True,
        feed_age_ms=feed_age_ms(shot, LiveClock().now_ns()),
    )
    if bot and "bots" not in action.contexts and view.acting_bot_id != bot:
        raise WorkFailed(f"{action.id}: the helm of {bot} is not yours here: take it first")
    return view


def _refuse_spare(action: Action, symbol: str, bot: str, order: str, incident: str) -> None:
    """An option that would narrow nothing is refused: `pause_all --bot ID` must not pause all."""
    is_of_ladder = "ladder" in action.contexts and action.id not in _OF_ORDER
    taken = {
        "--symbol": is_of_ladder or action.id in _OF_SYMBOL,
        "--bot": is_of_ladder or "bots" in action.contexts,
        "--order": action.id in _OF_ORDER,
        "--incident": action.id in _OF_INCIDENT,
    }
    for option, given in zip(taken, (symbol, bot, order, incident), strict=True):
        if given and not taken[option]:
            raise BadInput(option, given, f"{action.id} takes none")


def _instrument(action: Action, shot: EngineSnapshot, symbol: str, order: str) -> Instrument:
    """What is meant: the order's, the one that is named, or where it says nothing, any."""
    if not symbol and "ladder" not in action.contexts and action.id not in _OF_SYMBOL:
        return shot.instruments[0]
    of_order = next(
        (one.order.spec.instrument_id for one in shot.orders if one.order.client_order_id == order),
        "",
    )
    names = ", ".join(one.symbol for one in shot.instruments)
    found = [
        one
        for one in shot.instruments
        if (one.instrument_id == of_order if of_order else symbol in (one.symbol, ""))
    ]
    if not found:
        raise BadInput("--symbol", symbol, f"no such instrument; there are: {names}")
    if len(found) > 1:
        raise BadInput("--symbol", symbol, f"name one of: {names}")
    return found[0]


def _ticks(action: Action, instrument: Instrument, price: str) -> int:
    from engine.domain.money import parse_decimal

    if action.id not in _PRICED:
        if price:
            raise BadInput("--price", price, f"{action.id} takes none")
        return 0
    if not price:
        raise BadInput("--price", "", f"{action.id} needs one")
    ticks = instrument.ticks(parse_decimal("--price", price), "--price")
    if ticks <= 0:
        raise BadInput("--price", price, "must be greater than zero")
    return ticks


def _lots(action: Action, instrument: Instrument, qty: str) -> int:
    from engine.domain.money import parse_decimal, plain

    if action.id not in _SIZED:
        if qty:
            raise BadInput("--qty", qty, f"{action.id} takes none")
        return 1  # Moves and exits know their size; the rules ask for one all the same.
    if not qty:
        raise BadInput("--qty", "", f"{action.id} needs one")
    lots = instrument.lots(parse_decimal("--qty", qty), "--qty")
    if lots < instrument.min_lots:
        least = plain(instrument.qty(instrument.min_lots))
        raise BadInput("--qty", qty, f"must be at least {least}")
    return lots


def _carry_out(action: Action, view: ViewState, session: RemoteSession) -> list[ReceiptSnapshot]:
    """Send what the action sends and wait for every receipt."""
    from app.views.actions import resolve
    from app.views.commands import Sender, build

    action = resolve(action, view) if action.id in _MAY_BECOME else action
    why = action.why_not(view)
    if why:
        raise WorkFailed(f"{action.id}: {why}")
    if action.id == "crash":
        session.crash()
        return []
    commands = build(action.id, view, Sender(session.new_command_id, by="shell"))
    return [ask(session, command) for command in commands]


def _print_list(json: bool) -> None:
    """Every action with its shell command, or why it has none."""
    from app.views.actions import ACTIONS

    rows = [(one.id, shell_way(one), one.text) for one in ACTIONS.values()]
    if json:
        print_json([{"id": name, "shell": way, "text": text} for name, way, text in rows])
        return
    print_table(("action", "in a shell", "what it does"), rows)


def shell_way(action: Action) -> str:
    """How a shell does the same: its command, `act ID` with what it needs, or the reason."""
    from app.views.commands import BUILDERS

    if action.shell:
        return f"pilothouse {action.shell}"
    if action.id in BUILDERS or action.id == "crash":
        options = "".join(
            words
            for ids, words in (
                (_SIZED, " --qty Q"),
                (_PRICED, " --price P"),
                (_OF_ORDER, " --order ID"),
                (_OF_INCIDENT, " --incident ID"),
            )
            if action.id in ids
        )
        bot = " --bot ID" if "bots" in action.contexts else ""
        return f"pilothouse act {action.id}{options}{bot}"
    return f"({action.view_only})"
