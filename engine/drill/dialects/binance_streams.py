"""Binance's market streams: subscriptions of many sockets, and what each stream sends when.

Frames are encoded once per stream, however many listen. Futures say the same with other fields;
`StreamWords` is what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from engine.drill.dialects.binance_spot_public import WIDTHS_NS
from engine.drill.exchange import Exchange
from engine.drill.listing import Listing, Print
from engine.drill.ports import Outlet
from engine.drill.units import text

encode = msgspec.json.Encoder().encode
SECOND_NS = 1_000_000_000
CHANGES_KEPT = 20_000
STREAMS_MAX = 1024
_NAME = re.compile(
    r"(?P<symbol>[a-z0-9]+)@(?P<kind>depth(?P<levels>5|10|20)?|trade|aggTrade|bookTicker"
    r"|miniTicker|ticker|markPrice|kline_(?P<width>\d+[mhd]))(@(?P<every>\d+ms|1s))?"
)


class StreamWords(Protocol):
    """How a dialect writes its events. None: it has no such stream."""

    def depth_update(
        self, listing: Listing, first: int, last: int, before: int, levels: DepthLevels
    ) -> dict[str, Any]:
        """Update ids `first` to `last`; `before` is the last one of the event before."""

    def depth_snapshot(self, listing: Listing, levels: int) -> dict[str, Any]: ...

    def trade(self, listing: Listing, print_: Print) -> dict[str, Any]: ...

    def aggregate(self, listing: Listing, print_: Print) -> dict[str, Any]: ...

    def book_ticker(self, listing: Listing) -> dict[str, Any]: ...

    def ticker(self, listing: Listing, *, is_mini: bool) -> dict[str, Any]: ...

    def candle(self, listing: Listing, width: str, width_ns: int) -> dict[str, Any] | None: ...

    def mark_price(self, listing: Listing) -> dict[str, Any] | None: ...


DepthLevels = tuple[list[list[str]], list[list[str]]]
"""Bids and asks that have changed."""


class Stream:
    """One stream's name, taken apart, and where it is."""

    def __init__(self, name: str, listing: Listing, found: re.Match[str], depth_ns: int) -> None:
        self.name = name
        self.listing = listing
        self.kind = found["kind"].partition("_")[0]
        self.levels = int(found["levels"] or 0)
        if self.levels:
            self.kind = "snapshot"
        self.width = found["width"] or ""
        self.every_ns = _period_ns(self.kind, found["every"] or "", depth_ns)
        self.due_ns = 0
        self.sent_id = listing.update_id
        self.sent: bytes = b""
        """What was sent last, to send nothing that says the same."""
        self.outlets: dict[int, tuple[Outlet, bool]] = {}
        """By number; True: it wants its frames wrapped with the stream's name."""


def _period_ns(kind: str, every: str, depth_ns: int) -> int:
    if every == "1s":
        return SECOND_NS
    if every:
        return int(every.removesuffix("ms")) * 1_000_000
    if kind in ("depth", "snapshot"):
        return depth_ns
    if kind == "bookTicker":
        return 0
    return 3 * SECOND_NS if kind == "markPrice" else SECOND_NS


class StreamHub:
    """Listens to the core. `depth_ns`: how often depth comes where the name does not say."""

    def __init__(self, core: Exchange, words: StreamWords, depth_ns: int) -> None:
        self._core = core
        self._words = words
        self._depth_ns = depth_ns
        self._streams: dict[str, Stream] = {}
        self._arrays: dict[str, dict[int, tuple[Outlet, bool]]] = {}
        """`!miniTicker@arr` and the like."""
        self._arrays_due_ns = 0

    # -- subscribing -----------------------------------------------------------------------------

    def subscribe(self, name: str, outlet: Outlet, *, is_wrapped: bool) -> bool:
        """False: there is no such stream."""
        if name in ("!miniTicker@arr", "!ticker@arr"):
            self._arrays.setdefault(name, {})[outlet.number] = (outlet, is_wrapped)
            return True
        stream = self._streams.get(name) or self._open(name)
        if stream is None:
            return False
        stream.outlets[outlet.number] = (outlet, is_wrapped)
        return True

    def _open(self, name: str) -> Stream | None:
        found = _NAME.fullmatch(name)
        listing = self._core.listings.get(found["symbol"].upper()) if found else None
        if found is None or listing is None:
            return None
        if found["width"] and found["width"] not in WIDTHS_NS:
            return None
        stream = self._streams[name] = Stream(name, listing, found, self._depth_ns)
        return stream

    def unsubscribe(self, name: str, outlet: Outlet) -> None:
        if name in self._arrays:
            self._arrays[name].pop(outlet.number, None)
        stream = self._streams.get(name)
        if stream is not None:
            stream.outlets.pop(outlet.number, None)
            if not stream.outlets:
                del self._streams[name]

    # -- sending ---------------------------------------------------------------------------------

    def on_print(self, listing: Listing, print_: Print) -> None:
        for kind, write in (("trade", self._words.trade), ("aggTrade", self._words.aggregate)):
            stream = self._streams.get(f"{listing.rules.symbol.lower()}@{kind}")
            if stream is not None:
                self._send(stream, write(listing, print_))

    def on_step(self) -> None:
        now_ns = self._core.clock.monotonic_ns()
        for stream in self._streams.values():
            if now_ns >= stream.due_ns and stream.listing.is_running:
                stream.due_ns = now_ns + stream.every_ns
                self._publish(stream)
        if now_ns >= self._arrays_due_ns:
            self._arrays_due_ns = now_ns + SECOND_NS
            self._publish_arrays()
        for listing in self._core.listings.values():
            _prune(listing)

    def _publish(self, stream: Stream) -> None:
        kind, listing, words = stream.kind, stream.listing, self._words
        document: dict[str, Any] | None = None
        if kind == "depth":
            document = self._depth(stream)
        elif kind == "snapshot":
            document = words.depth_snapshot(listing, stream.levels)
        elif kind == "bookTicker":
            document = _if_new(stream, words.book_ticker(listing), skip=("u", "E", "T"))
        elif kind in ("miniTicker", "ticker"):
            document = words.ticker(listing, is_mini=kind == "miniTicker")
        elif kind == "kline":
            document = words.candle(listing, stream.width, WIDTHS_NS[stream.width])
        elif kind == "markPrice":
            document = words.mark_price(listing)
        if document is not None:
            self._send(stream, document)

    def _depth(self, stream: Stream) -> dict[str, Any] | None:
        listing, before = stream.listing, stream.sent_id
        if listing.update_id == before:
            return None
        stream.sent_id = listing.update_id
        levels = changed_levels(listing, before)
        return self._words.depth_update(listing, before + 1, listing.update_id, before, levels)

    def _publish_arrays(self) -> None:
        for name, outlets in self._arrays.items():
            if outlets:
                is_mini = name == "!miniTicker@arr"
                rows = [
                    self._words.ticker(listing, is_mini=is_mini)
                    for listing in self._core.listings.values()
                ]
                _fan_out(name, name, encode(rows), outlets.values())

    def _send(self, stream: Stream, document: dict[str, Any]) -> None:
        kind = document.get("e", stream.kind)
        _fan_out(stream.name, kind, encode(document), stream.outlets.values())


def _fan_out(name: str, kind: str, payload: bytes, outlets: Iterable[tuple[Outlet, bool]]) -> None:
    wrapped = b'{"stream":"' + name.encode() + b'","data":' + payload + b"}"
    for outlet, is_wrapped in outlets:
        outlet.send(name, kind, wrapped if is_wrapped else payload)


def _if_new(stream: Stream, document: dict[str, Any], skip: tuple[str, ...]) -> Any:
    """`document`, unless it says what was said last time."""
    said = encode([value for name, value in document.items() if name not in skip])
    if said == stream.sent:
        return None
    stream.sent = said
    return document


def changed_levels(listing: Listing, since_id: int) -> DepthLevels:
    """Levels that have changed after update `since_id`, as they are now; gone ones hold 0."""
    bids: list[list[str]] = []
    asks: list[list[str]] = []
    for (is_bid, price), update_id in reversed(listing.changed.items()):
        if update_id <= since_id:
            break
        book, rows = (listing.bids, bids) if is_bid else (listing.asks, asks)
        rows.append([text(price), text(book.total(price))])
    bids.sort(key=lambda row: float(row[0]), reverse=True)
    asks.sort(key=lambda row: float(row[0]))
    return bids, asks


def _prune(listing: Listing) -> None:
    """Forget changes that every stream has sent long ago."""
    if len(listing.changed) > 2 * CHANGES_KEPT:
        for key in list(listing.changed)[:CHANGES_KEPT]:
            del listing.changed[key]


class MarketSession:
    """One socket of market streams. `path`: `/ws`, `/ws/btcusdt@trade`, `/stream?streams=a/b`."""

    def __init__(self, hub: StreamHub, path: str, outlet: Outlet) -> None:
        self._hub = hub
        self._outlet = outlet
        self._names: dict[str, None] = {}
        place, _, query = path.partition("?")
        self._is_wrapped = place.rstrip("/").endswith("/stream")
        named = query.removeprefix("streams=") if query else place.rpartition("/ws")[2]
        for name in named.split("/"):
            if "@" in name:
                self._add(name)

    def _add(self, name: str) -> bool:
        is_there = self._hub.subscribe(name, self._outlet, is_wrapped=self._is_wrapped)
        if is_there:
            self._names[name] = None
        return is_there

    def on_text(self, text: str) -> None:
        try:
            asked = msgspec.json.decode(text)
            method, number = asked["method"], asked.get("id")
            names = asked.get("params", [])
        except (msgspec.DecodeError, TypeError, KeyError, AttributeError):
            self._answer({"error": {"code": 3, "msg": "Invalid JSON: expected value"}})
            return
        if method == "LIST_SUBSCRIPTIONS":
            self._answer({"result": list(self._names), "id": number})
            return
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE") or not is_list:
            words = "Invalid request: unknown variant, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`"
            self._answer({"error": {"code": 2, "msg": words}, "id": number})
            return
        # The acknowledgement comes first, then the data.
        if method == "SUBSCRIBE":
            if len(self._names) + len(names) > STREAMS_MAX:
                self._answer({"error": {"code": 2, "msg": "Too many streams"}, "id": number})
                return
            self._answer({"result": None, "id": number})
            for name in names:
                self._add(name)
        else:
            for name in names:
                self._names.pop(name, None)
                self._hub.unsubscribe(name, self._outlet)
            self._answer({"result": None, "id": number})

    def _answer(self, document: Any) -> None:
        self._outlet.send("answer", "", encode(document))

    def on_close(self) -> None:
        for name in self._names:
            self._hub.unsubscribe(name, self._outlet)
