"""Binance USD-M's websockets: how market events are written, and the user stream of a key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from engine.core.clock import NS_PER_SECOND
from engine.drill.dialects.binance_streams import DepthLevels, encode
from engine.drill.dialects.binance_usdm_market import MarketPages
from engine.drill.dialects.binance_usdm_words import (
    aggregate,
    algo_event,
    ms,
    order_event,
    trade_lite_event,
)
from engine.drill.dialects.binance_words import ApiError
from engine.drill.exchange import Exchange
from engine.drill.listing import Listing, Print
from engine.drill.margin import MarginSettlement
from engine.drill.ports import Outlet
from engine.drill.units import text
from engine.drill.values import Order, Trade

KEY_LIFE_NS = 3600 * NS_PER_SECOND
_SPACES = ("public", "market", "private")


def is_socket(path: str) -> bool:
    """`/ws…`, `/stream…`, and the same below the venue's three spaces."""
    words = urlsplit(path).path.strip("/").split("/")
    if words[0] in _SPACES:
        words = words[1:]
    return bool(words) and words[0] in ("ws", "stream")


class FuturesWords:
    """`StreamWords` of futures."""

    def __init__(self, exchange: Exchange, pages: MarketPages) -> None:
        self._exchange = exchange
        self._pages = pages

    def _head(self, kind: str, listing: Listing) -> dict[str, Any]:
        now_ms = ms(self._exchange.clock.now_ns())
        return {"e": kind, "E": now_ms, "T": now_ms, "s": listing.rules.symbol}

    def depth_update(
        self, listing: Listing, first: int, last: int, before: int, levels: DepthLevels
    ) -> dict[str, Any]:
        head = self._head("depthUpdate", listing)
        return head | {"U": first, "u": last, "pu": before, "b": levels[0], "a": levels[1]}

    def depth_snapshot(self, listing: Listing, levels: int) -> dict[str, Any]:
        last = listing.update_id
        sides = [
            [[text(price), text(qty)] for price, qty in book.levels(levels)]
            for book in (listing.bids, listing.asks)
        ]
        return self.depth_update(listing, last, last, last, (sides[0], sides[1]))

    def trade(self, listing: Listing, print_: Print) -> dict[str, Any]:
        fields = aggregate(print_)
        head = self._head("trade", listing) | {"t": print_.trade_id, "X": "MARKET"}
        return head | {name: fields[name] for name in ("p", "q", "T", "m")}

    def aggregate(self, listing: Listing, print_: Print) -> dict[str, Any]:
        return self._head("aggTrade", listing) | aggregate(print_)

    def book_ticker(self, listing: Listing) -> dict[str, Any]:
        bid, ask = listing.bids.levels(1), listing.asks.levels(1)
        return self._head("bookTicker", listing) | {
            "u": listing.update_id,
            "b": text(bid[0][0] if bid else 0),
            "B": text(bid[0][1] if bid else 0),
            "a": text(ask[0][0] if ask else 0),
            "A": text(ask[0][1] if ask else 0),
        }

    def ticker(self, listing: Listing, *, is_mini: bool) -> dict[str, Any]:
        day = self._pages.day(listing)
        event = self._head("24hrMiniTicker" if is_mini else "24hrTicker", listing) | {
            "c": day["lastPrice"],
            "o": day["openPrice"],
            "h": day["highPrice"],
            "l": day["lowPrice"],
            "v": day["volume"],
            "q": day["quoteVolume"],
        }
        if not is_mini:
            event |= {"p": day["priceChange"], "P": day["priceChangePercent"], "n": day["count"]}
        return event

    def candle(self, listing: Listing, width: str, width_ns: int) -> dict[str, Any] | None:
        now_ns = self._exchange.clock.now_ns()
        start_ns = now_ns - now_ns % width_ns
        found = listing.candles.of(width_ns, start_ns)
        if not found:
            return None
        last = found[-1]
        return self._head("kline", listing) | {
            "k": {
                "t": ms(start_ns),
                "T": ms(start_ns + width_ns) - 1,
                "s": listing.rules.symbol,
                "i": width,
                "o": text(last.open),
                "c": text(last.close),
                "h": text(last.high),
                "l": text(last.low),
                "v": text(last.volume),
                "n": last.trades,
                "x": False,
                "q": text(last.quote_volume),
            }
        }

    def mark_price(self, listing: Listing) -> dict[str, Any] | None:
        page = self._pages.premium(listing)
        return self._head("markPriceUpdate", listing) | {
            "p": page["markPrice"],
            "i": page["indexPrice"],
            "P": page["estimatedSettlePrice"],
            "r": page["lastFundingRate"],
            "T": page["nextFundingTime"],
        }


class UserStreams:
    """Listen keys and the sockets behind them. Listens to the core for its dialect."""

    def __init__(self, exchange: Exchange, margin: MarginSettlement) -> None:
        self._exchange = exchange
        self._margin = margin
        self._keys: dict[str, tuple[str, int]] = {}
        """Listen key -> (account, when it expires on the monotonic clock)."""
        self._keys_made = 0
        self._outlets: defaultdict[str, dict[int, Outlet]] = defaultdict(dict)
        """By account and number."""
        self._touched: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """Symbols whose position changed since the account was told."""
        self._reasons: dict[str, str] = {}
        """Why an account's balances change, where it is not for an order."""

    # -- listen keys -----------------------------------------------------------------------------

    def open_key(self, account: str) -> str:
        """The account's key, for another hour; a new one where it has none."""
        expires_ns = self._exchange.clock.monotonic_ns() + KEY_LIFE_NS
        key = next((key for key, (name, _) in self._keys.items() if name == account), "")
        if not key:
            self._keys_made += 1
            key = f"drill{self._keys_made:05d}".ljust(64, "L")
        self._keys[key] = (account, expires_ns)
        return key

    def keep_key(self, account: str) -> str:
        if all(name != account for name, _ in self._keys.values()):
            raise ApiError(-1125, "This listenKey does not exist.")
        return self.open_key(account)

    def close_key(self, account: str) -> None:
        self._keys = {key: owner for key, owner in self._keys.items() if owner[0] != account}

    def expire(self, account: str = "", *, by_ns: int | None = None) -> None:
        """End keys as when an hour is over: sockets are told, and bring nothing any more.
        `by_ns`: only those whose time is over by then."""
        for key, (name, expires_ns) in list(self._keys.items()):
            if account in ("", name) and (by_ns is None or expires_ns <= by_ns):
                now_ms = ms(self._exchange.clock.now_ns())
                self._tell(name, {"e": "listenKeyExpired", "E": now_ms, "listenKey": key})
                self._outlets.pop(name, None)
                del self._keys[key]

    # -- sockets ---------------------------------------------------------------------------------

    def open_socket(self, path: str, outlet: Outlet) -> Callable[[], None] | None:
        """None when the path holds no key that lives; otherwise what to call at its end."""
        parts = urlsplit(path)
        named = [*parse_qs(parts.query).get("listenKey", []), parts.path.rpartition("/")[2]]
        for key in named:
            if key in self._keys:
                account = self._keys[key][0]
                self._outlets[account][outlet.number] = outlet
                return lambda: self._leave(account, outlet.number)
        return None

    def _leave(self, account: str, number: int) -> None:
        self._outlets[account].pop(number, None)

    # -- what the core tells ---------------------------------------------------------------------

    def on_order(self, order: Order, change: str, trade: Trade | None) -> None:
        if order.kind.has_trigger and (order.is_parked or change == "TRIGGERED"):
            self._tell(order.account, algo_event(order))
            if order.is_parked:
                return
        if trade is not None:
            self.touch(order.account, order.symbol)
            self._tell(order.account, trade_lite_event(order, trade))
        self._tell(order.account, order_event(order, change, trade))
        if order.kind.has_trigger and not order.status.is_open:
            self._tell(order.account, algo_event(order))

    def touch(self, account: str, symbol: str, reason: str = "") -> None:
        """Its position there is to be told with the next balances."""
        self._touched[account][symbol] = None
        if reason:
            self._reasons[account] = reason

    def note_reason(self, account: str, reason: str) -> None:
        self._reasons[account] = reason

    def on_balances(self, account: str, assets: Iterable[str]) -> None:
        now_ms = ms(self._exchange.clock.now_ns())
        held = {asset: text(self._exchange.wallets.held(account, asset)) for asset in assets}
        data = {
            "m": self._reasons.pop(account, "ORDER"),
            "B": [
                {"a": asset, "wb": amount, "cw": amount, "bc": "0"}
                for asset, amount in held.items()
            ],
            "P": [self._position(account, symbol) for symbol in self._touched.pop(account, {})],
        }
        self._tell(account, {"e": "ACCOUNT_UPDATE", "E": now_ms, "T": now_ms, "a": data})

    def _position(self, account: str, symbol: str) -> dict[str, str]:
        holding = self._margin.holding(account, symbol)
        unrealized = holding.unrealized(self._exchange.listings[symbol].reference)
        return {
            "s": symbol,
            "pa": text(holding.qty),
            "ep": text(holding.entry),
            "bep": text(holding.entry),
            "cr": "0",
            "up": text(unrealized),
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }

    def _tell(self, account: str, event: dict[str, Any]) -> None:
        outlets = self._outlets.get(account)
        if outlets:
            payload = encode(event)
            for outlet in list(outlets.values()):
                outlet.send("user", str(event["e"]), payload, account)
