"""What the market feed must be told about a first-class venue: addresses, words, how to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from engine.domain.instrument import Instrument
from engine.kernels.layout import Rows

Read = tuple[int, int, int, int, int, int]
"""(FRAME_ code, rows, previous id, last id, venue ms, sizes rounded); see `kernels.frames`."""


class Question(NamedTuple):
    """A public GET. `weight` is what it costs of the venue's rate limit."""

    url: str
    weight: int


class BookAnswer(NamedTuple):
    """A whole book, as rows: ROW_CLEARs, then ROW_SNAPSHOTs best first."""

    last_id: int
    rows: Rows


class TradeAnswer(NamedTuple):
    trade_id: int
    venue_ms: int
    rows: Rows


class ListedState(NamedTuple):
    """What the venue says of an instrument now."""

    instrument: Instrument
    halt: str
    """Why it is not traded; "" when it is."""


class Reader(Protocol):
    """Reads one instrument's messages. Raises BadInput for what cannot be read."""

    rows: Rows
    """Of the last frame; used again by the next one."""

    def read(self, raw: bytes, received_ns: int) -> Read: ...

    def read_book(self, answer: bytes, received_ns: int, ts_exch_ns: int) -> BookAnswer:
        """`ts_exch_ns` stands in where the venue tells no time."""

    def read_trades(self, answer: bytes, received_ns: int) -> Sequence[TradeAnswer]:
        """Oldest first."""

    def last_notice(self) -> Notice:
        """What the last frame of kind FRAME_NEWS said."""


class Notice(NamedTuple):
    """`is_ready`: the subscription stands. `goodbye`: why the venue ends it, or refuses it."""

    is_ready: bool = False
    goodbye: str = ""


class FeedDialect(Protocol):
    venue: str
    stream_url: str
    frame_bytes_max: int

    def reader(self, instrument: Instrument) -> Reader: ...

    def subscription(self, instrument: Instrument) -> str:
        """The text that asks the socket for depth and trades."""

    def book(self, instrument: Instrument) -> Question:
        """Deep enough to trade on."""

    def near_book(self, instrument: Instrument) -> Question:
        """A tenth as deep, for asking again and again."""

    def touch(self, instrument: Instrument) -> Question:
        """The few best levels: cheap."""

    def trades(self, instrument: Instrument) -> Question: ...

    def listing(self, instruments: Sequence[Instrument]) -> Question: ...

    def read_listing(
        self, answer: bytes, instruments: Sequence[Instrument]
    ) -> Sequence[ListedState]:
        """In the order of `instruments`. Raises BadInput."""
