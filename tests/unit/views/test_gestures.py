"""When a key counts: taps, arming, auto-repeat, bursts, age. Time is moved by hand."""

import pytest

from app.views.actions import ACTIONS
from app.views.gestures import Gestures, Ruling, Verdict
from app.views.viewstate import ViewState
from engine.domain.commands import KillLevel
from tests.support.session import BTC, MID, a_market, a_snapshot
from tests.unit.views.test_incidentview import an_incident

MS = 1_000_000


class Hand:
    """Fingers on a keyboard: presses keys of the shipped actions at given times."""

    def __init__(self, **view: object) -> None:
        self.gestures = Gestures()
        self.view_fields: dict[str, object] = {
            "snapshot": a_snapshot(),
            "instrument_id": BTC,
            "bot_id": "grid",
            "pane": "ladder",
            "cursor_ticks": MID,
            "is_cursor_painted": True,
            "qty_lots": 5,
            **view,
        }
        self.now_ns = 10_000 * MS

    @property
    def view(self) -> ViewState:
        fields = {**self.view_fields, "is_armed": self.gestures.is_armed}
        return ViewState(**fields)  # type: ignore[arg-type]

    def press(
        self, action_id: str, after_ms: int = 300, late_ms: int = 0, *, came_together: bool = False
    ) -> Ruling:
        """Press the key of `action_id`, `after_ms` after the last one."""
        self.now_ns += after_ms * MS
        key_ns = self.now_ns - late_ms * MS
        ruling = self.gestures.press(
            action_id,
            action_id,
            ACTIONS[action_id],
            self.view,
            key_ns,
            self.now_ns,
            came_together=came_together,
        )
        if ruling.verdict is Verdict.FIRE and action_id == "arm":
            self.gestures.toggle_arm(self.view, self.now_ns)
        return ruling

    def wait(self, ms: int) -> list[Verdict]:
        self.now_ns += ms * MS
        return [ruling.verdict for _, ruling in self.gestures.tick(self.view, self.now_ns)]

    def arm(self) -> None:
        self.press("arm")
        self.press("arm")
        self.wait(150)
        if not self.gestures.is_armed:
            self.gestures.toggle_arm(self.view, self.now_ns)


# -- double taps -----------------------------------------------------------------------------


def test_the_first_tap_says_exactly_what_the_second_does() -> None:
    ruling = Hand().press("kill")
    assert ruling.verdict is Verdict.ASK
    assert ruling.words == "kill again: pause 2 bots, cancel 6 orders, block new orders"


def test_kill_fires_on_the_second_tap_at_once() -> None:
    hand = Hand()
    hand.press("kill")
    assert hand.press("kill", after_ms=90).verdict is Verdict.FIRE


@pytest.mark.parametrize(("gap_ms", "fires"), [(1_150, True), (1_250, False)])
def test_the_second_tap_must_come_in_time(gap_ms: int, fires: bool) -> None:
    hand = Hand()
    hand.press("kill")
    assert (hand.press("kill", after_ms=gap_ms).verdict is Verdict.FIRE) is fires


def test_another_key_in_between_forgets_the_first_tap() -> None:
    hand = Hand()
    hand.press("kill")
    hand.press("cursor_up")
    assert hand.press("kill").verdict is Verdict.ASK


def test_another_subject_in_between_forgets_the_first_tap() -> None:
    hand = Hand()
    hand.press("bot_take")
    hand.view_fields["bot_id"] = "trend"
    ruling = hand.press("bot_take")
    assert ruling.verdict is Verdict.ASK
    assert "trend" in ruling.words


def test_another_incident_in_between_forgets_the_first_tap() -> None:
    """The first one was closed by the engine, and the cursor went on to the next."""
    rows = [an_incident(), an_incident(number=2)]
    first, second = (row.incident.incident_id for row in rows)
    hand = Hand(snapshot=a_snapshot(incidents=rows), incident_id=first, pane="incidents")
    assert hand.press("incident_adopt").verdict is Verdict.ASK
    hand.view_fields["incident_id"] = second
    assert hand.press("incident_adopt").verdict is Verdict.ASK
    assert second in hand.gestures.announcement
    hand.press("kill")
    hand.view_fields["incident_id"] = first
    assert hand.press("kill").verdict is Verdict.FIRE  # What is about everything is not kept up.


def test_escape_drops_a_first_tap() -> None:
    hand = Hand()
    hand.press("flatten_all")
    assert hand.gestures.drop()
    assert hand.press("flatten_all").verdict is Verdict.ASK


def test_the_announcement_lapses() -> None:
    hand = Hand()
    hand.press("kill")
    assert hand.gestures.announcement
    hand.wait(1_300)
    assert hand.gestures.announcement == ""


# -- a key held down -------------------------------------------------------------------------


def hold(hand: Hand, action_id: str, repeats: int = 40) -> list[Verdict]:
    """Lean on a key: 500 ms until it repeats, then every 33 ms."""
    verdicts = [hand.press(action_id).verdict, hand.press(action_id, after_ms=500).verdict]
    for _ in range(repeats):
        verdicts.append(hand.press(action_id, after_ms=33).verdict)
        verdicts += hand.wait(0)
    return verdicts + hand.wait(500)


@pytest.mark.parametrize(
    "action_id", ["flatten_symbol", "flatten_all", "cancel_all", "bot_take", "bot_stop"]
)
def test_a_wide_key_held_down_does_nothing(action_id: str) -> None:
    assert Verdict.FIRE not in hold(Hand(), action_id)


@pytest.mark.parametrize("action_id", ["buy_market", "sell_market"])
def test_a_market_key_held_down_does_nothing(action_id: str) -> None:
    hand = Hand()
    hand.arm()
    assert Verdict.FIRE not in hold(hand, action_id)


def test_an_order_key_held_down_sends_one_order() -> None:
    hand = Hand()
    hand.arm()
    assert hold(hand, "buy_limit").count(Verdict.FIRE) == 1


def test_a_deliberate_second_press_counts_after_a_moment() -> None:
    hand = Hand()
    hand.press("flatten_symbol")
    assert hand.press("flatten_symbol", after_ms=250).verdict is Verdict.HELD
    assert hand.wait(50) == []
    assert hand.wait(80) == [Verdict.FIRE]


# -- arming ----------------------------------------------------------------------------------


def test_order_keys_are_safe_until_armed() -> None:
    hand = Hand()
    ruling = hand.press("buy_limit")
    assert ruling.verdict is Verdict.REFUSED
    assert "SAFE" in ruling.words
    hand.arm()
    assert hand.press("buy_limit", after_ms=1_500).verdict is Verdict.FIRE


def test_reducing_keys_need_no_arming() -> None:
    assert Hand().press("cancel_symbol").verdict is Verdict.FIRE
    assert Hand().press("pause_all").verdict is Verdict.FIRE


def test_a_minute_without_keys_disarms() -> None:
    hand = Hand()
    hand.arm()
    hand.wait(59_000)
    hand.press("cursor_up", after_ms=0)
    assert hand.wait(59_000) == []
    assert hand.wait(2_000) == [Verdict.NOTE]
    assert not hand.gestures.is_armed


@pytest.mark.parametrize(
    "change",
    [
        {"snapshot": a_snapshot(kill=KillLevel.NO_ENTRIES)},
        {"snapshot": a_snapshot(halted="daily loss")},
        {"feed_age_ms": 2_500},
        {"instrument_id": "test.OTHER"},
        {"failure": "ledger is full"},
        {"snapshot": a_snapshot(has_ended=True)},
    ],
)
def test_it_disarms_when_the_ground_changes(change: dict[str, object]) -> None:
    hand = Hand()
    hand.arm()
    hand.view_fields.update(change)
    assert hand.wait(100) == [Verdict.NOTE]
    assert not hand.gestures.is_armed


def test_it_cannot_be_armed_on_a_stale_market() -> None:
    ruling = Hand(feed_age_ms=3_200).press("arm")
    assert ruling.verdict is Verdict.REFUSED
    assert "STALE (3.2s)" in ruling.words


# -- what is not a finger --------------------------------------------------------------------


@pytest.mark.parametrize("action_id", ["buy_limit", "stop_at_cursor", "order_cancel", "bot_pause"])
def test_what_came_with_other_characters_touches_no_order(action_id: str) -> None:
    """A paste without brackets: its first letters came before it was known for one."""
    hand = Hand()
    hand.arm()
    ruling = hand.press(action_id, came_together=True)
    assert ruling.verdict is Verdict.REFUSED
    assert "press it alone" in ruling.words
    assert hand.press("cursor_up", came_together=True).verdict is Verdict.FIRE
    assert hand.press("pause_all", came_together=True).verdict is Verdict.FIRE


def test_a_burst_of_keys_disarms_and_trades_nothing_more() -> None:
    hand = Hand()
    hand.arm()
    text = ["cursor_up", "center", "cursor_down", "qty_up", "group_up"] * 2
    for action_id in text:
        hand.press(action_id, after_ms=2)
    assert not hand.gestures.is_armed
    assert hand.press("buy_limit", after_ms=2).verdict is Verdict.DROPPED


def test_kill_works_within_a_burst() -> None:
    """Keys hammered into a stalled line arrive all at once."""
    hand = Hand()
    verdicts = [hand.press("kill", after_ms=0).verdict for _ in range(12)]
    assert Verdict.FIRE in verdicts


def test_pasted_text_disarms() -> None:
    hand = Hand()
    hand.arm()
    assert "pasted" in hand.gestures.pasted().words
    assert not hand.gestures.is_armed


def test_the_same_order_key_within_150_ms_is_dropped() -> None:
    hand = Hand()
    hand.arm()
    hand.press("buy_limit", after_ms=1_500)
    assert hand.press("buy_limit", after_ms=140).verdict is Verdict.DROPPED


def test_the_next_order_waits_for_the_receipt_or_a_second() -> None:
    hand = Hand()
    hand.arm()
    hand.press("buy_limit", after_ms=1_500)
    hand.gestures.sent("buy_limit", "cmd1", hand.now_ns)
    assert "receipt" in hand.press("buy_limit", after_ms=400).words
    hand.gestures.answered("cmd1")
    assert hand.press("buy_limit", after_ms=400).verdict is Verdict.HELD
    assert hand.wait(130) == [Verdict.FIRE]
    hand.gestures.sent("buy_limit", "cmd2", hand.now_ns)
    assert hand.press("buy_limit", after_ms=1_100).verdict is Verdict.FIRE


# -- age -------------------------------------------------------------------------------------


def test_a_key_that_waited_is_refused() -> None:
    hand = Hand()
    hand.arm()
    ruling = hand.press("buy_limit", after_ms=2_000, late_ms=600)
    assert ruling.verdict is Verdict.REFUSED
    assert "waited 600 ms" in ruling.words


def test_an_old_picture_is_refused() -> None:
    hand = Hand()
    hand.arm()
    hand.view_fields["picture_age_ms"] = 501
    assert "picture was 501 ms old" in hand.press("sell_limit").words


def test_a_held_press_keeps_the_picture_it_was_made_on() -> None:
    hand = Hand()
    hand.arm()
    hand.press("buy_market", after_ms=1_500)
    hand.press("buy_market", after_ms=300)
    seen = hand.view.snapshot
    hand.view_fields["snapshot"] = a_snapshot(markets=[a_market(MID + 50)])
    hand.now_ns += 130 * MS
    ((_, ruling),) = hand.gestures.tick(hand.view, hand.now_ns)
    assert ruling.view is not None
    assert ruling.view.snapshot is seen
    assert ruling.view.picture_age_ms == 130


def test_order_keys_are_refused_with_the_reason() -> None:
    for change, words in [
        ({"snapshot": a_snapshot(has_ended=True)}, "has ended"),
        ({"snapshot": a_snapshot(markets=[a_market(is_ready=False)])}, "incomplete"),
        ({"snapshot": a_snapshot(halted="daily_loss 25 %")}, "halted"),
        ({"is_cursor_painted": False}, "off the ladder"),
        ({"is_ladder_settling": True}, "just moved"),
        ({"qty_lots": 0}, "size"),
    ]:
        hand = Hand()
        hand.arm()
        hand.view_fields.update(change)
        assert words in hand.press("buy_limit", after_ms=100).words
