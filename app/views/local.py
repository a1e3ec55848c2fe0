"""Actions that stay in the face: what they change at the desk and which effects they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.views import moves
from app.views.actions.replay import REPLAY
from app.views.commands import grabbed_by
from app.views.effects import Crash, Effect, Focus, Leave, Less, Open, Show, Steer, TakeToken
from app.views.keymap import key_label
from app.views.replaybar import wish_of
from app.views.rules import story_id
from app.views.viewstate import ViewState
from engine.domain.replay import Halt

if TYPE_CHECKING:
    from app.views.desk import Desk

Local = Callable[["Desk", ViewState, int], list[Effect]]


def _arm(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.gestures.toggle_arm(view, now_ns)
    words = (
        "ARMED: order keys send at once" if desk.gestures.is_armed else "SAFE: order keys are off"
    )
    desk.say(words, "warn", now_ns)
    return []


def _less(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    """Escape: drop the smallest thing there is. A replay stops on its way, whatever that is."""
    replay = view.snapshot.replay if view.snapshot is not None else None
    halt: list[Effect] = [Steer(Halt())] if replay is not None and replay.is_seeking else []
    if desk.grabbed_id:
        desk.grabbed_id = ""
        desk.say("move dropped: the order stays where it is", "note", now_ns)
    elif desk.gestures.is_armed:
        desk.gestures.disarm()
        desk.say("SAFE: order keys are off", "note", now_ns)
    elif not halt:
        return [Less()]
    return halt


def _grab(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.grabbed_id = grabbed_by(view)
    send = key_label((desk.keymap.keys_of("order_move") or ["enter"])[0])
    desk.say(f"grabbed: arrows choose the price, {send} sends one move, Esc drops", "warn", now_ns)
    return []


def _open(dialog: str) -> Local:
    return lambda desk, view, now_ns: [Open(dialog)]


def _show(view_name: str, topic: str = "") -> Local:
    """Show a view; one that is read from files is read again each time."""

    def show(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
        return [Show(view_name), *(desk.ask(topic) if topic else ())]

    return show


# -- what is read beside the screen ----------------------------------------------------------


def _why(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.story_id = story_id(view)
    return [Open("story"), *desk.ask("story", desk.story_id)]


def _run_open(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    """Where list and run are side by side it shows there already; elsewhere a dialog opens."""
    return [Open("run"), *desk.ask("run", view.run_id)]


def _runs_read(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    return list(desk.ask("runs"))


def _manual(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    return [Open("manual"), *desk.ask("pages")]


def _settings_file(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.say(desk.files or "defaults only: `pilothouse config show` names the file", "warn", now_ns)
    return []


def _tour(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.toggle_tour()
    return []


# -- replays ----------------------------------------------------------------------------------


def _steer(action_id: str) -> Local:
    def steer(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
        wish = wish_of(action_id, view.snapshot) if view.snapshot is not None else None
        return [] if wish is None else [Steer(wish)]

    return steer


# -- filters -----------------------------------------------------------------------------------


def _log_level(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.log.next_level()
    desk.scroll["log"] = 0
    return []


def _log_source(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.log.next_source(desk.log_rows())
    desk.scroll["log"] = 0
    return []


def _log_follow(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    if desk.log.is_following:
        desk.log.hold(desk.log_rows())
    else:
        desk.log.follow()
        desk.scroll["log"] = 0
    return []


def _log_clear(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.log.clear()
    desk.scroll["log"] = 0
    return []


def _mute(desk: Desk, view: ViewState, now_ns: int) -> list[Effect]:
    desk.bell.is_muted = not desk.bell.is_muted
    words = "MUTED: no bell" if desk.bell.is_muted else "the bell rings at fills and alerts"
    desk.say(words, "warn", now_ns)
    return []


def _local(move: moves.Move) -> Local:
    return lambda desk, view, now_ns: move(desk, view)


LOCAL: dict[str, Local] = {
    "arm": _arm,
    "disarm": _less,
    "order_grab": _grab,
    "palette": _open("palette"),
    "replay_focus": lambda desk, view, now_ns: [Focus("replay")],
    **{row.id: _steer(row.id) for row in REPLAY if row.id != "replay_focus"},
    "help": _open("help"),
    "ticket": _open("ticket"),
    "bot_detail": _open("detail"),
    "bot_edit": _open("edit"),
    "reset_kill": _open("reset"),
    "log_find": _open("find"),
    "why": _why,
    "run_open": _run_open,
    "runs_read": _runs_read,
    "manual": _manual,
    "settings_file": _settings_file,
    "tour": _tour,
    "mute": _mute,
    "log_level": _log_level,
    "log_source": _log_source,
    "log_follow": _log_follow,
    "log_clear": _log_clear,
    "view_trade": _show("trade"),
    "view_bots": _show("bots"),
    "view_book": _show("book"),
    "view_orders": _show("orders"),
    "view_log": _show("log"),
    "view_money": _show("money"),
    "view_risk": _show("risk"),
    "view_incidents": _show("incidents"),
    "view_runs": _show("runs", "runs"),
    "view_settings": _show("settings", "settings"),
    "crash": lambda desk, view, now_ns: [Crash()],
    "quit": lambda desk, view, now_ns: [Leave()],
    "leave": _open("leave"),
    "take_token": lambda desk, view, now_ns: [TakeToken()],
    **{action_id: _local(move) for action_id, move in moves.MOVES.items()},
}
"""Every action that is not a command, by id."""
