"""The kernel that reads frames and the typed decoder are one meaning: what the kernel takes, the
decoder reads the same; what the decoder refuses, the kernel never takes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import BadInput
from engine.domain.instrument import Instrument, InstrumentKind
from engine.kernels import frames as kernel
from engine.kernels import layout as k
from engine.venues.binance.frames import FrameReader
from engine.wire.decimals import MAX_STEPS, Step, StepTexts


def instrument(venue: str, tick: str, lot: str) -> Instrument:
    return Instrument(
        instrument_id=f"{venue}.BTCUSDT",
        venue=venue,
        symbol="BTCUSDT",
        kind=InstrumentKind.SPOT if venue == "binance_spot" else InstrumentKind.LINEAR,
        base="BTC",
        quote="USDT",
        tick=Decimal(tick),
        lot=Decimal(lot),
    )


STEPS = ("0.01", "0.00001", "1", "0.5", "0.25", "10", "0.000005")
READERS = {
    (venue, tick): FrameReader(instrument(venue, tick, "0.00001"))
    for venue in ("binance_spot", "binance_usdm")
    for tick in STEPS
}


def both_roads(reader: FrameReader, raw: bytes) -> tuple[Any, Any]:
    """What the kernel found and what the decoder did: (frame, rows), None, or the field refused."""
    rows = np.zeros(64, k.ROW)
    quick = kernel.read_frame(raw, b"BTCUSDT", reader._tick_scales, reader._lot_scales, rows, 77)
    kernels = (quick, rows[: quick[1]].tolist()) if quick[0] else None
    try:
        typed = reader._read_typed(raw, 77)
    except BadInput as error:
        return kernels, error.field
    return kernels, (tuple(typed), reader.rows[: typed.rows].tolist())


def agree(reader: FrameReader, raw: bytes) -> bool:
    """Whether the kernel took it. What it takes must be what the decoder says."""
    kernels, typed = both_roads(reader, raw)
    if kernels is None:
        return False
    assert kernels == typed
    return True


texts = st.one_of(
    st.decimals("0", "1000000", places=8).map(lambda number: format(number, "f")),
    st.decimals("0", "100000", places=2).map(lambda number: format(number, "f")),
    st.integers(0, 10**6).map(str),
    st.sampled_from(
        ["", ".", "1.", ".5", "-1", "+1", "1e400", "NaN", "Infinity", "0x10", "1_0", " 1", "1 ",
         "00.10", "007", "1" * 18, "1" * 19, "0." + "0" * 17 + "1", "9" * 30, "1.2.3", "١",
         "0.00000000", "1000000000000000", "1000000000000001"]
    ),
)  # fmt: skip
levels = st.lists(st.tuples(texts, texts), max_size=8)
good = st.decimals("0.01", "900000", places=2).map(lambda number: format(number, "f"))
good_levels = st.lists(st.tuples(good, good), max_size=8)
ids = st.one_of(st.integers(0, 10**13), st.integers(-2, 2**64))
millis = st.one_of(st.integers(1_600_000_000_000, 1_800_000_000_000), ids)


def depth(draw_levels: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "e": st.just("depthUpdate"),
            "E": millis,
            "s": st.sampled_from(["BTCUSDT", "BTCUSDT", "ETHUSDT", 'BTC"', "ГAZ"]),
            "U": ids,
            "u": ids,
            "b": draw_levels,
            "a": draw_levels,
        }
    )


def futures(message: dict[str, Any], made_ms: int, previous: int) -> dict[str, Any]:
    """In the order in which futures tell it."""
    head = {name: message[name] for name in ("e", "E")}
    ids_ = {name: message[name] for name in ("s", "U", "u")}
    sides = {name: message[name] for name in ("b", "a")}
    # Newer versions repeat the symbol as the pair.
    pair = {"ps": message["s"], "st": 1} if made_ms % 2 else {}
    symbol = {"s": ids_.pop("s")}
    return {**head, "T": made_ms, **symbol, **pair, **ids_, "pu": previous, **sides}


def trades(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    head = {"E": millis, "s": st.just("BTCUSDT")}
    ends = {"T": millis, "m": st.booleans(), "M": st.booleans()}
    spot = {"e": st.just("trade"), **head, "t": ids, "p": text, "q": text, **ends}
    usdm = {
        "e": st.just("trade"), "E": millis, "T": millis, "s": st.just("BTCUSDT"), "t": ids,
        "p": text, "q": text, "X": st.sampled_from(["MARKET", "NA"]), "m": st.booleans(),
    }  # fmt: skip
    total = {
        "e": st.just("aggTrade"), **head, "a": ids, "p": text, "q": text, "f": ids, "l": ids,
        **ends,
    }  # fmt: skip
    return st.one_of(*(st.fixed_dictionaries(shape) for shape in (spot, usdm, total)))


def packed(message: dict[str, Any], *, wrapped: bool) -> bytes:
    body = {"stream": "btcusdt@x", "data": message} if wrapped else message
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


@given(depth(levels), millis, ids, st.booleans(), st.sampled_from(STEPS))
def test_any_depth(
    message: dict[str, Any], made_ms: int, previous: int, wrapped: bool, tick: str
) -> None:
    agree(READERS["binance_spot", tick], packed(message, wrapped=wrapped))
    usdm = futures(message, made_ms, previous)
    agree(READERS["binance_usdm", tick], packed(usdm, wrapped=wrapped))


@given(trades(texts), st.booleans(), st.sampled_from(STEPS))
def test_any_trade(message: dict[str, Any], wrapped: bool, tick: str) -> None:
    agree(READERS["binance_usdm", tick], packed(message, wrapped=wrapped))


@given(depth(good_levels), st.integers(1, 10**12), st.integers(1, 10**6), st.booleans())
def test_ordinary_frames_take_the_quick_road(
    message: dict[str, Any], first: int, more: int, wrapped: bool
) -> None:
    made_ms = 1_700_000_000_000
    message |= {"s": "BTCUSDT", "U": first, "u": first + more, "E": made_ms}
    message = {name: message[name] for name in ("e", "E", "s", "U", "u", "b", "a")}
    assert agree(READERS["binance_spot", "0.01"], packed(message, wrapped=wrapped))
    for later_ms in (0, 1):
        usdm = futures(message, made_ms + later_ms, first - 1)
        assert agree(READERS["binance_usdm", "0.01"], packed(usdm, wrapped=wrapped))


DEPTH_SAMPLE = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT",'
    b'"U":50093239189,"u":50093239202,"b":[["61737.63000000","0.00000000"]],'
    b'"a":[["61837.64000000","1.54698000"],["61839.85000000","0.00000000"]]}}'
)
TRADE_SAMPLE = (
    b'{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,'
    b'"p":"61800.30","q":"0.006","X":"MARKET","m":false}'
)


@pytest.mark.parametrize("sample", [DEPTH_SAMPLE, TRADE_SAMPLE])
@given(data=st.data())
def test_damaged_bytes(sample: bytes, data: st.DataObject) -> None:
    """Bytes changed, lost, doubled, cut: declined, or read as the decoder reads them."""
    raw = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        match data.draw(st.sampled_from(["change", "lose", "double", "cut"])):
            case "change":
                raw[at : at + 1] = bytes(
                    [data.draw(st.one_of(st.integers(0, 255), st.sampled_from(list(b'0".,:[]{}'))))]
                )
            case "lose":
                del raw[at : at + data.draw(st.integers(1, 5))]
            case "double":
                raw[at:at] = raw[at : at + data.draw(st.integers(1, 30))]
            case _:
                del raw[at:]
    venue = "binance_spot" if sample is DEPTH_SAMPLE else "binance_usdm"
    agree(READERS[venue, "0.01"], bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    for head in (b"", b'{"e":"trade",', b'{"e":"depthUpdate",', b'{"stream":"x","data":'):
        agree(READERS["binance_spot", "0.01"], head + raw)


@given(texts, st.sampled_from(STEPS), st.booleans())
def test_steps_are_those_of_decimals(text: str, step: str, rounds: bool) -> None:
    """The kernel's integers are what exact decimal arithmetic gives, or it declines."""
    scales = kernel.step_scales(*Step.of(Decimal(step)))
    raw = text.encode() + b'"'
    steps, end, _ = kernel.steps_of(raw, 0, scales, rounds)
    if steps < 0:
        return
    assert end == len(raw)
    exact = Decimal(text) / Decimal(step)
    if exact == exact.to_integral_value():
        assert steps == exact
    else:
        assert rounds
        assert abs(steps - exact) <= Decimal("0.5") or steps == 1
    assert steps == StepTexts("x", Decimal(step), rounds=rounds)[text]
    assert steps <= MAX_STEPS


@given(st.integers(0, 10**9), st.sampled_from(STEPS))
def test_multiples_of_the_step_are_read(count: int, step: str) -> None:
    text = format(Decimal(step) * count, "f")
    steps, _, is_rounded = kernel.steps_of(
        text.encode() + b'"', 0, kernel.step_scales(*Step.of(Decimal(step))), False
    )
    assert (steps, is_rounded) == (count, False)
