"""The desk: from keys to effects, with receipts, notices and choices that stay valid."""

import msgspec

from app.views import effects as fx
from app.views.actions import ACTIONS
from app.views.desk import HANDLED, Desk
from app.views.keymap import load_keymap
from engine.domain import commands as c
from engine.domain.events import Helm
from engine.domain.order import OrderSpec, Side
from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot
from tests.support.builders import linear
from tests.support.session import (
    BTC,
    MID,
    START_NS,
    FakeSession,
    a_bot,
    a_log,
    a_market,
    a_position,
    a_snapshot,
    a_working_order,
    some_orders,
)

MS = 1_000_000


class AtTheDesk:
    """A desk in front of a scripted engine; presses keys and carries commands across."""

    def __init__(self, snapshot: EngineSnapshot | None = None) -> None:
        self.session = FakeSession(snapshot or a_snapshot())
        self.desk = Desk(load_keymap(), self.session.new_command_id, "the engine goes on")
        self.now_ns = START_NS
        self.pane = "ladder"
        self.look()
        self.desk.ladder.resize(21)
        self.desk.ladder.follow(MID, self.now_ns, None)

    def look(self) -> None:
        """Paint the newest picture."""
        self.session.publish(published_wall_ns=self.now_ns)
        self.desk.see(self.session.snapshot(), self.session.failure(), self.now_ns, self.now_ns)

    def press(self, *keys: str, gap_ms: int = 300) -> list[fx.Effect]:
        effects: list[fx.Effect] = []
        for key in keys:
            self.wait(gap_ms)
            effects += self.carry(self.desk.press(key, self.pane, self.now_ns, self.now_ns) or [])
            effects += self.wait(130)
        return effects

    def wait(self, ms: int) -> list[fx.Effect]:
        self.now_ns += ms * MS
        self.look()
        return self.carry(self.desk.tick(self.now_ns))

    def carry(self, effects: list[fx.Effect]) -> list[fx.Effect]:
        for effect in effects:
            if isinstance(effect, fx.Submit):
                self.session.submit(effect.command)
        return effects

    def said(self) -> str:
        notice = self.desk.notice(self.now_ns)
        return notice.words if notice is not None else ""


def test_every_action_is_handled() -> None:
    stood_for = {"bot_resume", "order_move_guard"}
    assert set(ACTIONS) - HANDLED == set()
    assert stood_for <= HANDLED


def test_two_taps_send_one_command() -> None:
    person = AtTheDesk()
    person.press("f8", "f8")
    assert person.session.commands == [c.Flatten(command_id="cmd1", by="tui", instrument_id=BTC)]


def test_pause_pauses_and_asks_before_it_resumes() -> None:
    person = AtTheDesk()
    person.pane = "bots"
    person.press("p")
    assert person.session.commands == [c.PauseBot(command_id="cmd1", by="tui", bot_id="grid")]
    person.session.publish(bots=[a_bot("grid", helm=Helm.PAUSED)])
    person.press("p")
    assert len(person.session.commands) == 1
    assert person.desk.gestures.announcement == "p again: resume grid: it places orders again"
    person.press("p")
    assert person.session.commands[1:] == [c.ResumeBot(command_id="cmd2", by="tui", bot_id="grid")]


def test_an_order_carries_the_price_that_was_painted_not_the_newest() -> None:
    person = AtTheDesk()
    person.press("f4", "f4")
    person.wait(1_000)
    key_ns = person.now_ns
    person.now_ns += 90 * MS
    person.session.publish(markets=[a_market(MID + 3)])
    person.look()
    person.carry(person.desk.press("h", "ladder", key_ns, person.now_ns) or [])
    (order,) = person.session.commands
    assert isinstance(order, c.PlaceOrder)
    assert order.spec.price_ticks == MID
    assert order.age_ms == 90


def test_a_refusal_is_said_at_once_and_kept_in_the_log() -> None:
    person = AtTheDesk()
    person.session.refuses("position_max: limit 25021, order 30000")
    person.press("f9")
    person.wait(100)
    assert person.said().startswith("REFUSED cancel working orders of this symbol: position_max")
    assert "position_max" in person.desk.own_log[-1].text


def test_a_refusal_that_the_engine_logged_is_not_logged_again() -> None:
    person = AtTheDesk()
    person.session.publish(log=[a_log(1, "CancelAll refused: position_max", "warn", "tui")])
    person.session.refuses("position_max")
    person.press("f9")
    person.wait(100)
    assert "REFUSED" in person.said()
    assert not person.desk.own_log


def test_a_refusal_is_not_talked_over() -> None:
    person = AtTheDesk()
    person.session.refuses("collar")
    person.press("f9")
    person.wait(100)
    person.press("f6")
    assert "REFUSED" in person.said()
    person.wait(8_000)
    assert person.said() == ""


def test_what_a_refused_key_was_told_gives_way_to_the_next_key() -> None:
    """It was about that key: left standing, it would look like the answer to this one."""
    person = AtTheDesk()
    person.press("b")
    assert "order keys are SAFE" in person.said()
    person.press("f6")
    assert "SAFE" not in person.said()


def test_the_key_for_the_next_instrument_says_when_there_is_none() -> None:
    person = AtTheDesk(msgspec.structs.replace(a_snapshot(), instruments=[linear()]))
    person.press("slash")
    assert person.said() == "there is no other instrument here"


def test_receipts_of_others_are_not_ours() -> None:
    person = AtTheDesk()
    person.session.publish(
        receipts=[ReceiptSnapshot(command_id="shell-1", name="Kill", refused="no")]
    )
    person.wait(100)
    assert person.said() == ""


def test_grab_move_and_drop() -> None:
    person = AtTheDesk()
    person.session.publish(
        orders=[
            msgspec.structs.replace(
                shown, order=msgspec.structs.replace(shown.order, placed_by="human")
            )
            for shown in some_orders()
        ]
    )
    person.press("n", "m")
    grabbed = person.desk.grabbed_id
    assert grabbed == "b1"
    person.press("up", "escape")
    assert person.desk.grabbed_id == ""
    assert person.session.commands == []
    person.press("n", "m", "up", "f4", "f4", "enter")
    (move,) = person.session.commands
    assert isinstance(move, c.MoveOrder)
    assert move.price_ticks == person.desk.ladder.cursor_ticks
    assert person.desk.grabbed_id == ""


def test_a_bots_own_order_cannot_be_grabbed() -> None:
    person = AtTheDesk()
    person.press("n", "m")
    assert person.desk.grabbed_id == ""
    assert "steers that order" in person.said()


def test_escape_means_less_one_step_at_a_time() -> None:
    person = AtTheDesk()
    person.press("f4", "f4")
    assert person.desk.gestures.is_armed
    person.press("f12", "escape")
    assert person.desk.gestures.announcement == ""
    assert person.desk.gestures.is_armed
    person.press("escape")
    assert not person.desk.gestures.is_armed
    assert fx.Less() in person.press("escape")


def test_choices_stay_valid_when_things_vanish() -> None:
    person = AtTheDesk()
    person.desk.bot_id, person.desk.order_id, person.desk.grabbed_id = "trend", "b2", "b2"
    person.session.publish(bots=[a_bot("grid")], orders=[])
    person.wait(100)
    assert (person.desk.bot_id, person.desk.order_id, person.desk.grabbed_id) == ("grid", "", "")


def test_changing_the_instrument_disarms() -> None:
    other = linear(instrument_id="test.ETHUSDT", symbol="ETHUSDT")
    person = AtTheDesk(
        a_snapshot(
            instruments=[linear(), other],
            markets=[a_market(), a_market(30_000, instrument_id="test.ETHUSDT")],
        )
    )
    person.press("f4", "f4", "slash")
    assert person.desk.instrument_id == "test.ETHUSDT"
    assert not person.desk.gestures.is_armed


def test_only_the_word_resets_the_kill_switch() -> None:
    person = AtTheDesk()
    assert person.desk.reset_kill("resume", person.now_ns) == []
    (effect,) = person.desk.reset_kill("RESUME", person.now_ns)
    assert isinstance(effect, fx.Submit)
    assert isinstance(effect.command, c.ResetKill)


def test_the_ticket_obeys_the_arming() -> None:
    person = AtTheDesk()
    entry = OrderSpec(instrument_id=BTC, side=Side.BUY, qty_lots=5, price_ticks=MID)
    assert person.desk.send_ticket(entry, person.now_ns) == []
    assert "SAFE" in person.said()
    exit_order = msgspec.structs.replace(entry, reduce_only=True)
    assert len(person.desk.send_ticket(exit_order, person.now_ns)) == 1
    person.press("f4", "f4")
    assert len(person.desk.send_ticket(entry, person.now_ns)) == 1


def test_the_palette_asks_twice_too() -> None:
    person = AtTheDesk()
    assert person.desk.choose("kill", "bots", person.now_ns) == (False, [])
    person.wait(300)
    has_run, effects = person.desk.choose("kill", "bots", person.now_ns)
    assert has_run
    assert isinstance(effects[0], fx.Submit)


def test_the_feed_ages_between_pictures() -> None:
    person = AtTheDesk()
    person.now_ns += 3_000 * MS
    assert person.desk.feed_age_ms(person.now_ns) >= 3_000
    assert person.desk.is_stale(person.now_ns)


def test_an_engine_that_publishes_nothing_more_is_stale() -> None:
    """The snapshot stays the same, so the age must come from its wall time."""
    person = AtTheDesk()
    snapshot = person.session.snapshot()
    for _ in range(30):
        person.now_ns += 100 * MS
        person.desk.see(snapshot, "", person.now_ns, person.now_ns)
    assert person.desk.is_stale(person.now_ns)


def test_sizes_step_through_the_presets() -> None:
    person = AtTheDesk()
    start = person.desk.qty_lots[BTC]
    person.press("right_square_bracket")
    assert person.desk.qty_lots[BTC] > start
    person.press(*["left_square_bracket"] * 20)
    assert person.desk.qty_lots[BTC] == 1


def test_pasted_text_is_ignored_and_disarms() -> None:
    person = AtTheDesk()
    person.press("f4", "f4")
    person.desk.pasted(person.now_ns)
    assert not person.desk.gestures.is_armed
    assert "pasted" in person.said()


def test_entry_of_the_acting_book() -> None:
    person = AtTheDesk(a_snapshot(positions=[a_position("manual", 3), a_position("grid", 9)]))
    assert person.desk.entry_ticks() == 599_800


def test_the_next_own_order_is_the_persons_before_any_bots() -> None:
    person = AtTheDesk()
    person.press("n")
    assert person.desk.view("ladder", person.now_ns).cursor_orders == ("b1",), "bots' where none"
    mine = a_working_order("mine", Side.SELL, MID + 40, bot_id="manual", placed_by="human")
    person.session.publish(orders=[*some_orders(), mine])
    person.look()
    for _ in range(3):
        person.press("n")
        assert person.desk.view("ladder", person.now_ns).cursor_orders == ("mine",)
