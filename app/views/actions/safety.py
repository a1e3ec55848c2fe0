"""Safety: what must work anywhere, also in dialogs and with a dead market."""

from __future__ import annotations

from collections.abc import Callable

from app.views import announce, rules
from app.views.actions.base import Action, Risk
from app.views.viewstate import ViewState
from engine.domain.incident import Choice

_GLOBAL = ("global",)


_LIMITS = ("limits",)


def _kill_level(action_id: str, level: str, says: Callable[[ViewState], str]) -> Action:
    """One of the four levels; `kill`, from anywhere, is the third."""
    return Action(
        action_id,
        _LIMITS,
        level,
        f"kill level: {level}, until the typed word",
        Risk.REDUCE,
        taps=2,
        why_not=rules.is_alive,
        announce=says,
        shell=f"kill --level {level.replace(' ', '-')}",
    )


def _decide(action_id: str, choice: Choice, risk: Risk) -> Action:
    words = {
        Choice.ADOPT: "adopt: the venue is right about the selected incident",
        Choice.IGNORE: "ignore: our record is right about the selected incident",
        Choice.FLATTEN: "flatten: close the book of the selected incident",
    }
    return Action(
        action_id,
        ("incidents",),
        str(choice),
        words[choice],
        risk,
        taps=2,
        why_not=rules.can_decide(choice),
        announce=announce.incident(choice),
        shell=f"incidents {choice} ID",
    )


SAFETY = (
    Action(
        "kill",
        _GLOBAL,
        "KILL",
        "KILL: pause all bots, cancel all orders, block new orders until reset",
        Risk.REDUCE,
        taps=2,
        priority=True,
        is_immediate=True,
        why_not=rules.is_alive,
        announce=announce.kill,
        shell="kill",
    ),
    _kill_level("kill_no_entries", "no entries", announce.kill_no_entries),
    _kill_level("kill_reduce_only", "reduce only", announce.kill_reduce_only),
    _kill_level("kill_cancel_all", "cancel all", announce.kill),
    _kill_level("kill_flatten", "flatten", announce.kill_flatten),
    Action(
        "flatten_symbol",
        _GLOBAL,
        "flat",
        "flatten this symbol: pause its bots, cancel, close reduce-only",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.has_instrument,
        announce=announce.flatten_symbol,
    ),
    Action(
        "flatten_all",
        _GLOBAL,
        "flat ALL",
        "flatten every position (cancel + reduce-only close)",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.is_alive,
        announce=announce.flatten_all,
        shell="flatten",
    ),
    Action(
        "cancel_symbol",
        _GLOBAL,
        "cancel",
        "cancel working orders of this symbol (keeps protective stops)",
        Risk.REDUCE,
        priority=True,
        why_not=rules.has_instrument,
    ),
    Action(
        "cancel_all",
        _GLOBAL,
        "cancel ALL",
        "cancel ALL orders, all symbols, protective stops too",
        Risk.REDUCE,
        taps=2,
        priority=True,
        why_not=rules.is_alive,
        announce=announce.cancel_all,
        shell="cancel-all --protective",
    ),
    Action(
        "pause_all",
        _GLOBAL,
        "pause",
        "pause all bots (no new entries; exits and stops go on)",
        Risk.REDUCE,
        priority=True,
        why_not=rules.is_alive,
        shell="pause",
    ),
    Action(
        "arm",
        _GLOBAL,
        "arm",
        "arm / disarm order keys (disarms itself: 60 s idle, stale feed, symbol change)",
        taps=2,
        priority=True,
        why_not=rules.is_armable,
        announce=announce.arm,
        view_only="arming guards the keys of one screen",
    ),
    Action(
        "disarm",
        _GLOBAL,
        "back",
        "less: close dialog, drop pending order, disarm",
        view_only="arming guards the keys of one screen",
    ),
    Action(
        "alert_ack",
        _GLOBAL,
        "read",
        "acknowledge the alerts: you have seen them",
        Risk.REDUCE,
        why_not=rules.has_alert,
    ),
    Action(
        "mute",
        _GLOBAL,
        "mute",
        "mute / unmute the bell at fills and alerts",
        view_only="silences this screen",
    ),
    _decide("incident_adopt", Choice.ADOPT, Risk.REDUCE),
    _decide("incident_ignore", Choice.IGNORE, Risk.REDUCE),
    _decide("incident_flatten", Choice.FLATTEN, Risk.REDUCE),
    Action(
        "reset_kill",
        _GLOBAL,
        "reset",
        "reset the kill switch and reached limits (asks for a typed word)",
        why_not=rules.can_reset,
        is_keyless=True,
        shell="reset RESUME",
    ),
)
