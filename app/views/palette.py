"""The command palette and the help: the action table, searched and printed."""

from __future__ import annotations

import textwrap

from app.views.actions import ACTIONS, CONTEXTS, Action, Risk, contexts_of, resolve
from app.views.cells import Cell, Line, fit, line_width
from app.views.keymap import Keymap, key_label
from app.views.viewstate import ViewState


def search(query: str) -> list[Action]:
    """Actions whose id or text holds every word of `query`, the best matches first."""
    words = query.lower().split()
    found = []
    for place, action in enumerate(ACTIONS.values()):
        name = action.id.replace("_", " ")
        text = f"{name} {action.short} {action.text}".lower()
        if all(word in text for word in words):
            score = sum(_score(word, name) for word in words)
            found.append((-score, place, action))
    return [action for _, _, action in sorted(found, key=lambda hit: hit[:2])]


def _score(word: str, name: str) -> int:
    if name == word:
        return 4
    if name.startswith(word):
        return 3
    return 2 if f" {word}" in name else 1 if word in name else 0


_KEY_WIDTH = 16


def palette_line(
    action: Action, view: ViewState, keymap: Keymap, width: int, is_selected: bool
) -> Line:
    """Key and text; dimmed, with the reason, when it would be refused now."""
    why = _why(action, view)
    over = "/select" if is_selected else ""
    keys = keymap.keys_of(action.id)
    label = f"{key_label(keys[0])}{' twice' if action.taps > 1 else ''}" if keys else ""
    note = fit(why, 26, ">") if is_selected and why else ""
    return (
        Cell(fit(f" {label}", _KEY_WIDTH + 1), f"key{over}"),
        Cell(
            fit(action.text, max(10, width - _KEY_WIDTH - 2 - len(note))),
            # Faint on the selected row could not be read where there are 16 colours only.
            f"{('dim' if is_selected else 'faint') if why else 'text'}{over}",
        ),
        Cell(f"{note} ", f"warn{over}"),
    )


def _why(action: Action, view: ViewState) -> str:
    stands = resolve(action, view)
    if stands.risk is Risk.INCREASE and not view.is_armed:
        return "not armed"
    return stands.why_not(view)


def help_lines(pane: str, keymap: Keymap, width: int) -> list[Line]:
    """The keys of a pane and of everywhere, generated from the table."""
    lines: list[Line] = []
    for context in contexts_of(pane):
        lines.append((Cell(fit(f" {CONTEXTS[context]}", width), "title"),))
        lines += [
            line
            for action in ACTIONS.values()
            if context in action.contexts and not action.is_keyless
            for line in _help_entry(action, keymap.keys_in(context, action.id), width)
        ]
        lines.append(())
    lines += [
        (Cell(fit(" From the palette only", width), "title"),),
        *(
            line
            for action in ACTIONS.values()
            if action.is_keyless
            for line in _help_entry(action, [], width)
        ),
    ]
    return lines


_HELP_KEYS = 20


def _help_entry(action: Action, keys: list[str], width: int) -> list[Line]:
    """One action with `keys`, its keys in the section; a long text goes on below itself."""
    words = " / ".join(map(key_label, keys)) + (" twice" if action.taps > 1 and keys else "")
    tone = {Risk.NONE: "text", Risk.REDUCE: "up", Risk.INCREASE: "armed_text"}[action.risk]
    note = {Risk.NONE: "", Risk.REDUCE: "", Risk.INCREASE: " (armed)"}[action.risk]
    room = max(20, width - _HELP_KEYS)
    pieces = textwrap.wrap(f"{action.text}{note}", room)
    return [
        (
            Cell(fit(f"  {words if at == 0 else ''}", _HELP_KEYS), "key"),
            Cell(fit(piece, room), tone),
        )
        for at, piece in enumerate(pieces)
    ]


_MUST = ("kill", "flatten_symbol", "cancel_symbol", "help")
_PANE = {
    "ladder": (
        "arm",
        "buy_limit",
        "sell_limit",
        "order_grab",
        "order_cancel",
        "buy_join",
        "sell_join",
        "stop_at_cursor",
        "center",
    ),
    "bots": ("bot_pause", "bot_take", "bot_return", "bot_stop", "bot_edit", "bot_detail"),
    "orders": ("order_cancel", "why", "orders_filter"),
    "algos": ("algo_cancel", "algo_cancel_all"),
    "fills": ("why",),
    "tape": ("tape_larger", "tape_smaller"),
    "log": ("log_level", "log_source", "log_find", "log_follow", "log_clear"),
    "limits": ("kill_no_entries", "kill_reduce_only", "kill_flatten"),
    "incidents": ("incident_adopt", "incident_ignore", "incident_flatten"),
    "runs": ("run_open", "runs_read"),
    "settings": ("settings_file",),
    "chart": ("tf_next", "tf_prev", "chart_studies", "zoom_in", "zoom_out", "chart_live"),
    "replay": (
        "replay_toggle",
        "replay_faster",
        "replay_step",
        "replay_back",
        "replay_fill_next",
        "replay_fill_prev",
        "replay_fork",
        "replay_slower",
        "replay_left",
        "replay_right",
    ),
}
_WISHES = ("arm", "pause_all", "palette", "quit", "ticket", "next_pane", "maximise")
_ORDER = (
    *("kill", "flatten_symbol", "cancel_symbol", "pause_all", "arm"),
    *(one for pane in _PANE.values() for one in pane if one != "arm"),
    *("replay_focus", "ticket", "next_pane", "maximise", "palette", "help", "quit"),
)


def footer_line(pane: str, view: ViewState, keymap: Keymap, width: int) -> Line:
    """The keys that work here, as many as fit: safety first, then the pane's, then the rest."""
    pieces: dict[str, Line] = {}
    used = 0
    is_replay = view.snapshot is not None and view.snapshot.replay is not None
    to_time = ("replay_focus",) if is_replay and pane != "replay" else ()
    for action_id in dict.fromkeys((*_MUST, *to_time, *_PANE.get(pane, ()), *_WISHES)):
        piece = _footer_piece(ACTIONS[action_id], view, keymap)
        size = line_width(piece)
        if used + size <= width or action_id in _MUST:
            pieces[action_id] = piece
            used += size
    return tuple(cell for one in dict.fromkeys(_ORDER) for cell in pieces.get(one, ()))


VIEWS = (
    ("view_trade", "trade"),
    ("view_bots", "bots"),
    ("view_book", "book"),
    ("view_orders", "orders"),
    ("view_log", "log"),
    ("view_money", "money"),
    ("view_risk", "risk"),
    ("view_incidents", "incidents"),
    ("view_runs", "runs"),
    ("view_settings", "settings"),
)
"""Views in the order of their keys: the action that shows one, and its name."""


def views_line(shown: str, keymap: Keymap, width: int) -> Line:
    """Every view with its key; the one that is shown stands out."""
    cells: list[Cell] = []
    for action_id, name in VIEWS:
        is_shown = name == shown
        key, word = keymap.label(ACTIONS[action_id]), ACTIONS[action_id].short
        cells.append(Cell(f" {key}", "key/select" if is_shown else "key"))
        cells.append(Cell(f" {word} ", "strong/select" if is_shown else "footer"))
    used = sum(len(cell.text) for cell in cells)
    return (*cells, Cell(" " * max(0, width - used), "text")) if used <= width else ()


def _footer_piece(action: Action, view: ViewState, keymap: Keymap) -> Line:
    stands = resolve(action, view)
    off = bool(_why(action, view))
    keys = keymap.keys_of(action.id)
    key = key_label(keys[0]) * stands.taps if keys else ""
    return (
        Cell(f" {key}", "faint" if off else "key"),
        Cell(f" {stands.short} ", "faint" if off else "footer"),
    )
