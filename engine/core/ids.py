"""The one place that makes names and randomness.

A client order id is 18 characters `[a-z0-9]`, first a letter, which every venue accepts:

    q  bb  ssssssss  rrrrrrr
    |  |   |         `- 35 bits: the ledger's salt, so that no two installations ever collide
    |  |   `----------- 40 bits: number of the intent in its ledger
    |  `--------------- 10 bits: index of the bot
    `------------------ a letter, and a sign that the order may be ours

It is derived from what is durable before the send, so a restart computes the same id again.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.domain.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

ID_LENGTH = 18
BOT_BITS = 10
SEQ_BITS = 40
SALT_BITS = 35
BACKTEST_SALT = 0
"""What simulated worlds use: their ids must be the same in every run. Never given to a ledger."""

# Crockford's alphabet: no i, l, o, u, so that an id survives being read out loud.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {char: value for value, char in enumerate(_ALPHABET)}
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
"""Two characters at once: every part of an id but the salt is made of whole pairs."""
_PREFIX = "q"


class IdParts(NamedTuple):
    bot_index: int
    intent_seq: int
    salt: int


def client_order_id(bot_index: int, intent_seq: int, salt: int) -> str:
    """The id of intent number `intent_seq` of this ledger, placed for bot `bot_index`."""
    assert 0 <= bot_index < 1 << BOT_BITS, bot_index
    assert 0 <= intent_seq < 1 << SEQ_BITS, intent_seq
    assert 0 <= salt < 1 << SALT_BITS, salt
    high, low = intent_seq >> 20, intent_seq & 0xFFFFF
    return (
        f"{_PREFIX}{_PAIRS[bot_index]}{_PAIRS[high >> 10]}{_PAIRS[high & 1023]}"
        f"{_PAIRS[low >> 10]}{_PAIRS[low & 1023]}{_salt_text(salt)}"
    )


@lru_cache(maxsize=16)
def _salt_text(salt: int) -> str:
    """Its seven characters. A process trades one ledger: it is the same every time."""
    return "".join([_ALPHABET[salt >> 5 * place & 31] for place in range(6, -1, -1)])


def parse_client_order_id(text: str) -> IdParts:
    """The parts of an id; BadInput when it cannot be one of ours (a foreign order)."""
    if len(text) != ID_LENGTH or text[0] != _PREFIX:
        raise BadInput("client_order_id", text, "not one of ours: expected q and 17 characters")
    number = 0
    for char in text[1:]:
        value = _VALUES.get(char)
        if value is None:
            raise BadInput("client_order_id", text, "not one of ours: a character is out of range")
        number = number << 5 | value
    return IdParts(
        bot_index=number >> (SEQ_BITS + SALT_BITS),
        intent_seq=number >> SALT_BITS & ((1 << SEQ_BITS) - 1),
        salt=number & ((1 << SALT_BITS) - 1),
    )


def new_salt() -> int:
    """A fresh salt for a new ledger; never the one backtests use."""
    return 1 + secrets.randbelow((1 << SALT_BITS) - 1)


def new_command_id() -> str:
    """A name for a command that a face is about to send: 96 random bits as hex."""
    return secrets.token_hex(12)


def new_token() -> str:
    """A secret between processes of one person: 256 random bits as hex."""
    return secrets.token_hex(32)


def new_salt_bytes(count: int) -> bytes:
    """Random bytes for salts and nonces of sealed files."""
    return secrets.token_bytes(count)


def session_rng(seed: int, *stream: int) -> np.random.Generator:
    """The random numbers of a seeded session; each `stream` path is independent of the others.

    PCG64 by name, because numpy may change its default generator between versions.
    """
    # Imported here: a face that only names its commands should not pay 100 ms for numpy.
    import numpy as np

    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream)))
