"""Handing a passphrase to an engine that waits for its keys, over the private socket.

A connection of its own, and not a `RemoteSession`: a locked engine may have no picture to show yet.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from app.service import protocol as p
from app.service.endpoint import Endpoint, connect, read_token
from engine.domain.errors import ConfigError, EngineNotRunning, TimedOut

ANSWER_S = 30.0
"""Making a key of a passphrase is slow on purpose, and slower still on a small board."""


def unlock_engine(endpoint: Endpoint, ask: Callable[[], str]) -> None:
    """Returns once the keys are open. ConfigError when the engine says why they are not,
    EngineNotRunning, TimedOut. `ask` is called when there is an engine to tell."""
    peer = connect(endpoint)
    try:
        passphrase = ask()
        refused = asyncio.run(_tell(peer, endpoint, passphrase))
    finally:
        peer.close()
    if refused:
        raise ConfigError(f"keys: {refused}")


async def _tell(peer: socket.socket, endpoint: Endpoint, passphrase: str) -> str:
    reader, writer = await asyncio.open_unix_connection(sock=peer)
    hello = p.Hello(
        schema=p.SCHEMA,
        shape=p.shape(),
        token=read_token(endpoint),
        name="keys",
        pid=os.getpid(),
        topics=(),
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            writer.write(p.encode(hello) + p.encode(p.UnlockKeys(passphrase=passphrase)))
            while (frame := await p.read_from_engine(reader)) is not None:
                if isinstance(frame, p.KeysAnswer):
                    return frame.refused
                if isinstance(frame, p.Refusal):
                    raise p.Refused(frame.code, frame.words)
    except TimeoutError:
        raise TimedOut(f"engine: no answer within {ANSWER_S:g} s: see its log") from None
    except ConnectionError:
        raise EngineNotRunning("engine: gone before it answered: see its log") from None
    finally:
        writer.close()
    raise EngineNotRunning("engine: gone before it answered: see its log")
