"""The order ticket: five fields, a line that says what would be sent, Enter twice."""

from __future__ import annotations

import msgspec
from textual.widget import Widget

from app.views.cells import Cell, Line, fit
from app.views.desk import Desk
from app.views.effects import Effect, Less
from app.views.ticket import Ticket, Wish, describe_wish, hints, parse_wish, prefilled, wish_truth
from app.views.viewstate import find_market
from engine.domain.errors import BadInput
from ui_tui.look import Look
from ui_tui.screens.dialog import Dialog, Field


class TicketDialog(Dialog):
    title = "order ticket"
    columns = 78
    hint = "Tab: next field   Enter: look it over   Enter again: send   Esc: drop"

    def __init__(self, desk: Desk, look: Look, came_from: Widget | None) -> None:
        super().__init__(desk, look, came_from)
        view = desk.view("ladder", desk.seen_ns)
        self._instrument = view.instrument
        self._start = prefilled(view)
        self._confirmed: Wish | None = None
        """What the first Enter showed; the second one sends exactly this."""

    def fields(self) -> dict[str, str]:
        return msgspec.structs.asdict(self._start)

    def hints(self) -> dict[str, str]:
        if self._instrument is None:
            return {}
        return hints(self._instrument, self.value("type") if self.query(Field) else "")

    def rows(self) -> int:
        return 7

    def lines(self, width: int, now_ns: int) -> list[Line]:
        """Whose order it will be, and whether it could leave now."""
        if self._instrument is None:
            return []
        owner = self.desk.view("ladder", now_ns).acting_bot_id
        armed = self.desk.gestures.is_armed
        guard = "ARMED" if armed else "SAFE: only reduce-only orders leave"
        return [
            (),
            (Cell(fit(f" {self._instrument.symbol}, into the book of {owner}", width), "text"),),
            (Cell(fit(f" order keys are {guard}", width), "armed_text" if armed else "dim"),),
            (),
            *((Cell(fit(f" {words}", width), "text"),) for words in self._truth()),
        ]

    def _truth(self) -> list[str]:
        """What the order as typed so far would do to the book in sight."""
        shot = self.desk.snapshot
        if self._instrument is None or shot is None:
            return []
        typed = Ticket(**{name: self.value(name) for name in self.fields()})
        try:
            wish = parse_wish(typed, self._instrument, shot.ts_ns)
        except BadInput:
            return []
        market = find_market(shot, self._instrument.instrument_id)
        return wish_truth(wish, market, self._instrument, shot.limits)

    def on_key_name(self, key: str, now_ns: int) -> list[Effect] | None:
        if key != "enter":
            return [] if self.turn(key) else None
        spec = self._parsed()
        if spec is None:
            return []
        if spec == self._confirmed:
            return self.press_again(now_ns)
        self._confirm(spec, now_ns)
        return []

    def confirmed(self, now_ns: int) -> list[Effect]:
        """Sends what the first Enter showed, unless it has been taken back meanwhile."""
        return self._send(self._confirmed, now_ns) if self._confirmed is not None else []

    def typed(self) -> None:
        """A changed field takes the confirmation back."""
        self._confirmed = None
        self.words = None

    def _parsed(self) -> Wish | None:
        if self._instrument is None:
            return None
        typed = Ticket(**{name: self.value(name) for name in self.fields()})
        try:
            shot = self.desk.snapshot
            return parse_wish(typed, self._instrument, shot.ts_ns if shot is not None else 0)
        except BadInput as error:
            self._confirmed = None
            self.words = Cell(str(error), "alert")
            field = self.query(f"#field-{error.field}")
            if field:
                self.screen.set_focus(field.first())
            return None

    def _confirm(self, spec: Wish, now_ns: int) -> None:
        """First Enter: say exactly what will be sent, or what keeps it from leaving."""
        assert self._instrument is not None
        why = self.desk.why_not_send(spec, now_ns)
        self._confirmed = None if why else spec
        self.again.ask(now_ns)
        words = why or f"Enter again: {describe_wish(spec, self._instrument)}"
        self.words = Cell(words, "alert" if why else "announce")

    def _send(self, spec: Wish, now_ns: int) -> list[Effect]:
        effects = self.desk.send_ticket(spec, now_ns)
        notice = self.desk.notice(now_ns)
        if not effects and notice is not None:
            self.words = Cell(notice.words, "alert")
            return []
        return [Less(), *effects]
