"""What an action is: its words, its risk and when it may run."""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from app.views import rules
from app.views.viewstate import ViewState


class Risk(enum.StrEnum):
    NONE = "none"
    REDUCE = "reduce"
    """Never needs arming."""
    INCREASE = "increase"
    """Only while armed."""


class Action(msgspec.Struct, frozen=True):
    id: str
    contexts: tuple[str, ...]
    """Where its keys are looked up: `global` or a pane, as in keymap.toml."""
    short: str
    """One or two words for the footer."""
    text: str
    """What it does, for help and palette."""
    risk: Risk = Risk.NONE
    taps: int = 1
    priority: bool = False
    """Works everywhere, also in dialogs and text fields; needs a function key."""
    is_immediate: bool = False
    """The second tap fires at once, without waiting to see whether the key is merely held."""
    why_not: Callable[[ViewState], str] = rules.always
    """Why it cannot run now, for a person; "" when it can."""
    announce: Callable[[ViewState], str] | None = None
    """What the second tap will do, from the snapshot."""
    becomes: Callable[[ViewState], str] | None = None
    """The id of the action that stands for this one in a given state; "" for itself."""
    shell: str = ""
    """The shell command that does the same; "" where `act ID` is the way, or there is none."""
    view_only: str = ""
    """Why no shell command does it: it changes only what this screen shows."""
    is_keyless: bool = False
    """Reached from the palette or through `becomes` only, on purpose."""
