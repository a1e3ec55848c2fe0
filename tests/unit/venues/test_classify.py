"""What an answer proves: every row of the table of measured faults, and that nothing else does."""

from __future__ import annotations

import json
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from engine.ports.live import FaultKind
from engine.venues.classify import NS_PER_S, AskFailed, not_answered, read, ws_failure
from engine.venues.quirks import FIRST_CLASS, Quirks, quirks_of
from engine.venues.rest import Answer, no_answer

SPOT = quirks_of("binance_spot")
USDM = quirks_of("binance_usdm")
NOW_NS = 1_700_000_000 * NS_PER_S
PAGE = "<!DOCTYPE html><html><body>Welcome to Hotel Wi-Fi</body></html>"


def _answer(status: int, body: object, **headers: str) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


def _failure(quirks: Quirks, answer: Answer) -> AskFailed:
    with pytest.raises(AskFailed) as caught:
        read(answer, quirks, NOW_NS)
    return caught.value


def _told(quirks: Quirks, answer: Answer) -> AskFailed | None:
    try:
        read(answer, quirks, NOW_NS)
    except AskFailed as fault:
        return fault
    return None


def _error(code: int, message: str = "words") -> dict[str, Any]:
    return {"code": code, "msg": message}


@pytest.mark.parametrize(
    ("status", "body", "kind", "is_definite"),
    [
        (504, _error(-1007, "Timeout waiting for response"), FaultKind.TIMEOUT, False),
        (503, "<html>Service Unavailable</html>", FaultKind.OVERLOADED, False),
        (502, "", FaultKind.OVERLOADED, False),
        (200, _error(-1006, "An unexpected response was received"), FaultKind.OVERLOADED, False),
        (503, _error(-1008, "Server is overloaded"), FaultKind.OVERLOADED, False),
        (500, _error(-1000), FaultKind.OVERLOADED, False),
        (429, _error(-1003), FaultKind.LIMITED, True),
        (418, _error(-1003), FaultKind.BANNED, True),
        (400, _error(-1015, "Too many new orders"), FaultKind.LIMITED, True),
        (400, _error(-2010, "Account has insufficient balance"), FaultKind.REFUSED, True),
        (400, _error(-2010, "Duplicate order sent."), FaultKind.REFUSED, False),
        (400, _error(-1013, "Filter failure: NOTIONAL"), FaultKind.REFUSED, True),
        (400, _error(-1013, "Filter failure: LOT_SIZE"), FaultKind.REFUSED, True),
        (401, _error(-2015, "Invalid API-key"), FaultKind.KEY, True),
        (401, _error(-2014, "API-key format invalid."), FaultKind.KEY, True),
        (400, _error(-1022, "Signature is not valid"), FaultKind.KEY, True),
        (400, _error(-2013, "Order does not exist."), FaultKind.REFUSED, False),
        (400, _error(-2011, "Unknown order sent."), FaultKind.REFUSED, False),
        (400, _error(-1021, "outside of the recvWindow"), FaultKind.CLOCK, True),
        (403, "<html>403 Forbidden</html>", FaultKind.LIMITED, False),
        (200, PAGE, FaultKind.PORTAL, False),
        (302, "", FaultKind.PORTAL, False),
        (511, PAGE, FaultKind.PORTAL, False),
        (200, '{"symbol": "BTC', FaultKind.MALFORMED, False),
        (200, '{"price": NaN}', FaultKind.MALFORMED, False),
        (400, _error(-987654, "never heard of"), FaultKind.REFUSED, False),
        # A proven code around which something is wrong proves nothing.
        (200, _error(-2010, "Account has insufficient balance"), FaultKind.REFUSED, False),
        (500, _error(-2010, "Account has insufficient balance"), FaultKind.REFUSED, False),
        (409, _error(-2021, "Order cancel-replace partially failed."), FaultKind.REFUSED, False),
        (408, "", FaultKind.MALFORMED, False),
    ],
)
def test_the_table(status: int, body: object, kind: FaultKind, is_definite: bool) -> None:
    fault = _failure(SPOT, _answer(status, body))
    assert (fault.kind, fault.is_definite) == (kind, is_definite)
    assert "\n" not in fault.words
    assert fault.words


@pytest.mark.parametrize(
    ("code", "is_definite"),
    [(-2019, True), (-2021, True), (-2022, True), (-4061, True), (-4164, True), (-5022, True),
     (-4116, False), (-1006, False), (-1007, False), (-4141, False)],
)  # fmt: skip
def test_futures_codes(code: int, is_definite: bool) -> None:
    assert _failure(USDM, _answer(400, _error(code))).is_definite is is_definite


def test_a_code_counts_at_its_own_venue_only() -> None:
    assert not _failure(SPOT, _answer(400, _error(-2019))).is_definite
    assert not _failure(quirks_of("kraken"), _answer(400, _error(-2010))).is_definite


@pytest.mark.parametrize(
    ("answer", "wait_s"),
    [
        (_answer(429, _error(-1003), retry_after="17"), 17),
        (_answer(429, "<html>"), 30),
        (_answer(403, "<html>"), 10),
        (_answer(403, "<html>", retry_after="300"), 300),
        (_answer(418, _error(-1003, "banned until 1700000259200."), retry_after="5"), 259.2),
        (_answer(418, ""), 120),
        (_answer(418, "", retry_after="259200"), 259_200),
        (_answer(418, "", retry_after="-3"), 120),
    ],
)
def test_how_long_to_stay_away(answer: Answer, wait_s: float) -> None:
    assert (_failure(SPOT, answer).until_ns - NOW_NS) / NS_PER_S == wait_s


@pytest.mark.parametrize("quirks", [SPOT, USDM], ids=lambda quirks: quirks.venue)
def test_a_limit_of_the_accounts_orders_keeps_nobody_away(quirks: Quirks) -> None:
    fault = _failure(quirks, _answer(429, _error(-1015, "Too many new orders"), retry_after="9"))
    assert (fault.kind, fault.code, fault.is_definite) == (FaultKind.LIMITED, "-1015", True)
    assert (fault.until_ns, fault.waits_s) == (0, ())
    assert _failure(quirks_of("kraken"), _answer(429, _error(-1015))).until_ns > NOW_NS
    assert _failure(quirks, _answer(418, _error(-1015))).kind is FaultKind.BANNED


@pytest.mark.parametrize(
    ("data", "wait_s"),
    [
        ({"serverTime": 1_659_142_907_531, "retryAfter": 1_659_142_917_531}, 10),
        ({"retryAfter": NOW_NS // 1_000_000 + 7_000}, 7),
        ({"serverTime": "x", "retryAfter": NOW_NS // 1_000_000 + 7_000}, 7),
        ({"serverTime": 1, "retryAfter": True}, 99),  # As the message says.
        ({"retryAfter": 1 << 80}, 99),
        (None, 99),
    ],
)
def test_how_long_to_stay_away_after_an_answer_over_a_socket(data: object, wait_s: int) -> None:
    until_ms = NOW_NS // 1_000_000 + 99_000
    error = _error(-1003, f"IP banned until {until_ms}. Please use WebSocket Streams")
    for status, kind in ((418, FaultKind.BANNED), (429, FaultKind.LIMITED)):
        fault = ws_failure(SPOT, {"status": status, "error": {**error, "data": data}}, NOW_NS)
        assert fault is not None
        assert (fault.kind, fault.until_ns - NOW_NS) == (kind, wait_s * NS_PER_S)
    silent = ws_failure(SPOT, {"status": 429, "error": {"code": -1003}}, NOW_NS)
    assert silent is not None
    assert silent.waits_s


@pytest.mark.parametrize("status", [403, 429, 418])
def test_a_guess_is_marked_as_one(status: int) -> None:
    guessed = _failure(SPOT, _answer(status, "<html>"))
    assert guessed.until_ns == NOW_NS + guessed.waits_s[0] * NS_PER_S
    assert list(guessed.waits_s) == sorted(guessed.waits_s)
    assert _failure(SPOT, _answer(status, "<html>", retry_after="7")).waits_s == ()


def test_successes_come_through() -> None:
    assert read(_answer(200, {"code": 200, "msg": "success"}), SPOT, NOW_NS) == {
        "code": 200,
        "msg": "success",
    }
    assert read(_answer(200, '[{"price": 0.10}]'), SPOT, NOW_NS) == [{"price": "0.10"}]


KNOWN = {code for quirks in FIRST_CLASS.values() for code in quirks.rejects}


@given(
    code=st.integers(-100_000, 100_000).filter(lambda code: str(code) not in KNOWN),
    status=st.integers(200, 599).filter(lambda status: status not in (418, 429)),
    message=st.text(max_size=60),
    venue=st.sampled_from(["binance_spot", "binance_usdm", "kraken"]),
)
def test_no_unknown_code_is_ever_a_definite_refusal(
    code: int, status: int, message: str, venue: str
) -> None:
    fault = _told(quirks_of(venue), _answer(status, _error(code, message)))
    assert fault is None or not fault.is_definite


@given(
    status=st.integers(100, 599).filter(lambda status: not 400 <= status < 500),
    code=st.sampled_from(sorted(KNOWN)),
    venue=st.sampled_from(sorted(FIRST_CLASS)),
)
def test_no_status_but_a_clients_error_proves_a_refusal(status: int, code: str, venue: str) -> None:
    assert not _failure(quirks_of(venue), _answer(status, _error(int(code)))).is_definite


@given(text=st.text(max_size=200), status=st.integers(200, 599))
def test_rubbish_is_one_line_and_proves_nothing(text: str, status: int) -> None:
    fault = _told(SPOT, _answer(status, text))
    if fault is not None:
        assert fault.is_definite is (status in (418, 429))
        assert len(fault.words.splitlines()) == 1
        assert fault.words.isprintable()


_KEY = ConnectionKey("api.binance.com", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("error", "kind", "may_have_arrived"),
    [
        (aiohttp.ClientConnectorDNSError(_KEY, OSError(8, "no such name")), "network", False),
        (aiohttp.ClientConnectorError(_KEY, OSError(111, "refused")), "network", False),
        (
            aiohttp.ClientConnectorCertificateError(_KEY, ssl.SSLCertVerificationError("expired")),
            "tls",
            False,
        ),
        (aiohttp.ClientConnectorSSLError(_KEY, ssl.SSLError(1, "bad record")), "tls", False),
        (aiohttp.ConnectionTimeoutError("https://x/?signature=abc"), "timeout", False),
        (TimeoutError(), "timeout", True),
        (aiohttp.SocketTimeoutError(), "timeout", True),
        (aiohttp.ServerDisconnectedError(), "network", True),
        (aiohttp.ClientOSError(104, "reset"), "network", True),
        (aiohttp.ClientPayloadError("half"), "malformed", True),
        (ConnectionResetError(104, "reset"), "network", True),
    ],
)
def test_what_keeps_a_venue_from_answering(
    error: BaseException, kind: str, may_have_arrived: bool
) -> None:
    fault = not_answered(no_answer(error, "api.binance.com", 10))
    assert (fault.kind.value, fault.may_have_arrived) == (kind, may_have_arrived)
    assert fault.is_definite is not may_have_arrived
    assert "signature" not in fault.words
    assert "api.binance.com" in fault.words
