"""The system's keyring, through back ends on a list and no others.

The `keyring` library would pick a back end by itself, by a settings file or by an environment
variable: some of those write keys in the clear, one swallows them. So none of its picking is used:
the classes below are made by name, the first that works here is taken, and what is written is read
back by `KeyStore`.
"""

from __future__ import annotations

import concurrent.futures
import importlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from engine.domain.errors import ConfigError, TimedOut

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

ALLOWED: dict[str, tuple[str, ...]] = {
    "darwin": ("keyring.backends.macOS.Keyring",),
    "win32": ("keyring.backends.Windows.WinVaultKeyring",),
    "linux": (
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
        "keyring.backends.libsecret.Keyring",
    ),
}
"""By platform, the preferred first. Each keeps secrets encrypted under the person's login."""

ANSWER_S = 60.0
"""A locked keyring asks on the desktop; a person needs a moment to type."""


class KeyringLocked(ConfigError):
    """It is there, and wants to be unlocked on the desktop first."""


def find() -> KeyringBackend | None:
    """The keyring of this session; None when there is none that may hold keys."""
    return look()[0]


def look() -> tuple[KeyringBackend | None, str]:
    """The keyring, and the name of its class; or None, and why there is none."""
    reasons = []
    for name in ALLOWED.get(sys.platform, ALLOWED["linux"]):
        module, _, class_name = name.rpartition(".")
        try:
            kind = getattr(importlib.import_module(module), class_name)
            if kind.priority > 0:  # Raises, with the reason, where it cannot work.
                return kind(), name
        except Exception as error:  # noqa: BLE001  They talk to the desktop and fail in many ways.
            reasons.append(_first_line(error))
    return None, reasons[0] if reasons else "no back end for this system"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class KeyringVault:
    """Keys of one profile in the system's keyring, under `pilothouse/PROFILE` and the venue."""

    def __init__(self, profile: str, backend: KeyringBackend) -> None:
        """AssertionError for a back end that is not on the list."""
        self.name = f"{type(backend).__module__}.{type(backend).__qualname__}"
        assert self.name in {name for names in ALLOWED.values() for name in names}, self.name
        self._service = f"pilothouse/{profile}"
        self._backend = backend

    def put(self, venue: str, content: bytes) -> None:
        text = content.decode()
        self._ask(lambda: self._backend.set_password(self._service, venue, text))

    def get(self, venue: str) -> bytes | None:
        found = self._ask(lambda: self._backend.get_password(self._service, venue))
        return None if found is None else found.encode()

    def delete(self, venue: str) -> None:
        if self.get(venue) is not None:
            self._ask(lambda: self._backend.delete_password(self._service, venue))

    def _ask(self, work: Callable[[], T]) -> T:
        """In a thread of its own: the other side may wait for a person. One line when it fails."""
        import keyring.errors

        answer: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            try:
                answer.set_result(work())
            except BaseException as error:  # noqa: BLE001  Told below, in our words.
                answer.set_exception(error)

        # A daemon: a keyring that never answers must not keep the program from ending.
        threading.Thread(target=run, name="keyring", daemon=True).start()
        failure: ConfigError | TimedOut
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            failure = TimedOut(
                f"keyring: no answer within {ANSWER_S:g} s: unlock it (does it ask on the desktop?)"
            )
        except keyring.errors.KeyringLocked:
            failure = KeyringLocked(
                "keyring: is locked: unlock it on the desktop, then pilothouse keys unlock"
            )
        except Exception as error:  # noqa: BLE001  The desktop's many ways; none may quote a key.
            failure = ConfigError(
                f"keyring: {self.name}: {type(error).__name__}: see that it runs and is unlocked"
            )
        raise failure
