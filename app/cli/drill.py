"""`pilothouse drill`: the drill exchange in the foreground."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.live_table import LiveTable
from app.cli.output import print_json
from app.processes import stop_on_signals
from app.progress import Step
from engine.domain.errors import BadInput, ConfigError, LedgerError, WorkFailed
from engine.domain.money import parse_decimal, plain

if TYPE_CHECKING:
    from engine.drill.faults.saboteur import Saboteur
    from engine.drill.server import DrillServer
    from engine.drill.values import AccountSpec

app = typer.Typer()

REFRESH_S = 0.5
NAMES_MAX = 20


@app.command("drill")
def drill(
    capture: Annotated[
        list[Path] | None,
        typer.Option(help="Trade this recording; again for its further parts."),
    ] = None,
    faults: Annotated[
        str, typer.Option(help="A scenario by name, or a file with a plan of faults.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the generated markets.", min=0)] = 1,
    port: Annotated[
        int, typer.Option(help="Port on this machine; 0: any that is free.", min=0, max=65535)
    ] = 0,
    speed: Annotated[str, typer.Option(help="Market seconds per second.")] = "1",
    accounts: Annotated[
        int, typer.Option(help="How many accounts to open.", min=1, max=NAMES_MAX)
    ] = 1,
    seconds: Annotated[str, typer.Option(help="Stop after so many seconds.")] = "",
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Where certificates, ledgers and the note of the port go."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Say where it listens as one JSON document.")
    ] = False,
) -> None:
    """A local exchange that unmodified clients trade on as if it were Binance, spot and USD-M.

    Nothing leaves this machine, and its money is play money. Point an engine at it with
    `pilothouse engine --drill`. Ctrl+C stops it.
    """
    from app.drill import new_account, open_drill, recorded
    from app.paths import locate, make_private
    from engine.drill.faults.saboteur import Saboteur
    from engine.drill.faults.scenarios import find_plan
    from engine.store.filelock import lock_beside

    market_speed = parse_decimal("--speed", speed)
    if not 0 < market_speed <= 1000:
        raise BadInput("--speed", speed, "must be greater than 0 and at most 1000")
    length = parse_decimal("--seconds", seconds) if seconds else None
    if length is not None and length <= 0:
        raise BadInput("--seconds", seconds, "must be greater than zero")
    saboteur = Saboteur(find_plan(faults)) if faults else None
    if directory is not None:
        folder = make_private(directory, "choose another --dir")
    else:
        folder = make_private(locate().state / "drill")
    try:
        lock = lock_beside(folder / "drill.json")
    except LedgerError:
        words = "another drill exchange runs there: stop it, or name another --dir"
        raise ConfigError(f"{folder}: {words}") from None
    try:
        with Step("opening the exchange"):
            markets = {}
            if capture:
                venue, symbol, source = recorded(capture)
                markets[venue, symbol] = source
            specs = [new_account(f"demo{number or ''}") for number in range(accounts)]
            server = open_drill(
                folder,
                accounts=specs,
                seed=seed,
                markets=markets,
                speed=market_speed,
                interceptor=saboteur,
                port=port,
            )
        asyncio.run(_run(server, specs, saboteur, length, json))
    finally:
        lock.release()


async def _run(
    server: DrillServer,
    specs: list[AccountSpec],
    saboteur: Saboteur | None,
    length_s: Decimal | None,
    json: bool,
) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    if length_s is not None:
        asyncio.get_running_loop().call_later(float(length_s), stop.set)
    async with server:
        document = _described(server, specs, saboteur)
        if json:
            print_json(document)
        else:
            _print_start(document)
        sys.stdout.flush()
        await _watch(server, saboteur, stop)
    if not json:
        print(_line(server, saboteur))


def _described(
    server: DrillServer, specs: list[AccountSpec], saboteur: Saboteur | None
) -> dict[str, Any]:
    return {
        "port": server.place.port,
        "ca": server.place.ca_path,
        "hosts": list(server.place.hosts),
        "venues": {name: list(desk.core.listings) for name, desk in server.venues.items()},
        "faults": saboteur.desk.plan.name if saboteur is not None else None,
        "accounts": [
            {"name": each.name, "api_key": each.api_key, "secret": each.secret} for each in specs
        ],
    }


def _print_start(document: dict[str, Any]) -> None:
    rows = [
        ("listens on", f"127.0.0.1:{document['port']}"),
        ("authority", document["ca"]),
        *((f"{venue}", ", ".join(symbols)) for venue, symbols in document["venues"].items()),
        ("faults", document["faults"] or "none"),
    ]
    for each in document["accounts"]:
        rows += [(f"{each['name']}: key", each["api_key"]), ("  secret", each["secret"])]
    for name, words in rows:
        print(f"{name:<14}  {words}")
    print("These keys are worth nothing anywhere else. Ctrl+C stops the exchange.")


async def _watch(server: DrillServer, saboteur: Saboteur | None, stop: asyncio.Event) -> None:
    """Live counters on a terminal, silence elsewhere. WorkFailed when a ledger cannot be kept."""
    if not sys.stderr.isatty():
        while not await _stops_soon(stop):
            _check_ledgers(server)
        return
    with LiveTable(sys.stderr) as live:
        live.show(_lines(server, saboteur))
        while not await _stops_soon(stop):
            _check_ledgers(server)
            live.show(_lines(server, saboteur))


async def _stops_soon(stop: asyncio.Event) -> bool:
    try:
        return await asyncio.wait_for(stop.wait(), REFRESH_S)
    except TimeoutError:
        return False


def _check_ledgers(server: DrillServer) -> None:
    for desk in server.venues.values():
        if desk.core.ledger.trouble:
            raise WorkFailed(f"{desk.core.ledger.trouble}: make room, or name another --dir")


def _lines(server: DrillServer, saboteur: Saboteur | None) -> list[str]:
    state = server.state()
    lines = [""]
    for venue, each in state["venues"].items():
        for symbol, market in each["symbols"].items():
            bid, ask = plain(market["bid"]), plain(market["ask"])
            lines.append(
                f"{venue}.{symbol:<8}  {bid:>10} / {ask:<10}  {market['trades']:>7,} trades  "
                f"{market['status']}"
            )
    return [*lines, *(f"! {words}" for words in state["failures"][-3:]), _line(server, saboteur)]


def _line(server: DrillServer, saboteur: Saboteur | None) -> str:
    state = server.state()
    working = sum(each["open_orders"] for each in state["venues"].values())
    words = (
        f"{sum(state['requests'].values()):,} requests, {state['sockets']} websockets, "
        f"{working} working orders"
    )
    if saboteur is not None:
        struck = ", ".join(f"{kind.value} {n}" for kind, n in saboteur.desk.struck.most_common(5))
        words += f", faults: {struck or 'none yet'}"
    return words
