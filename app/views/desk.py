"""The desk: everything a face remembers, and the road from a key to what it does.

A face calls `see` for each picture it paints, `press` for each key and `tick` as time passes, and
performs the effects it gets back. Nothing here reads a clock or knows a toolkit.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from app.service.session import Standing
from app.views import cursors, moves, rules
from app.views import ticket as tickets
from app.views.actions import ACTIONS, CONTEXTS, Action, Risk, contexts_of, resolve
from app.views.bell import Bell
from app.views.cells import Cell
from app.views.chart import ChartView
from app.views.commands import BUILDERS, Sender, build, place, place_algo
from app.views.effects import Effect, Fetch, Ring, Steer, Submit, Wake
from app.views.gestures import HELD_NS, Gestures, Ruling, Verdict
from app.views.keymap import Keymap, key_label
from app.views.ladder import Ladder, orders_in_row
from app.views.local import LOCAL
from app.views.logview import LogView
from app.views.replaybar import STEP_NS, instant_at
from app.views.rows import log_rows
from app.views.shelf import Answer, Answers
from app.views.ticket import Wish
from app.views.tour import SPAN_SHARE, Tour
from app.views.viewstate import ViewState, feed_age_ms, find_market, is_stale
from engine.domain import commands as c
from engine.domain.algo import is_reducing
from engine.domain.order import OrderSpec
from engine.domain.replay import Seek, SeekBy
from engine.domain.snapshots import EngineSnapshot, LogRow, OrderSnapshot
from engine.trading.state import MANUAL

NOTICE_NS = 3_000_000_000
ALERT_NS = 8_000_000_000
"""Refusals stay in sight this long, whatever else is said."""
RESET_WORD = "RESUME"
_NAME_END = re.compile(r"[(:;]")
"""An action's text up to here names it."""
_PICTURES_KEPT = 12
_SENT_KEPT = 256
_LOG_LOOKED_AT = 30
"""How far back a refusal is looked for in the engine's log."""


class _Picture:
    """A snapshot while it is on the screen: since when, and until when it was the newest."""

    __slots__ = ("from_ns", "snapshot", "until_ns")

    def __init__(self, snapshot: EngineSnapshot, now_ns: int) -> None:
        self.snapshot = snapshot
        self.from_ns = self.until_ns = now_ns


class Notice(NamedTuple):
    words: str
    tone: str
    until_ns: int


class Desk:
    def __init__(self, keymap: Keymap, new_id: Callable[[], str], leaving: str = "") -> None:
        self.keymap = keymap
        self.leaving = leaving
        self.outlives = True
        """Whether a served engine goes on without this face."""
        self.gestures = Gestures(keymap.label(ACTIONS["arm"]))
        self.snapshot: EngineSnapshot | None = None
        self.failure = ""
        self.standing: Standing | None = None
        self.instrument_id = ""
        self.grabbed_id = ""
        self.qty_lots: dict[str, int] = {}
        self.timeframe = ""
        self.chart = ChartView()
        self.scroll: dict[str, int] = {}
        """First row shown, by pane, for lists without a selection."""
        self.cursors: dict[str, str] = {}
        """Selected row by pane, for lists with a selection (`app.views.cursors`)."""
        self.whose = cursors.EVERYBODY
        """What the orders pane is filtered to."""
        self.tape_from: dict[str, int] = {}
        """By instrument: prints of fewer lots are not shown."""
        self.log = LogView()
        self.shelved = Answers()
        self.story_id = ""
        self.tour: Tour | None = None
        self.files = ""
        """Where settings and keys are changed, as a sentence."""
        self.own_log: deque[LogRow] = deque(maxlen=50)
        self.last_key_ns: int | None = None
        self.bell = Bell()
        self._sender = Sender(new_id)
        self._ladders: dict[str, Ladder] = {}
        self._pictures: deque[_Picture] = deque(maxlen=_PICTURES_KEPT)
        self._feed_age_ms = 0
        self.seen_ns = 0
        """When the desk last looked."""
        self._sent: dict[str, str] = {}
        """Commands without a receipt yet: id -> words."""
        self._notice: Notice | None = None
        self._refusal: Notice | None = None
        """What the last key that was refused here was told: the next key talks over it."""
        self._replay_trouble = ""

    # -- selections ----------------------------------------------------------------------------

    @property
    def bot_id(self) -> str:
        """The selected bot; "" while there is none."""
        return self.cursors.get("bots", "")

    @bot_id.setter
    def bot_id(self, bot_id: str) -> None:
        self.cursors["bots"] = bot_id

    @property
    def order_id(self) -> str:
        """The selected row of the orders pane; "" while it is empty."""
        return cursors.selected(self, "orders")

    @order_id.setter
    def order_id(self, order_id: str) -> None:
        self.cursors["orders"] = order_id

    # -- pictures ------------------------------------------------------------------------------

    def see(self, snapshot: EngineSnapshot | None, failure: str, now_ns: int, wall_ns: int) -> bool:
        """Take in what is painted from now on; True when it is a new picture."""
        self.seen_ns = now_ns
        self.failure = failure
        if snapshot is None:
            return False
        self._feed_age_ms = feed_age_ms(snapshot, wall_ns)
        if self._pictures and self._pictures[-1].snapshot is snapshot:
            self._pictures[-1].until_ns = now_ns
            return False
        self._pictures.append(_Picture(snapshot, now_ns))
        self.snapshot = snapshot
        moves.settle(self, snapshot)
        self.bell.hear(snapshot)
        self._read_receipts(snapshot, now_ns)
        self._guide(snapshot, now_ns)
        self._heed_replay(snapshot, now_ns)
        market = find_market(snapshot, self.instrument_id)
        if market is not None:
            self.ladder.follow(market.last_ticks, now_ns, self.last_key_ns)
        return True

    def _guide(self, snapshot: EngineSnapshot, now_ns: int) -> None:
        """Let the tour see what has been done. It begins with a ladder that stands still."""
        if self.tour is None:
            return
        market = find_market(snapshot, self.instrument_id)
        if not self.tour.has_begun:
            if market is None or not market.last_ticks:
                return
            self.ladder.coarsen(SPAN_SHARE, market.last_ticks)
        if self.tour.watch(snapshot):
            self.say("done: the next step stands above", "note", now_ns)
            if self.tour.is_over:
                self.tour = None
                self.say("the tour is over; help and manual know the rest", "warn", now_ns)

    def _heed_replay(self, snapshot: EngineSnapshot, now_ns: int) -> None:
        """Say it once when a replay could not do what it was asked."""
        trouble = snapshot.replay.trouble if snapshot.replay is not None else ""
        if trouble and trouble != self._replay_trouble:
            self.say(trouble, "alert", now_ns)
        self._replay_trouble = trouble

    def attend(self, standing: Standing | None, now_ns: int) -> None:
        """Who looks on, and who may add risk. Losing the token disarms, and is said."""
        before, self.standing = self.standing, standing
        if standing is None or before is None:
            return
        is_lost = standing.is_view_only and not before.is_view_only
        if is_lost:
            self.gestures.disarm()
        if standing.notices > before.notices:
            tone = "alert" if standing.is_view_only else "warn"
            self.say(standing.notice, tone, now_ns)
        elif is_lost:
            self.say(f"VIEW ONLY: {standing.holder} holds the trade token", "alert", now_ns)

    def feed_age_ms(self, now_ns: int) -> int:
        return self._feed_age_ms + max(0, now_ns - self.seen_ns) // 1_000_000

    def is_stale(self, now_ns: int) -> bool:
        return self.snapshot is not None and is_stale(self.snapshot, self.feed_age_ms(now_ns))

    @property
    def has_forked(self) -> bool:
        """Whether the replay has been left for paper trading."""
        shown = self.snapshot
        return shown is not None and shown.replay is not None and bool(shown.replay.forked)

    @property
    def ladder(self) -> Ladder:
        """The ladder of the instrument that is shown."""
        return self._ladders.setdefault(self.instrument_id, Ladder())

    def entry_ticks(self) -> int:
        """Average entry of the acting book in the shown instrument; 0 when it is flat."""
        if self.snapshot is None:
            return 0
        acting = self.view("", self.seen_ns).acting_bot_id
        for position in self.snapshot.positions:
            if position.bot_id == acting and position.instrument_id == self.instrument_id:
                return int(position.entry_ticks) if position.entry_ticks is not None else 0
        return 0

    def order_filter(self) -> Callable[[OrderSnapshot], bool]:
        """Which orders the orders pane shows."""
        if self.whose == cursors.OWN:
            return lambda shown: shown.order.placed_by == "human" or shown.order.bot_id == MANUAL
        if self.whose == cursors.SYMBOL:
            return lambda shown: shown.order.spec.instrument_id == self.instrument_id
        return lambda shown: True

    def log_rows(self) -> list[LogRow]:
        """The engine's log and this face's own lines, newest first, not filtered."""
        return log_rows(self.snapshot, self.own_log) if self.snapshot is not None else []

    def scrolled(self, pane: str, count: int, height: int) -> int:
        """First row of a list of `count` rows in `height`; scrolling stops at its end."""
        first = max(0, min(self.scroll.get(pane, 0), count - height))
        self.scroll[pane] = first
        return first

    def view(self, pane: str, now_ns: int, key_ns: int | None = None) -> ViewState:
        """The state a gesture is judged on: the picture that was painted at `key_ns`."""
        picture = self._picture_at(now_ns if key_ns is None else key_ns)
        snapshot = picture.snapshot if picture is not None else None
        ladder = self.ladder
        orders = snapshot.orders if snapshot is not None else []
        is_here = pane == "ladder" and ladder.is_placed
        row = ladder.row_of(ladder.cursor_ticks) if is_here else None
        return ViewState(
            snapshot=snapshot,
            instrument_id=self.instrument_id,
            bot_id=self.bot_id,
            order_id=self.order_id if pane == "orders" else "",
            fill_seq=int(cursors.selected(self, "fills") or 0) if pane == "fills" else 0,
            algo_id=cursors.selected(self, "algos"),
            incident_id=cursors.selected(self, "incidents"),
            run_id=cursors.selected(self, "runs") if pane in ("runs", "run") else "",
            pane=pane,
            cursor_ticks=ladder.cursor_ticks,
            cursor_orders=orders_in_row(ladder, orders, self.instrument_id, row),
            is_cursor_painted=ladder.is_cursor_painted,
            is_ladder_settling=ladder.is_settling(now_ns),
            qty_lots=self.qty_lots.get(self.instrument_id, 0),
            grabbed_id=self.grabbed_id,
            is_armed=self.gestures.is_armed,
            feed_age_ms=self.feed_age_ms(now_ns),
            picture_age_ms=max(0, now_ns - picture.until_ns) // 1_000_000 if picture else 0,
            failure=self.failure,
            standing=self.standing,
            outlives=self.outlives,
            leaving=self.leaving,
        )

    def _picture_at(self, key_ns: int) -> _Picture | None:
        for picture in reversed(self._pictures):
            if picture.from_ns <= key_ns:
                return picture
        return self._pictures[0] if self._pictures else None

    # -- keys ----------------------------------------------------------------------------------

    def press(
        self,
        key: str,
        pane: str,
        key_ns: int,
        now_ns: int,
        *,
        priority_only: bool = False,
        came_together: bool = False,
    ) -> list[Effect] | None:
        """What `key` does in `pane`; None when it is not ours (typing into a dialog)."""
        action = self.keymap.action_for(key, contexts_of(pane))
        if priority_only and (action is None or not action.priority):
            return None
        view = self.view(pane, now_ns, key_ns)
        if pane == "ladder":
            self.last_key_ns = key_ns
        if action is None:
            self._say_where(key, now_ns)
        if action is not None:
            if self._notice is self._refusal:
                self._notice = None
            action = resolve(action, view)
            if action.id == "disarm" and self.gestures.drop():
                return []
        ruling = self.gestures.press(
            key, key_label(key), action, view, key_ns, now_ns, came_together=came_together
        )
        return self._act(key, ruling, view, now_ns)

    def _say_where(self, key: str, now_ns: int) -> None:
        """A key that means nothing in this pane: name the panes in which it does."""
        if key == "ctrl+c":
            self.say(f"{self.keymap.label(ACTIONS['quit'])} leaves", "note", now_ns)
            return
        panes = self.keymap.panes_of(key)
        if panes:
            names = ", ".join(CONTEXTS[pane].lower() for pane in panes)
            go = f"; {self.keymap.label(ACTIONS['view_trade'])} goes to the ladder"
            words = f"{key_label(key)} is no key of this pane, but of: {names}"
            self.say(words + go * ("ladder" in panes), "note", now_ns)

    def choose(self, action_id: str, pane: str, now_ns: int) -> tuple[bool, list[Effect]]:
        """An action picked from the palette: the same rules, with Enter as its key.

        Also says whether it ran; False while it was refused or a second Enter is awaited.
        """
        view = self.view(pane, now_ns)
        action = resolve(ACTIONS[action_id], view)
        key = f"palette:{action_id}"
        ruling = self.gestures.press(key, "Enter", action, view, now_ns, now_ns)
        has_run = ruling.verdict in (Verdict.FIRE, Verdict.HELD)
        return has_run, self._act(key, ruling, view, now_ns)

    def tick(self, now_ns: int) -> list[Effect]:
        """Let time pass: held presses, lapsed taps, disarming."""
        view = self.view("", now_ns)
        effects: list[Effect] = []
        for key, ruling in self.gestures.tick(view, now_ns):
            effects += self._act(key, ruling, ruling.view or view, now_ns)
        if self.bell.rings(now_ns):
            effects.append(Ring())
        return effects

    def pasted(self, now_ns: int) -> None:
        """Text was pasted outside of any text field."""
        self.say(self.gestures.pasted().words, "warn", now_ns)

    # -- mouse: looks only, never trades -------------------------------------------------------

    def wheel(self, pane: str, rows: int) -> list[Effect]:
        """Scroll a list, the ladder's rows, the chart, or a replay's time."""
        if pane == "ladder":
            self.ladder.shift(-rows)
            return []
        if pane == "chart":
            self.chart.scroll(-rows, moves.bars_known(self))
            return []
        if pane == "replay":
            return [Steer(SeekBy(by_ns=STEP_NS if rows > 0 else -STEP_NS))]
        return moves.turn_rows(self, pane, rows)

    def point(self, pane: str, row: int, now_ns: int) -> None:
        """Put the ladder's cursor on the row that was clicked. A drawn row, counted with the
        head; order keys then wait as after any move of the rows."""
        if pane == "ladder" and self.ladder.is_placed and 0 < row <= self.ladder.rows:
            self.ladder.put_cursor(self.ladder.price_at(row - 1))
            self.last_key_ns = now_ns

    def slide(self, column: int, width: int) -> list[Effect]:
        """The time line of a replay was clicked."""
        ts_ns = instant_at(self.snapshot, column, width) if self.snapshot is not None else None
        return [] if ts_ns is None else [Steer(Seek(ts_ns=ts_ns))]

    def _act(self, key: str, ruling: Ruling, view: ViewState, now_ns: int) -> list[Effect]:
        if ruling.verdict is Verdict.FIRE and ruling.action is not None:
            return self._fire(key, ruling.action, view, now_ns)
        if ruling.verdict is Verdict.HELD:
            return [Wake(HELD_NS)]
        if ruling.verdict is Verdict.REFUSED:
            self.say(ruling.words, "alert", now_ns)
            self._refusal = self._notice
        elif ruling.words and ruling.verdict is not Verdict.ASK:
            self.say(ruling.words, "warn", now_ns)
        return []

    def _fire(self, key: str, action: Action, view: ViewState, now_ns: int) -> list[Effect]:
        local = LOCAL.get(action.id)
        if local is not None:
            return local(self, view, now_ns)
        commands = build(action.id, view, self._sender)
        if action.risk is Risk.INCREASE and commands:
            self.gestures.sent(key, commands[-1].command_id, now_ns)
        if isinstance(commands[0] if commands else None, c.MoveOrder):
            self.grabbed_id = ""
        return self._submit(commands, _NAME_END.split(action.text)[0].strip(), now_ns)

    def _submit(self, commands: list[c.AnyCommand], name: str, now_ns: int) -> list[Effect]:
        for command in commands:
            self._sent[command.command_id] = self._words_of(command, name)
            self.say(f"sent: {self._sent[command.command_id]}", "note", now_ns)
        while len(self._sent) > _SENT_KEPT:
            del self._sent[next(iter(self._sent))]
        return [Submit(command) for command in commands]

    def _words_of(self, command: c.AnyCommand, name: str) -> str:
        if isinstance(command, c.PlaceOrder | c.PlaceAlgo):
            instrument = self.view("", self.seen_ns).instrument
            if instrument is not None:
                return tickets.describe_wish(command.spec, instrument)
        bot_id: str = getattr(command, "bot_id", "")
        return f"{name}: {bot_id}" if bot_id else name

    # -- beside the screen ---------------------------------------------------------------------

    def ask(self, topic: str, ident: str = "") -> list[Effect]:
        """Have `topic` read; what is known of it stays in sight until the answer comes."""
        return [Fetch(topic, ident)]

    def fetched(self, topic: str, ident: str, answer: Answer) -> list[Effect]:
        """Take in an answer. A list of backtests asks for the one its cursor is on."""
        self.shelved.put(topic, ident, answer)
        chosen = cursors.selected(self, "runs") if topic == "runs" else ""
        return self.ask("run", chosen) if chosen else []

    def toggle_tour(self) -> None:
        self.tour = Tour() if self.tour is None else None

    # -- dialogs -------------------------------------------------------------------------------

    def why_not_send(self, spec: Wish, now_ns: int) -> str:
        """Why the ticket's order cannot leave now; "" when it can."""
        view = self.view("ladder", now_ns)
        if spec.reduce_only if isinstance(spec, OrderSpec) else is_reducing(spec):
            return rules.is_alive(view)
        if not self.gestures.is_armed:
            safe = f"order keys are SAFE: {self.keymap.label(ACTIONS['arm'])} arms them"
            return rules.has_token(view) or safe
        return rules.can_enter(view)

    def send_ticket(self, spec: Wish, now_ns: int) -> list[Effect]:
        """The ticket's order, once its fields were good and it was confirmed."""
        why = self.why_not_send(spec, now_ns)
        if why:
            self.say(why, "alert", now_ns)
            return []
        view = self.view("ladder", now_ns)
        if isinstance(spec, OrderSpec):
            return self._submit([place(view, self._sender, spec)], "ticket", now_ns)
        return self._submit([place_algo(view, self._sender, spec)], "ticket", now_ns)

    def edit_params(self, bot_id: str, changes: dict[str, str], now_ns: int) -> list[Effect]:
        """New values for some parameters of a bot; the engine says yes or why not."""
        command = c.EditParams(
            command_id=self._sender.new_id(),
            by=self._sender.by,
            bot_id=bot_id,
            params_json=json.dumps(changes, sort_keys=True),
        )
        return self._submit([command], "new parameters", now_ns)

    def reset_kill(self, word: str, now_ns: int) -> list[Effect]:
        """Only the typed word leaves the kill state."""
        if word.strip() != RESET_WORD:
            self.say(f"type {RESET_WORD} in capitals, or Esc to stay safe", "alert", now_ns)
            return []
        view = self.view("", now_ns)
        return self._submit(build("reset_kill", view, self._sender), "reset", now_ns)

    # -- what is said --------------------------------------------------------------------------

    def say(self, words: str, tone: str, now_ns: int) -> None:
        """Say something for a few seconds; a refusal is not talked over by anything milder."""
        current = self._notice
        is_refusing = current is not None and current.tone == "alert"
        if is_refusing and tone != "alert" and current is not None and now_ns < current.until_ns:
            return
        lasts_ns = ALERT_NS if tone == "alert" else NOTICE_NS
        self._notice = Notice(words, tone, now_ns + lasts_ns)

    def notice(self, now_ns: int) -> Notice | None:
        """What is being said, unless its time is over."""
        current = self._notice
        return current if current is not None and now_ns < current.until_ns else None

    def mood(self, now_ns: int) -> object:
        """What a face must show at once when it changes: armed, stale and for how many seconds, a
        tap, something said, who may trade."""
        taps = self.gestures
        stale = self.is_stale(now_ns) and self.feed_age_ms(now_ns) // 1000
        return taps.is_armed, taps.announcement, self.notice(now_ns), stale, self.standing

    def banner(self, now_ns: int) -> Cell | None:
        """What replaces the footer's keys: an awaited second tap before any notice."""
        if self.gestures.announcement:
            return Cell(self.gestures.announcement, "announce")
        notice = self.notice(now_ns)
        return Cell(notice.words, notice.tone) if notice is not None else None

    def _read_receipts(self, snapshot: EngineSnapshot, now_ns: int) -> None:
        for receipt in snapshot.receipts:
            words = self._sent.pop(receipt.command_id, None)
            if words is None:
                continue
            self.gestures.answered(receipt.command_id)
            if receipt.refused:
                self._tell_refusal(words, receipt.refused, snapshot, now_ns)

    def _tell_refusal(self, words: str, why: str, snapshot: EngineSnapshot, now_ns: int) -> None:
        """Red at the ladder and in the last line; in the log too, unless the engine wrote it."""
        self.say(f"REFUSED {words}: {why}", "alert", now_ns)
        if any(why in row.text for row in snapshot.log[-_LOG_LOOKED_AT:]):
            return
        text = f"REFUSED {words}: {why}"
        self.own_log.append(
            LogRow(seq=0, ts_ns=snapshot.ts_ns, level="alert", source="you", text=text)
        )


HANDLED = frozenset(LOCAL) | frozenset(BUILDERS)
"""Every action that does something."""
