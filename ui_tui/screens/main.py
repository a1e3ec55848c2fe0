"""The main screen: header, one view, footer, and at most one dialog over them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container
from textual.events import Resize
from textual.geometry import Size

from app.views.desk import Desk
from ui_tui.inside import QuietScreen
from ui_tui.look import Look
from ui_tui.pane import Pane
from ui_tui.screens.dialog import Dialog
from ui_tui.screens.views import BUILDERS, View
from ui_tui.widgets.footer import Footer
from ui_tui.widgets.header import Header
from ui_tui.widgets.replaybar import ReplayBar
from ui_tui.widgets.toosmall import MIN_HEIGHT, MIN_WIDTH, TooSmall
from ui_tui.widgets.tour import TourBar
from ui_tui.widgets.viewsbar import ViewsBar

WIDE_WIDTH, WIDE_HEIGHT = 160, 40
_HOME_PANE = {
    "trade": "ladder",
    "bots": "bots",
    "book": "ladder",
    "orders": "orders",
    "log": "log",
    "money": "positions",
    "risk": "limits",
    "incidents": "incidents",
    "runs": "runs",
    "settings": "settings",
}


class MainScreen(QuietScreen, inherit_bindings=False):
    AUTO_FOCUS = ""

    def __init__(self, desk: Desk, look: Look) -> None:
        super().__init__()
        self._desk = desk
        self._look = look
        self._header = Header(look, id="header")
        self._bar = ViewsBar(look, id="views-bar", classes="wide-only")
        self._tour = TourBar(look, id="tour")
        self._replay = ReplayBar(look, id="replay")
        self._footer = Footer(look, id="footer")
        self._too_small = TooSmall(look, id="too-small")
        self._frame = Container(id="views")
        self._views: dict[str, View] = {}
        self._view = ""
        self._view_panes: list[Pane] = []
        self._pane_awaited = ""
        """The pane to focus as soon as it is on the screen."""
        self._maximised: Pane | None = None
        self.dialog: Dialog | None = None

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._frame
        yield self._replay
        yield self._bar
        yield self._tour
        yield self._footer
        yield self._too_small

    # -- size ----------------------------------------------------------------------------------

    @property
    def laid_out(self) -> Size:
        """The size that the widgets have: of the terminal, once a resize is through."""
        width = self._too_small.size.width if self.is_too_small else self._header.size.width
        return Size(width, self.size.height)

    @property
    def is_too_small(self) -> bool:
        return self.size.width < MIN_WIDTH or self.size.height < MIN_HEIGHT

    @property
    def is_wide(self) -> bool:
        return self.size.width >= WIDE_WIDTH and self.size.height >= WIDE_HEIGHT

    def on_resize(self, event: Resize) -> None:
        self.set_class(self.is_too_small, "-too-small")
        self.set_class(self.is_wide, "-wide")
        # Home: everything at once where there is room, else the bots.
        field = self.focused if self.dialog is not None else None
        self.show_view(self._view or ("trade" if self.is_wide else "bots"), self.pane_key or "bots")
        if self.dialog is not None:  # Whatever was typed goes on in the same field.
            self.dialog.place()
            self._pane_awaited = ""
            self.set_focus(field)

    # -- views ---------------------------------------------------------------------------------

    def show_view(self, name: str, pane_key: str = "") -> None:
        """Show one view, built if need be, and focus a pane of it: its main one by default."""
        self.restore()
        self._view = name
        wanted = f"trade-{'wide' if self.is_wide else 'narrow'}" if name == "trade" else name
        view = self._views.get(wanted)
        if view is None:
            view = self._views[wanted] = BUILDERS[wanted](self._look)
            self._frame.mount(view.root)
        for other in self._views.values():
            other.root.display = other is view
        self._view_panes = view.panes
        self.focus_pane(pane_key or _HOME_PANE[name])

    @property
    def panes(self) -> list[Pane]:
        """The panes that can be seen, in reading order."""
        panes = [*self._view_panes, self._replay]
        return [] if self.is_too_small else [pane for pane in panes if _is_shown(pane)]

    @property
    def pane_key(self) -> str:
        """Name of the focused pane, for key contexts; "" when there is none."""
        if self.is_too_small:
            return ""
        return self._pane_awaited or getattr(self.focused, "key", "")

    def focus_pane(self, key: str) -> None:
        """Focus the pane of that name, at once or as soon as it is on the screen."""
        panes = [*self._view_panes, self._replay]
        pane = next((pane for pane in panes if pane.key == key), None)
        if pane is not None:
            self._pane_awaited = "" if pane.is_mounted else key
            self.set_focus(pane if pane.is_mounted else None)

    def turn(self, step: int) -> None:
        """Focus the next or previous pane."""
        panes = self.panes
        if panes:
            at = panes.index(self.focused) if self.focused in panes else -1
            self.set_focus(panes[(at + step) % len(panes)])

    # -- one pane alone ------------------------------------------------------------------------

    def toggle_maximised(self) -> None:
        if self._maximised is not None:
            self.restore()
        elif isinstance(self.focused, Pane):
            self._maximised = self.focused
            keep = {self._maximised, *self._maximised.ancestors}
            for widget in self.query(".view *"):
                widget.set_class(widget not in keep, "-hidden")
                widget.set_class(widget in keep, "-maximised")

    def restore(self) -> bool:
        """Show all panes of the view again; False when they were."""
        if self._maximised is None:
            return False
        self._maximised = None
        for widget in self.query(".-hidden, .-maximised"):
            widget.remove_class("-hidden", "-maximised")
        return True

    # -- dialogs -------------------------------------------------------------------------------

    def open(self, dialog: Dialog) -> None:
        self.close()
        self.dialog = dialog
        self.mount(dialog)

    def close(self) -> bool:
        """Close the dialog; False when there is none."""
        if self.dialog is None:
            return False
        dialog, self.dialog = self.dialog, None
        dialog.remove()
        self.set_focus(dialog.came_from if dialog.came_from in self.panes else None)
        if self.focused is None:
            self.focus_pane(_HOME_PANE.get(self._view, "bots"))
        return True

    # -- painting ------------------------------------------------------------------------------

    @property
    def is_painted(self) -> bool:
        """Whether everything that should be seen has been drawn since it was laid out."""
        if self.is_too_small:
            return self._too_small.is_painted
        panes = self.panes
        return bool(panes) and not self._pane_awaited and all(pane.is_painted for pane in panes)

    def show(self, now_ns: int, *, changed: bool, at_once: bool, lag_ms: int | None) -> None:
        """Paint what can be seen: clocks always, panes when the picture or a key changed them."""
        if self.is_too_small:
            self._too_small.show(self._desk, now_ns)
            return
        if self._pane_awaited:
            self.focus_pane(self._pane_awaited)
        self._tour.show(self._desk)
        self.set_class(self._tour.display, "-tour")
        self._show_replay(now_ns, at_once=at_once)
        self._bar.show(self._desk, self._view, now_ns, at_once=at_once)
        self._show_frame(now_ns, at_once=at_once, lag_ms=lag_ms)
        if changed or at_once:
            for pane in self.panes:
                pane.show(self._desk, now_ns, at_once=at_once)
        if self.dialog is not None:
            self.dialog.show(now_ns)

    def echo(self, now_ns: int, lag_ms: int | None) -> None:
        """Paint what a key is seen by: what it was pressed in, and the words above and below."""
        if self.is_too_small:
            self._too_small.show(self._desk, now_ns)
            return
        self._show_frame(now_ns, at_once=True, lag_ms=lag_ms)
        if self.dialog is not None:
            self.dialog.show(now_ns)
        elif isinstance(self.focused, Pane):
            self.focused.show(self._desk, now_ns, at_once=True)

    def _show_frame(self, now_ns: int, *, at_once: bool, lag_ms: int | None) -> None:
        self._header.show(self._desk, now_ns, at_once=at_once, lag_ms=lag_ms)
        self._footer.show(self._desk, self.pane_key, now_ns, at_once=at_once)

    def _show_replay(self, now_ns: int, *, at_once: bool) -> None:
        """The time line and the frame around everything; at first it has the keys."""
        was_replay = self.has_class("-replay")
        self._replay.show(self._desk, now_ns, at_once=at_once)
        snapshot = self._desk.snapshot
        is_replay = snapshot is not None and snapshot.replay is not None
        self.set_class(is_replay, "-replay")
        if is_replay and not was_replay:
            self.focus_pane("replay")


def _is_shown(pane: Pane) -> bool:
    return all(getattr(widget, "display", True) for widget in pane.ancestors_with_self)
