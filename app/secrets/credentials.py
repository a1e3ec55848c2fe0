"""One venue's key, secret and passphrase, in an object that tells nobody by accident."""

from __future__ import annotations

import hashlib
from typing import NoReturn, Self

import msgspec

from app import logs
from engine.domain.errors import ConfigError


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """As it is stored. Lives for the length of one call."""

    key: str
    secret: str
    passphrase: str = ""


class Credentials:
    """`reveal` is the only way in; repr, str, format, pickle, copy and vars give nothing away.

    Making one teaches the log to hide its parts. `forget` drops them: call it as soon as whoever
    signs requests has them. Python cannot wipe memory; dropping is all that is promised.
    """

    __slots__ = ("_parts", "fingerprint", "venue")

    def __init__(self, venue: str, *, key: str, secret: str, passphrase: str = "") -> None:
        self.venue = venue
        self.fingerprint = fingerprint_of(key)
        """Names the key without being it: may stand in ledgers, lists and logs."""
        self._parts: tuple[str, str, str] | None = (key, secret, passphrase)
        for part in self._parts:
            logs.hide(part)

    def reveal(self) -> tuple[str, str, str]:
        """Key, secret, passphrase ("" where the venue has none)."""
        if self._parts is None:
            raise ConfigError(f"keys: {self.venue}: already handed over: load them again")
        return self._parts

    def forget(self) -> None:
        self._parts = None

    def to_bytes(self) -> bytes:
        """For a vault, and nobody else."""
        key, secret, passphrase = self.reveal()
        return msgspec.json.encode(_Kept(key=key, secret=secret, passphrase=passphrase))

    @classmethod
    def from_bytes(cls, venue: str, raw: bytes) -> Self:
        """ConfigError when a vault holds something else; never says what."""
        try:
            kept = msgspec.json.decode(raw, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError):
            kept = None
        if kept is None:  # Outside of the except: the text must not ride on an error's context.
            raise ConfigError(f"keys: {venue}: what is stored is no key of ours: add it again")
        return cls(venue, key=kept.key, secret=kept.secret, passphrase=kept.passphrase)

    def __repr__(self) -> str:
        return f"Credentials({self.venue}, hidden)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("credentials are not copied or pickled")


def fingerprint_of(key: str) -> str:
    """12 hexadecimal digits that name an API key; it has far too many bits to be guessed back."""
    return hashlib.sha256(b"pilothouse key\0" + key.encode()).hexdigest()[:12]
