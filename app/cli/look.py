"""Looking at a running engine from a shell: status, orders, positions, logs; and `why`,
which asks the ledger and needs no engine."""

from __future__ import annotations

import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.attach import (
    DEFAULT_PROFILE,
    Bot,
    Json,
    Profile,
    attached,
    check_bot,
    instrument_of,
    picture,
)
from app.cli.bots import print_bots
from app.cli.output import LINE_LIMIT, clean_line, print_error, print_json, print_table
from engine.domain.errors import BadInput, EngineNotRunning, TimedOut
from engine.domain.text import clean

if TYPE_CHECKING:
    from app.service.client import RemoteSession
    from app.service.protocol import Presence
    from app.views.story import Instruments, Sentence
    from engine.domain.instrument import Instrument
    from engine.domain.snapshots import EngineSnapshot, LogRow, OrderSnapshot

app = typer.Typer()

_LOOK_S = 0.1
_BOT_EVENTS = 200_000
"""How many events a bot's story is told from, its orders not counted."""
_SENTENCES = 40

Row = dict[str, Any]


# -- the engine now ----------------------------------------------------------------------------


@app.command("status")
def status(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """Mode, money, kill switch, bots and who looks on."""
    from app.views import format as fmt
    from app.views.linkview import link_figures

    with attached(profile, topics=()) as session:
        shot, presence = picture(session), _presence(session)
    check_bot(shot, bot)
    document = _status(shot, presence, bot)
    if json:
        print_json(document)
        return
    figures = [
        ("profile", f"{shot.profile}, {shot.mode}"),
        ("market", f"{shot.world}, {'ended' if shot.has_ended else f'speed {shot.speed}x'}"),
        ("time", f"{_instant(shot.ts_ns)}, market moved {shot.feed_age_ms} ms ago"),
        ("equity", f"{fmt.money(shot.equity, shot.settle)} {shot.settle}"),
        ("today", f"{fmt.signed_money(shot.day_pnl, shot.settle)} {shot.settle}"),
        ("orders / positions", f"{document['orders']} / {document['positions']}"),
        ("kill switch", ": ".join(filter(None, (document["kill"], shot.kill_reason)))),
        ("halted", shot.halted or "no"),
        ("trade token", document["token_holder"] or "free"),
        ("faces", ", ".join(document["faces"])),
    ]
    print_table(("figure", "value"), figures + link_figures(shot))
    print()
    print_bots(shot, [one for one in shot.bots if bot in ("", one.bot_id)])
    print()
    limits = [
        (
            limit.name,
            *map(fmt.compact, (limit.used, limit.limit)),
            limit.unit,
            "REACHED" if limit.is_tripped else "",
        )
        for limit in shot.limits
    ]
    print_table(("limit", "used", "of", "unit", ""), limits, right=("used", "of"))


def _status(shot: EngineSnapshot, presence: Presence, bot: str) -> Row:
    """The account's figures; orders, positions and bots of `bot` alone where one is named."""
    names = (
        "profile", "mode", "world", "speed", "ts_ns", "feed_age_ms", "has_ended", "kill_reason",
        "halted", "settle", "capital", "equity", "day_pnl", "realised", "unrealised", "fees",
        "funding",
    )  # fmt: skip
    return {name: getattr(shot, name) for name in names} | {
        "kill": shot.kill.name.lower().replace("_", "-"),
        "orders": sum(bot in ("", row.order.bot_id) for row in shot.orders),
        "positions": sum(row.lots != 0 and bot in ("", row.bot_id) for row in shot.positions),
        "bots": {one.bot_id: one.helm for one in shot.bots if bot in ("", one.bot_id)},
        "limits": shot.limits,
        "link": shot.link,
        "faces": presence.faces,
        "token_holder": presence.holder,
    }


@app.command("orders")
def orders(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """The working orders, and the algos with their legs."""
    with attached(profile, topics=()) as session:
        shot = picture(session)
    check_bot(shot, bot)
    rows = [
        _order_row(row, instrument_of(shot, row.order.spec.instrument_id))
        for row in shot.orders
        if bot in ("", row.order.bot_id)
    ]
    if json:
        print_json(rows)
        return
    figures = ("qty", "filled", "price", "trigger")
    columns = ("client_order_id", "bot_id", "symbol", "side", "type", *figures, "status")
    lines = [["" if row[name] is None else row[name] for name in columns] for row in rows]
    print_table(("order", "bot", *columns[2:]), lines, right=figures)
    algos = [algo for algo in shot.algos if bot in ("", algo.bot_id)]
    if algos:
        from app.cli.order import print_algos

        print()
        print_algos(shot, algos)


def _order_row(row: OrderSnapshot, instrument: Instrument) -> Row:
    order, spec = row.order, row.order.spec
    ahead = row.queue_ahead_lots
    return {
        "client_order_id": order.client_order_id,
        "bot_id": order.bot_id,
        "placed_by": order.placed_by,
        "algo_id": order.algo_id or None,
        "leg": order.leg or None,
        "instrument_id": spec.instrument_id,
        "symbol": instrument.symbol,
        "side": spec.side,
        "type": spec.type,
        "tif": spec.tif,
        "reduce_only": spec.reduce_only,
        "qty": instrument.qty(spec.qty_lots),
        "filled": instrument.qty(order.filled_lots),
        "price": instrument.price(spec.price_ticks) if spec.price_ticks else None,
        "trigger": instrument.price(spec.trigger_ticks) if spec.trigger_ticks else None,
        "status": order.status,
        "pending": order.pending,
        "queue_ahead": instrument.qty(ahead) if ahead >= 0 else None,
    }


@app.command("positions")
def positions(profile: Profile = DEFAULT_PROFILE, bot: Bot = "", json: Json = False) -> None:
    """What every book holds, `manual` being your own."""
    with attached(profile, topics=()) as session:
        shot = picture(session)
    check_bot(shot, bot)
    rows = []
    for row in shot.positions:
        if bot not in ("", row.bot_id):
            continue
        instrument = instrument_of(shot, row.instrument_id)
        entry = row.entry_ticks
        rows.append(
            {
                "bot_id": row.bot_id,
                "instrument_id": row.instrument_id,
                "symbol": instrument.symbol,
                "position": instrument.qty(row.lots),
                "entry": entry * instrument.tick if entry is not None else None,
                "realised": row.realised,
                "unrealised": row.unrealised,
                "fees": row.fees,
                "pnl": row.pnl,
            }
        )
    if json:
        print_json(rows)
        return
    _print_positions(shot, bot)


def _print_positions(shot: EngineSnapshot, bot: str) -> None:
    from app.views import format as fmt

    lines = []
    for row in shot.positions:
        if bot not in ("", row.bot_id):
            continue
        instrument = instrument_of(shot, row.instrument_id)
        entry = fmt.price(row.entry_ticks, instrument) if row.entry_ticks is not None else ""
        money = (row.realised, row.unrealised, -row.fees, row.pnl)
        lines.append(
            (
                row.bot_id,
                instrument.symbol,
                fmt.signed_qty(row.lots, instrument),
                entry,
                *(fmt.signed_money(amount, shot.settle) for amount in money),
            )
        )
    columns = ("bot", "symbol", "position", "entry", "realised", "unrealised", "fees", "pnl")
    print_table(columns, lines, right=columns[2:])


@app.command("logs")
def logs(
    profile: Profile = DEFAULT_PROFILE,
    bot: Bot = "",
    count: Annotated[
        int,
        typer.Option(
            "-n", metavar="N", help="How many lines; the engine keeps the last 500.", min=0
        ),
    ] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Wait for more.")] = False,
    json: Json = False,
) -> None:
    """What has happened, newest last. With -f --json: one document a line."""
    with attached(profile, topics=["history"]) as session:
        shot = picture(session)
        if "@" not in bot:  # A person at a face, who may have done nothing yet.
            check_bot(shot, bot, {"engine", "risk", *(row.source for row in shot.log)})
        rows = [row for row in shot.log if bot in ("", row.source)]
        newest = rows[-count:] if count else []
        if not follow:
            _print_all(newest, json)
            return
        _print_lines(newest, json)
        _follow(session, shot, bot, json)


def _follow(session: RemoteSession, shot: EngineSnapshot, bot: str, json: bool) -> None:
    """What comes after `shot`, until the engine is gone; a short silence ends nothing."""
    from app.service.client import GIVEN_UP

    seen = _last_seq(shot)
    while True:
        time.sleep(_LOOK_S)
        shot = picture(session)
        fresh = [row for row in shot.log if row.seq > seen]
        if seen and fresh and len(fresh) == len(shot.log):
            # Slower than the engine by more than it keeps: the reader must know of the hole.
            print_error("logs: some lines came and went unseen; why ID has them all")
        seen = max(seen, _last_seq(shot))
        _print_lines([row for row in fresh if bot in ("", row.source)], json)
        if words := session.lost():
            raise (TimedOut if words == GIVEN_UP else EngineNotRunning)(words)


def _last_seq(shot: EngineSnapshot) -> int:
    return max((row.seq for row in shot.log), default=0)


def _print_all(rows: list[LogRow], json: bool) -> None:
    if json:
        print_json(rows)
    else:
        _print_log(rows)


def _print_lines(rows: list[LogRow], json: bool) -> None:
    if not json:
        _print_log(rows)
        return
    import msgspec

    for row in rows:
        sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    sys.stdout.buffer.flush()


def _print_log(rows: list[LogRow]) -> None:
    for row in rows:
        text = f"{_instant(row.ts_ns)}  {row.level:<5}  {row.source:<12}  {row.text}"
        print(clean(text, LINE_LIMIT), flush=True)


# -- the ledger --------------------------------------------------------------------------------


@app.command("why")
def why(
    ident: Annotated[
        str, typer.Argument(metavar="ID", help="An order's id, an algo's or a bot's.")
    ],
    profile: Profile = DEFAULT_PROFILE,
    json: Json = False,
) -> None:
    """The story of an order, an algo or a bot (of that the newest 40 sentences), from the ledger;
    also when no engine runs."""
    from app.paths import check_profile, locate

    if not ident.isprintable():  # Nor can the ledger be asked for bytes that are no text.
        raise BadInput("ID", ascii(ident), "use an id as orders, algos or bots list it")
    for ledger in locate().ledgers(check_profile(profile)):
        sentences = _story(ledger, ident)
        if sentences:
            break
    else:
        raise BadInput("ID", ident, f"no order or bot of profile {profile} has this id")
    if json:
        rows = [{"ts_ns": row.ts_ns, "text": row.text} for row in sentences]
        print_json({"id": ident, "ledger": ledger.name, "story": rows})
        return
    for row in sentences:
        print(f"{_instant(row.ts_ns)}  {clean_line(row.text)}")


def _story(ledger: Path, ident: str) -> list[Sentence]:
    from app.views.algo_story import algo_story
    from app.views.story import bot_story, order_story
    from engine.store import history

    instruments: Instruments = history.instruments(ledger)
    of_order = [row.event for row in history.order_events(ledger, ident)]
    if of_order:
        return order_story(of_order, instruments)
    of_algo = [row.event for row in history.algo_events(ledger, ident)]
    if of_algo:
        return algo_story(of_algo, ident, instruments)
    of_bot = [row.event for row in history.bot_events(ledger, ident, _BOT_EVENTS)]
    if not any(getattr(event, "bot_id", None) == ident for event in of_bot):
        return []
    return bot_story(of_bot, ident, instruments)[-_SENTENCES:]


# -- small things ------------------------------------------------------------------------------


def _instant(ts_ns: int) -> str:
    """With the day: what is read here may be of last week. `2026-01-01 14:03:22.250Z`."""
    from app.views import format as fmt

    day = dt.datetime.fromtimestamp(ts_ns // 1_000_000_000, dt.UTC)
    return f"{day:%Y-%m-%d} {fmt.clock(ts_ns, 3)}Z"


def _presence(session: RemoteSession) -> Presence:
    """It comes just before the first picture."""
    found = session.presence()
    assert found is not None, "presence comes before pictures"
    return found
