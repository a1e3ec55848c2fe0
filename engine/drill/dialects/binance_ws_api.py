"""Binance spot's websocket API (`/ws-api/v3`): requests by name, and the user's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from engine.drill.dialects.binance_streams import encode
from engine.drill.ports import Outlet, Reply, Request, SocketCall

SUBSCRIBE = "userDataStream.subscribe.signature"
UNSUBSCRIBE = "userDataStream.unsubscribe"


class Asked(msgspec.Struct, kw_only=True):
    id: msgspec.Raw = msgspec.Raw(b"null")
    method: str
    params: Mapping[str, msgspec.Raw] = {}


class ApiHost(Protocol):
    """The dialect, as a session sees it."""

    @property
    def hosts(self) -> frozenset[str]: ...

    def account_of(self, request: Request) -> str: ...

    def rate_limit_rows(self, account: str) -> list[dict[str, Any]]: ...

    def add_user(self, session: UserSession) -> None: ...

    def remove_user(self, session: UserSession) -> None: ...


class UserSession:
    def __init__(self, dialect: ApiHost, outlet: Outlet, call: SocketCall) -> None:
        self._dialect = dialect
        self._outlet = outlet
        self._call = call
        self.subscriptions: dict[int, str] = {}
        """Subscription id -> account."""
        self._next_subscription = 0

    def on_text(self, text: str) -> None:
        try:
            asked = msgspec.json.decode(text, type=Asked)
        except msgspec.DecodeError:
            self._outlet.send(
                "answer",
                "",
                b'{"id":null,"status":400,"error":{"code":-1135,"msg":"Invalid JSON Request"}}',
            )
            return
        params = {name: _as_text(raw) for name, raw in asked.params.items()}
        signed = "&".join(f"{k}={params[k]}" for k in sorted(params) if k != "signature")
        request = Request(
            host=next(iter(self._dialect.hosts)),
            method="WS",
            path=asked.method,
            params=params,
            signed_text=signed,
        )
        self._call(request, lambda reply: self._answer(asked, request, reply))

    def _answer(self, asked: Asked, request: Request, reply: Reply) -> None:
        number, account = bytes(asked.id), self._dialect.account_of(request)
        body = reply.body
        if reply.status == 200 and asked.method == SUBSCRIBE:
            body = encode({"subscriptionId": self._subscribe(account)})
        if reply.status == 200 and asked.method == UNSUBSCRIBE:
            self.subscriptions.clear()
        name = b"result" if reply.status == 200 else b"error"
        limits = encode(self._dialect.rate_limit_rows(account))
        self._outlet.send(
            "answer",
            asked.method,
            b'{"id":%s,"status":%d,"%s":%s,"rateLimits":%s}'
            % (number, reply.status, name, body, limits),
            account,
        )

    def _subscribe(self, account: str) -> int:
        number = self._next_subscription
        self._next_subscription += 1
        self.subscriptions[number] = account
        self._dialect.add_user(self)
        return number

    def tell(self, account: str, kind: str, event: bytes) -> None:
        for number, subscriber in self.subscriptions.items():
            if subscriber == account:
                payload = b'{"subscriptionId":%d,"event":%s}' % (number, event)
                self._outlet.send("user", kind, payload, account)

    def terminate(self, account: str, event: bytes) -> None:
        """The venue ends the subscriptions of `account` ("": all of them)."""
        for number, subscriber in list(self.subscriptions.items()):
            if account in ("", subscriber):
                payload = b'{"subscriptionId":%d,"event":%s}' % (number, event)
                self._outlet.send("user", "eventStreamTerminated", payload, subscriber)
                del self.subscriptions[number]

    def on_close(self) -> None:
        self._dialect.remove_user(self)


def _as_text(raw: msgspec.Raw) -> str:
    """A value as it is signed: strings without quotes, all else as it was written."""
    text = bytes(raw).decode()
    return str(msgspec.json.decode(text)) if text.startswith('"') else text
