"""The server's end of a websocket: what a dialect sends goes through the plan of faults, in order,
and leaves without ever holding up the dialect."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import defaultdict

from aiohttp import WSMsgType, web

from engine.core.clock import NS_PER_SECOND
from engine.drill.clock import VenueClock
from engine.drill.ports import (
    Abort,
    Close,
    FrameAct,
    FrameSeen,
    Interceptor,
    Send,
    SendRaw,
    Stall,
)

QUEUE_MAX = 20_000
"""Frames that a client has not taken. Then it is cut off, as venues do."""
PING_S = 20
"""After so long without a frame the client is pinged, as venues do."""
_LINGER_NOT = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """End the connection by RST."""
    if not isinstance(transport, asyncio.Transport) or transport.is_closing():
        return
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()


class Ping:
    """Nothing has been sent for a while."""


class SocketOutlet:
    """See `engine.drill.ports.Outlet`. `run` sends until the socket is closed."""

    def __init__(
        self,
        number: int,
        dialect: str,
        ws: web.WebSocketResponse,
        request: web.BaseRequest,
        clock: VenueClock,
        interceptor: Interceptor,
    ) -> None:
        self._number = number
        self.dialect = dialect
        self._ws = ws
        self._request = request
        self._clock = clock
        self._interceptor = interceptor
        self._acts: asyncio.Queue[FrameAct] = asyncio.Queue(QUEUE_MAX)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._is_over = False
        self.readable = asyncio.Event()
        """Not set while the connection is stalled."""
        self.readable.set()

    @property
    def number(self) -> int:
        return self._number

    def send(self, stream: str, kind: str, payload: bytes, account: str = "") -> None:
        self._counts[stream] += 1
        acts = self._interceptor.on_frame(
            FrameSeen(
                dialect=self.dialect,
                connection=self._number,
                stream=stream,
                kind=kind,
                account=account,
                n=self._counts[stream],
                payload=payload,
                now_ns=self._clock.now_ns(),
            )
        )
        for act in (Send(payload),) if acts is None else acts:
            if isinstance(act, Send) and act.after_ns:
                loop = asyncio.get_running_loop()
                loop.call_later(act.after_ns / NS_PER_SECOND, self._put, act)
            else:
                self._put(act)

    def close(self, code: int = 1000, reason: bytes = b"") -> None:
        self._put(Close(code, reason))

    def abort(self) -> None:
        """At once, whatever waits to be sent."""
        self._is_over = True
        reset(self._request.transport)

    def _put(self, act: FrameAct) -> None:
        if self._is_over:
            return
        if self._acts.full():
            self.abort()
        else:
            self._acts.put_nowait(act)

    async def run(self) -> None:
        while not self._is_over:
            try:
                async with asyncio.timeout(PING_S):
                    act: FrameAct | Ping = await self._acts.get()
            except TimeoutError:
                act = Ping()
            try:
                await self._perform(act)
            except (ConnectionError, RuntimeError):
                self._is_over = True  # The client is gone; nobody is left to tell.

    async def _perform(self, act: FrameAct | Ping) -> None:
        transport = self._request.transport
        if isinstance(act, Send):
            kind = WSMsgType.BINARY if act.binary else WSMsgType.TEXT
            await self._ws.send_frame(act.payload, kind)
        elif isinstance(act, Ping):
            await self._ws.ping()
        elif isinstance(act, SendRaw):
            if transport is not None:
                transport.write(act.wire)
        elif isinstance(act, Close):
            self._is_over = True
            await self._ws.close(code=act.code, message=act.reason)
        elif isinstance(act, Abort):
            self.abort()
        else:
            await self._stall(act)

    async def _stall(self, act: Stall) -> None:
        self.readable.clear()
        protocol = self._request.protocol
        protocol.pause_reading()
        await asyncio.sleep(act.for_ns / NS_PER_SECOND)
        while not self._acts.empty():
            self._acts.get_nowait()
        protocol.resume_reading()
        self.readable.set()
