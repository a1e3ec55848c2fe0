"""The engine's side of keys: it asks, and waits until somebody has unlocked them.

    keys = Unlocking(KeyStore(paths, profile))
    credentials = await keys.credentials("binance_spot")  # waits while `waits_for` has words
    words = await keys.unlock(passphrase)                 # from a face; "" when it fitted

An engine that is started headless with a sealed file stands in state LOCKED until any face hands
the passphrase over the private socket. It is kept nowhere: each call of `credentials` that finds
the file locked waits for it anew, and the contents live until they are handed over.
"""

from __future__ import annotations

import asyncio
import logging

from app.secrets.credentials import Credentials
from app.secrets.keyrings import KeyringLocked
from app.secrets.store import KeyStore, Locked
from engine.domain.errors import PilothouseError

log = logging.getLogger(__name__)


class Unlocking:
    """Belongs to one loop. A passphrase is tried in a thread: it takes half a second."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._waiting: dict[str, asyncio.Future[Credentials]] = {}
        self._one_at_a_time = asyncio.Lock()
        self.waits_for = ""
        """What somebody has to do, in a line; "" while nothing is waited for."""

    @property
    def locked(self) -> tuple[str, ...]:
        """Venues whose keys somebody waits for."""
        return tuple(self._waiting)

    async def credentials(self, venue: str) -> Credentials:
        """As soon as they can be read. ConfigError when there are none, or the store fails."""
        try:
            return await asyncio.to_thread(self._store.load, venue)
        except Locked as error:
            self.waits_for = str(error)
            log.warning("%s", error)
        waiter = self._waiting.get(venue)
        if waiter is None:
            waiter = self._waiting[venue] = asyncio.get_running_loop().create_future()
        try:
            return await waiter
        finally:
            if self._waiting.get(venue) is waiter:
                del self._waiting[venue]
            if not self._waiting:
                self.waits_for = ""

    async def unlock(self, passphrase: str) -> str:
        """Why the passphrase does not open what is waited for; "" when it does."""
        async with self._one_at_a_time:
            if not self._waiting:
                return "nothing is locked"
            for venue, waiter in list(self._waiting.items()):
                try:
                    found = await asyncio.to_thread(self._store.load, venue, lambda: passphrase)
                except (Locked, KeyringLocked, PilothouseError) as error:
                    log.warning("unlocking the keys of %s: %s", venue, error)
                    return str(error)
                if waiter.done():
                    found.forget()
                else:
                    waiter.set_result(found)
            log.info("keys unlocked")
            return ""
