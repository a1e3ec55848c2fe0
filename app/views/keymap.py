"""Which key means which action: `resources/keymap.toml` under a person's own overrides.

Everything wrong with a key map is an error at start that names file, line and remedy; a key that
silently does nothing, or something else, is how money is lost.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from app import tomlfile
from app.views.actions import ACTIONS, CONTEXTS, Action, Risk
from app.views.presets import DEFAULT_PRESET
from engine.domain.errors import ConfigError

_NAMED = frozenset(
    {"up", "down", "left", "right", "home", "end", "pageup", "pagedown"}
    | {"insert", "delete", "backspace", "enter", "tab", "escape", "space"}
)
_FUNCTION = re.compile(r"f([1-9]|1[0-2])")
_ALIASES = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
_MODIFIERS = ("ctrl", "alt", "shift")
_LOST_CTRL = {
    "h": "backspace",
    "i": "tab",
    "j": "enter",
    "m": "enter",
    "left_square_bracket": "escape",
}
_TAKEN_CTRL = {
    "a": "screen",
    "b": "tmux",
    "c": "the terminal",
    "d": "the shell",
    "q": "flow control",
    "s": "flow control",
    "z": "the shell",
}
_CONTROLS = frozenset(
    {"at", "backslash", "right_square_bracket", "circumflex_accent", "underscore"}
)
"""Signs that a terminal has a control character of."""
_NO_PANES = ("global", "list", "replay")
"""Sections that are not about one pane, or about one that is there on recordings only."""
_MARKET = frozenset({"buy_market", "sell_market"})


class Bound(NamedTuple):
    """One line of a key map file: where it stands and what it says."""

    source: str
    line: int
    context: str
    action_id: str
    keys: tuple[str, ...]

    def error(self, words: str) -> ConfigError:
        return ConfigError(f"{self.source}:{self.line}: {words}")


class Keymap:
    """Answers `action_for(key, contexts)` and names the keys of an action."""

    def __init__(self, bound: Iterable[Bound]) -> None:
        self._actions: dict[tuple[str, str], str] = {}
        self._keys: dict[str, list[str]] = {}
        self.sources: list[str] = []
        """The files that its lines come from."""
        owners: dict[tuple[str, str], Bound] = {}
        for line in bound:
            if line.source not in self.sources:
                self.sources.append(line.source)
            for key in line.keys:
                other = owners.setdefault((line.context, key), line)
                if other is not line:
                    raise line.error(
                        f"{key} is the key of {other.action_id} ({other.source}:{other.line}) and "
                        f"of {line.action_id}: give one of them another key"
                    )
                self._actions[line.context, key] = line.action_id
                if key not in self._keys.setdefault(line.action_id, []):
                    self._keys[line.action_id].append(key)
        _check_shadows(owners)
        _check_lost_modifiers(owners)

    def action_for(self, key: str, contexts: Iterable[str]) -> Action | None:
        """The action of `key` in the first of `contexts` that knows it."""
        for context in contexts:
            action_id = self._actions.get((context, key))
            if action_id is not None:
                return ACTIONS[action_id]
        return None

    def keys_of(self, action_id: str) -> list[str]:
        """Its keys, the preferred one first; empty when it has none."""
        return self._keys.get(action_id, [])

    def keys_in(self, context: str, action_id: str) -> list[str]:
        """Its keys in one section."""
        return [
            key
            for (where, key), one in self._actions.items()
            if (where, one) == (context, action_id)
        ]

    def panes_of(self, key: str) -> list[str]:
        """The panes that know `key` as a key of their own."""
        return [
            context
            for context in CONTEXTS
            if context not in _NO_PANES and (context, key) in self._actions
        ]

    def label(self, action: Action) -> str:
        """The preferred key as people read it, twice if it takes two taps: `F12 F12`."""
        keys = self.keys_of(action.id)
        if not keys:
            return ""
        return " ".join([key_label(keys[0])] * action.taps)


def load_keymap(own: Path | None = None, preset: str = DEFAULT_PRESET) -> Keymap:
    """The shipped keys, the lines of `preset` in place of theirs, and over both the lines of the
    file `own`, if it exists."""
    bound = _shipped("keymap.toml")
    if preset != DEFAULT_PRESET:
        bound = override(bound, _shipped(f"keymap-{preset}.toml"))
    if own is not None and tomlfile.is_there(own):
        try:
            text = tomlfile.read_text(own)
        except OSError as error:
            raise ConfigError(f"{own}: {error.strerror}: cannot be read as a key map") from error
        except ValueError as error:
            raise ConfigError(f"{own}: {error}: cannot be read as a key map") from error
        bound = override(bound, parse_keymap(text, str(own)))
    return Keymap(bound)


def _shipped(name: str) -> list[Bound]:
    text = (resources.files("resources") / name).read_text("utf-8")
    return parse_keymap(text, f"resources/{name}")


def override(base: list[Bound], own: list[Bound]) -> list[Bound]:
    """`own` lines replace those of the same section and action; new ones are added."""
    replaced = {(line.context, line.action_id) for line in own}
    kept = [line for line in base if (line.context, line.action_id) not in replaced]
    return kept + own


def parse_keymap(text: str, source: str) -> list[Bound]:
    """The lines of one file, each checked on its own."""
    try:
        document = tomlfile.parse(text)
    except ValueError as error:
        raise ConfigError(f"{source}: not a valid key map: {error}") from error
    lines = _line_numbers(text)
    bound = []
    for context, entries in document.items():
        line_no = lines.get((context, ""), 1)
        if context not in CONTEXTS or not isinstance(entries, dict):
            words = _meant(context, CONTEXTS) or f"known are {', '.join(CONTEXTS)}"
            raise ConfigError(f"{source}:{line_no}: unknown section {context}: {words}")
        for action_id, value in entries.items():
            line = Bound(source, lines.get((context, action_id), line_no), context, action_id, ())
            bound.append(line._replace(keys=_checked_keys(line, value)))
    return bound


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else ""


def _checked_keys(line: Bound, value: object) -> tuple[str, ...]:
    action = ACTIONS.get(line.action_id)
    if action is None:
        remedy = _meant(line.action_id, ACTIONS) or "pilothouse act lists them"
        raise line.error(f"unknown action {line.action_id}: {remedy}")
    if line.context not in action.contexts:
        places = " or ".join(f"[{context}]" for context in action.contexts)
        raise line.error(f"{line.action_id} belongs into {places}, not into [{line.context}]")
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise line.error(f"{line.action_id}: expected a key or a list of keys, in quotes")
    keys = tuple(key_name(word) for word in words if word.strip())
    if action.priority and not keys:
        raise line.error(f"{line.action_id} must keep a key: it has to work when nothing else does")
    for key in keys:
        why = why_unsafe(key, action, len(keys))
        if why:
            raise line.error(f"{key} cannot be the key of {line.action_id}: {why}")
    return keys


# -- keys ------------------------------------------------------------------------------------


def key_name(word: str) -> str:
    """Textual's name of a key: `?` -> `question_mark`, `Ctrl+P` -> `ctrl+p`, `B` stays `B`."""
    word = word.strip()
    parts = [word] if len(word) == 1 else word.split("+")
    if len(parts) > 1 and parts[-1] == "":
        parts = [*parts[:-2], "+"]
    modifiers = sorted(part.strip().lower() for part in parts[:-1])
    base = parts[-1].strip()
    if len(base) > 1:
        base = base.lower()
    elif base and not base.isalnum():
        name = unicodedata.name(base, "").lower().replace("-", "_").replace(" ", "_")
        base = _ALIASES.get(name, name)
    elif "ctrl" in modifiers or "alt" in modifiers:
        base = base.lower()
    return "+".join([*modifiers, base])


def key_label(key: str) -> str:
    """How a key is written for people: `shift+f8` -> `Shift+F8`, `question_mark` -> `?`."""
    *modifiers, base = key.split("+")
    if _FUNCTION.fullmatch(base):
        base = base.upper()
    elif len(base) > 1:
        base = _CHARACTERS.get(base) or _WORDS.get(base) or base.capitalize()
    elif modifiers:
        base = base.upper()
    return "+".join([*(word.capitalize() for word in modifiers), base])


_WORDS = {
    "escape": "Esc",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "delete": "Del",
    "insert": "Ins",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}
_CHARACTERS = {key_name(char): char for char in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}"}


def why_unsafe(key: str, action: Action, keys: int = 1) -> str:
    """Why `key` must not carry `action`; "" when it may. `keys`: how many keys it has in all."""
    *modifiers, base = key.split("+")
    return (
        _why_no_key(modifiers, base)
        or _why_lost(modifiers, base)
        or _why_wrong_for(action, modifiers, base, keys)
    )


def _why_no_key(modifiers: list[str], base: str) -> str:
    if any(word not in _MODIFIERS for word in modifiers):
        return f"only {', '.join(_MODIFIERS)} reach a terminal as modifiers"
    known = len(base) == 1 or base in _NAMED or base in _CHARACTERS or _FUNCTION.fullmatch(base)
    if base == "tilde":
        return "~ is the escape character of ssh"
    return "" if known else "there is no such key (names as in resources/keymap.toml)"


def _why_lost(modifiers: list[str], base: str) -> str:
    """Keys that terminals and multiplexers change on the way, or keep to themselves."""
    if base in ("f10", "f11"):
        return "desktop terminals keep it for themselves"
    if "ctrl" in modifiers and "alt" in modifiers:
        return "terminals drop the Alt of Ctrl+Alt"
    if "ctrl" in modifiers and "shift" in modifiers and (len(base) == 1 or base in _CHARACTERS):
        return "terminals drop the Shift of Ctrl+Shift"
    if modifiers and base.isdigit():
        return "digits lose their modifiers in terminals"
    if modifiers and base in ("enter", "space"):
        return f"{base} loses its modifiers in terminals"
    if "shift" in modifiers and len(base) == 1:
        return "write the capital letter instead"
    if modifiers == ["ctrl"] and base in _LOST_CTRL:
        return f"terminals deliver it as {_LOST_CTRL[base]}"
    if "ctrl" in modifiers and base in _CHARACTERS and base not in _CONTROLS:
        return "terminals have no Ctrl of that sign"
    if modifiers == ["ctrl"] and base in _TAKEN_CTRL:
        return f"it belongs to {_TAKEN_CTRL[base]}"
    return ""


def _why_wrong_for(action: Action, modifiers: list[str], base: str, keys: int) -> str:
    is_function = bool(_FUNCTION.fullmatch(base))
    if action.priority and not is_function:
        return "it works in text fields too, so it needs a function key"
    if action.id in _MARKET and not is_function:
        return "market orders need a function key: Caps Lock must not make one of a letter"
    if action.risk is Risk.INCREASE and base == "space":
        return "the space bar is pressed by accident"
    if base == "f1" and not modifiers and keys < 2:
        return "desktop terminals may keep F1 for themselves: give a second key as well"
    return ""


# -- checks across lines ---------------------------------------------------------------------


def _check_shadows(owners: Mapping[tuple[str, str], Bound]) -> None:
    """A pane may give a global key its own meaning, but never that of a priority action."""
    for (context, key), line in owners.items():
        outer = owners.get(("global", key))
        if context != "global" and outer is not None and ACTIONS[outer.action_id].priority:
            raise line.error(
                f"{key} is {outer.action_id} everywhere: give {line.action_id} another"
            )


def _check_lost_modifiers(owners: Mapping[tuple[str, str], Bound]) -> None:
    """A terminal that swallows a modifier must not turn a harmless key into one that adds risk."""
    for (context, key), line in owners.items():
        *modifiers, base = key.split("+")
        bare = owners.get((context, base)) or owners.get(("global", base))
        if not modifiers or bare is None:
            continue
        if ACTIONS[bare.action_id].risk is Risk.INCREASE:
            raise line.error(
                f"{key} becomes {base} ({bare.action_id}) where a terminal loses the modifier: "
                f"give {line.action_id} another key"
            )


_SECTION = re.compile(r"\s*\[\s*\"?([^\"\]]+?)\"?\s*\]")
_ENTRY = re.compile(r"\s*\"?([A-Za-z0-9_\-]+)\"?\s*=")


def _line_numbers(text: str) -> dict[tuple[str, str], int]:
    """(section, entry) -> line; the section's own line is under the entry ""."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _SECTION.match(line):
            section = header.group(1)
            found.setdefault((section, ""), number)
        elif entry := _ENTRY.match(line):
            found.setdefault((section, entry.group(1)), number)
    return found
