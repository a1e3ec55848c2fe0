"""Every dialog by the name that the desk knows it under."""

from __future__ import annotations

from collections.abc import Callable

from textual.widget import Widget

from app.views.desk import Desk
from ui_tui.look import Look
from ui_tui.screens.detail import DetailDialog
from ui_tui.screens.dialog import Dialog
from ui_tui.screens.edit import EditDialog
from ui_tui.screens.find import FindDialog
from ui_tui.screens.help import HelpDialog
from ui_tui.screens.leave import LeaveDialog
from ui_tui.screens.palette import PaletteDialog
from ui_tui.screens.reader import ManualDialog, RunDialog, StoryDialog
from ui_tui.screens.reset import ResetDialog
from ui_tui.screens.ticket import TicketDialog

Build = Callable[[Desk, Look, Widget | None], Dialog]

DIALOGS: dict[str, Build] = {
    "palette": PaletteDialog,
    "help": HelpDialog,
    "detail": DetailDialog,
    "edit": EditDialog,
    "reset": ResetDialog,
    "leave": LeaveDialog,
    "ticket": TicketDialog,
    "story": StoryDialog,
    "run": RunDialog,
    "manual": ManualDialog,
    "find": FindDialog,
}
