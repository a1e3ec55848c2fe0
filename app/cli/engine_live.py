"""`pilothouse engine --live` and `--drill`: what is to be traded, checked, and the service run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.cli.output import print_error
from engine.domain.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from app.live import LiveRequest
    from app.service.protocol import StopReport
    from app.settings import Settings


log = logging.getLogger(__name__)


class Wish(NamedTuple):
    """The command line; "" and () mean what the settings say."""

    profile: str
    live: bool
    drill: bool
    directory: Path | None
    """Where the drill exchange runs; None for its usual place."""
    venue: str
    symbols: tuple[str, ...]


def run_live(wish: Wish, arrange_stop: Callable[[asyncio.Event], None]) -> StopReport:
    """Serve until stopped. BadInput and ConfigError for what cannot be traded."""
    from app import logs
    from app.hardening import harden
    from app.live import Live
    from app.paths import locate
    from app.service.host import serve
    from app.settings import load_settings

    settings = load_settings()
    request = request_of(wish, settings)
    weak = harden()
    logs.start(f"engine-{request.profile}", settings.log.level)
    logs.catch_strays()
    for words in weak:
        log.warning("%s", words)
    paths = locate()
    return serve(
        lambda server: Live(request, paths, server),
        paths,
        request.profile,
        arrange_stop,
        print_error,
    )


def request_of(wish: Wish, settings: Settings) -> LiveRequest:
    from app.live import LiveRequest, drill_folder
    from app.paths import check_profile, locate
    from app.secrets.index import PAPER_PROFILES

    if wish.live and wish.drill:
        raise BadInput("--live", "with --drill", "choose one of them")
    if wish.directory is not None and not wish.drill:
        raise BadInput("--dir", str(wish.directory), "add --drill: it is where that runs")
    live = settings.live
    if wish.live and not live.armed:
        raise ConfigError(
            "live: trading with real money is not armed: set armed = true under [live] in the "
            "settings file, or train with --drill"
        )
    profile = profile_of(wish)
    if profile in PAPER_PROFILES:
        raise BadInput("--profile", profile, "is for paper: name another")
    symbols = wish.symbols or tuple(filter(None, map(str.strip, live.symbols.split(","))))
    if not symbols:
        raise BadInput("--symbol", "none", "name what to trade, for instance BTCUSDT")
    return LiveRequest(
        venue=wish.venue or live.venue,
        symbols=symbols,
        limits=settings.risk,
        profile=check_profile(profile),
        capital=live.capital,
        cancels_on_stop=live.on_stop == "cancel",
        drill=(wish.directory or drill_folder(locate())).resolve() if wish.drill else None,
    )


def profile_of(wish: Wish) -> str:
    from app.paths import DRILL_PROFILE, LIVE_PROFILE

    return wish.profile or (LIVE_PROFILE if wish.live else DRILL_PROFILE)


def supervise_live(wish: Wish) -> int:
    """Start it again after a crash, as the paper engine is."""
    from app.paths import locate
    from app.service.endpoint import endpoint_of, kept
    from app.service.launch import command_line
    from app.service.supervise import Supervisor
    from engine.core.clock import LiveClock

    with kept(endpoint_of(locate(), profile_of(wish))):
        return Supervisor([*command_line(), *options_of(wish)], LiveClock(), print_error).run()


def install_live(wish: Wish) -> None:
    """Write the systemd user unit of a live engine, with the credentials it is handed."""
    from app.cli.engine import print_installed
    from app.paths import locate
    from app.secrets import KeyStore
    from app.secrets.systemd import unit_trouble
    from app.service.launch import command_line
    from app.service.unit import unit_path, unit_text, write_unit
    from app.settings import load_settings

    request = request_of(wish, load_settings())  # What cannot run is not installed.
    store = KeyStore(locate(), request.profile)
    entry = store.entry(request.venue)
    path = unit_path(request.profile)
    command = [*command_line(), *options_of(wish._replace(profile=request.profile))]
    write_unit(path, unit_text(request.profile, command, credentials=store.unit_lines()))
    print_installed(path)
    if entry.store == "sealed":
        print("its keys are sealed; after every start somebody has to type the passphrase:")
        print(f"  pilothouse keys unlock --profile {request.profile}")
    elif entry.store == "systemd" and (trouble := unit_trouble()):
        print(trouble)


def options_of(wish: Wish) -> list[str]:
    """The command line that asks for the same engine from any folder."""
    options = ["engine", "--drill" if wish.drill else "--live"]
    if wish.directory is not None:
        options += ["--dir", str(wish.directory.resolve())]
    if wish.profile:
        options += ["--profile", wish.profile]
    if wish.venue:
        options += ["--venue", wish.venue]
    for symbol in wish.symbols:
        options += ["--symbol", symbol]
    return options
