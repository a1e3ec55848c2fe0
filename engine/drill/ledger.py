"""The drill exchange's own books: the oracle that our ledger is compared with.

Append-only and double-entry. Every movement of money is between two holders, so the sum over all
holders of an asset never changes: `market` is whoever the generated market is, `fees` earns the
fees, `outside` is where deposits come from. One line of JSON per entry; written out at every step,
so that it survives the process that trades here (and mostly also this one).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from engine.drill.values import Order, Trade

MARKET = "market"
FEES = "fees"
OUTSIDE = "outside"


class Move(NamedTuple):
    """`amount` units of `asset` from one holder to another. From a holder to itself: between its
    free and its locked part (`locks`: positive locks)."""

    asset: str
    source: str
    target: str
    amount: int


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag="opened"):
    """Of an account, at a venue. The first entries."""

    seq: int
    ns: int
    account: str


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True, tag="order"):
    """An order as it is after `change`: NEW, TRADE, CANCELED, EXPIRED, TRIGGERED …"""

    seq: int
    ns: int
    change: str
    order: Order


class Traded(msgspec.Struct, frozen=True, kw_only=True, tag="trade"):
    """One account's side; an execution between two accounts is two entries."""

    seq: int
    ns: int
    trade: Trade
    counterparty: str


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag="moved"):
    seq: int
    ns: int
    reason: str
    """trade, fee, deposit, funding, realized …"""
    ref: int
    """Trade id, or 0."""
    move: Move


class Noted(msgspec.Struct, frozen=True, kw_only=True, tag="note"):
    """Something that happened to the venue: a fault that struck, a halt."""

    seq: int
    ns: int
    words: str


Entry = Opened | OrderChanged | Traded | Moved | Noted

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class Ledger:
    """Entries of one venue. `path` None: kept in memory only."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[Entry] = []
        self.totals: defaultdict[tuple[str, str], int] = defaultdict(int)
        """What each (holder, asset) has by the moves alone; they sum to 0 per asset."""
        self.trouble = ""
        """Why the file has entries no more, in words; the books themselves go on in memory."""
        self._path = path
        self._file: BinaryIO | None = None
        self._unwritten = bytearray()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("wb")

    @property
    def next_seq(self) -> int:
        return len(self.entries) + 1

    def add(self, entry: Entry) -> None:
        assert entry.seq == self.next_seq, entry
        line = _encoder.encode(entry)
        # Orders go on changing; what is kept is what was written.
        self.entries.append(_decoder.decode(line) if isinstance(entry, OrderChanged) else entry)
        if self._file is not None:
            self._unwritten += line + b"\n"

    def opened(self, ns: int, account: str) -> None:
        self.add(Opened(seq=self.next_seq, ns=ns, account=account))

    def order(self, ns: int, change: str, order: Order) -> None:
        self.add(OrderChanged(seq=self.next_seq, ns=ns, change=change, order=order))

    def trade(self, ns: int, trade: Trade, counterparty: str) -> None:
        self.add(Traded(seq=self.next_seq, ns=ns, trade=trade, counterparty=counterparty))

    def move(self, ns: int, reason: str, move: Move, ref: int = 0) -> None:
        self.totals[move.source, move.asset] -= move.amount
        self.totals[move.target, move.asset] += move.amount
        self.add(Moved(seq=self.next_seq, ns=ns, reason=reason, ref=ref, move=move))

    def note(self, ns: int, words: str) -> None:
        self.add(Noted(seq=self.next_seq, ns=ns, words=words))

    def flush(self) -> None:
        """Write out what is new. A disk that takes it no more is noted as `trouble`: whoever runs
        the exchange ends it, for its ledger is what others are judged by."""
        if self._file is None or not self._unwritten:
            return
        try:
            self._file.write(self._unwritten)
            self._file.flush()
        except OSError as error:
            self.trouble = f"{self._path}: cannot be written: {error.strerror or error}"
            self._drop_file()
        self._unwritten.clear()

    def close(self) -> None:
        self.flush()
        self._drop_file()

    def _drop_file(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:  # It writes out what it holds, once more.
            self.trouble = self.trouble or f"{self._path}: {error.strerror or error}"


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """As lines of JSON, as in the file."""
    return b"".join(_encoder.encode(entry) + b"\n" for entry in entries)


def read_entries(lines: bytes) -> list[Entry]:
    """A last line without its end, cut off by a crash, is left out."""
    whole, _, _ = lines.rpartition(b"\n")
    return [_decoder.decode(line) for line in whole.split(b"\n") if line]
