"""Binance's public side: addresses, weights, words. Spot and USD-M differ in these alone.

Weights: developers.binance.com, "General endpoints" and "Market data" of both APIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument
from engine.domain.money import parse_decimal
from engine.domain.text import clean
from engine.venues.binance.frames import FRAME_BYTES_MAX, FrameReader
from engine.venues.feed_dialect import ListedState, Question
from engine.wire.binance import Market, excerpt

TRADING = "TRADING"
NEAR_BOOK_WEIGHT = 5


class _Api(NamedTuple):
    stream_url: str
    rest_url: str
    book_weight: int
    touch_weight: int
    trades_weight: int
    listing_weight: int
    has_listing_by_symbol: bool


_APIS = {
    Market.SPOT: _Api(
        stream_url="wss://stream.binance.com:9443/ws",
        rest_url="https://api.binance.com/api/v3",
        book_weight=50,
        touch_weight=5,
        trades_weight=25,
        listing_weight=20,
        has_listing_by_symbol=True,
    ),
    Market.USDM: _Api(
        stream_url="wss://fstream.binance.com/public/ws",
        rest_url="https://fapi.binance.com/fapi/v1",
        book_weight=20,
        touch_weight=2,
        trades_weight=5,
        listing_weight=1,
        has_listing_by_symbol=False,
    ),
}


class BinanceFeed:
    """`engine.venues.feed_dialect.FeedDialect` of one of Binance's markets."""

    frame_bytes_max = FRAME_BYTES_MAX

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self._market = Market(venue)
        self._api = _APIS[self._market]
        self.stream_url = self._api.stream_url

    def reader(self, instrument: Instrument) -> FrameReader:
        return FrameReader(instrument)

    def subscription(self, instrument: Instrument) -> str:
        name = instrument.symbol.lower()
        streams = [f"{name}@depth@100ms", f"{name}@trade"]
        return msgspec.json.encode({"method": "SUBSCRIBE", "params": streams, "id": 1}).decode()

    def book(self, instrument: Instrument) -> Question:
        return self._ask(f"depth?symbol={instrument.symbol}&limit=1000", self._api.book_weight)

    def near_book(self, instrument: Instrument) -> Question:
        return self._ask(f"depth?symbol={instrument.symbol}&limit=100", NEAR_BOOK_WEIGHT)

    def touch(self, instrument: Instrument) -> Question:
        return self._ask(f"depth?symbol={instrument.symbol}&limit=5", self._api.touch_weight)

    def trades(self, instrument: Instrument) -> Question:
        return self._ask(f"trades?symbol={instrument.symbol}&limit=100", self._api.trades_weight)

    def listing(self, instruments: Sequence[Instrument]) -> Question:
        query = ""
        if self._api.has_listing_by_symbol:
            names = ",".join(f"%22{instrument.symbol}%22" for instrument in instruments)
            query = f"?symbols=%5B{names}%5D"
        return self._ask(f"exchangeInfo{query}", self._api.listing_weight)

    def read_listing(self, answer: bytes, instruments: Sequence[Instrument]) -> list[ListedState]:
        try:
            listed = {item.symbol: item for item in _decode_listing(answer).symbols}
        except msgspec.DecodeError as error:
            raise BadInput("exchangeInfo", excerpt(answer), str(error)) from None
        return [_state_of(instrument, listed.get(instrument.symbol)) for instrument in instruments]

    def _ask(self, path: str, weight: int) -> Question:
        return Question(f"{self._api.rest_url}/{path}", weight)


class _Filter(msgspec.Struct):
    kind: str = msgspec.field(name="filterType")
    tick: str = msgspec.field(name="tickSize", default="")
    step: str = msgspec.field(name="stepSize", default="")


class _Listed(msgspec.Struct):
    """One symbol of exchangeInfo; futures say `contractStatus` beside `status`."""

    symbol: Annotated[str, msgspec.Meta(max_length=80)]
    status: str
    filters: list[_Filter]


class _Listing(msgspec.Struct):
    symbols: list[_Listed]


_decode_listing = msgspec.json.Decoder(_Listing).decode


def _state_of(instrument: Instrument, listed: _Listed | None) -> ListedState:
    if listed is None:
        return ListedState(instrument, "the venue lists it no more")
    halt = "" if listed.status == TRADING else f"its status is {clean(listed.status, 40)}"
    tick, lot = instrument.tick, instrument.lot
    for item in listed.filters:
        if item.kind == "PRICE_FILTER" and item.tick:
            tick = _step("tickSize", item.tick) or tick
        elif item.kind == "LOT_SIZE" and item.step:
            lot = _step("stepSize", item.step) or lot
    if (tick, lot) == (instrument.tick, instrument.lot):
        return ListedState(instrument, halt)
    return ListedState(msgspec.structs.replace(instrument, tick=tick, lot=lot), halt)


def _step(field: str, text: str) -> Decimal:
    """Zero switches a filter off."""
    return parse_decimal(field, text)
