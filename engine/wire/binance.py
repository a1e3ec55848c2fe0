"""Binance's public messages: bytes in, one typed struct out. Pure.

A message is what a socket brought, bare or in a combined stream's envelope, or the answer of the
REST depth request. Field names are ours; the letters are Binance's.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated

import msgspec

from engine.domain.errors import BadInput, shorten
from engine.domain.instrument import InstrumentKind

Id = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
Millis = Annotated[int, msgspec.Meta(ge=0, lt=1 << 42)]
"""Milliseconds since 1970; the bound is the year 2109 and catches micro- and nanoseconds."""
Levels = list[tuple[str, str]]
"""(price, quantity) as the venue's decimal text."""

NS_PER_MS = 1_000_000
NOTHING = msgspec.Raw(b"")
"""A field that is not there."""


class Market(enum.StrEnum):
    """Binance's three order books of one name; the value is our venue name."""

    SPOT = "binance_spot"
    USDM = "binance_usdm"
    COINM = "binance_coinm"

    @property
    def kind(self) -> InstrumentKind:
        return _KINDS[self]


_KINDS = {
    Market.SPOT: InstrumentKind.SPOT,
    Market.USDM: InstrumentKind.LINEAR,
    Market.COINM: InstrumentKind.INVERSE,
}


class DepthDiff(msgspec.Struct, gc=False):
    """Changed levels, whole quantities. `T`, `pu` and `ps` only on futures.

    {"e":"depthUpdate","E":1723161257440,"T":1723161257432,"s":"BTCUSD_PERP","ps":"BTCUSD",
     "U":1007198631260,"u":1007198631565,"pu":1007198631198,
     "b":[["61773.6","1001"],["61778.7","0"]],"a":[["61801.4","0"]]}
    {"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,
     "b":[["61737.63000000","0.00000000"]],"a":[["61837.64000000","1.54698000"]]}
    """

    event_ms: Millis = msgspec.field(name="E")
    symbol: str = msgspec.field(name="s")
    first_id: Id = msgspec.field(name="U")
    last_id: Id = msgspec.field(name="u")
    bids: Levels = msgspec.field(name="b")
    asks: Levels = msgspec.field(name="a")
    transaction_ms: Millis = msgspec.field(name="T", default=0)
    previous_id: int = msgspec.field(name="pu", default=-1)
    pair: str = msgspec.field(name="ps", default="")
    """On COIN-M the pair, BTCUSD; USD-M repeats the symbol in some of its versions."""

    @property
    def market(self) -> Market:
        if self.pair not in ("", self.symbol):
            return Market.COINM
        return Market.SPOT if self.previous_id < 0 else Market.USDM

    @property
    def follows_id(self) -> int:
        """The update id that the book must stand at for this diff to join without a hole."""
        return self.first_id - 1 if self.previous_id < 0 else self.previous_id

    @property
    def ts_exch_ns(self) -> int:
        return (self.transaction_ms or self.event_ms) * NS_PER_MS


class Trade(msgspec.Struct, gc=False):
    """One trade. `m`: the buyer was the maker, so the aggressor sold. `X` only on futures.

    {"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,
     "p":"61800.30","q":"0.006","X":"MARKET","m":false}
    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",
     "q":"0.02000000","T":1723161255342,"m":true,"M":true}
    """

    symbol: str = msgspec.field(name="s")
    trade_id: Id = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    trade_ms: Millis = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")
    order_kind: str = msgspec.field(name="X", default="MARKET")
    """Anything but MARKET did not happen in the order book (insurance fund, deleveraging)."""


class AggregateTrade(msgspec.Struct, gc=False):
    """Trades of one taker at one price. Its id is its own, `f` and `l` are the trades in it.

    {"e":"aggTrade","E":1723161256322,"s":"BTCUSDT","a":3106714322,"p":"61837.63000000",
     "q":"0.02000000","f":3735683259,"l":3735683259,"T":1723161255342,"m":true,"M":true}
    """

    symbol: str = msgspec.field(name="s")
    trade_id: Id = msgspec.field(name="a")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    first_id: Id = msgspec.field(name="f")
    last_id: Id = msgspec.field(name="l")
    trade_ms: Millis = msgspec.field(name="T")
    buyer_is_maker: bool = msgspec.field(name="m")


class BookTicker(msgspec.Struct, gc=False):
    """Best bid and ask after update `u`. Spot gives no time.

    {"u":1007198632021,"e":"bookTicker","s":"BTCUSD_PERP","ps":"BTCUSD","b":"61804.7","B":"35",
     "a":"61804.8","A":"1645","T":1723161257465,"E":1723161257476}
    {"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",
     "a":"61837.64000000","A":"1.54698000"}
    """

    symbol: str = msgspec.field(name="s")
    update_id: Id = msgspec.field(name="u")
    bid: str = msgspec.field(name="b")
    bid_quantity: str = msgspec.field(name="B")
    ask: str = msgspec.field(name="a")
    ask_quantity: str = msgspec.field(name="A")
    transaction_ms: Millis = msgspec.field(name="T", default=0)
    event: str = msgspec.field(name="e", default="")
    pair: str = msgspec.field(name="ps", default="")

    @property
    def market(self) -> Market:
        if self.pair not in ("", self.symbol):
            return Market.COINM
        return Market.USDM if self.event else Market.SPOT


class BookSnapshot(msgspec.Struct, gc=False):
    """The whole book as the REST request gave it. `T` only on futures, names only on COIN-M.

    {"lastUpdateId":1007198635033,"E":1723161257835,"T":1723161257823,"symbol":"BTCUSD_PERP",
     "pair":"BTCUSD","bids":[["61804.7","35"]],"asks":[["61804.8","1645"]]}
    """

    last_id: Id = msgspec.field(name="lastUpdateId")
    bids: Levels
    asks: Levels
    transaction_ms: Millis = msgspec.field(name="T", default=0)
    symbol: str = ""


Message = DepthDiff | Trade | BookTicker | BookSnapshot


class Notice(msgspec.Struct, gc=False):
    """What is no market data: the answer to a request, or word of the connection itself.

    {"result":null,"id":1}
    {"error":{"code":2,"msg":"Invalid request: invalid stream"},"id":1}
    {"e":"serverShutdown","E":1770123456789}
    """

    request_id: int | str | None = msgspec.field(name="id", default=None)
    error: msgspec.Raw = NOTHING
    event: str = msgspec.field(name="e", default="")


class _Envelope(msgspec.Struct, gc=False):
    stream: str = ""
    last_id: int = msgspec.field(name="lastUpdateId", default=-1)


class _Frame(msgspec.Struct, gc=False):
    stream: str = ""
    data: msgspec.Raw = NOTHING
    event: str = msgspec.field(name="e", default="")
    ask_size: msgspec.Raw = msgspec.field(name="A", default=NOTHING)


class _DepthEnvelope(msgspec.Struct, gc=False):
    data: DepthDiff


class _TradeEnvelope(msgspec.Struct, gc=False):
    data: Trade


class _TickerEnvelope(msgspec.Struct, gc=False):
    data: BookTicker


_AnyEnvelope = _DepthEnvelope | _TradeEnvelope | _TickerEnvelope
_Decode = Callable[[bytes], _AnyEnvelope]

Event = DepthDiff | Trade | AggregateTrade | BookTicker | Notice

_frame = msgspec.json.Decoder(_Frame).decode
_notice = msgspec.json.Decoder(Notice).decode
_ticker = msgspec.json.Decoder(BookTicker).decode
_decode_event: dict[str, Callable[[bytes | msgspec.Raw], Event]] = {
    "depthUpdate": msgspec.json.Decoder(DepthDiff).decode,
    "trade": msgspec.json.Decoder(Trade).decode,
    "aggTrade": msgspec.json.Decoder(AggregateTrade).decode,
    "bookTicker": _ticker,
}

_envelope = msgspec.json.Decoder(_Envelope).decode
_snapshot = msgspec.json.Decoder(BookSnapshot).decode
_decode_kind: dict[str, _Decode] = {
    "depth": msgspec.json.Decoder(_DepthEnvelope).decode,
    "trade": msgspec.json.Decoder(_TradeEnvelope).decode,
    "bookTicker": msgspec.json.Decoder(_TickerEnvelope).decode,
}
_decode_head: dict[bytes, _Decode] = {}
"""Beginnings of messages, up to their data, that have been seen: saves reading them twice."""
_MAX_HEADS = 64


def decode_message(body: bytes) -> Message:
    head = body[: body.find(b'"data"')]
    decode = _decode_head.get(head)
    if decode is not None:
        return decode(body).data
    envelope = _envelope(body)
    if not envelope.stream:
        if envelope.last_id < 0:
            raise BadInput("message", excerpt(body), "neither a stream nor an order book")
        return _snapshot(body)
    kind = envelope.stream.partition("@")[2].partition("@")[0]
    decode = _decode_kind.get(kind)
    if decode is None:
        raise BadInput(
            "stream", shorten(envelope.stream), "unknown; known are depth, trade and bookTicker"
        )
    if head.startswith(b'{"stream":') and len(_decode_head) < _MAX_HEADS:
        _decode_head[head] = decode
    return decode(body).data


def decode_frame(frame: bytes) -> Event:
    """What a socket brought, bare or in a combined stream's envelope; a `Notice` for whatever is
    none of our events.

    Raises msgspec.DecodeError for bad JSON, ValidationError for a field of the wrong type.
    """
    found = _frame(frame)
    body: bytes | msgspec.Raw = frame
    if found.stream and bytes(found.data):
        body = found.data
        found = _frame(body)
    decode = _decode_event.get(found.event)
    if decode is not None:
        return decode(body)
    # Spot's bookTicker alone does not say what it is.
    return _ticker(body) if bytes(found.ask_size) and not found.event else _notice(body)


_book = msgspec.json.Decoder(BookSnapshot).decode


def decode_book(answer: bytes) -> BookSnapshot:
    """The answer of the REST depth request; raises as `decode_frame`."""
    return _book(answer)


def excerpt(raw: bytes) -> str:
    return raw[:80].decode("utf-8", "replace")
