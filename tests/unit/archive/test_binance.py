"""The parser's docstrings hold raw samples; the same samples are its test input."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from engine.archive.capture_line import decode_line
from engine.domain.errors import BadInput
from engine.wire.binance import (
    BookSnapshot,
    BookTicker,
    DepthDiff,
    Market,
    Message,
    Trade,
    decode_message,
)

STAMP = b"1723161255030314667 "


def samples(kind: type[Message]) -> list[str]:
    found = re.findall(r"^\{.*?\}$", kind.__doc__ or "", re.DOTALL | re.MULTILINE)
    found = found or re.findall(r"\{\"[^}]*\}", kind.__doc__ or "")
    return [" ".join(sample.split()) for sample in found]


def decoded(stream: str, sample: str) -> Message:
    body = json.dumps({"stream": f"btcusdt@{stream}", "data": json.loads(sample)})
    stamp, message = decode_line(STAMP + body.encode())
    assert stamp == 1723161255030314667
    return message


def test_depth_samples() -> None:
    coinm, spot = (decoded("depth@0ms", sample) for sample in samples(DepthDiff))
    assert isinstance(coinm, DepthDiff)
    assert isinstance(spot, DepthDiff)

    assert (coinm.market, coinm.follows_id) == (Market.COINM, 1007198631198)
    assert coinm.ts_exch_ns == 1723161257432_000_000
    assert coinm.bids == [("61773.6", "1001"), ("61778.7", "0")]
    assert (spot.market, spot.follows_id) == (Market.SPOT, 50093239188)
    assert spot.ts_exch_ns == 1723161255208_000_000


def test_trade_samples() -> None:
    usdm, spot = (decoded("trade", sample) for sample in samples(Trade))
    assert isinstance(usdm, Trade)
    assert isinstance(spot, Trade)

    assert (usdm.price, usdm.quantity, usdm.buyer_is_maker) == ("61800.30", "0.006", False)
    assert (usdm.order_kind, spot.order_kind) == ("MARKET", "MARKET")
    assert spot.buyer_is_maker


def test_ticker_samples() -> None:
    coinm, spot = (decoded("bookTicker", sample) for sample in samples(BookTicker))
    assert isinstance(coinm, BookTicker)
    assert isinstance(spot, BookTicker)

    assert (coinm.market, spot.market) == (Market.COINM, Market.SPOT)
    assert (spot.bid, spot.ask_quantity) == ("61837.63000000", "1.54698000")


def test_snapshot_sample() -> None:
    (sample,) = samples(BookSnapshot)
    _, snapshot = decode_line(STAMP + sample.encode())

    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.last_id, snapshot.symbol) == (1007198635033, "BTCUSD_PERP")


@pytest.mark.parametrize("stamp", [b"", b"1723161255030", b"17231612550303146670", b"x" * 19])
def test_wrong_receive_times_are_refused(stamp: bytes) -> None:
    with pytest.raises(BadInput, match="19 digits"):
        decode_line(stamp + b' {"stream":"btcusdt@trade","data":{}}')


def test_unknown_streams_and_messages_are_refused() -> None:
    with pytest.raises(BadInput, match="kline_1m: unknown"):
        decode_message(b'{"stream":"btcusdt@kline_1m","data":{}}')
    with pytest.raises(BadInput, match="neither a stream nor an order book"):
        decode_message(b'{"result":null,"id":1}')


def test_microseconds_for_milliseconds_are_refused() -> None:
    sample = samples(Trade)[0].replace("1723161256322", "1723161256322000")
    with pytest.raises(msgspec.ValidationError):
        decoded("trade", sample)
