"""Whatever is pressed, whenever: no accident is ever a wide action or an order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.views.actions import ACTIONS, Risk
from app.views.gestures import REPEAT_NS, TAP_NS, Gestures, Verdict
from app.views.viewstate import ViewState
from tests.support.session import BTC, MID, a_snapshot

MS = 1_000_000
SNAPSHOT = a_snapshot()
WIDE = [action.id for action in ACTIONS.values() if action.taps > 1]
INCREASE = [action.id for action in ACTIONS.values() if action.risk is Risk.INCREASE]
presses = st.lists(
    st.tuples(st.sampled_from(sorted(ACTIONS)), st.integers(0, 3_000)), min_size=1, max_size=40
)


def a_view(gestures: Gestures) -> ViewState:
    return ViewState(
        snapshot=SNAPSHOT,
        instrument_id=BTC,
        bot_id="grid",
        pane="ladder",
        cursor_ticks=MID,
        is_cursor_painted=True,
        qty_lots=5,
        is_armed=gestures.is_armed,
    )


def fired(gestures: Gestures, steps: list[tuple[str, int]]) -> list[tuple[str, bool]]:
    """(action, armed at that moment) of everything that fires, `arm` being carried out."""
    done = []
    now_ns = 10**12
    for action_id, gap_ms in steps:
        now_ns += gap_ms * MS
        rulings = [ruling for _, ruling in gestures.tick(a_view(gestures), now_ns)]
        action = ACTIONS[action_id]
        rulings.append(gestures.press(action_id, "", action, a_view(gestures), now_ns, now_ns))
        rulings += [ruling for _, ruling in gestures.tick(a_view(gestures), now_ns)]
        for ruling in rulings:
            if ruling.verdict is Verdict.FIRE and ruling.action is not None:
                done.append((ruling.action.id, gestures.is_armed))
                if ruling.action.id == "arm":
                    gestures.toggle_arm(a_view(gestures), now_ns)
    return done


@given(presses)
def test_single_taps_never_trigger_a_wide_action(steps: list[tuple[str, int]]) -> None:
    """No key is pressed twice in a row within the time of a double tap."""
    singles: list[tuple[str, int]] = []
    for action_id, gap_ms in steps:
        if singles and singles[-1][0] == action_id:
            gap_ms += TAP_NS // MS + 1
        singles.append((action_id, gap_ms))
    assert not {action_id for action_id, _ in fired(Gestures(), singles)} & set(WIDE)


@given(presses)
def test_nothing_that_adds_risk_fires_unarmed(steps: list[tuple[str, int]]) -> None:
    for action_id, was_armed in fired(Gestures(), steps):
        assert was_armed or action_id not in INCREASE


@given(st.sampled_from(INCREASE), st.lists(st.integers(0, REPEAT_NS // MS - 1), max_size=60))
def test_a_repeating_key_never_adds_an_order(action_id: str, gaps_ms: list[int]) -> None:
    """Press once, then let the keyboard repeat: at most that one press counts."""
    gestures = Gestures()
    gestures.toggle_arm(a_view(gestures), 10**12)
    steps = [(action_id, 0), *((action_id, gap_ms) for gap_ms in gaps_ms)]
    assert len(fired(gestures, steps)) <= (1 if ACTIONS[action_id].taps == 1 else 0)


@given(presses)
def test_the_same_presses_give_the_same_rulings(steps: list[tuple[str, int]]) -> None:
    assert fired(Gestures(), steps) == fired(Gestures(), steps)
