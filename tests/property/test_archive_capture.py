"""A made-up venue is recorded the way real ones are; what comes out must be its book again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from engine.archive.check import check_recording
from engine.archive.importer import read_capture
from engine.archive.plain_book import Book
from engine.archive.recording import to_rows
from engine.domain.errors import BadInput
from engine.kernels.layout import BUY, ROW_CLEAR, ROW_TRADE, Rows
from engine.wire.decimals import StepTexts, split_decimal
from tests.support.captures import CaptureWriter, small_capture

Changes = list[tuple[int, int]]
"""(distance from the middle in ticks, lots)"""
Sides = tuple[dict[int, int], dict[int, int]]
"""Bids and asks, ticks -> lots."""

PER_EXAMPLE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

levels = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=4)
diffs = st.lists(st.tuples(levels, levels), min_size=2, max_size=25)


def price(ticks: int) -> str:
    return f"{ticks // 10}.{ticks % 10}0"


def text(side: dict[int, int]) -> list[tuple[str, str]]:
    return [(price(ticks), f"{lots / 1000:.3f}") for ticks, lots in side.items()]


class Venue:
    """Bids below 6,000.00, asks from there on; every diff has the next five update ids."""

    def __init__(self) -> None:
        self.book: Sides = ({59_980: 1}, {60_020: 1})
        self.last_id = 10

    def change(self, bids: Changes, asks: Changes) -> Sides:
        changed: Sides = (
            {59_999 - offset: lots for offset, lots in bids},
            {60_000 + offset: lots for offset, lots in asks},
        )
        for book, side in zip(self.book, changed, strict=True):
            book.update(side)
            for ticks in [ticks for ticks, lots in book.items() if lots == 0]:
                del book[ticks]
        self.last_id += 5
        return changed

    def touch(self) -> tuple[tuple[str, str], tuple[str, str]]:
        bid, ask = max(self.book[0]), min(self.book[1])
        return text({bid: self.book[0][bid]})[0], text({ask: self.book[1][ask]})[0]


@PER_EXAMPLE
@given(diffs=diffs, data=st.data(), futures=st.booleans())
def test_the_rebuilt_book_is_the_venues(
    tmp_path: Path,
    diffs: list[tuple[list[tuple[int, int]], ...]],
    data: st.DataObject,
    futures: bool,
) -> None:
    asked = data.draw(st.integers(0, len(diffs) - 2), label="snapshot taken after diff")
    answered = data.draw(st.integers(asked, len(diffs) - 2), label="snapshot received after diff")
    writer, venue = CaptureWriter(futures=futures), Venue()
    snapshot: tuple[int, Sides] | None = None
    for number, (bids, asks) in enumerate(diffs):
        bid_side, ask_side = venue.change(bids, asks)
        writer.diff(venue.last_id, text(bid_side), text(ask_side), after=venue.last_id - 5)
        writer.ticker(venue.last_id, *venue.touch())
        if number == asked:
            snapshot = (venue.last_id, (dict(venue.book[0]), dict(venue.book[1])))
        if number == answered:
            assert snapshot is not None
            writer.snapshot(snapshot[0], text(snapshot[1][0]), text(snapshot[1][1]))

    recording = read_capture([writer.write(tmp_path / "a.gz")])
    report = check_recording(recording)

    assert report.defects == []
    assert report.ticker_match.different == 0
    scale = 1 if futures else 10
    for keep_early in (True, False):
        rows = to_rows(recording, keep_early=keep_early)
        by_venue_time = rows[np.argsort(rows["ts_exch_ns"], kind="stable")]
        assert replayed(rows).touch() == best_of_venue(venue, scale)
        assert replayed(by_venue_time).touch() == best_of_venue(venue, scale)


def replayed(rows: Rows) -> Book:
    """`rows` applied one by one, in plain Python."""
    book = Book()
    for row in rows.tolist():
        _, _, ticks, lots, kind, side = row
        if kind == ROW_CLEAR:
            held = book.bids if side == BUY else book.asks
            for old in [old for old in held if (old >= ticks if side == BUY else old <= ticks)]:
                book.put(side, old, 0)
        elif kind != ROW_TRADE:
            book.put(side, ticks, lots)
    return book


def best_of_venue(venue: Venue, scale: int) -> tuple[int, int, int, int]:
    """Spot has a tick of 0.01 and a lot of 0.00001, USD-M 0.1 and 0.001."""
    bid, ask = max(venue.book[0]), min(venue.book[1])
    lot_scale = 1 if scale == 1 else 100
    bid_lots, ask_lots = venue.book[0][bid] * lot_scale, venue.book[1][ask] * lot_scale
    return bid * scale, bid_lots, ask * scale, ask_lots


@PER_EXAMPLE
@given(data=st.data())
def test_damaged_captures_are_refused_in_one_line_or_read(
    tmp_path: Path, data: st.DataObject
) -> None:
    raw = bytearray(small_capture().text().encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                raw[place] = data.draw(st.integers(0, 255))
            case 1:
                del raw[place : place + data.draw(st.integers(1, 50))]
            case _:
                raw[place:place] = data.draw(st.binary(max_size=20))
    path = tmp_path / "a.txt"
    path.write_bytes(raw)

    assert "\n" not in complaint(path)


def complaint(path: Path) -> str:
    """What the import says against a file; any other exception fails the test."""
    try:
        check_recording(read_capture([path]))
    except BadInput as error:
        return str(error)
    return ""


@given(st.text(alphabet="0123456789.-+eENnaif_ ", max_size=12) | st.text(max_size=5))
def test_decimal_text_is_exact_or_refused(text: str) -> None:
    try:
        digits, places = split_decimal(text)
    except ValueError:
        return
    assert Decimal(digits).scaleb(-places) == Decimal(text)


@given(
    steps=st.integers(0, 10**12),
    step=st.sampled_from(["0.1", "0.00001", "0.25", "1", "50", "0.00000001"]),
    zeros=st.integers(0, 4),
)
def test_every_multiple_of_a_step_comes_back(steps: int, step: str, zeros: int) -> None:
    value = format(Decimal(step) * steps, "f")
    value = value if "." in value else f"{value}.0"

    assert StepTexts("price", Decimal(step))[value + "0" * zeros] == steps


@given(size=st.decimals("0.0000001", "1000", places=7))
def test_rounded_sizes_are_nearest_and_never_zero(size: Decimal) -> None:
    lots = StepTexts("quantity", Decimal("0.001"), rounds=True)[format(size, "f")]

    assert lots >= 1
    assert lots == 1 or abs(lots * Decimal("0.001") - size) <= Decimal("0.0005")


def test_a_price_between_two_ticks_is_never_rounded() -> None:
    with pytest.raises(BadInput):
        StepTexts("price", Decimal("0.1"))["0.15"]
