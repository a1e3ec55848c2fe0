"""One HTTP question: sent at most once, answered or not, and whether it may have arrived.

No retries, no redirects, no limits but size and time. The body comes back as text; what it means
is `classify`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import aiohttp
import yarl

from engine.ports.live import FaultKind

SessionFactory = Callable[[], aiohttp.ClientSession]
"""Makes the session that everything of one venue goes through; the venue closes it. The drill
exchange hands in one whose resolver knows no other place."""

ANSWER_BYTES_MAX = 64 << 20
"""Binance's full exchangeInfo is some 15 MB. What is larger is no answer."""


class Wire(NamedTuple):
    """A signed request as it goes out."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str


class Answer(NamedTuple):
    """What came back, whatever it was."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str


class NoAnswer(Exception):
    """Nothing usable came back. `may_have_arrived` is False only when no byte of the request left
    this machine. `words` hold no address: it carries the signature."""

    def __init__(self, kind: FaultKind, words: str, *, may_have_arrived: bool) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.may_have_arrived = may_have_arrived


async def ask(session: aiohttp.ClientSession, wire: Wire, timeout_s: float) -> Answer:
    """Send `wire` and read the whole answer within `timeout_s`. NoAnswer when that fails."""
    timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, 5.0))
    host = yarl.URL(wire.url, encoded=True).host or "the venue"
    try:
        async with session.request(
            wire.method,
            yarl.URL(wire.url, encoded=True),
            headers=wire.headers,
            data=wire.body.encode() if wire.body else None,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            body = await _read(response)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, body)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise no_answer(error, host, timeout_s) from None


def no_answer(error: BaseException, host: str, timeout_s: float) -> NoAnswer:
    """What kept `host` from answering. Only a failure to connect proves that nothing arrived."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        words = f"{host}: no such name, or no network"
        return NoAnswer(FaultKind.NETWORK, words, may_have_arrived=False)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return NoAnswer(FaultKind.TLS, _tls_words(host, error), may_have_arrived=False)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        words = f"{host} does not take the connection"
        return NoAnswer(FaultKind.TIMEOUT, words, may_have_arrived=False)
    if isinstance(error, aiohttp.ClientConnectorError):
        words = f"{host}: {error.strerror or 'no connection'}"
        return NoAnswer(FaultKind.NETWORK, words, may_have_arrived=False)
    kind, words = FaultKind.NETWORK, f"{host}: the connection broke ({type(error).__name__})"
    if isinstance(error, TimeoutError):
        kind, words = FaultKind.TIMEOUT, f"{host} did not answer within {timeout_s:g} s"
    elif isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientResponseError):
        kind = FaultKind.MALFORMED
        words = f"{host}: the answer broke off or is no HTTP ({type(error).__name__})"
    return NoAnswer(kind, words, may_have_arrived=True)


async def _read(response: aiohttp.ClientResponse) -> str:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise NoAnswer(
                FaultKind.MALFORMED,
                f"the answer is larger than {ANSWER_BYTES_MAX >> 20} MiB",
                may_have_arrived=True,
            )
        parts.append(part)
    # A byte that is no UTF-8 makes bad JSON, which is told as such.
    return b"".join(parts).decode(errors="replace")


def _tls_words(host: str, error: aiohttp.ClientConnectorError) -> str:
    cause = getattr(error, "certificate_error", None) or error.os_error
    reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or "TLS failed"
    return (
        f"{host}: no trusted connection ({reason}): "
        "check this machine's date, and that nothing sits between it and the venue"
    )
