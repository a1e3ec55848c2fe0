"""What Binance's dialects share: error codes, parameters, keys and signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from engine.core.clock import NS_PER_SECOND
from engine.drill.ports import Reply, Request
from engine.drill.units import ONE
from engine.drill.values import AccountSpec, RefusalKind

NS_PER_MS = 1_000_000
AHEAD_NS = NS_PER_SECOND
"""How far ahead of the venue's clock a request may be stamped."""
RECV_WINDOW_MS, RECV_WINDOW_MS_MAX = 5000, 60_000

E = TypeVar("E", bound=StrEnum)
_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_encode = msgspec.json.Encoder().encode


class ApiError(Exception):
    """An answer that is a refusal."""

    def __init__(self, code: int, words: str, status: int = 400) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
        self.status = status

    @property
    def document(self) -> Any:
        return {"code": self.code, "msg": self.words}

    @property
    def reply(self) -> Reply:
        return Reply(status=self.status, body=_encode(self.document))


def answer(document: Any) -> Reply:
    return Reply(body=_encode(document))


def mandatory(name: str) -> ApiError:
    return ApiError(
        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    )


_FILTERS = {
    RefusalKind.BAD_PRICE: "PRICE_FILTER",
    RefusalKind.BAD_QTY: "LOT_SIZE",
    RefusalKind.BAD_MARKET_QTY: "MARKET_LOT_SIZE",
    RefusalKind.BAD_NOTIONAL: "NOTIONAL",
    RefusalKind.BAD_PERCENT_PRICE: "PERCENT_PRICE_BY_SIDE",
    RefusalKind.TOO_MANY_ORDERS: "MAX_NUM_ORDERS",
    RefusalKind.TOO_MANY_STOPS: "MAX_NUM_ALGO_ORDERS",
    RefusalKind.MAX_POSITION: "MAX_POSITION",
}
_REFUSALS = {
    RefusalKind.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RefusalKind.NOT_TRADING: (-1013, "Market is closed."),
    RefusalKind.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    RefusalKind.NO_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    RefusalKind.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    RefusalKind.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    RefusalKind.NO_LIQUIDITY: (-2010, "Order book liquidity is less than LOT_SIZE filter."),
    RefusalKind.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    RefusalKind.UNKNOWN_ORDER: (-2013, "Order does not exist."),
}


def refused(kind: RefusalKind) -> ApiError:
    """The core's refusal in Binance's spot words."""
    if kind in _FILTERS:
        return ApiError(-1013, f"Filter failure: {_FILTERS[kind]}")
    return ApiError(*_REFUSALS[kind])


class Params:
    """Reads one request's parameters; what is wrong with one is an ApiError."""

    def __init__(self, request: Request) -> None:
        self._params: Mapping[str, str] = request.params

    def has(self, name: str) -> bool:
        return bool(self._params.get(name))

    def text(self, name: str, default: str | None = None) -> str:
        found = self._params.get(name, "")
        if found:
            return found
        if default is None:
            raise mandatory(name)
        return default

    def number(self, name: str, default: int | None = None) -> int:
        text = self.text(name, "" if default is not None else None)
        if not text:
            assert default is not None
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 19:
            raise self._illegal(name, "^[0-9]{1,20}$")
        return int(text)

    def units(self, name: str, default: int | None = None) -> int:
        """An amount in units of 1e-8."""
        text = self.text(name, "" if default is not None else None)
        if not text:
            assert default is not None
            return default
        if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", text):
            raise self._illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        try:
            scaled = Decimal(text) * ONE
        except InvalidOperation:
            raise mandatory(name) from None
        if scaled != scaled.to_integral_value():
            raise ApiError(-1111, f"Parameter '{name}' has too much precision.")
        return int(scaled)

    def choice(self, name: str, kinds: type[E], error: ApiError, default: E | None = None) -> E:
        text = self.text(name, "" if default is not None else None)
        if not text and default is not None:
            return default
        try:
            return kinds(text)
        except ValueError:
            raise error from None

    def client_id(self, name: str) -> str:
        """ "" where there is none."""
        text = self.text(name, "")
        if text and not _CLIENT_ID.fullmatch(text):
            raise self._illegal(name, "^[a-zA-Z0-9-_]{1,36}$")
        return text

    @staticmethod
    def _illegal(name: str, legal: str) -> ApiError:
        return ApiError(
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.",
        )


# -- keys ------------------------------------------------------------------------------------------


class Keys:
    """The accounts' keys, and which of them are revoked just now."""

    def __init__(self, accounts: Mapping[str, AccountSpec]) -> None:
        self._accounts = accounts
        self.revoked: set[str] = set()
        """Names of accounts."""

    def name_of(self, request: Request) -> str:
        """The account whose key it carries, "" for none."""
        key = api_key(request)
        return next((each.name for each in self._accounts.values() if each.api_key == key), "")

    def with_key(self, request: Request) -> AccountSpec:
        """The account of a request that needs no signature."""
        key = api_key(request)
        if len(key) < 16 or not key.isalnum():
            raise ApiError(-2014, "API-key format invalid.", 401)
        account = self._accounts.get(self.name_of(request))
        if account is None or account.name in self.revoked or not account.can_read:
            raise _no_permission()
        return account

    def signed_by(self, request: Request, now_ns: int, *, to_trade: bool) -> AccountSpec:
        """The account that has signed it, in time and with the permission."""
        account = self.with_key(request)
        signature = request.params.get("signature", "")
        if not signature:
            raise mandatory("signature")
        _check_time(Params(request), now_ns)
        if not is_signed(account, request.signed_text, signature):
            raise ApiError(-1022, "Signature for this request is not valid.")
        if to_trade and not account.can_trade:
            raise _no_permission()
        return account


def api_key(request: Request) -> str:
    return request.headers.get("x-mbx-apikey", "") or request.params.get("apiKey", "")


def _no_permission() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def _check_time(params: Params, now_ns: int) -> None:
    stamp_ns = params.number("timestamp") * NS_PER_MS
    window_ms = params.number("recvWindow", RECV_WINDOW_MS)
    if window_ms > RECV_WINDOW_MS_MAX:
        raise ApiError(-1131, "recvWindow must be less than 60000.")
    if stamp_ns >= now_ns + AHEAD_NS:
        words = "Timestamp for this request was 1000ms ahead of the server's time."
        raise ApiError(-1021, words)
    if now_ns - stamp_ns > window_ms * NS_PER_MS:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def is_signed(account: AccountSpec, text: str, signature: str) -> bool:
    if account.public_key:
        key = load_pem_public_key(account.public_key.encode())
        assert isinstance(key, Ed25519PublicKey)
        try:
            key.verify(base64.b64decode(signature), text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True
    expected = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.lower().encode())
