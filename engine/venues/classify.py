"""What an answer means: done, definitely not done, or unknown.

The rule is a whitelist. Only a code in `Quirks.rejects`, with a status of the 4xx family, or the
venue's own 429 and 418, prove that nothing was done. Everything else (5xx, an unknown code, HTML,
half an answer, a success status around an error) may hide a live order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.domain.text import clean
from engine.ports.live import FaultKind, VenueFault
from engine.venues.fields import NS_PER_MS, Unreadable, decode
from engine.venues.quirks.shape import Quirks
from engine.venues.rest import Answer, NoAnswer

NS_PER_S = 1_000_000_000
WAITS_S = {
    403: (10, 20, 40, 40, 40, 40, 40, 80, 160, 300),
    429: (30, 60, 120, 300),
    418: (120, 240, 300),
}
"""By status: how long to stay away after a stop that names no end, the first time, the second time
in a row, and so on. One question per pause, so short pauses are no storm; only the third, a ban, is
never a passing fault: two minutes are the shortest that Binance documents."""

_MS_MAX = 10**13
"""Later stamps, in ms since 1970, are slips."""
_BAN_STAMP = re.compile(r"until (\d{13})\b")
_REMEDIES = {
    FaultKind.KEY: "check the key, its address list and its permissions (pilothouse keys check)",
    FaultKind.CLOCK: "this machine's clock and the venue's differ",
}


class AskFailed(VenueFault):
    """A question without the answer hoped for; what it says about an order, beside the fault."""

    def __init__(
        self,
        kind: FaultKind,
        words: str,
        *,
        code: str = "",
        until_ns: int = 0,
        is_definite: bool = False,
        may_have_arrived: bool = True,
        is_not_working: bool = False,
        waits_s: tuple[int, ...] = (),
    ) -> None:
        super().__init__(kind, words, code=code, until_ns=until_ns)
        self.is_definite = is_definite
        """Proven: what was asked for was not done."""
        self.may_have_arrived = may_have_arrived
        self.is_not_working = is_not_working
        """The venue says that it knows no such working order."""
        self.waits_s = waits_s
        """The venue names no end, `until_ns` is a guess: how long to stay away the first time, the
        second in a row, ... Empty where it does name one."""


def not_answered(error: NoAnswer) -> AskFailed:
    return AskFailed(
        error.kind,
        error.words,
        is_definite=not error.may_have_arrived,
        may_have_arrived=error.may_have_arrived,
    )


def read(answer: Answer, quirks: Quirks, now_ns: int) -> object:
    """The decoded body of a success. AskFailed for all else. `now_ns`: wall time, for waits."""
    body = decoded(answer, quirks, now_ns)
    code, message = _error_of(body, answer.status)
    if code or answer.status >= 400:
        raise failure(quirks, answer.status, code, message)
    return body


def decoded(answer: Answer, quirks: Quirks, now_ns: int) -> object:
    """The body, whatever the venue says in it. AskFailed where it is not the venue's word at all:
    limits, bans, web pages, what is no JSON."""
    status, text = answer.status, answer.text
    if status == 429:
        refused = _refused_order(answer, quirks)
        raise refused or stopped(quirks, status, _told_end(answer, now_ns), now_ns)
    if status == 418:
        raise stopped(quirks, status, _told_end(answer, now_ns), now_ns)
    looks_like_page = text.lstrip()[:1] == "<" or "text/html" in answer.headers.get(
        "content-type", ""
    )
    if 300 <= status < 400 or status == 511 or (status == 200 and looks_like_page):
        raise AskFailed(
            FaultKind.PORTAL,
            f"something that is not {quirks.venue} answered (a web page, status {status}): "
            "a captive portal or a proxy; log in to the network",
        )
    if status == 403 and looks_like_page:
        told_ns = _told_end(answer, now_ns)
        raise AskFailed(
            FaultKind.LIMITED,
            f"{quirks.venue}: its firewall refuses this address (status 403)",
            until_ns=told_ns or _guessed_end(status, now_ns),
            waits_s=() if told_ns else WAITS_S[403],
        )
    try:
        return decode(text)
    except Unreadable as error:
        if status >= 500:
            raise _overloaded(status, quirks) from None
        raise AskFailed(FaultKind.MALFORMED, f"{quirks.venue}: {error.words}") from None


def failure(quirks: Quirks, status: int, code: str, message: str) -> AskFailed:
    """An error that the venue told as status, code and message."""
    words = clean(message, 160) or f"status {status}"
    told = f"{quirks.venue}: {words}" + (f" ({code})" if code else "")
    if code in quirks.already_there and quirks.already_there[code] in message.lower():
        return AskFailed(
            FaultKind.REFUSED, f"{told}: an order with this id is already there", code=code
        )
    is_client_error = 400 <= status < 500 and status not in (408, 409)
    if code in quirks.rejects and is_client_error:
        kind = quirks.rejects[code]
        remedy = f": {_REMEDIES[kind]}" if kind in _REMEDIES else ""
        return AskFailed(kind, told + remedy, code=code, is_definite=True)
    if code in quirks.not_working and is_client_error:
        return AskFailed(FaultKind.REFUSED, told, code=code, is_not_working=True)
    known = quirks.faults.get(code) or quirks.rejects.get(code)
    if known is not None:
        return AskFailed(known, told, code=code)
    if status >= 500:
        return _overloaded(status, quirks, code, words)
    return AskFailed(FaultKind.REFUSED, told, code=code)


def ws_failure(quirks: Quirks, message: Mapping[str, object], now_ns: int) -> AskFailed | None:
    """The error of a websocket answer, `{"id": "1", "status": 401, "error": {"code": -2015,
    "msg": "..."}}`; None if it is none. With 418 and 429 it holds `"data": {"serverTime":
    1659142907531, "retryAfter": 1659146400000}`, too."""
    error = message.get("error")
    if not isinstance(error, dict):
        return None
    status = message.get("status")
    code, told = error.get("code"), error.get("msg")
    words = told if isinstance(told, str) else ""
    if status in (418, 429):
        told_ns = _retry_ns(error.get("data"), now_ns)
        end_ns = told_ns or _told_end(Answer(status, {}, words), now_ns)
        return stopped(quirks, status, end_ns, now_ns)
    return failure(
        quirks,
        status if isinstance(status, int) else 400,
        str(code) if isinstance(code, int | str) else "?",
        words,
    )


def _error_of(body: object, status: int) -> tuple[str, str]:
    """Code and message of an error body; ("", "") for a success.

    `{"code": -1121, "msg": "Invalid symbol."}`; some successes say `{"code": 200, ...}`.
    """
    if not isinstance(body, dict) or "code" not in body:
        return "", ""
    code = body["code"]
    if not isinstance(code, int | str) or isinstance(code, bool):
        return "?", "an error code that is no number"
    if str(code) in ("0", "200") and status < 400:
        return "", ""
    message = body.get("msg")
    return str(code), message if isinstance(message, str) else ""


def stopped(quirks: Quirks, status: int, told_ns: int, now_ns: int) -> AskFailed:
    """A 429 or 418 to this address. `told_ns`: when to come back, where the venue says; else 0."""
    until_ns = told_ns or _guessed_end(status, now_ns)
    wait_s = max(0, until_ns - now_ns) // NS_PER_S
    is_ban = status == 418
    words = "has banned this address" if is_ban else "takes no more requests for now"
    return AskFailed(
        FaultKind.BANNED if is_ban else FaultKind.LIMITED,
        f"{quirks.venue} {words}: next question in {wait_s} s",
        code=str(status),
        until_ns=until_ns,
        is_definite=quirks.proves_limits,
        waits_s=() if told_ns else WAITS_S[status],
    )


def _refused_order(answer: Answer, quirks: Quirks) -> AskFailed | None:
    """A 429 that counts an account's orders; None for one that counts this address's requests."""
    try:
        code, message = _error_of(decode(answer.text), answer.status)
    except Unreadable:
        return None
    return failure(quirks, 429, code, message) if code in quirks.order_limits else None


def _told_end(answer: Answer, now_ns: int) -> int:
    """Wall time at which to come back, the later of Retry-After and a stamp in the message; 0 where
    the venue names none."""
    header = answer.headers.get("retry-after", "")
    seconds = int(header) if header.isascii() and header.isdigit() and len(header) < 9 else 0
    ends = [now_ns + seconds * NS_PER_S] if seconds else []
    stamp = _BAN_STAMP.search(answer.text[:2000])
    if stamp is not None:
        ends.append(int(stamp.group(1)) * NS_PER_MS)
    return max(ends, default=0)


def _retry_ns(data: object, now_ns: int) -> int:
    """`retryAfter` of an error over a websocket, in wall time; 0 where it cannot be read. With the
    venue's time beside it only the difference counts, whatever this machine's clock says."""
    if not isinstance(data, dict):
        return 0
    server_ms, retry_ms = data.get("serverTime"), data.get("retryAfter")
    if type(retry_ms) is not int or not 0 < retry_ms < _MS_MAX:
        return 0
    if type(server_ms) is not int or not 0 < server_ms < _MS_MAX:
        return retry_ms * NS_PER_MS
    return now_ns + max(retry_ms - server_ms, 1) * NS_PER_MS


def _guessed_end(status: int, now_ns: int) -> int:
    return now_ns + WAITS_S[status][0] * NS_PER_S


def _overloaded(status: int, quirks: Quirks, code: str = "", words: str = "") -> AskFailed:
    tail = f": {words}" if words else ""
    return AskFailed(
        FaultKind.OVERLOADED,
        f"{quirks.venue} failed inside (status {status}){tail}",
        code=code,
    )
