"""Moving about: cursor, selection, sizes, scrolling. Changes what is shown and sends nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.views import bars, cursors
from app.views.effects import Effect, Focus, Maximise, Turn
from app.views.ladder import next_own
from app.views.rows import own_books
from app.views.viewstate import ViewState, find_bot, find_instrument, find_market, find_order
from engine.domain.instrument import Instrument
from engine.domain.snapshots import EngineSnapshot

if TYPE_CHECKING:
    from app.views.desk import Desk

SIZE_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Size presets as multiples of the smallest order."""
ENDLESS = 1_000_000
"""More rows than any list has."""
_FIRST_SIZE_SHARE = 200
"""The first preset is worth at most 1/200 of the equity."""

Move = Callable[["Desk", ViewState], list[Effect]]


def settle(desk: Desk, snapshot: EngineSnapshot) -> None:
    """Keep every choice pointing at something that exists in `snapshot`."""
    if find_instrument(snapshot, desk.instrument_id) is None and snapshot.instruments:
        desk.instrument_id = snapshot.instruments[0].instrument_id
    if find_bot(snapshot, desk.bot_id) is None and snapshot.bots:
        desk.bot_id = snapshot.bots[0].bot_id
    if desk.grabbed_id and find_order(snapshot, desk.grabbed_id) is None:
        desk.grabbed_id = ""
    instrument = find_instrument(snapshot, desk.instrument_id)
    if instrument is not None and desk.instrument_id not in desk.qty_lots:
        lots = _first_size(snapshot, instrument)
        if lots:
            desk.qty_lots[desk.instrument_id] = lots


def _first_size(snapshot: EngineSnapshot, instrument: Instrument) -> int:
    """The largest preset that is a small share of the equity; 0 before the first price."""
    market = find_market(snapshot, instrument.instrument_id)
    if market is None or not market.last_ticks:
        return 0
    most = snapshot.equity / _FIRST_SIZE_SHARE
    sizes = [step * instrument.min_lots for step in SIZE_STEPS]
    fitting = [lots for lots in sizes if instrument.notional(lots, market.last_ticks) <= most]
    return fitting[-1] if fitting else sizes[0]


def timeframes(desk: Desk) -> list[str]:
    market = find_market(desk.snapshot, desk.instrument_id)
    return bars.words(market) if market is not None else []


def timeframe(desk: Desk) -> str:
    """The chosen time frame, or the first there is."""
    words = timeframes(desk)
    return desk.timeframe if desk.timeframe in words else words[0] if words else ""


# -- ladder ----------------------------------------------------------------------------------


def _cursor(rows: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        desk.ladder.move_cursor(rows)
        return []

    return move


def _centre(desk: Desk, view: ViewState) -> list[Effect]:
    desk.ladder.centre(_last_ticks(view))
    return []


def _group(step: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        desk.ladder.change_group(step, _last_ticks(view))
        return []

    return move


def _last_ticks(view: ViewState) -> int:
    return view.market.last_ticks if view.market is not None else 0


def _next_own(desk: Desk, view: ViewState) -> list[Effect]:
    """The next order of the person; where there is none, the next one of anybody's bots."""
    snapshot = view.snapshot
    mine = own_books(snapshot) if snapshot is not None else set()
    steered = [o for o in view.orders if o.order.placed_by == "human" or o.order.bot_id in mine]
    ticks = next_own(desk.ladder, steered, view.instrument_id)
    ticks = ticks or next_own(desk.ladder, view.orders, view.instrument_id)
    if ticks:
        desk.ladder.put_cursor(ticks)
    return [Focus("ladder")]


def _size(step: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        instrument = view.instrument
        if instrument is None:
            return []
        sizes = [one * instrument.min_lots for one in SIZE_STEPS]
        now = view.qty_lots
        larger, smaller = [s for s in sizes if s > now], [s for s in sizes if s < now]
        choice = (larger[:1] or sizes[-1:]) if step > 0 else (smaller[-1:] or sizes[:1])
        desk.qty_lots[view.instrument_id] = choice[0]
        return []

    return move


# -- chart -----------------------------------------------------------------------------------


def bars_known(desk: Desk) -> int:
    """How many bars of the chosen time frame there are."""
    market = find_market(desk.snapshot, desk.instrument_id)
    return len(bars.bars_of(market, timeframe(desk))) if market is not None else 0


def _chart_scroll(count: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        desk.chart.scroll(count, bars_known(desk))
        return []

    return move


def _chart_zoom(step: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        desk.chart.change_zoom(step)
        return []

    return move


def _chart_live(desk: Desk, view: ViewState) -> list[Effect]:
    desk.chart.live()
    return []


def _studies(desk: Desk, view: ViewState) -> list[Effect]:
    desk.chart.next_studies()
    return []


def _timeframe(step: int) -> Move:
    def move(desk: Desk, view: ViewState) -> list[Effect]:
        words = timeframes(desk)
        if words:
            at = words.index(timeframe(desk))
            desk.timeframe = words[max(0, min(len(words) - 1, at + step))]
            desk.chart.live()
        return []

    return move


# -- lists and panes -------------------------------------------------------------------------


def _rows(step: int) -> Move:
    return lambda desk, view: turn_rows(desk, view.pane, step)


def turn_rows(desk: Desk, pane: str, step: int) -> list[Effect]:
    """Move the cursor of a list, or scroll one that has none."""
    if cursors.has_cursor(pane):
        cursors.step(desk, pane, step)
        return _moved(desk, pane)
    if pane == "log" and step > 0:
        desk.log.hold(desk.log_rows())
    desk.scroll[pane] = max(0, desk.scroll.get(pane, 0) + step)
    return []


def _moved(desk: Desk, pane: str) -> list[Effect]:
    """What follows from another row being selected."""
    if pane == "runs":
        return desk.ask("run", cursors.selected(desk, "runs"))
    return []


def _whose(desk: Desk, view: ViewState) -> list[Effect]:
    at = cursors.WHOSE.index(desk.whose)
    desk.whose = cursors.WHOSE[(at + 1) % len(cursors.WHOSE)]
    return []


def _tape(step: int) -> Move:
    """The least size of the prints shown, in steps of the size presets."""

    def move(desk: Desk, view: ViewState) -> list[Effect]:
        instrument = view.instrument
        if instrument is not None:
            sizes = [0, *(one * instrument.min_lots for one in SIZE_STEPS)]
            now = desk.tape_from.get(view.instrument_id, 0)
            at = sizes.index(now) if now in sizes else 0
            desk.tape_from[view.instrument_id] = sizes[max(0, min(len(sizes) - 1, at + step))]
        return []

    return move


def _symbol(desk: Desk, view: ViewState) -> list[Effect]:
    """The next instrument. What was armed or grabbed for the old one is dropped."""
    ids = [one.instrument_id for one in view.snapshot.instruments] if view.snapshot else []
    if len(ids) > 1:
        at = ids.index(desk.instrument_id) if desk.instrument_id in ids else -1
        desk.instrument_id = ids[(at + 1) % len(ids)]
        desk.grabbed_id = ""
        desk.gestures.disarm()
        desk.chart.live()
    return []


MOVES: dict[str, Move] = {
    "cursor_up": _cursor(1),
    "cursor_down": _cursor(-1),
    "cursor_up10": _cursor(10),
    "cursor_down10": _cursor(-10),
    "center": _centre,
    "group_up": _group(1),
    "group_down": _group(-1),
    "order_next": _next_own,
    "qty_up": _size(1),
    "qty_down": _size(-1),
    "chart_left": _chart_scroll(5),
    "chart_right": _chart_scroll(-5),
    "zoom_in": _chart_zoom(1),
    "zoom_out": _chart_zoom(-1),
    "chart_live": _chart_live,
    "tf_next": _timeframe(1),
    "tf_prev": _timeframe(-1),
    "row_up": _rows(-1),
    "row_down": _rows(1),
    "row_up10": _rows(-10),
    "row_down10": _rows(10),
    "row_first": _rows(-ENDLESS),
    "row_last": _rows(ENDLESS),
    "orders_filter": _whose,
    "tape_larger": _tape(1),
    "tape_smaller": _tape(-1),
    "chart_studies": _studies,
    "next_pane": lambda desk, view: [Turn(1)],
    "prev_pane": lambda desk, view: [Turn(-1)],
    "maximise": lambda desk, view: [Maximise()],
    "symbol": _symbol,
}
