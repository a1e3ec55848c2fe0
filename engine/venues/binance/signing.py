"""Order requests signed without ccxt, to the same bytes; a test holds both against each other.

ccxt looks through every section, path and option that Binance has before it signs, and most of the
way from a tick to an order would be that. Only what is urgent is signed here: an order placed,
asked for or cancelled, with an HMAC key. Everything else, and whatever looks unusual, is ccxt's.
"""

from __future__ import annotations

import hmac
import re
from typing import Any

from engine.venues.dialect import Request
from engine.venues.rest import Wire

_SECTIONS = ("private", "fapiPrivate")
_PLAIN = re.compile(r"[A-Za-z0-9_.~=&\-]+")
"""What stands for itself in a query, and the signs that join its parts."""


class OrderSigner:
    """Reads key, secret, addresses and window of the ccxt `exchange` once; they never change."""

    def __init__(self, exchange: Any) -> None:
        key, secret = exchange.apiKey or "", exchange.secret or ""
        self._is_hmac = bool(key and secret) and "PRIVATE KEY" not in secret
        """Ed25519 and RSA keys are left to ccxt."""
        self._keyed = hmac.new(secret.encode(), digestmod="sha256")
        """What the secret does to a hash is the same for every request."""
        self._headers = {"X-MBX-APIKEY": key}
        addresses = exchange.urls["api"]
        self._addresses = {api: f"{addresses[api]}/order" for api in _SECTIONS if api in addresses}
        self._window = f"&recvWindow={exchange.options['recvWindow']:d}"

    def sign(self, request: Request, venue_ms: int) -> Wire | None:
        """`request` as it goes out at `venue_ms`; None when it is for ccxt to sign."""
        url, params = self._addresses.get(request.api), request.params
        if url is None or request.path != "order" or not self._is_hmac:
            return None
        has_body = request.method == "POST"
        if has_body and "newClientOrderId" not in params:
            return None  # ccxt would think one up.
        if set(map(type, params.values())) != {str} or not params.keys().isdisjoint(_OURS):
            return None
        fields = "".join([f"&{name}={value}" for name, value in params.items()])
        if _PLAIN.fullmatch(fields) is None or fields.count("&") + fields.count("=") != 2 * len(
            params
        ):
            return None  # Something to be quoted.
        query = f"timestamp={venue_ms}{fields}{self._window}"
        keyed = self._keyed.copy()
        keyed.update(query.encode())
        signed = f"{query}&signature={keyed.hexdigest()}"
        if not has_body:
            headers = self._headers | {"Accept": "application/json"}
            return Wire(request.method, f"{url}?{signed}", headers, "")
        headers = self._headers | _FORM
        return Wire(request.method, url, headers, signed)


_OURS = frozenset({"timestamp", "recvWindow", "signature"})
_FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
