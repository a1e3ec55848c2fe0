"""The terminal app: polls the session, hands keys to the desk, performs its effects."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.timer import Timer

from app.bookshelf import Afar, FileShelf, files_words
from app.paths import locate
from app.service.session import Session
from app.views import effects as fx
from app.views.desk import Desk
from app.views.header import title
from app.views.keymap import Keymap, load_keymap
from app.views.leaving import OUTLIVES
from app.views.presets import DEFAULT_PRESET
from app.views.shelf import Shelf, answer_of
from app.views.theme import DEFAULT_PALETTE
from engine.core.clock import Clock, LiveClock
from engine.domain.errors import PilothouseError, WorkFailed
from ui_tui.flow import FrameFlow, set_title
from ui_tui.inside import ShortFrames, is_terminal
from ui_tui.look import Look
from ui_tui.pane import NeedsPaint, Pointed, Wheeled
from ui_tui.screens.dialog import Dialog, Field
from ui_tui.screens.main import MainScreen
from ui_tui.widgets.replaybar import Slid

POLL_S = 0.1
OPEN_S = 0.02
"""Between looks whether the first picture is complete."""
HELD_POLLS_MAX = 5
"""A first frame that is still not complete after so many is shown as it is."""

SWITCH_S = 0.001
"""How long a thread that has something to do waits for another: keys are read and frames written
by threads of their own, and Python's 5 ms on each way would be felt."""

KeyTime = Callable[[events.Key], int]
"""When a key event happened, in the clock's monotonic nanoseconds."""


def run(
    session: Session,
    *,
    profile: str = "",
    leaving: str = OUTLIVES,
    keymap_path: Path | None = None,
    preset: str = DEFAULT_PRESET,
    palette: str = DEFAULT_PALETTE,
    ascii_only: bool = False,
    afar: Afar | None = None,
    tour: bool = False,
    outlives: bool = True,
    take_over: Callable[[], None] | None = None,
) -> None:
    """Show `session` in this terminal until the person leaves.

    `leaving` says, as half a sentence, what leaving does to engine and bots. `keymap_path` is a
    person's own keymap.toml, if it exists. Errors in key map or palette are raised before the
    screen changes. `afar` tells stories where the engine's ledger is on another machine; `tour`
    begins with the tour. `outlives`: a served engine goes on without this face. `take_over`: the
    alternate screen is up and has a picture on it; called
    when the terminal is ours.
    """
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # Exported by some shells: they would nail the size down.
    app = PilothouseApp(
        session,
        load_keymap(keymap_path, preset),
        Look(palette, ascii_only=ascii_only),
        LiveClock(),
        profile=profile,
        leaving=leaving,
        key_time=lambda event: int(event.time * 1_000_000_000),
        shelf=FileShelf(profile, afar),
    )
    app.desk.files = files_words(locate(), keymap_path)
    app.desk.outlives = outlives
    if tour:
        app.desk.toggle_tour()
    if take_over is not None:
        app.stay_on_screen(take_over)
    sys.setswitchinterval(SWITCH_S)
    before = signal.getsignal(signal.SIGTERM)
    app.run()
    signal.signal(signal.SIGTERM, before)
    if app.is_terminated:
        raise SystemExit(128 + signal.SIGTERM)
    if app.return_code:
        raise WorkFailed("the terminal ended by a fault of its own: see above")


def _keep_what_is_loaded() -> None:
    """Modules and widgets stay until the end: going through all of them for garbage would stop
    the screen for some 30 ms every time. Ends what `app.terminal` began for a quick start."""
    gc.freeze()
    gc.enable()


class PilothouseApp(ShortFrames, inherit_bindings=False):
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = []  # Keys come from keymap.toml.

    def __init__(
        self,
        session: Session,
        keymap: Keymap,
        look: Look,
        clock: Clock,
        *,
        profile: str = "",
        leaving: str = OUTLIVES,
        key_time: KeyTime | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.look = look
        self.shelf = shelf or FileShelf(profile)
        super().__init__()
        self.session = session
        self.clock = clock
        self.desk = Desk(keymap, session.new_command_id, leaving)
        self._profile = profile
        self._key_time = key_time or (lambda event: clock.monotonic_ns())
        self._flow = FrameFlow(self)
        self._shown_title = ""
        self._mood: object = None
        self._polls = 0
        self._is_rest_due = False
        self._opening: Timer | None = None
        self.is_terminated = False
        """Whether a signal has ended it, not the person."""

    # -- life ----------------------------------------------------------------------------------

    def get_default_screen(self) -> MainScreen:
        return MainScreen(self.desk, self.look)

    @property
    def is_covered(self) -> bool:
        return super().is_covered or self.main.dialog is not None

    @property
    def main(self) -> MainScreen:
        screen = self.screen
        assert isinstance(screen, MainScreen), screen
        return screen

    def get_css_variables(self) -> dict[str, str]:
        return {**super().get_css_variables(), **self.look.css_variables()}

    def on_ready(self) -> None:
        if sys.platform != "win32" and is_terminal(self):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminate)
        self.poll()
        self.set_interval(POLL_S, self.poll)
        if self.is_held:
            self._opening = self.set_interval(OPEN_S, self._begin)
        else:
            gc.enable()  # Nothing is held back here, so nothing will be let go either.

    def _terminate(self) -> None:
        """Leave the terminal as it was. A second signal ends the process where it stands."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        self.is_terminated = True
        self.exit()

    def _begin(self) -> None:
        """The first picture, as soon as everything has its place."""
        self.paint(at_once=True)
        if not self.is_held and self._opening is not None:
            self._opening.stop()

    def on_needs_paint(self, message: NeedsPaint) -> None:
        self.paint(at_once=True)

    def on_wheeled(self, message: Wheeled) -> None:
        self.perform(self.desk.wheel(message.pane.key, message.rows))
        self.paint(at_once=True)

    def on_pointed(self, message: Pointed) -> None:
        self.desk.point(message.pane.key, message.row, self.clock.monotonic_ns())
        self.paint(at_once=True)

    def on_slid(self, message: Slid) -> None:
        self.perform(self.desk.slide(message.column, message.width))

    # -- the picture ---------------------------------------------------------------------------

    def poll(self) -> None:
        """Ten times a second: let time pass, and paint unless the terminal is behind."""
        if not self.screen_stack:  # Timers may still fire while the app is closing.
            return
        now_ns = self.clock.monotonic_ns()
        self._polls += 1
        self._tick(now_ns)
        self.desk.attend(self.session.standing(), now_ns)
        self.mend_size(self.main.laid_out)
        if not self._flow.is_clear(now_ns):
            return
        is_new = self.desk.see(
            self.session.snapshot(), self.session.failure(), now_ns, self.clock.now_ns()
        )
        if self.desk.has_forked:
            self.exit()  # What goes on from here is another engine, on another ledger.
        mood = self.desk.mood(now_ns)
        is_new_mood, self._mood = mood != self._mood, mood
        self.paint(changed=is_new, at_once=is_new_mood or self._is_rest_due)
        self._is_rest_due = False
        self._flow.painted(now_ns)
        shown = title(self.desk.snapshot, self._profile)
        if shown != self._shown_title:
            self._shown_title = shown
            set_title(self, shown)

    def paint(self, *, changed: bool = True, at_once: bool = False) -> None:
        if not self.screen_stack:
            return
        now_ns = self.clock.monotonic_ns()
        self.main.show(now_ns, changed=changed, at_once=at_once, lag_ms=self._flow.lag_ms)
        if self.is_held and (self.main.is_painted or self._polls > HELD_POLLS_MAX):
            self.release_frames()
            _keep_what_is_loaded()
        self.send_frame()

    def echo(self) -> None:
        """What a key has changed where the person looks, sent at once; all else a moment later,
        behind the keys that have come meanwhile."""
        if not self.screen_stack:
            return
        self.main.echo(self.clock.monotonic_ns(), self._flow.lag_ms)
        self.send_frame()
        if not self._is_rest_due:
            self._is_rest_due = True
            self.call_later(self._paint_rest)

    def _paint_rest(self) -> None:
        """Left to the next poll that finds the line clear where it is slow."""
        if self._flow.is_clear(self.clock.monotonic_ns()):
            self._is_rest_due = False
            self.paint(at_once=True)

    # -- keys ----------------------------------------------------------------------------------

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Resize):
            # Terminals keep what they like of the old picture: send all of it again, also when
            # the size is in the end what it was.
            self.forget_frame()
            await super().on_event(event)
            if self.screen_stack:
                self.screen.refresh()
            return
        if isinstance(event, events.Key) and not event.is_forwarded:
            if self._press(event):
                return
        elif isinstance(event, events.Paste) and not event.is_forwarded:
            if self._typed_into is None:
                self.desk.pasted(self.clock.monotonic_ns())
                return
        elif isinstance(event, events.CursorPosition):
            self._flow.answered(self.clock.monotonic_ns())
            return
        field = None
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            if self._typed_into is not None:
                self._typed_into.keep_focus()
            field = self.focused
        if isinstance(field, Field):
            await field.take(super().on_event(event))
        else:
            await super().on_event(event)

    @property
    def _typed_into(self) -> Dialog | None:
        """The dialog that takes the keys; not one that is out of sight."""
        return None if self.main.is_too_small else self.main.dialog

    def _press(self, event: events.Key) -> bool:
        """One key: safety keys first, then the dialog, then the pane. False: for a text field."""
        now_ns = self.clock.monotonic_ns()
        key_ns = min(now_ns, self._key_time(event))
        dialog = self._typed_into
        pane = dialog.pane_key if dialog is not None else self.main.pane_key
        effects = self.desk.press(
            event.key,
            pane,
            key_ns,
            now_ns,
            priority_only=dialog is not None,
            came_together=getattr(event, "came_together", False),
        )
        if effects is None and dialog is not None and dialog.takes_early(event):
            effects = []
        if effects is None and dialog is not None:
            effects = self._press_in(dialog, event.key, now_ns)
        if effects is None:
            return False
        self.perform(effects)
        self.echo()
        return True

    def _press_in(self, dialog: Dialog, key: str, now_ns: int) -> list[fx.Effect] | None:
        if key == "escape":
            return [] if self.desk.gestures.drop() else [fx.Less()]
        return dialog.on_key_name(key, now_ns)

    # -- effects -------------------------------------------------------------------------------

    def perform(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Submit(command):
                try:
                    self.session.submit(command)
                except PilothouseError as error:
                    self.desk.say(f"NOT SENT: {error}", "alert", self.clock.monotonic_ns())
            case fx.Open(dialog):
                self._open(dialog)
            case fx.Show(view):
                self.main.show_view(view)
            case fx.Focus(pane):
                self.main.focus_pane(pane)
            case fx.Turn(step):
                self.main.turn(step)
            case fx.Maximise():
                self.main.toggle_maximised()
            case fx.Less():
                if not self.main.close():
                    self.main.restore()
            case fx.Wake(after_ns):
                self.set_timer(after_ns / 1e9, self._wake)
            case fx.Fetch(topic, ident):
                self.run_worker(self._fetch(topic, ident))
            case fx.Crash():
                self.session.crash()
            case fx.Steer(wish):
                self.session.steer(wish)
            case fx.TakeToken():
                self._ask_engine(self.session.take_token)
            case fx.StopEngine():
                if self._ask_engine(self.session.stop_engine):
                    self.exit()
            case fx.Ring():
                self.bell()
            case fx.Leave():
                self.exit()

    def _ask_engine(self, ask: Callable[[], None]) -> bool:
        """False when there is no engine to hear it; the person is told."""
        try:
            ask()
        except PilothouseError as error:
            self.desk.say(f"NOT SENT: {error}", "alert", self.clock.monotonic_ns())
            return False
        return True

    def _wake(self) -> None:
        if self.screen_stack:
            self._tick(self.clock.monotonic_ns())
            self.paint(at_once=True)

    def _tick(self, now_ns: int) -> None:
        """Let time pass, for keys in panes and for those in a dialog."""
        self.perform(self.desk.tick(now_ns))
        if self.main.dialog is not None:
            self.perform(self.main.dialog.tick(now_ns))

    def _open(self, name: str) -> None:
        from ui_tui.screens.dialogs import DIALOGS  # The first picture does not wait for them.

        if self.main.is_too_small:
            return
        came_from = self.main.dialog.came_from if self.main.dialog else self.main.focused
        self.main.open(DIALOGS[name](self.desk, self.look, came_from))

    async def _fetch(self, topic: str, ident: str) -> None:
        """Read beside the screen: the event loop never waits for a disk."""
        answer = await asyncio.to_thread(answer_of, self.shelf, topic, ident)
        self.perform(self.desk.fetched(topic, ident, answer))
        self.paint(at_once=True)
