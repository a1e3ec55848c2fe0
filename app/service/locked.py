"""What can be said to an engine that waits for its keys, over the private socket or ssh: the
passphrase, or to end.

Connections of their own, and not a `RemoteSession`: a locked engine has no picture to show yet.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from app.service import protocol as p
from app.service.links import Link, Road
from engine.domain.errors import (
    ConfigError,
    EngineNotRunning,
    PilothouseError,
    TimedOut,
    WorkFailed,
)

ANSWER_S = 30.0
"""Making a key of a passphrase is slow on purpose, and slower still on a small board."""


def unlock_engine(road: Road, ask: Callable[[], str]) -> None:
    """Returns once the keys are open. ConfigError when the engine says why they are not,
    EngineNotRunning, TimedOut. `ask` is called when there is an engine to tell."""
    refused = asyncio.run(_unlock(road, ask))
    if refused:
        raise ConfigError(f"keys: {refused}")


def stop_locked(road: Road) -> p.Bye:
    """How the engine takes its leave. EngineNotRunning, TimedOut."""
    return asyncio.run(_stop(road))


async def _unlock(road: Road, ask: Callable[[], str]) -> str:
    link = await road.open()
    try:
        async with asyncio.timeout(road.answer_s):
            await _meet(link)
        # The loop stands still while a person types: nothing else is in it.
        link.writer.write(p.encode(p.UnlockKeys(passphrase=ask())))
        async with asyncio.timeout(ANSWER_S):
            return await _answer(link)
    except TimeoutError:
        raise TimedOut("engine: it did not answer in time: see its log") from None
    except ConnectionError:
        raise await _gone(link) from None
    finally:
        await link.close()


async def _stop(road: Road) -> p.Bye:
    link = await road.open()
    try:
        async with asyncio.timeout(ANSWER_S):
            await _meet(link)
            link.writer.write(p.encode(p.StopEngine()))
            while (frame := await p.read_from_engine(link.reader)) is not None:
                if isinstance(frame, p.Bye):
                    return frame
    except TimeoutError:
        raise TimedOut("engine: it did not end in time: see its log") from None
    except ConnectionError:
        raise await _gone(link) from None
    finally:
        await link.close()
    raise await _gone(link)


async def _meet(link: Link) -> None:
    hello = p.Hello(
        schema=p.SCHEMA,
        shape=p.shape(),
        token=link.token,
        name="keys",
        pid=os.getpid(),
        topics=(),
    )
    link.writer.write(p.encode(hello))
    match await link.first_frame():
        case p.Welcome():
            return
        case p.Refusal(code=code, words=words):
            raise p.Refused(code, words)
        case None:
            raise await _gone(link)
        case other:
            raise p.ProtocolError(f"{type(other).__name__} instead of a welcome")


async def _answer(link: Link) -> str:
    while (frame := await p.read_from_engine(link.reader)) is not None:
        if isinstance(frame, p.KeysAnswer):
            return frame.refused
    raise await _gone(link)


async def _gone(link: Link) -> PilothouseError:
    if words := await link.last_words():
        return WorkFailed(words)
    return EngineNotRunning("engine: gone before it answered: see its log")
