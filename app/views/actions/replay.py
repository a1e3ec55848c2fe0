"""Time in a person's hands, while a recording is played back."""

from __future__ import annotations

from app.views import announce, rules
from app.views.actions.base import Action

_REPLAY = ("replay",)
_NO_SHELL = "a replay lives in its own window"


def _row(id: str, short: str, text: str) -> Action:
    return Action(id, _REPLAY, short, text, why_not=rules.is_replay, view_only=_NO_SHELL)


REPLAY = (
    Action(
        "replay_focus",
        ("global",),
        "time",
        "to the time line of a replay",
        why_not=rules.is_replay,
        view_only=_NO_SHELL,
    ),
    _row("replay_toggle", "play/stop", "play, or stand still"),
    _row("replay_step", "step", "to the next event: best price, trade or own fill"),
    _row("replay_back", "back", "to the event before"),
    _row("replay_faster", "faster", "play faster: 1x, 2x, 5x ... 1000x"),
    _row("replay_slower", "slower", "play slower"),
    _row("replay_left", "-10 s", "ten seconds back"),
    _row("replay_right", "+10 s", "ten seconds on"),
    _row("replay_bar_back", "-1 m", "to the minute's bar before"),
    _row("replay_bar_next", "+1 m", "to the next minute's bar"),
    _row("replay_start", "start", "to the start of the recording"),
    _row("replay_end", "end", "to the end of the recording"),
    _row("replay_fill_next", "next fill", "to the next own fill"),
    _row("replay_fill_prev", "fill before", "to the own fill before"),
    Action(
        "replay_fork",
        _REPLAY,
        "fork",
        "fork: go on from here as paper trading, with a ledger of its own",
        taps=2,
        why_not=rules.is_replay,
        announce=announce.replay_fork,
        view_only=_NO_SHELL,
    ),
)
