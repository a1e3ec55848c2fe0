"""What a venue's key looks like, checked before it is stored. No error repeats what was typed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

from engine.domain.errors import BadInput

PEM_START = "-----BEGIN"
PEM_END = "-----END"


class Rule(NamedTuple):
    """Patterns match the whole text; the words say what it should have been."""

    key: str = r"[!-~]{8,512}"
    key_words: str = "8 to 512 characters without spaces"
    secret: str = r"[!-~]{8,1024}"
    secret_words: str = "8 to 1024 characters without spaces"
    takes_ed25519: bool = False
    takes_pem: bool = False
    """Any private key block."""
    passphrase: bool | None = None
    """Whether there is a third part; None: either way."""


VENUES: dict[str, Rule] = {
    "binance": Rule(
        key=r"[A-Za-z0-9]{64}",
        key_words="64 letters and digits",
        secret=r"[A-Za-z0-9]{64}",
        secret_words="64 letters and digits, or an Ed25519 private key (PEM)",
        takes_ed25519=True,
        passphrase=False,
    ),
    "bybit": Rule(passphrase=False),
    "kraken": Rule(
        key=r"[A-Za-z0-9+/]{56}",
        key_words="56 characters of base64",
        secret=r"[A-Za-z0-9+/]{80,}={0,2}",
        secret_words="base64, 88 characters",
        passphrase=False,
    ),
    "okx": Rule(passphrase=True),
    "kucoin": Rule(passphrase=True),
    "bitget": Rule(passphrase=True),
    "coinbase": Rule(takes_pem=True, passphrase=False),
    "cryptocom": Rule(passphrase=False),
}
"""Venues whose keys we know the shape of. Others are taken with the general rule."""

FAMILIES = {"binance_spot": "binance", "binance_usdm": "binance", "binance_coinm": "binance"}
"""One company's venues, which one key may serve. Keys for one of them alone win over those for the
family."""


def check_venue(name: str) -> str:
    """A venue's name; BadInput when it can be none, or looks like a slip of the keys."""
    known = [*VENUES, *FAMILIES]
    if name in known:
        return name
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", name):
        raise BadInput("VENUE", name, f"small letters, digits and _ only: {', '.join(known)}")
    if near := difflib.get_close_matches(name, known, 1, 0.7):
        raise BadInput("VENUE", name, f"no such venue; did you mean {near[0]}?")
    return name


def names_of(venue: str) -> tuple[str, ...]:
    """Under which names keys for `venue` may be stored, the best first."""
    return (venue, FAMILIES[venue]) if venue in FAMILIES else (venue,)


def checked(venue: str, key: str, secret: str, passphrase: str) -> tuple[str, str, str]:
    """The three as they are stored. BadInput names the field that cannot be right."""
    rule = VENUES.get(FAMILIES.get(venue, venue), Rule())
    if not re.fullmatch(rule.key, key):
        raise _wrong("key", key, f"a key of {venue} has {rule.key_words}")
    if PEM_START in secret:
        secret = _checked_pem(venue, rule, secret)
    elif not re.fullmatch(rule.secret, secret):
        raise _wrong("secret", secret, f"a secret of {venue} is {rule.secret_words}")
    if key == secret:
        raise _wrong("secret", secret, "is the key once more: copy the secret from the venue")
    if rule.passphrase and not passphrase:
        raise _wrong("passphrase", "", f"{venue} has one with every key: type it third")
    if passphrase and rule.passphrase is False:
        raise _wrong("passphrase", passphrase, f"{venue} has none: leave it out")
    if not re.fullmatch(r"[ -~]{0,256}", passphrase):
        raise _wrong("passphrase", passphrase, "must be up to 256 plain characters")
    return key, secret, passphrase


def _wrong(field: str, value: str, remedy: str) -> BadInput:
    return BadInput(field, f"{len(value)} characters" if value else "empty", remedy)


def _checked_pem(venue: str, rule: Rule, pem: str) -> str:
    """A private key block, written the one canonical way."""
    if not (rule.takes_pem or rule.takes_ed25519):
        raise _wrong("secret", pem, f"{venue} takes no private key block: {rule.secret_words}")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    loaded = None
    try:
        loaded = serialization.load_pem_private_key(pem.encode(), None)
    except TypeError:
        why = "is locked with a password: write it without one"
    except Exception:  # noqa: BLE001  OpenSSL's words could repeat parts of the key.
        why = "is no private key in PEM form: copy it whole, from BEGIN to END"
    if loaded is None:  # Outside of the except: the text must not ride on an error's context.
        raise _wrong("secret", pem, why)
    if rule.takes_ed25519 and not isinstance(loaded, Ed25519PrivateKey):
        raise _wrong("secret", pem, "is a private key, but not Ed25519: make one of that kind")
    if not isinstance(loaded, Ed25519PrivateKey):
        return "\n".join(line.strip() for line in pem.strip().splitlines())
    canonical = loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return canonical.decode("ascii").strip()


def parse_lines(lines: Sequence[str]) -> tuple[str, str, str]:
    """Key, secret and perhaps a passphrase, each on a line; a secret that is a private key block
    takes as many as it has. BadInput counts lines and repeats none."""
    rest = [line.strip() for line in lines]
    while rest and not rest[-1]:
        rest.pop()
    if len(rest) < 2:
        raise BadInput(
            "stdin", f"{len(rest)} lines", "write the key, then the secret, line by line"
        )
    key, secret, *rest = rest
    if secret.startswith(PEM_START):
        block = [secret]
        while rest and not block[-1].startswith(PEM_END):
            block.append(rest.pop(0))
        if not block[-1].startswith(PEM_END):
            raise BadInput("stdin", f"{len(lines)} lines", "the private key has no END line")
        secret = "\n".join(block)
    if len(rest) > 1:
        raise BadInput(
            "stdin", f"{len(lines)} lines", "key, secret and passphrase are all there is"
        )
    return key, secret, rest[0] if rest else ""
