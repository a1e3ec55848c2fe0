"""Textual still has the private names that we use. If this fails, mend ui_tui/inside.py."""

from __future__ import annotations

import inspect
import re
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.style import Style
from textual import __version__
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread
from textual.geometry import Region
from textual.strip import Strip

from ui_tui import flow

UI = Path(inspect.getfile(flow)).parent


def test_the_version_is_one_that_was_looked_at() -> None:
    assert __version__.startswith("8.2.")


def test_the_writer_has_a_queue_with_room_for_our_limit() -> None:
    assert hasattr(WriterThread(StringIO()), "_queue")
    assert flow._QUEUE_MAX < MAX_QUEUED_WRITES


@pytest.mark.skipif(sys.platform == "win32", reason="the driver of POSIX terminals")
def test_the_driver_reads_keys_where_we_read_them_instead() -> None:
    from textual.drivers.linux_driver import LinuxDriver

    source = inspect.getsource(LinuxDriver.run_input_thread)
    assert all(name in source for name in ("exit_event", "fileno", "process_message", "tick()"))
    assert App().driver_class.__name__ == "LinuxDriver"


def test_updates_carry_strips_and_spans() -> None:
    assert list(inspect.signature(App._display).parameters) == ["self", "screen", "renderable"]
    whole = LayoutUpdate([[Strip.blank(3)]], Region(0, 0, 3, 1))
    assert whole.region == (0, 0, 3, 1)
    assert len(whole.strips) == 1
    part = ChopsUpdate([{0: Strip.blank(3)}], [(0, 0, 3)], [[3]])
    assert part.spans == [(0, 0, 3)]
    assert list(part.chops[0]) == [0]
    assert issubclass(ChopsUpdate, CompositorUpdate)
    assert "isinstance(renderable, CompositorUpdate)" in inspect.getsource(App._display)


def test_styles_know_their_sequence() -> None:
    console = Console(file=StringIO(), force_terminal=True, color_system="256")
    assert console._color_system is not None
    assert Strip.render_ansi(Style(bold=True), console._color_system) == "1"
    assert Style()._ansi is None


@pytest.mark.parametrize("path", sorted(UI.rglob("*.py")), ids=lambda path: path.name)
def test_no_other_module_imports_from_inside_textual(path: Path) -> None:
    if path.name != "inside.py":
        assert not re.search(r"(from|import) textual\._|textual\.\w+ import _", path.read_text())
