"""What each place for keys protects against, in plain words; for the wizard and the manual."""

from __future__ import annotations

from app.secrets.store import StoreKind

PLACES: dict[StoreKind, tuple[str, str, str]] = {
    StoreKind.KEYRING: (
        "the system's keyring",
        "a stolen disk; other users of this machine",
        "programs that run as you while you are logged in",
    ),
    StoreKind.SEALED: (
        "a file sealed with a passphrase",
        "a stolen disk, card or backup; other users (as strong as the passphrase)",
        "an engine that comes back unattended: somebody types the passphrase after every start "
        "(pilothouse keys unlock, from any terminal)",
    ),
    StoreKind.SYSTEMD: (
        "systemd credentials, encrypted for this machine",
        "copies of single files; backups; with a TPM also a stolen disk",
        "whoever has the whole disk of a machine without a TPM (a Pi's card!): it starts "
        "unattended, so it can be started by a thief",
    ),
}
"""Its name, what it protects against, and what it does not."""

ALWAYS = (
    "None of them protects a running engine from root. What really limits the damage is at the "
    "venue: no withdrawals, and only from this machine's address."
)


def lines(kind: StoreKind) -> list[str]:
    name, against, not_against = PLACES[kind]
    return [name, f"  protects against: {against}", f"  does not help with: {not_against}"]
