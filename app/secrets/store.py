"""The keys of one live profile, wherever each is kept."""

from __future__ import annotations

import contextlib
import enum
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from app import logs
from app.paths import Paths, check_profile
from app.secrets import files, formats, index, keyrings, sealed
from app.secrets.credentials import Credentials
from app.secrets.index import KeyEntry
from app.secrets.systemd import SystemdVault
from engine.core.clock import Clock, LiveClock
from engine.domain.errors import BadInput, ConfigError, WorkFailed

Ask = Callable[[], str]
"""Comes back with the passphrase of the profile's sealed file."""


class StoreKind(enum.StrEnum):
    KEYRING = "keyring"
    SEALED = "sealed"
    SYSTEMD = "systemd"


class Locked(ConfigError):
    """The keys are there; somebody has to unlock them first."""


class Vault(Protocol):
    """Where bytes are kept under a venue's name."""

    @property
    def name(self) -> str: ...
    def put(self, venue: str, content: bytes) -> None: ...
    def get(self, venue: str) -> bytes | None: ...
    def delete(self, venue: str) -> None: ...


class KeyStore:
    """Reads its files anew with every call: two shells and an engine may share it."""

    def __init__(self, paths: Paths, profile: str, clock: Clock | None = None) -> None:
        """BadInput for a paper profile."""
        check_profile(profile)
        index.refuse_paper(paths, profile)
        self.profile = profile
        self._folder = paths.profile(profile)
        self._index_path = index.path_of(paths, profile)
        self._clock = clock or LiveClock()

    # -- what there is -------------------------------------------------------------------------

    def entries(self) -> list[KeyEntry]:
        return index.read(self._index_path)

    def entry(self, venue: str) -> KeyEntry:
        """Of `venue` or its family; ConfigError when there is none."""
        kept = {entry.venue: entry for entry in self.entries()}
        for name in formats.names_of(venue):
            entry = kept.get(name)
            if entry is None or entry.store == StoreKind.SYSTEMD:
                entry = self._given(name, entry) or entry
            if entry is not None:
                return entry
        raise ConfigError(
            f"keys: profile {self.profile} has none for {venue}: "
            f"pilothouse keys add {formats.names_of(venue)[-1]} --profile {self.profile}"
        )

    def _given(self, name: str, entry: KeyEntry | None) -> KeyEntry | None:
        """For a key that systemd hands over: that may be another than the one added here, or one
        that never was."""
        given = self._systemd().given(name)
        if given is None:
            return None
        held = Credentials.from_bytes(name, given)
        if entry is not None and entry.fingerprint == held.fingerprint:
            return entry
        return KeyEntry(
            venue=name, store=StoreKind.SYSTEMD, fingerprint=held.fingerprint, added_ns=0
        )

    # -- changes -------------------------------------------------------------------------------

    def add(self, credentials: Credentials, kind: StoreKind, ask: Ask | None = None) -> KeyEntry:
        """Keep them, and read them back before saying so. A key that was there is replaced."""
        vault = self._vault(kind, ask)
        content = credentials.to_bytes()
        before = next((one for one in self.entries() if one.venue == credentials.venue), None)
        vault.put(credentials.venue, content)
        if not hmac.compare_digest(vault.get(credentials.venue) or b"", content):
            vault.delete(credentials.venue)
            raise ConfigError(
                f"{vault.name}: did not keep what was written: choose another --store"
            )
        if before is not None and before.store != kind:
            self._vault(StoreKind(before.store), ask).delete(credentials.venue)
        entry = KeyEntry(
            venue=credentials.venue,
            store=kind,
            fingerprint=credentials.fingerprint,
            added_ns=self._clock.now_ns(),
        )
        self._replace(entry.venue, entry)
        return entry

    def remove(self, venue: str, ask: Ask | None = None) -> KeyEntry:
        """Delete, and look that it is gone."""
        entry = next((one for one in self.entries() if one.venue == venue), None)
        if entry is None:
            raise BadInput("VENUE", venue, f"profile {self.profile} has no key of that name")
        vault = self._vault(StoreKind(entry.store), ask)
        vault.delete(venue)
        if vault.get(venue) is not None:
            raise WorkFailed(f"{vault.name}: still has the key of {venue}: remove it there by hand")
        self._replace(venue, None)
        return entry

    def accept_withdrawals(self, venue: str) -> KeyEntry:
        """Record that a person wants this very key in spite of its permission to withdraw."""
        entry = msgspec.structs.replace(
            self.entry(venue), withdrawals_accepted_ns=self._clock.now_ns()
        )
        self._replace(entry.venue, entry)
        return entry

    def _replace(self, venue: str, entry: KeyEntry | None) -> None:
        others = [one for one in self.entries() if one.venue != venue]
        index.write(self._index_path, [*others, entry] if entry is not None else others)

    # -- reading -------------------------------------------------------------------------------

    def load(self, venue: str, ask: Ask | None = None) -> Credentials:
        """The credentials for `venue`; Locked when somebody has to unlock them first."""
        entry = self.entry(venue)
        vault = self._vault(StoreKind(entry.store), ask)
        try:
            content = vault.get(entry.venue)
        except keyrings.KeyringLocked as error:
            raise Locked(str(error)) from error
        if content is None:
            raise ConfigError(
                f"{vault.name}: the key of {entry.venue} is gone: add it again, or remove it"
            )
        found = Credentials.from_bytes(venue, content)
        if found.fingerprint != entry.fingerprint:
            raise ConfigError(
                f"{vault.name}: holds another key of {entry.venue} than was added: add it again"
            )
        return found

    # -- vaults --------------------------------------------------------------------------------

    def _vault(self, kind: StoreKind, ask: Ask | None) -> Vault:
        if kind is StoreKind.SYSTEMD:
            return self._systemd()
        if kind is StoreKind.KEYRING:
            backend, why = keyrings.look()
            if backend is None:
                raise ConfigError(
                    f"keyring: none that may hold keys ({why}): start it, or see --store"
                )
            return keyrings.KeyringVault(self.profile, backend)
        if ask is None:
            raise Locked(
                f"keys of profile {self.profile} are sealed: "
                f"pilothouse keys unlock --profile {self.profile}"
            )
        return SealedVault(self._sealed_path, ask)

    def _systemd(self) -> SystemdVault:
        return SystemdVault(self.profile, self._folder / "credentials")

    @property
    def has_sealed_file(self) -> bool:
        return self._sealed_path.exists()

    @property
    def _sealed_path(self) -> Path:
        return self._folder / "keys.sealed"

    def unit_lines(self) -> list[str]:
        """What a systemd unit of this profile has to load."""
        vault = self._systemd()
        return [
            vault.unit_line(one.venue)
            for one in self.entries()
            if one.store == StoreKind.SYSTEMD and vault.path(one.venue).exists()
        ]


class SealedVault:
    """All venues of a profile in one sealed file, under one passphrase."""

    def __init__(self, path: Path, ask: Ask) -> None:
        self.name = str(path)
        self._path = path
        self._ask = ask
        self._passphrase = ""

    def put(self, venue: str, content: bytes) -> None:
        kept = self._open()
        self._seal({**kept, venue: content})

    def get(self, venue: str) -> bytes | None:
        return self._open().get(venue)

    def delete(self, venue: str) -> None:
        kept = self._open()
        if kept.pop(venue, None) is None:
            return
        if kept:
            self._seal(kept)
        else:
            files.remove(self._path)

    def _open(self) -> dict[str, bytes]:
        raw = files.read_private(self._path)
        if raw is None:
            return {}
        plain = sealed.unseal(raw, self._typed(), self.name)
        # Suppressed and not chained: the text must not ride on an error's context.
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(plain, type=dict[str, bytes])
        raise ConfigError(f"{self.name}: sealed by another version: add the keys again")

    def _seal(self, kept: dict[str, bytes]) -> None:
        typed = self._typed()
        if len(typed) < sealed.PASSPHRASE_MIN:
            raise BadInput(
                "passphrase", f"{len(typed)} characters", f"take {sealed.PASSPHRASE_MIN} or more"
            )
        files.write_whole(self._path, sealed.seal(msgspec.json.encode(kept), typed))

    def _typed(self) -> str:
        if not self._passphrase:
            self._passphrase = self._ask()
            logs.hide(self._passphrase)
        return self._passphrase
