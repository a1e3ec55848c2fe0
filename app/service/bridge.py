"""The protocol over stdin and stdout: what `ssh HOST pilothouse bridge` runs.

Whoever may run this over ssh may read the token file as well, so the bridge says the token for
the face: the first frame is the hello, and the token is put into it. After that bytes go through
unread.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys

import msgspec

from app.service import protocol as p
from app.service.endpoint import Endpoint, connect, read_token
from app.service.launch import start_engine
from engine.domain.errors import EngineNotRunning, PilothouseError

LAST_WORDS_S = 1.0
_CHUNK = 64 * 1024


def pump(endpoint: Endpoint, *, may_start: bool = False) -> int:
    """Until either side ends; the exit code. With `may_start` an engine is started if none
    runs."""
    if may_start:
        try:
            connect(endpoint).close()
        except EngineNotRunning:
            return _start_and_pump(endpoint)
    return asyncio.run(_pump(endpoint))


def _start_and_pump(endpoint: Endpoint) -> int:
    try:
        start_engine(endpoint.profile)
    except PilothouseError as error:
        _write(p.encode(p.Refusal(code=p.NOT_STARTED, words=str(error))))
        return error.exit_code
    return asyncio.run(_pump(endpoint))


async def _pump(endpoint: Endpoint) -> int:
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin.buffer)
    try:
        peer = connect(endpoint)
    except EngineNotRunning as error:
        _write(p.encode(p.Refusal(code=p.NOT_RUNNING, words=str(error))))
        return error.exit_code
    reader, writer = await asyncio.open_connection(sock=peer)
    try:
        body = await p.read_body(stdin, p.REQUEST_BYTES_MAX)
        if body is None:
            return 0
        hello = p.parse_from_face(body)
        if isinstance(hello, p.Hello):
            hello = msgspec.structs.replace(hello, token=read_token(endpoint))
        writer.write(p.encode(hello))
    except p.ProtocolError as error:
        _write(p.encode(p.Refusal(code=p.MALFORMED, words=str(error))))
        return 1
    up = asyncio.create_task(_upwards(stdin, writer))
    down = asyncio.create_task(_downwards(reader))
    await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
    if up.done() and up.exception() is not None:
        # The engine has hung up: what it said last is still under way to the face.
        await asyncio.wait({down}, timeout=LAST_WORDS_S)
    up.cancel()
    down.cancel()
    ends = await asyncio.gather(up, down, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, ConnectionError):
            raise end
    return 0


async def _upwards(stdin: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await stdin.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()


async def _downwards(reader: asyncio.StreamReader) -> None:
    while chunk := await reader.read(_CHUNK):
        # A thread of its own waits for ssh to take it; stdin goes on meanwhile.
        await asyncio.to_thread(_write, chunk)


def _write(chunk: bytes) -> None:
    while chunk:
        try:
            chunk = chunk[os.write(1, chunk) :]
        except BlockingIOError:
            # Some sshd give one socket for both ways, and reading it has made it non-blocking.
            select.select([], [1], [])
