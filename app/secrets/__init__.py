"""Venue keys: what they are, where they are kept, how an engine gets them.

    KeyStore(paths, profile)    add, list, load, remove; one live profile, any number of venues
    Unlocking(store)            the engine's side: `await credentials(venue)` waits until unlocked
    Credentials                 key, secret and passphrase in an object that tells nobody

Keys are kept in one of three places, chosen when they are added and never guessed: the system's
keyring (classes on a list, `keyrings`), a file sealed with a passphrase (`sealed`), or systemd's
encrypted credentials (`systemd`). What is written is read back before anybody is told that it is
kept. A key belongs to a live profile; paper and demo profiles cannot hold one.
"""

from app.secrets.credentials import Credentials
from app.secrets.index import KeyEntry
from app.secrets.store import KeyStore, Locked, StoreKind
from app.secrets.unlocking import Unlocking

__all__ = ["Credentials", "KeyEntry", "KeyStore", "Locked", "StoreKind", "Unlocking"]
