"""The operator's own route, `https://drill.local`: the ledger, the state, the levers.

For tests in other processes and for the curious. It holds no real money, listens on this machine
only, and is reached only by who trusts the authority in its folder.
"""

from __future__ import annotations

import inspect
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from engine.domain.errors import BadInput
from engine.domain.money import tidy
from engine.domain.order import Side
from engine.drill.control import Certificate
from engine.drill.exchange import Exchange
from engine.drill.ledger import encode_entries
from engine.drill.listing import FIRST_TRADE_ID
from engine.drill.units import amount

if TYPE_CHECKING:
    from engine.drill.server import DrillServer

VERBS = (
    "announce_shutdown",
    "ban",
    "cancel_at_venue",
    "close_sockets",
    "close_user_streams",
    "close_sockets_everywhere",
    "crash_market",
    "deposit",
    "drop_connections",
    "fill_at_venue",
    "log",
    "place_foreign",
    "refuse_connections",
    "scale_market",
    "set_certificate",
    "set_clock_offset_ns",
    "set_fees",
    "set_filter",
    "set_key_active",
    "set_maintenance",
    "set_names_known",
    "set_market_running",
    "set_symbol_status",
)
_ARGUMENTS: dict[str, Any] = {
    "Decimal": Decimal,
    "Side": Side,
    "Certificate": Certificate,
    "str": str,
    "int": int,
    "bool": bool,
}


class Admin:
    """GET /ledger?venue=V[&from=N] (lines of JSON), GET /state, POST /control/VERB (JSON object
    of the arguments)."""

    def __init__(self, server: DrillServer) -> None:
        self._server = server

    async def handle(self, http: web.BaseRequest) -> web.Response:
        try:
            return _json(await self._answer(http))
        except BadInput as error:
            return _json({"error": str(error)}, 400)

    async def _answer(self, http: web.BaseRequest) -> Any:
        if http.method == "GET" and http.path == "/state":
            return self._server.state()
        if http.method == "GET" and http.path == "/ledger":
            return self._ledger(http)
        if http.method == "POST" and http.path.startswith("/control/"):
            return self._control(http.path.removeprefix("/control/"), await http.read())
        raise BadInput("path", http.path, "must be /state, /ledger or /control/VERB")

    def _ledger(self, http: web.BaseRequest) -> bytes:
        core = self._server.control.core(http.query.get("venue", ""))
        first = http.query.get("from", "1")
        if not first.isdigit():
            raise BadInput("from", first, "must be a whole number")
        return encode_entries(core.ledger.entries[max(0, int(first) - 1) :])

    def _control(self, verb: str, body: bytes) -> Any:
        if verb not in VERBS:
            raise BadInput("verb", verb, f"must be one of {', '.join(VERBS)}")
        method = getattr(self._server.control, verb)
        try:
            given = msgspec.json.decode(body or b"{}", type=dict[str, Any])
            wanted = inspect.signature(method).parameters
            arguments = {
                name: msgspec.convert(value, _ARGUMENTS[str(wanted[name].annotation)], strict=False)
                for name, value in given.items()
            }
            bound = inspect.signature(method).bind(**arguments)
        except (msgspec.DecodeError, msgspec.ValidationError, KeyError, TypeError) as error:
            raise BadInput("arguments", str(error), f"{verb}{inspect.signature(method)}") from None
        return {"result": method(*bound.args, **bound.kwargs)}


def _json(document: Any, status: int = 200) -> web.Response:
    if isinstance(document, bytes):
        return web.Response(body=document, content_type="application/x-ndjson")
    body = msgspec.json.encode(document)
    return web.Response(status=status, body=body, content_type="application/json")


def venue_state(core: Exchange) -> dict[str, Any]:
    return {
        "ledger_entries": len(core.ledger.entries),
        "open_orders": len(core.open_orders()),
        "accounts": {
            name: {
                asset: {"free": tidy(amount(each.free)), "locked": tidy(amount(each.locked))}
                for asset, each in core.wallets.assets(name).items()
            }
            for name in core.accounts
        },
        "symbols": {
            symbol: {
                "status": listing.rules.status,
                "bid": tidy(amount(listing.bids.best or 0)),
                "ask": tidy(amount(listing.asks.best or 0)),
                "last": tidy(amount(listing.last)),
                "trades": listing.trades - FIRST_TRADE_ID,
            }
            for symbol, listing in core.listings.items()
        },
    }
