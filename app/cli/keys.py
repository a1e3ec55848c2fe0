"""`pilothouse keys`: add, list, check, remove venue keys; unlock an engine that waits for them.

Secrets are typed at a prompt without echo or come through a pipe, never as arguments (others see
those, and shells keep them) and never from the environment.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.output import ExitCode, fail, print_error, print_json, print_table
from app.paths import LIVE_PROFILE
from engine.domain.errors import BadInput, ConfigError

if TYPE_CHECKING:
    from app.cli.typed import Stdin
    from app.secrets import Credentials, KeyEntry, KeyStore, StoreKind
    from app.secrets.permissions import Verdict
    from engine.domain.claims import KeyPermissions

app = typer.Typer()

_INSTEAD = "use one, or pipe key, secret and perhaps a passphrase to --password-stdin"
_INSTEAD_PASSPHRASE = "use one, or pipe it as the first line to --passphrase-stdin"

Venue = Annotated[str, typer.Argument(metavar="VENUE", help="binance, binance_usdm, kraken ...")]
More = Annotated[list[str] | None, typer.Argument(hidden=True)]
Profile = Annotated[str, typer.Option(help="The live profile that the key belongs to.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
FromStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Read key, secret and perhaps a passphrase from stdin, line by line.",
    ),
]
PassphraseStdin = Annotated[
    bool,
    typer.Option(
        "--passphrase-stdin", help="The first line of stdin is the sealed file's passphrase."
    ),
]


@app.command("add")
def add(
    venue: Venue,
    more: More = None,
    profile: Profile = LIVE_PROFILE,
    store: Annotated[
        str, typer.Option(help="keyring, sealed or systemd; without it the keyring, or a question.")
    ] = "",
    password_stdin: FromStdin = False,
    passphrase_stdin: PassphraseStdin = False,
    json: Json = False,
) -> None:
    """Store a venue's API key. What is typed is not shown, checked, stored, and read back."""
    from app.secrets import Credentials, StoreKind
    from app.secrets.formats import check_venue, checked

    _refuse_arguments(more)
    check_venue(venue)
    shield()
    key_store = _key_store(profile)
    stdin = _stdin(password_stdin or passphrase_stdin)
    kind = _store_kind(store, may_ask=stdin is None)
    typed = _Passphrase(stdin if passphrase_stdin else None, is_new=True)
    if kind is StoreKind.SEALED and passphrase_stdin:
        typed()  # Its line comes first.
    parts = stdin.key_parts() if stdin is not None and password_stdin else _ask_parts(venue)
    key, secret, passphrase = checked(venue, *parts)
    credentials = Credentials(venue, key=key, secret=secret, passphrase=passphrase)
    typed.is_new = not key_store.has_sealed_file
    entry = key_store.add(credentials, kind, typed)
    credentials.forget()
    if json:
        print_json(entry)
        return
    print(f"stored and read back: {venue}, key {entry.fingerprint}, in {_place(entry.store)}")
    for line in key_store.unit_lines() if kind is StoreKind.SYSTEMD else ():
        print(f"the engine's unit needs, under [Service]:\n  {line}")
    print(f"see what it may do: pilothouse keys check {venue}{_option(profile)}")


@app.command("list")
def list_keys(profile: Profile = LIVE_PROFILE, json: Json = False) -> None:
    """Which venues have keys in this profile, and where they are kept. Asks no keyring."""
    entries = _key_store(profile).entries()
    if json:
        print_json(entries)
    elif entries:
        rows = [
            (one.venue, one.fingerprint, _place(one.store), _day(one.added_ns)) for one in entries
        ]
        print_table(("venue", "key", "kept in", "added"), rows)
    else:
        print(f"profile {profile} has no keys")


@app.command("remove")
def remove(
    venue: Venue,
    profile: Profile = LIVE_PROFILE,
    passphrase_stdin: PassphraseStdin = False,
    json: Json = False,
) -> None:
    """Delete a venue's key here. It stays valid: delete it at the venue, too."""
    shield()
    typed = _Passphrase(_stdin(passphrase_stdin))
    entry = _key_store(profile).remove(venue, typed)
    if json:
        print_json(entry)
    else:
        print(f"removed from {_place(entry.store)}; delete it at the venue, too")


@app.command("check")
def check(
    venue: Venue,
    profile: Profile = LIVE_PROFILE,
    allow_withdrawals: Annotated[
        bool,
        typer.Option(
            "--allow-withdrawals", help="Accept a key that can withdraw, by a typed phrase."
        ),
    ] = False,
    passphrase_stdin: PassphraseStdin = False,
    json: Json = False,
) -> None:
    """Ask the venue what the key may do. Exit 4 when live trading refuses it."""
    from app.secrets.permissions import judge

    shield()
    stdin = _stdin(passphrase_stdin)
    key_store = _key_store(profile)
    entry = key_store.entry(venue)
    permissions = _fetch(key_store.load(venue, _Passphrase(stdin)))
    if allow_withdrawals and permissions.can_withdraw and not entry.withdrawals_accepted_ns:
        _ask_acceptance(venue)
        entry = key_store.accept_withdrawals(venue)
    _tell(entry, permissions, judge(permissions, entry), json)


@app.command("unlock")
def unlock(
    profile: Profile = LIVE_PROFILE,
    ssh: Annotated[
        str, typer.Option(metavar="USER@HOST", help="The engine on another machine.")
    ] = "",
    remote: Annotated[
        str, typer.Option(help="With --ssh: how Pilothouse is called over there.")
    ] = "pilothouse",
    passphrase_stdin: PassphraseStdin = False,
) -> None:
    """Hand the passphrase of the sealed keys to the engine that waits for it."""
    from app.paths import locate
    from app.service.endpoint import endpoint_of
    from app.service.links import SocketRoad, SshRoad
    from app.service.locked import unlock_engine

    shield()
    endpoint = endpoint_of(locate(), profile)
    typed = _Passphrase(_stdin(passphrase_stdin))
    unlock_engine(SshRoad(ssh, profile, remote) if ssh else SocketRoad(endpoint), typed)
    print("unlocked")


def shield() -> None:
    """Before a secret comes into this process: no core files of it, no looking in from outside."""
    from app.hardening import harden

    for words in harden():
        print_error(f"warning: {words}")


# -- asking ------------------------------------------------------------------------------------


class _Passphrase:
    """Asks for the sealed file's passphrase when it is first needed, and once."""

    def __init__(self, stdin: Stdin | None, *, is_new: bool = False) -> None:
        self.is_new = is_new
        self._stdin = stdin
        self._typed = ""

    def __call__(self) -> str:
        from app.cli.typed import hidden, new_passphrase

        if self._typed:
            return self._typed
        if self._stdin is not None:
            self._typed = self._stdin.line("the sealed file's passphrase")
        elif self.is_new:
            self._typed = new_passphrase("new passphrase for the sealed file", _INSTEAD_PASSPHRASE)
        else:
            self._typed = hidden("passphrase of the sealed file", _INSTEAD_PASSPHRASE)
        return self._typed


def _stdin(is_wanted: bool) -> Stdin | None:
    from app.cli.typed import Stdin

    return Stdin() if is_wanted else None


def _refuse_arguments(more: list[str] | None) -> None:
    if more:
        raise BadInput(
            "keys add",
            f"{len(more)} words after the venue",
            "secrets are never arguments (others see them, the shell keeps them): if that was one, "
            "delete the key at the venue; leave it out and be asked",
        )


def _ask_parts(venue: str) -> tuple[str, str, str]:
    from app.cli.typed import hidden, hidden_block
    from app.secrets.formats import FAMILIES, VENUES, Rule

    rule = VENUES.get(FAMILIES.get(venue, venue), Rule())
    key = hidden(f"{venue} API key", _INSTEAD)
    secret = hidden_block(f"{venue} secret (or private key)", _INSTEAD)
    if rule.passphrase is False:
        return key, secret, ""
    optional = "" if rule.passphrase else " (Enter for none)"
    return key, secret, hidden(f"{venue} passphrase{optional}", _INSTEAD)


def _ask_acceptance(venue: str) -> None:
    from app.cli.typed import has_terminal
    from app.secrets.permissions import ACCEPT_PHRASE

    if not has_terminal() or not sys.stdin.isatty():
        raise BadInput("--allow-withdrawals", "no terminal", "a person has to type the phrase")
    print_error(f"{venue}: whoever steals this key can empty the account. To use it, type:")
    print_error(f"  {ACCEPT_PHRASE}")
    if sys.stdin.readline().strip().lower() != ACCEPT_PHRASE:
        fail(ExitCode.CONFIG, f"{venue}: the phrase differs: live trading refuses this key")


def _store_kind(word: str, *, may_ask: bool) -> StoreKind:
    """Where to keep a new key: as told, else the keyring if there is one, else what a person
    chooses. Nothing else is ever chosen by itself."""
    from app.secrets import StoreKind, keyrings

    if word:
        if word not in set(StoreKind):
            raise BadInput("--store", word, f"must be one of {', '.join(StoreKind)}")
        return StoreKind(word)
    backend, why = keyrings.look()
    if backend is not None:
        return StoreKind.KEYRING
    if not may_ask or not sys.stdin.isatty():
        raise ConfigError(
            f"keyring: none that may hold keys ({why}): say --store sealed (a file under a "
            "passphrase) or --store systemd (no passphrase at boot)"
        )
    return _ask_store(why)


def _ask_store(why: str) -> StoreKind:
    from app.secrets import StoreKind, systemd
    from app.secrets.words import ALWAYS, lines

    print_error(f"No keyring here may hold keys ({why}). There are two other places:")
    choices = {"1": StoreKind.SEALED}
    _print_choice("1", StoreKind.SEALED, lines(StoreKind.SEALED))
    cannot = systemd.look()
    if cannot:
        print_error(f"(systemd credentials are not possible here: {cannot})")
    else:
        choices["2"] = StoreKind.SYSTEMD
        _print_choice("2", StoreKind.SYSTEMD, lines(StoreKind.SYSTEMD))
    print_error(ALWAYS)
    print(f"Which ({', '.join(choices)}; Enter for neither)? ", end="", file=sys.stderr, flush=True)
    chosen = choices.get(sys.stdin.readline().strip())
    if chosen is None:
        raise ConfigError("keys: nothing was chosen and nothing is stored")
    return chosen


def _print_choice(number: str, kind: StoreKind, words: list[str]) -> None:
    print(f"\n{number}  {kind}: {words[0]}", *words[1:], sep="\n", file=sys.stderr)


# -- the venue ---------------------------------------------------------------------------------


def _fetch(credentials: Credentials) -> KeyPermissions:
    import asyncio

    from app.key_check import fetch_permissions
    from app.live_venues import venue_folder
    from app.paths import locate
    from app.secrets.permissions import explain
    from engine.ports.live import VenueFault

    try:
        folder = venue_folder(locate(), None, "")
        return asyncio.run(fetch_permissions(credentials, folder))
    except VenueFault as fault:
        told = explain(credentials.venue, fault)
    raise told


def _tell(entry: KeyEntry, permissions: KeyPermissions, verdict: Verdict, json: bool) -> None:
    may: dict[str, Any] = {
        "read": permissions.can_read,
        "trade": permissions.can_trade,
        "withdraw": permissions.can_withdraw,
        "transfer": permissions.can_transfer,
        "ip_restricted": permissions.is_ip_restricted,
    }
    if json:
        print_json(
            {
                "venue": entry.venue,
                "key": entry.fingerprint,
                **may,
                "live": not verdict.refused,
                "refused": verdict.refused,
                "warnings": verdict.warnings,
            }
        )
    else:
        rows = [(name, {True: "yes", False: "no"}.get(value, "?")) for name, value in may.items()]
        print_table(("may", "venue's answer"), rows)
        for warning in verdict.warnings:
            print(f"warning: {warning}")
    if verdict.refused:
        fail(ExitCode.CONFIG, f"{entry.venue}: live trading refuses this key: {verdict.refused}")
    if not json:
        print("live trading accepts this key")


# -- words -------------------------------------------------------------------------------------


def _key_store(profile: str) -> KeyStore:
    from app.paths import locate
    from app.secrets import KeyStore

    return KeyStore(locate(), profile)


def _place(store: str) -> str:
    from app.secrets import StoreKind
    from app.secrets.words import PLACES

    return PLACES[StoreKind(store)][0]


def _day(ns: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d")


def _option(profile: str) -> str:
    return "" if profile == LIVE_PROFILE else f" --profile {profile}"
