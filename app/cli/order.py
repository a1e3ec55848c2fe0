"""Orders from a shell: place one of any type, change an algo, cancel; and the algos at work."""

from __future__ import annotations

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
    picture,
)
from app.cli.output import print_json, print_table
from engine.core.ids import new_command_id
from engine.domain import commands as c
from engine.domain.errors import BadInput

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from engine.domain.instrument import Instrument
    from engine.domain.snapshots import AlgoSnapshot, EngineSnapshot, LegSnapshot

app = typer.Typer()

Price = Annotated[
    str, typer.Option("--price", metavar="P", help="Limit or trigger; what it is, says the type.")
]


@app.command("order")
def order(
    side: Annotated[str, typer.Argument(help="buy or sell.")],
    qty: Annotated[str, typer.Argument(help="Size in the base asset.")],
    type: Annotated[str, typer.Argument(help="limit, market, stop, stop-limit, bracket, oco ...")],
    words: Annotated[
        list[str] | None, typer.Argument(help="What the type takes: post, reduce, stop=59900 ...")
    ] = None,
    price: Price = "",
    book: Annotated[
        str, typer.Option("--bot", metavar="ID", help="Whose book: yours, or a bot's.")
    ] = "manual",
    symbol: Annotated[
        str, typer.Option(metavar="SYMBOL", help="Which instrument, where there are several.")
    ] = "",
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Place an order or an algo. `pilothouse order buy 0.01 bracket stop=59900 target=60100`."""
    from app.views.ticket import Ticket, describe_wish, parse_wish
    from engine.domain.order import OrderSpec, OrderType

    with attached(profile, "over" if take_token else "nothing") as session:
        shot = picture(session)
        instrument = _instrument(shot, symbol)
        ticket = Ticket(side=side, type=type, qty=qty, price=price, flags=" ".join(words or []))
        wish = parse_wish(ticket, instrument, shot.ts_ns)
        if price and isinstance(wish, OrderSpec) and wish.type is OrderType.MARKET:
            raise BadInput("--price", price, "a market order takes none; did you mean limit?")
        command: c.AnyCommand
        if isinstance(wish, OrderSpec):
            command = c.PlaceOrder(command_id=new_command_id(), bot_id=book, spec=wish)
        else:
            command = c.PlaceAlgo(command_id=new_command_id(), bot_id=book, spec=wish)
        _send(session, command, describe_wish(wish, instrument), json)


@app.command("amend")
def amend(
    algo_id: Annotated[str, typer.Argument(metavar="ID", help="The algo, as `algos` lists it.")],
    words: Annotated[list[str] | None, typer.Argument(help="stop=59950, target=60200 ...")] = None,
    price: Price = "",
    profile: Profile = DEFAULT_PROFILE,
    take_token: TakeToken = False,
    json: Json = False,
) -> None:
    """Change the figures of a working algo."""
    from app.views.algo_ticket import Sheet, amended
    from engine.trading.algos.describe import algo_words

    with attached(profile, "over" if take_token else "nothing") as session:
        shot = picture(session)
        algo = next((row for row in shot.algos if row.algo_id == algo_id), None)
        if algo is None:
            raise BadInput("ID", algo_id, "no such algo works; pilothouse algos lists them")
        if not words and not price:
            raise BadInput("WORDS", "", "say what shall change, for instance stop=59950")
        instrument = instrument_of(shot, algo.spec.instrument_id)
        spec = amended(algo.spec, price, words or [], Sheet(instrument, shot.ts_ns))
        command = c.AmendAlgo(command_id=new_command_id(), algo_id=algo_id, spec=spec)
        _send(session, command, f"{algo_id}: {algo_words(spec, instrument)}", json)


@app.command("cancel")
def cancel(
    ident: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or an algo's.")],
    protective: Annotated[
        bool, typer.Option("--protective", help="A bracket's stop and target as well.")
    ] = False,
    profile: Profile = DEFAULT_PROFILE,
    json: Json = False,
) -> None:
    """Cancel one order or one algo."""
    with attached(profile) as session:
        shot = picture(session)
        command: c.AnyCommand
        if any(row.algo_id == ident for row in shot.algos):
            command = c.CancelAlgo(
                command_id=new_command_id(), algo_id=ident, with_protective=protective
            )
        else:
            command = c.CancelOrder(command_id=new_command_id(), client_order_id=ident)
        _send(session, command, f"cancelling {ident}", json)


@app.command("algos")
def algos(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """The working algos and where each of their legs is: at the venue or in the engine."""
    with attached(profile) as session:
        shot = picture(session)
    check_bot(shot, bot)
    rows = [row for row in shot.algos if bot in ("", row.bot_id)]
    if json:
        print_json([algo_row(row, instrument_of(shot, row.spec.instrument_id)) for row in rows])
    elif rows:
        print_algos(shot, rows)
    else:
        print("no algo works")


def algo_row(algo: AlgoSnapshot, instrument: Instrument) -> dict[str, Any]:
    return {
        "algo_id": algo.algo_id,
        "bot_id": algo.bot_id,
        "owner": algo.owner,
        "symbol": instrument.symbol,
        "words": algo.words,
        "ending": algo.ending,
        "alarm": algo.alarm,
        "entered": instrument.qty(algo.entered_lots),
        "exited": instrument.qty(algo.exited_lots),
        "legs": [_leg_row(leg, instrument) for leg in algo.legs],
        "spec": algo.spec,
    }


def _leg_row(leg: LegSnapshot, instrument: Instrument) -> dict[str, Any]:
    return {
        "leg": leg.leg,
        "where": leg.where,
        "side": leg.side,
        "qty": instrument.qty(leg.lots),
        "price": instrument.price(leg.price_ticks) if leg.price_ticks else None,
        "trigger": instrument.price(leg.trigger_ticks) if leg.trigger_ticks else None,
        "client_order_id": leg.client_order_id or None,
    }


def print_algos(shot: EngineSnapshot, rows: list[AlgoSnapshot]) -> None:
    """One line an algo, one line a leg below it."""
    lines: list[tuple[object, ...]] = []
    for algo in rows:
        instrument = instrument_of(shot, algo.spec.instrument_id)
        state = algo.alarm and f"UNGUARDED: {algo.alarm}"
        entered = instrument.qty(algo.entered_lots)
        lines.append(
            (algo.algo_id, algo.bot_id, "", "", entered, "", "", state or algo.ending or algo.words)
        )
        for leg in algo.legs:
            row = _leg_row(leg, instrument)
            prices = ["" if row[name] is None else row[name] for name in ("price", "trigger")]
            ident = leg.client_order_id
            lines.append(("", "", leg.leg, leg.where, row["qty"], *prices, ident))
    columns = ("algo", "bot", "leg", "where", "qty", "price", "trigger", "what")
    print_table(columns, lines, right=columns[4:7])


def _instrument(shot: EngineSnapshot, symbol: str) -> Instrument:
    found = [one for one in shot.instruments if symbol in ("", one.symbol, one.instrument_id)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.symbol for one in shot.instruments)
    raise BadInput("--symbol", symbol, f"name one of {known}")


def _send(session: RemoteSession, command: c.AnyCommand, done: str, json: bool) -> None:
    receipt = ask(session, command)
    if json:
        print_json(receipt)
    check(receipt)
    if not json:
        print(done)
