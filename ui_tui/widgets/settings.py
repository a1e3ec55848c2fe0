"""Settings in force, and the key map."""

from __future__ import annotations

from app.views.cells import Line
from app.views.desk import Desk
from app.views.settingsview import keys_lines, settings_lines
from ui_tui.widgets.scrolled import ScrolledPane


class SettingsPane(ScrolledPane):
    key = "settings"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return settings_lines(desk.shelved.get("settings"), width)


class KeysPane(ScrolledPane):
    key = "keys"

    def lines(self, desk: Desk, now_ns: int, width: int) -> list[Line]:
        return keys_lines(desk.keymap, width)
