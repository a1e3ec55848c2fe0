"""When a key press counts: double taps, arming, auto-repeat, bursts and stale intents.

A pure state machine: time is an argument, and nothing here sends anything. `press` and `tick`
return rulings; the desk acts on those that fire.

    press -> refused | dropped | asks (first tap) | held (may be auto-repeat) | fires
    tick  -> fires a held press, disarms, or lets a first tap lapse
"""

from __future__ import annotations

import enum
from collections import deque
from typing import NamedTuple

import msgspec

from app.views import rules
from app.views.actions import Action, Risk
from app.views.rules import INTENT_AGE_MS_MAX
from app.views.viewstate import ViewState
from engine.domain.commands import KillLevel

NS_PER_MS = 1_000_000
TAP_NS = 1_200 * NS_PER_MS
"""The second tap must come within this time."""
ARMED_NS = 60_000 * NS_PER_MS
"""Armed keys disarm themselves after this long without a key."""
REPEAT_NS = 150 * NS_PER_MS
"""The same order key again within this time is the keyboard repeating itself."""
HELD_NS = 120 * NS_PER_MS
"""How long a press that may be the first repeat of a held key waits for the next one."""
UNANSWERED_NS = 1_000 * NS_PER_MS
"""An order key waits this long for the receipt of its last order."""
BURST_KEYS = 8
BURST_NS = 50 * NS_PER_MS
"""More keys than that in this time are not fingers: text pasted by a terminal without brackets."""
BURST_QUIET_NS = 300 * NS_PER_MS
"""After a burst nothing that touches orders counts for this long."""


class Verdict(enum.StrEnum):
    FIRE = "fire"
    ASK = "ask"
    """First tap: say what a second one will do."""
    HELD = "held"
    """Waits for `tick` to see whether the key is being held down."""
    REFUSED = "refused"
    """Cannot be done now; `words` say why and what would help."""
    DROPPED = "dropped"
    """Not a press of a person; `words` may say so."""
    NOTE = "note"
    """Something changed by itself, such as disarming."""


class Ruling(NamedTuple):
    verdict: Verdict
    action: Action | None = None
    words: str = ""
    view: ViewState | None = None
    """What the person saw when they pressed, where a ruling comes later than the press."""


class _Tap(NamedTuple):
    key: str
    action: Action
    subject: tuple[str, ...]
    at_ns: int
    words: str


class _Hold(NamedTuple):
    action: Action
    view: ViewState
    at_ns: int


class Gestures:
    def __init__(self, arm_label: str = "F4 F4") -> None:
        self._arm_label = arm_label
        self._tap: _Tap | None = None
        self._holds: dict[str, _Hold] = {}
        self._armed_until_ns: int | None = None
        self._armed_for = ""
        self._pressed_ns: dict[str, int] = {}
        """Last press of each key, counted or not."""
        self._unanswered: dict[str, tuple[str, int]] = {}
        """By key: the command it sent last and when, until its receipt comes."""
        self._recent_ns: deque[int] = deque(maxlen=BURST_KEYS + 1)
        self._quiet_until_ns: int | None = None

    # -- what a face shows ---------------------------------------------------------------------

    @property
    def is_armed(self) -> bool:
        return self._armed_until_ns is not None

    def armed_s(self, now_ns: int) -> int:
        """Seconds until the keys disarm themselves; 0 when they are safe."""
        if self._armed_until_ns is None:
            return 0
        return max(0, -(-(self._armed_until_ns - now_ns) // 1_000_000_000))

    @property
    def announcement(self) -> str:
        """What the second tap will do, while one is awaited."""
        return self._tap.words if self._tap is not None else ""

    # -- keys ----------------------------------------------------------------------------------

    def press(
        self,
        key: str,
        label: str,
        action: Action | None,
        view: ViewState,
        key_ns: int,
        now_ns: int,
        *,
        came_together: bool = False,
    ) -> Ruling:
        """Judge one key event. `key_ns` is when it happened, `now_ns` when it is being judged;
        `came_together`: in one piece with other characters, as a paste without brackets does."""
        gap_ns = key_ns - self._pressed_ns.get(key, key_ns - UNANSWERED_NS)
        self._pressed_ns[key] = key_ns
        if self._holds.pop(key, None) is not None:
            return Ruling(Verdict.DROPPED, action, f"{label} is held down: nothing sent")
        if self._is_burst(key_ns) and not (action is not None and action.priority):
            return self._stop_burst()
        if action is not None and _is_guarded(action) and gap_ns < REPEAT_NS:
            return Ruling(Verdict.DROPPED, action)
        tap, self._tap = self._tap, None
        if action is None:
            return Ruling(Verdict.DROPPED)
        if came_together and _touches_trading(action) and not action.priority:
            return Ruling(
                Verdict.REFUSED,
                action,
                f"{label} came with other keys: nothing sent, press it alone",
            )
        if self._armed_until_ns is not None:
            self._armed_until_ns = now_ns + ARMED_NS
        unfit = self._unfit(key, action, view, key_ns, now_ns)
        if unfit is not None:
            return unfit
        if action.taps > 1 and not _completes(tap, key, action, view, key_ns):
            return self._ask(key, label, action, view, key_ns)
        if _is_guarded(action) and gap_ns < UNANSWERED_NS:
            self._holds[key] = _Hold(action, view, now_ns)
            return Ruling(Verdict.HELD, action)
        return Ruling(Verdict.FIRE, action)

    def tick(self, view: ViewState, now_ns: int) -> list[tuple[str, Ruling]]:
        """Let time pass: call ten times a second, and `HELD_NS` after a held press.

        Each ruling comes with the key that it belongs to, "" where there is none.
        """
        rulings = []
        for key, hold in list(self._holds.items()):
            waited_ns = now_ns - hold.at_ns
            if waited_ns >= HELD_NS:
                del self._holds[key]
                rulings.append((key, self._release(hold, view, waited_ns)))
        if self._tap is not None and now_ns - self._tap.at_ns > TAP_NS:
            self._tap = None
        why = self._why_disarm(view, now_ns)
        if why:
            self.disarm()
            rulings.append(("", Ruling(Verdict.NOTE, None, f"disarmed: {why}")))
        return rulings

    def sent(self, key: str, command_id: str, now_ns: int) -> None:
        """An order key's command has left: the key waits for its receipt."""
        self._unanswered[key] = (command_id, now_ns)

    def answered(self, command_id: str) -> None:
        """A receipt has come."""
        for key, (waiting, _) in list(self._unanswered.items()):
            if waiting == command_id:
                del self._unanswered[key]

    # -- arming --------------------------------------------------------------------------------

    def toggle_arm(self, view: ViewState, now_ns: int) -> None:
        if self.is_armed:
            self.disarm()
        else:
            self._armed_until_ns = now_ns + ARMED_NS
            self._armed_for = view.instrument_id

    def disarm(self) -> None:
        self._armed_until_ns = None

    def drop(self) -> bool:
        """Escape: forget a first tap or held presses; False when there was neither."""
        had = self._tap is not None or bool(self._holds)
        self._tap = None
        self._holds.clear()
        return had

    def pasted(self) -> Ruling:
        """Text was pasted where keys are expected: it never trades."""
        self.drop()
        was_armed = self.is_armed
        self.disarm()
        return Ruling(
            Verdict.DROPPED, None, "pasted text ignored" + (": keys SAFE" if was_armed else "")
        )

    # -- parts ---------------------------------------------------------------------------------

    def _release(self, hold: _Hold, view: ViewState, waited_ns: int) -> Ruling:
        """The key was not held down: let the press count, on the picture it was made on."""
        why = self._why_refused(hold.action, view)
        if why:
            return Ruling(Verdict.REFUSED, hold.action, why)
        aged_ms = hold.view.picture_age_ms + waited_ns // NS_PER_MS
        seen = msgspec.structs.replace(hold.view, picture_age_ms=aged_ms)
        return Ruling(Verdict.FIRE, hold.action, "", seen)

    def _is_burst(self, key_ns: int) -> bool:
        """True while keys come faster than fingers, and for a moment after."""
        self._recent_ns.append(key_ns)
        recent = self._recent_ns
        if len(recent) > BURST_KEYS and key_ns - recent[0] <= BURST_NS:
            self._quiet_until_ns = key_ns + BURST_QUIET_NS
            self.disarm()
        return self._quiet_until_ns is not None and key_ns < self._quiet_until_ns

    def _stop_burst(self) -> Ruling:
        self.drop()
        return Ruling(Verdict.DROPPED, None, "that came faster than fingers: ignored, keys SAFE")

    def _ask(self, key: str, label: str, action: Action, view: ViewState, key_ns: int) -> Ruling:
        what = action.announce(view) if action.announce is not None else action.text
        words = f"{label} again: {what}"
        self._tap = _Tap(key, action, _subject(action, view), key_ns, words)
        return Ruling(Verdict.ASK, action, words)

    def _unfit(
        self, key: str, action: Action, view: ViewState, key_ns: int, now_ns: int
    ) -> Ruling | None:
        """Why this press must not count, or None."""
        if action.risk is Risk.INCREASE:
            waiting = self._unanswered.get(key)
            if waiting is not None and now_ns - waiting[1] < UNANSWERED_NS:
                return Ruling(Verdict.DROPPED, action, "waiting for the receipt of the last order")
            late_ms = (now_ns - key_ns) // NS_PER_MS
            if late_ms > INTENT_AGE_MS_MAX:
                return Ruling(
                    Verdict.REFUSED, action, f"that key waited {late_ms} ms: look again, then press"
                )
        why = self._why_refused(action, view)
        return Ruling(Verdict.REFUSED, action, why) if why else None

    def _why_refused(self, action: Action, view: ViewState) -> str:
        if action.risk is Risk.INCREASE and not self.is_armed:
            # What would refuse the arming is said first: nobody is sent there for nothing.
            return rules.has_token(view) or f"order keys are SAFE: {self._arm_label} arms them"
        return action.why_not(view)

    def _why_disarm(self, view: ViewState, now_ns: int) -> str:
        if self._armed_until_ns is None:
            return ""
        if now_ns >= self._armed_until_ns:
            return "60 s without a key"
        if view.instrument_id != self._armed_for:
            return "another instrument is shown"
        if view.failure:
            return "the engine does not answer"
        if view.is_stale:
            return "the market is stale"
        if view.snapshot is not None and view.snapshot.kill is not KillLevel.NONE:
            return "the kill switch is on"
        if view.snapshot is not None and view.snapshot.halted:
            return "trading is halted"
        has_ended = view.snapshot is not None and view.snapshot.has_ended
        return "the recording has ended" if has_ended else ""


class Again:
    """The second press of a key that confirms what a dialog has asked at the first. A key held
    down does not confirm, nor do line ends in pasted text."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._held_ns: int | None = None

    def ask(self, now_ns: int) -> None:
        """This press was the one that asked."""
        self._last_ns, self._held_ns = now_ns, None

    def press(self, now_ns: int) -> Verdict:
        """FIRE, HELD (`is_due` says when it counts) or DROPPED."""
        gap_ns = now_ns - (self._last_ns if self._last_ns is not None else now_ns)
        was_held = self._held_ns is not None
        self.ask(now_ns)
        if was_held or gap_ns < REPEAT_NS:
            return Verdict.DROPPED
        if gap_ns >= UNANSWERED_NS:
            return Verdict.FIRE
        self._held_ns = now_ns
        return Verdict.HELD

    def is_due(self, now_ns: int) -> bool:
        """True once, when a held press has turned out to be no repeat."""
        if self._held_ns is None or now_ns - self._held_ns < HELD_NS:
            return False
        self._held_ns = None
        return True


def _subject(action: Action, view: ViewState) -> tuple[str, ...]:
    """What both taps must be about: what a list's cursor is on counts for that list's keys."""
    row = view.incident_id if "incidents" in action.contexts else ""
    row = view.algo_id if "algos" in action.contexts else row
    return view.instrument_id, view.bot_id, row


def _completes(tap: _Tap | None, key: str, action: Action, view: ViewState, key_ns: int) -> bool:
    """Is this press the second tap of `tap`: same key, same action, same subject, in time?"""
    if tap is None or tap.key != key or tap.action is not action:
        return False
    return tap.subject == _subject(action, view) and key_ns - tap.at_ns <= TAP_NS


def _touches_trading(action: Action) -> bool:
    return action.risk is not Risk.NONE or action.taps > 1


def _is_guarded(action: Action) -> bool:
    """Actions that a key held down must never carry out."""
    return not action.is_immediate and (action.risk is Risk.INCREASE or action.taps > 1)
