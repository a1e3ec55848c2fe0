"""Drives the real app in a terminal of a given size, with time moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from textual.events import Key
from textual.pilot import Pilot

from app.views.keymap import load_keymap
from engine.domain.snapshots import EngineSnapshot
from tests.support.session import FakeSession, FrozenClock, a_snapshot
from tests.support.shelf import FakeShelf
from ui_tui.app import PilothouseApp
from ui_tui.look import Look
from ui_tui.pane import Pane

NARROW = (80, 24)
WIDE = (160, 45)
_TURNS = 20
"""Of the event loop: enough for a message to travel from the app to a widget and back."""


def an_app(
    snapshot: EngineSnapshot | None = None,
    *,
    palette: str = "colour-blind",
    ascii_only: bool = False,
    leaving: str = "the demo engine stops with it",
) -> PilothouseApp:
    """The app on a scripted engine and a frozen clock."""
    return PilothouseApp(
        FakeSession(snapshot if snapshot is not None else a_snapshot()),
        load_keymap(),
        Look(palette, ascii_only=ascii_only),
        FrozenClock(),
        leaving=leaving,
        shelf=FakeShelf(),
    )


class Person:
    """Somebody at the terminal: presses keys with human pauses and reads the screen."""

    def __init__(self, app: PilothouseApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        assert isinstance(app.session, FakeSession)
        assert isinstance(app.clock, FrozenClock)
        self.session = app.session
        self.clock = app.clock

    async def press(self, *keys: str, gap_ms: int = 300) -> None:
        """Each key `gap_ms` after the last one; then long enough for a held press to count."""
        for key in keys:
            self._pass(gap_ms)
            await self.send(key)
        await self.wait(130)

    async def send(self, key: str) -> None:
        """One key event, as the driver would post it; returns once it has been handled."""
        self.app.post_message(Key(key, key if len(key) == 1 else None))
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def hold(self, key: str, first_ms: int, repeats: int = 40) -> None:
        """Hold a key down: the keyboard repeats it after `first_ms`, then 30 times a second."""
        await self.send(key)
        for number in range(repeats):
            self._pass(33 if number else first_ms)
            await self.send(key)

    async def type(self, text: str) -> None:
        """Into a text field."""
        for char in text:
            await self.send(char)
        await self.pilot.pause()

    async def wait(self, ms: int) -> None:
        """Let time pass, with a living engine: pictures stay fresh."""
        self._pass(ms)
        await self._settle()

    async def _settle(self) -> None:
        """Until every pane that should be on the screen has been laid out and painted."""
        for _ in range(50):
            await self.pilot.pause()
            if not self.app.screen_stack or all(pane.text() for pane in self.app.main.panes):
                return

    def _pass(self, ms: int) -> None:
        self.clock.pass_ms(ms)
        self.session.publish(published_wall_ns=self.clock.now_ns())
        self.app.poll()

    async def look(self) -> None:
        """Let the app poll and paint."""
        self.app.poll()
        await self._settle()

    async def arm(self) -> None:
        await self.press("f4", "f4")

    def screen(self) -> str:
        """The whole screen as text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text for strip in strips)

    def pane(self, kind: type[Pane]) -> str:
        """What the visible pane of that kind shows."""
        return next(pane.text() for pane in self.app.main.panes if isinstance(pane, kind))

    def last_line(self) -> str:
        return self.screen().splitlines()[-1]

    def header(self) -> str:
        return "\n".join(self.screen().splitlines()[:2])


@asynccontextmanager
async def at_terminal(
    size: tuple[int, int] = WIDE, snapshot: EngineSnapshot | None = None, **options: object
) -> AsyncIterator[Person]:
    app = an_app(snapshot, **options)  # type: ignore[arg-type]
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        person = Person(app, pilot)
        await person.look()
        yield person


def pressing(*keys: str) -> Callable[[Pilot[None]], Awaitable[None]]:
    """For snapshots: press `keys` and wait until all is painted."""

    async def prepare(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, PilothouseApp)
        person = Person(pilot.app, pilot)
        await person.look()
        for key in keys:
            await person.send(key)
        await person.app.workers.wait_for_complete()
        await person.look()

    return prepare
