"""The command palette and the help: the action table, searched and printed."""

from __future__ import annotations

from app.views.actions import ACTIONS, CONTEXTS, Action, Risk, contexts_of, resolve
from app.views.cells import Cell, Line, fit
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


_RISK_WORDS = {Risk.NONE: "", Risk.REDUCE: "less risk", Risk.INCREASE: "armed only"}


def palette_line(
    action: Action, view: ViewState, keymap: Keymap, width: int, is_selected: bool
) -> Line:
    """Key, text and why it would be refused now."""
    why = _why(action, view)
    over = "/select" if is_selected else ""
    text_width = max(10, width - 18 - 12)
    return (
        Cell(fit(f" {keymap.label(action)}", 18), f"key{over}"),
        Cell(fit(action.text, text_width), f"{'faint' if why else 'text'}{over}"),
        Cell(fit(_RISK_WORDS[action.risk], 12, ">"), f"dim{over}"),
    )


def _why(action: Action, view: ViewState) -> str:
    stands = resolve(action, view)
    if stands.risk is Risk.INCREASE and not view.is_armed:
        return "SAFE"
    return stands.why_not(view)


def help_lines(pane: str, keymap: Keymap, width: int) -> list[Line]:
    """The keys of a pane and of everywhere, generated from the table."""
    lines: list[Line] = []
    for context in contexts_of(pane):
        lines.append((Cell(fit(f" {CONTEXTS[context]}", width), "title"),))
        lines += [
            _help_line(action, keymap, width)
            for action in ACTIONS.values()
            if context in action.contexts and not action.is_keyless
        ]
        lines.append(())
    lines += [
        (Cell(fit(" From the palette only", width), "title"),),
        *(_help_line(action, keymap, width) for action in ACTIONS.values() if action.is_keyless),
    ]
    return lines


def _help_line(action: Action, keymap: Keymap, width: int) -> Line:
    keys = [key_label(key) for key in keymap.keys_of(action.id)]
    words = " / ".join(keys) + (" twice" if action.taps > 1 and keys else "")
    tone = {Risk.NONE: "text", Risk.REDUCE: "up", Risk.INCREASE: "armed_text"}[action.risk]
    note = {Risk.NONE: "", Risk.REDUCE: "", Risk.INCREASE: " (armed)"}[action.risk]
    return (
        Cell(fit(f"  {words}", 20), "key"),
        Cell(fit(f"{action.text}{note}", max(0, width - 20)), tone),
    )


_FOOTER = {
    "ladder": ("buy_limit", "sell_limit", "buy_join", "order_grab", "order_cancel", "center"),
    "bots": ("bot_pause", "bot_take", "bot_return", "bot_stop", "bot_detail"),
    "orders": ("order_cancel",),
    "chart": ("tf_next", "zoom_in", "chart_live"),
}
_ALWAYS = ("kill", "flatten_symbol", "cancel_symbol", "pause_all", "arm")
_LAST = ("palette", "help", "quit")


def footer_line(pane: str, view: ViewState, keymap: Keymap, width: int) -> Line:
    """The keys that work here, safety first; what cannot run now is dimmed."""
    must = [*_ALWAYS, *_LAST]
    wanted = [*_ALWAYS, *_FOOTER.get(pane, ()), *_LAST]
    pieces = {id: _footer_piece(ACTIONS[id], view, keymap) for id in wanted}
    size = {id: sum(len(cell.text) for cell in piece) for id, piece in pieces.items()}
    shown = list(must)
    for id in _FOOTER.get(pane, ()):
        if sum(size[one] for one in [*shown, id]) < width:
            shown.append(id)
    while len(shown) > 1 and sum(size[one] for one in shown) > width:
        shown.remove(
            next(id for id in (*_FOOTER.get(pane, ()), "quit", *_ALWAYS[::-1]) if id in shown)
        )
    return tuple(cell for id in wanted if id in shown for cell in pieces[id])


def _footer_piece(action: Action, view: ViewState, keymap: Keymap) -> Line:
    stands = resolve(action, view)
    off = bool(_why(action, view))
    key = keymap.label(action).replace(" ", "")
    return (
        Cell(f" {key}", "faint" if off else "key"),
        Cell(f" {stands.short} ", "faint" if off else "footer"),
    )
