"""Questions about the past, asked of the ledger beside the running engine.

Every function opens a read-only connection of its own and closes it again, so none holds the WAL
back and all may run in any thread. They read what is durable, do not check the hash chain (opening
the ledger does that) and raise LedgerError when the file cannot be read.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from engine.domain.errors import LedgerError
from engine.domain.events import (
    AnyEvent,
    EquityMarked,
    OrderFilled,
    OrderIntended,
    SessionStarted,
)
from engine.domain.instrument import Instrument
from engine.domain.order import Side
from engine.store import codec, database
from engine.store.database import LEDGER

_MAX_ROWS = 1_000_000
"""Bounds what one question may load; ask again from the last `seq` for more."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """An event and its place in the ledger."""

    seq: int
    event: AnyEvent


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill as a row for export: what, whose, at what price, and what it cost."""

    seq: int
    ts_ns: int
    venue_ns: int
    bot_id: str
    placed_by: str
    client_order_id: str
    trade_id: str
    instrument_id: str
    side: Side
    price: Decimal
    qty: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    queue_ahead: Decimal | None
    """Quantity ahead when the order joined its level; None for takers and where unknown."""


def last_events(path: Path, count: int) -> list[Recorded]:
    """The newest `count` events, oldest first."""
    rows = _read(path, "SELECT seq, body FROM event ORDER BY seq DESC LIMIT ?", count)
    return rows[::-1]


def events_after(path: Path, seq: int, limit: int = _MAX_ROWS) -> list[Recorded]:
    """Events behind number `seq`, oldest first."""
    return _read(path, "SELECT seq, body FROM event WHERE seq > ? ORDER BY seq LIMIT ?", seq, limit)


def order_events(path: Path, client_order_id: str) -> list[Recorded]:
    """Everything that ever happened to one order, from its intent on; empty if it is unknown."""
    return _read(
        path,
        "SELECT seq, body FROM event WHERE client_order_id = ? ORDER BY seq LIMIT ?",
        client_order_id,
        _MAX_ROWS,
    )


def bot_events(path: Path, bot_id: str, limit: int = _MAX_ROWS) -> list[Recorded]:
    """The newest `limit` events that concern one bot or everybody, oldest first; the flow of its
    orders is not among them. However long ago: a bot may steer for months on one event."""
    query = """
        SELECT seq, body FROM event
        WHERE (bot_id = ? AND kind <> 'OrderIntended')
            OR kind IN ('FlattenStarted', 'FlattenEnded', 'KillChanged', 'RiskTripped')
        ORDER BY seq DESC LIMIT ?
    """
    return _read(path, query, bot_id, limit)[::-1]


def algo_events(path: Path, algo_id: str) -> list[Recorded]:
    """Everything that ever happened to one algo and the orders that are its legs; empty if it is
    unknown."""
    query = """
        SELECT seq, body FROM event
        WHERE (kind LIKE 'Algo%' OR kind IN ('OrderIntended', 'OrderDenied'))
            AND instr(body, CAST(? AS BLOB)) ORDER BY seq LIMIT ?
    """
    found: dict[int, Recorded] = {}
    for row in _read(path, query, algo_id, _MAX_ROWS):
        if isinstance(row.event, OrderIntended) and row.event.order.algo_id == algo_id:
            order_id = row.event.order.client_order_id
            found |= {one.seq: one for one in order_events(path, order_id)}
        elif getattr(row.event, "algo_id", None) == algo_id:
            found[row.seq] = row
    return [found[seq] for seq in sorted(found)]


def instruments(path: Path) -> dict[str, Instrument]:
    """By id, as the session's first event describes them; empty for an empty ledger."""
    found: dict[str, Instrument] = {}
    query = "SELECT seq, body FROM event WHERE seq = 1 AND kind = 'SessionStarted'"
    for row in _read(path, query):
        assert isinstance(row.event, SessionStarted), row
        found |= {instrument.instrument_id: instrument for instrument in row.event.instruments}
    return found


def fills(path: Path, *, since_ns: int = 0, limit: int = _MAX_ROWS) -> list[FillRow]:
    """Fills from engine time `since_ns` on, oldest first. A venue's repeated report of one trade
    appears once: the first."""
    known = instruments(path)
    query = """
        SELECT fill.seq, fill.body, intent.body
        FROM event AS fill JOIN event AS intent
            ON intent.client_order_id = fill.client_order_id AND intent.kind = 'OrderIntended'
        WHERE fill.kind = 'OrderFilled' AND fill.ts_ns >= ?
        ORDER BY fill.seq LIMIT ?
    """
    rows: dict[tuple[str, str], FillRow] = {}
    with database.translated(LEDGER, path):
        for seq, fill_body, intent_body in database.read_once(path, query, since_ns, limit):
            assert isinstance(seq, int)
            filled, intended = _decode(fill_body), _decode(intent_body)
            assert isinstance(filled, OrderFilled), filled
            assert isinstance(intended, OrderIntended), intended
            row = _fill_row(seq, filled, intended, known)
            rows.setdefault((row.client_order_id, row.trade_id), row)
    return list(rows.values())


def equity_curve(path: Path, *, since_ns: int = 0, points: int = 1000) -> list[tuple[int, Decimal]]:
    """(ts_ns, equity) from `since_ns` on, thinned evenly to about `points`, with the last one."""
    assert points > 1, points
    query = """
        SELECT seq, body FROM event
        WHERE kind = 'EquityMarked' AND ts_ns >= ? ORDER BY ts_ns, seq LIMIT ?
    """
    with database.translated(LEDGER, path):
        bodies = [body for _, body in database.read_once(path, query, since_ns, _MAX_ROWS)]
    step = -(-len(bodies) // points) or 1
    # Counted from the end, so that the newest point is always one of them.
    curve = []
    for body in bodies[::-1][::step][::-1]:
        event = _decode(body)
        assert isinstance(event, EquityMarked), event
        curve.append((event.ts_ns, event.equity))
    return curve


def _fill_row(
    seq: int, filled: OrderFilled, intended: OrderIntended, known: dict[str, Instrument]
) -> FillRow:
    order, fill = intended.order, filled.fill
    instrument = known.get(order.spec.instrument_id)
    if instrument is None:
        raise LedgerError(
            f"event {seq} fills {order.spec.instrument_id}, which the session does not list: "
            "the ledger was not written by this program"
        )
    ahead = fill.queue_ahead_lots
    return FillRow(
        seq=seq,
        ts_ns=filled.ts_ns,
        venue_ns=fill.venue_ns,
        bot_id=order.bot_id,
        placed_by=order.placed_by,
        client_order_id=order.client_order_id,
        trade_id=fill.trade_id,
        instrument_id=order.spec.instrument_id,
        side=order.spec.side,
        price=instrument.price(fill.price_ticks),
        qty=instrument.qty(fill.lots),
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        is_maker=fill.is_maker,
        queue_ahead=None if ahead < 0 else instrument.qty(ahead),
    )


def _read(path: Path, query: str, *parameters: object) -> list[Recorded]:
    """Rows of (seq, body) as events."""
    found = []
    with database.translated(LEDGER, path):
        for seq, body in database.read_once(path, query, *parameters):
            assert isinstance(seq, int)
            found.append(Recorded(seq=seq, event=_decode(body)))
    return found


def _decode(body: object) -> AnyEvent:
    assert isinstance(body, bytes)
    try:
        return codec.decode(body)
    except msgspec.DecodeError as error:
        raise LedgerError(
            f"an event of the ledger cannot be read by this version: {error}"
        ) from error
