"""The static price ladder: rows are prices and stay; the market moves inside them.

The model knows which prices the rows stand for and where the cursor is. It re-centres by key, or
by itself when the price leaves the middle third, but never within a moment of a key press: a
press must land on the price that the eye saw.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.domain.order import OrderType, Side
from engine.domain.snapshots import MarketSnapshot, OrderSnapshot

SETTLE_NS = 300_000_000
"""After the rows have moved by themselves, order keys count again only this much later."""
AIM_NS = 2_000_000_000
"""After a key, the rows stay this long, whatever the price does: somebody is aiming."""
GROUPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Ticks a row, for the grouping keys."""
SIZES_NS = 180_000_000
"""A size that only changes its digits is shown anew after this long: every second frame."""
_SPAN_SHARE = 3000
"""A fresh ladder spans about 1/3000 of the price."""


class LadderRow(msgspec.Struct, frozen=True):
    """What one row shows. Quantities are lots; 0 means nothing there."""

    ticks: int
    """The row's price: of the lowest tick in its group."""
    bid_lots: int = 0
    ask_lots: int = 0
    own_buy_lots: int = 0
    own_buys: int = 0
    own_sell_lots: int = 0
    own_sells: int = 0
    is_stop: bool = False
    """One of the own orders here is a stop waiting for its trigger."""
    queue_ahead_lots: int = -1
    """Estimated quantity ahead of the best placed own order here."""
    is_cursor: bool = False
    is_last: bool = False
    is_entry: bool = False
    """Average entry of the acting book."""
    is_grabbed: bool = False
    """Where the order being moved would go."""
    is_grab_origin: bool = False


class CalmSizes:
    """Sizes at a pace at which digits can be read, and a slow line can carry them.

    What decides something is never held back: which rows have a size and on which side, own orders,
    the last price, the cursor.
    """

    def __init__(self) -> None:
        self._group = 0
        self._taken_ns = 0
        self._rows: dict[int, LadderRow] = {}

    def rows(self, rows: list[LadderRow], group: int, now_ns: int) -> list[LadderRow]:
        """`rows` with sizes at most `SIZES_NS` old."""
        if group != self._group or now_ns - self._taken_ns >= SIZES_NS:
            self._group, self._taken_ns = group, now_ns
            self._rows = {row.ticks: row for row in rows}
            return rows
        return [_calm(row, self._rows.get(row.ticks, row)) for row in rows]


def _calm(row: LadderRow, before: LadderRow) -> LadderRow:
    """`row` with the figures of `before` where both have some."""
    if row == before:
        return before
    has_same_orders = (row.own_buy_lots, row.own_sell_lots) == (
        before.own_buy_lots,
        before.own_sell_lots,
    )
    is_queued = has_same_orders and row.queue_ahead_lots >= 0 <= before.queue_ahead_lots
    return msgspec.structs.replace(
        row,
        bid_lots=row.bid_lots and (before.bid_lots or row.bid_lots),
        ask_lots=row.ask_lots and (before.ask_lots or row.ask_lots),
        queue_ahead_lots=before.queue_ahead_lots if is_queued else row.queue_ahead_lots,
    )


class Ladder:
    """View state of one instrument's ladder."""

    def __init__(self, group: int = 1) -> None:
        self.rows = 0
        self.group = group
        self.cursor_ticks = 0
        self.is_locked = False
        """Rows stay even when the price leaves them."""
        self.recentred_ns: int | None = None
        """When the rows last moved by themselves."""
        self._top: int | None = None
        """Group number of the first row; None before the first price."""
        self._is_group_chosen = False

    # -- geometry ------------------------------------------------------------------------------

    @property
    def is_placed(self) -> bool:
        return self._top is not None and self.rows > 0

    def price_at(self, row: int) -> int:
        assert self._top is not None
        return (self._top - row) * self.group

    def row_of(self, ticks: int, side: int = 0) -> int | None:
        """The row of a price, or None when it is not on the screen.

        Grouped asks (side -1) are rounded up and everything else down, so that no quantity is
        ever shown at a better price than it has.
        """
        if self._top is None:
            return None
        row = self._top - self._bucket(ticks, side)
        return row if 0 <= row < self.rows else None

    def _bucket(self, ticks: int, side: int = 0) -> int:
        return -(-ticks // self.group) if side < 0 else ticks // self.group

    def row_ticks(self, ticks: int, side: int = 0) -> int:
        """The price that the row of `ticks` is labelled with, on the screen or not."""
        return self._bucket(ticks, side) * self.group

    @property
    def is_cursor_painted(self) -> bool:
        return self.cursor_ticks > 0 and self.row_of(self.cursor_ticks) is not None

    def is_settling(self, now_ns: int) -> bool:
        """The rows moved by themselves a moment ago: no order key counts on them yet."""
        return self.recentred_ns is not None and now_ns - self.recentred_ns < SETTLE_NS

    # -- the market moves ----------------------------------------------------------------------

    def resize(self, rows: int) -> None:
        """The pane has `rows` rows now; the price in the middle stays in the middle."""
        if self._top is not None:
            self._top += rows // 2 - self.rows // 2
        self.rows = rows

    def follow(self, ticks: int, now_ns: int, last_key_ns: int | None) -> None:
        """Show `ticks`; re-centre if it has left the middle third and no key was just pressed."""
        if ticks <= 0 or self.rows <= 0:
            return
        if self._top is None:
            self._choose_group(ticks)
            self._centre_on(ticks)
            self.cursor_ticks = self._bucket(ticks) * self.group
            return
        row = self._top - self._bucket(ticks)
        is_central = self.rows // 3 <= row <= self.rows - 1 - self.rows // 3
        keys_rest = last_key_ns is None or now_ns - last_key_ns >= AIM_NS
        if not is_central and not self.is_locked and keys_rest:
            self._centre_on(ticks)
            self.recentred_ns = now_ns

    def _centre_on(self, ticks: int) -> None:
        self._top = self._bucket(ticks) + self.rows // 2

    def _choose_group(self, ticks: int) -> None:
        """The finest grouping that shows a useful span of prices, until a person chooses."""
        if self._is_group_chosen:
            return
        wanted = ticks // (_SPAN_SHARE * self.rows)
        self.group = max((group for group in GROUPS if group <= wanted), default=1)

    # -- keys ----------------------------------------------------------------------------------

    def centre(self, ticks: int) -> None:
        """Bring price and cursor back to the middle; when they are there, lock or unlock."""
        if not self.is_placed or ticks <= 0:
            return
        if self.row_of(ticks) == self.rows // 2 and self.is_cursor_painted:
            self.is_locked = not self.is_locked
            return
        self.is_locked = False
        self._centre_on(ticks)
        if not self.is_cursor_painted:
            self.cursor_ticks = self._bucket(ticks) * self.group

    def move_cursor(self, rows: int) -> None:
        """Move up (positive) or down; the rows follow when the cursor would leave them.

        A cursor that the market has left behind comes back to the middle first.
        """
        if self._top is None:
            return
        if not self.is_cursor_painted:
            self.cursor_ticks = self.price_at(self.rows // 2)
            return
        bucket = max(1, self._bucket(self.cursor_ticks) + rows)
        self.put_cursor(bucket * self.group)

    def shift(self, rows: int) -> None:
        """Show prices `rows` rows higher; the cursor stays at its price, on the screen or not."""
        if self._top is not None:
            self._top = max(self.rows, self._top + rows)
            self.is_locked = True

    def put_cursor(self, ticks: int) -> None:
        """Put the cursor on the row of `ticks`, scrolling it into sight."""
        if self._top is None:
            return
        bucket = self._bucket(ticks)
        self.cursor_ticks = bucket * self.group
        if bucket > self._top:
            self._top = bucket
            self.is_locked = True
        elif bucket <= self._top - self.rows:
            self._top = bucket + self.rows - 1
            self.is_locked = True

    def change_group(self, step: int, ticks: int) -> None:
        """Coarser (+1) or finer (-1) rows; the cursor stays at its price as nearly as it can."""
        at = GROUPS.index(self.group) if self.group in GROUPS else 0
        self._group_by(GROUPS[max(0, min(len(GROUPS) - 1, at + step))], ticks)

    def coarsen(self, share: int, ticks: int) -> None:
        """Rows of about 1/`share` of the price, unless they are that coarse already."""
        wanted = max((group for group in GROUPS if group <= ticks // share), default=1)
        if wanted > self.group:
            self._group_by(wanted, ticks)

    def _group_by(self, group: int, ticks: int) -> None:
        self.group = group
        self._is_group_chosen = True
        if self._top is not None:
            self.cursor_ticks = max(1, self._bucket(self.cursor_ticks)) * self.group
            self._centre_on(ticks if ticks > 0 else self.cursor_ticks)


def order_ticks(shown: OrderSnapshot) -> int:
    """Where an order stands in the ladder: its trigger while it waits for one, else its price."""
    spec = shown.order.spec
    return spec.trigger_ticks or spec.price_ticks


class _Tally:
    """One row while it is being added up."""

    __slots__ = ("ahead", "asks", "bids", "buys", "buys_lots", "has_stop", "sells", "sells_lots")

    def __init__(self) -> None:
        self.bids = self.asks = 0
        self.buys = self.buys_lots = self.sells = self.sells_lots = 0
        self.has_stop = False
        self.ahead = -1


def ladder_rows(
    ladder: Ladder,
    market: MarketSnapshot,
    orders: Iterable[OrderSnapshot],
    entry_ticks: int = 0,
    grabbed_id: str = "",
) -> list[LadderRow]:
    """The rows from the top, with the market and own orders put into them."""
    if not ladder.is_placed:
        return []
    tallies = [_Tally() for _ in range(ladder.rows)]
    _add_book(ladder, tallies, market)
    origin = None
    for shown in orders:
        row = _add_order(ladder, tallies, shown, market.instrument_id)
        if grabbed_id and shown.order.client_order_id == grabbed_id:
            origin = row
    cursor = ladder.row_of(ladder.cursor_ticks)
    last = ladder.row_of(market.last_ticks, 1)
    entry = ladder.row_of(entry_ticks) if entry_ticks else None
    return [
        LadderRow(
            ticks=ladder.price_at(row),
            bid_lots=tally.bids,
            ask_lots=tally.asks,
            own_buy_lots=tally.buys_lots,
            own_buys=tally.buys,
            own_sell_lots=tally.sells_lots,
            own_sells=tally.sells,
            is_stop=tally.has_stop,
            queue_ahead_lots=tally.ahead,
            is_cursor=row == cursor,
            is_last=row == last,
            is_entry=row == entry,
            is_grabbed=bool(grabbed_id) and row == cursor,
            is_grab_origin=row == origin,
        )
        for row, tally in enumerate(tallies)
    ]


def _add_book(ladder: Ladder, tallies: list[_Tally], market: MarketSnapshot) -> None:
    """Both sides, best first, as far as the rows reach."""
    lowest = ladder.price_at(ladder.rows - 1)
    highest = ladder.price_at(0)
    for ticks, lots in market.bids:
        if ticks < lowest:
            break
        if (row := ladder.row_of(ticks)) is not None:
            tallies[row].bids += lots
    for ticks, lots in market.asks:
        if ticks > highest:
            break
        if (row := ladder.row_of(ticks, -1)) is not None:
            tallies[row].asks += lots


def _add_order(
    ladder: Ladder, tallies: list[_Tally], shown: OrderSnapshot, instrument_id: str
) -> int | None:
    """Count an own order in its row; returns the row."""
    spec = shown.order.spec
    if spec.instrument_id != instrument_id or order_ticks(shown) <= 0:
        return None
    row = ladder.row_of(order_ticks(shown), spec.side.sign)
    if row is None:
        return None
    tally = tallies[row]
    if spec.side is Side.BUY:
        tally.buys += 1
        tally.buys_lots += shown.order.leaves_lots
    else:
        tally.sells += 1
        tally.sells_lots += shown.order.leaves_lots
    tally.has_stop = tally.has_stop or spec.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    ahead = shown.queue_ahead_lots
    if ahead >= 0:
        tally.ahead = ahead if tally.ahead < 0 else min(tally.ahead, ahead)
    return row


def orders_in_row(
    ladder: Ladder, orders: Iterable[OrderSnapshot], instrument_id: str, row: int | None
) -> tuple[str, ...]:
    """Own orders of one row, for cancel and move."""
    if row is None:
        return ()
    return tuple(
        shown.order.client_order_id
        for shown in orders
        if shown.order.spec.instrument_id == instrument_id
        and order_ticks(shown) > 0
        and ladder.row_of(order_ticks(shown), shown.order.spec.side.sign) == row
    )


def next_own(ladder: Ladder, orders: Iterable[OrderSnapshot], instrument_id: str) -> int:
    """The row price of the next own order below the cursor, else of the highest; 0 when none."""
    prices = sorted(
        {
            ladder.row_ticks(order_ticks(shown), shown.order.spec.side.sign)
            for shown in orders
            if shown.order.spec.instrument_id == instrument_id and order_ticks(shown) > 0
        },
        reverse=True,
    )
    below = [ticks for ticks in prices if ticks < ladder.cursor_ticks]
    return (below or prices or [0])[0]
