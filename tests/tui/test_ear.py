"""What a terminal sends: any bytes at all, pastes without brackets, pastes without an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import CursorPosition, Key, Paste
from textual.message import Message

from ui_tui.inside import PASTE_QUIET_LOOKS, Ear

F12 = b"\x1b[24~"
REPORT = b"\x1b[12;40R"


def keys(heard: list[Message]) -> list[str]:
    return [one.key for one in heard if isinstance(one, Key)]


def together(heard: list[Message]) -> list[bool]:
    return [one.came_together for one in heard if isinstance(one, Key) and one.character]  # type: ignore[attr-defined]


@pytest.mark.parametrize("data", [b"\xe4", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f"])
def test_bytes_that_are_no_text_are_survived(data: bytes) -> None:
    """A Latin-1 terminal's umlaut ended the program with a traceback."""
    ear = Ear()
    ear.hear(data)
    assert keys(ear.hear(b"x"))[-1] == "x"


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_bytes_keep_the_kill_key_from_being_heard(parts: list[bytes]) -> None:
    ear = Ear()
    for part in parts:
        ear.hear(part)
    for _ in range(PASTE_QUIET_LOOKS + 2):
        ear.wait()
    # What is half said may swallow the first; nobody presses it once.
    assert "f12" in keys([*ear.hear(F12), *ear.hear(F12), *ear.hear(F12)])


def test_a_report_of_nonsense_is_no_fault() -> None:
    ear = Ear()
    ear.hear(b"\x1b[48;24;80;0;0t\x1b[<0;10;10M")
    assert keys(ear.hear(F12)) == ["f12"]


def test_a_key_alone_is_a_key() -> None:
    assert together(Ear().hear(b"b")) == [False]
    assert together(Ear().hear(b"\x1b[Bb")) == [False]


def test_characters_in_one_piece_are_marked() -> None:
    assert together(Ear().hear(b"buy")) == [True] * 3


def test_many_characters_in_one_piece_are_a_paste() -> None:
    (paste,) = Ear().hear(b"b hello world\r")
    assert isinstance(paste, Paste)
    assert paste.text == "b hello world\r"


def test_rubbish_is_no_keys_and_lets_the_kill_key_through() -> None:
    heard = Ear().hear(b"\x01b\x7f" * 500 + F12)
    assert keys(heard) == ["f12"]


def test_a_paste_without_an_end_ends() -> None:
    """Its rest was lost on the line: all keys after it were swallowed, the kill switch too."""
    ear = Ear()
    assert ear.hear(b"\x1b[20") == []
    assert ear.hear(b"0~bbb") == []
    pastes: list[str] = []
    for _ in range(PASTE_QUIET_LOOKS):
        assert pastes == []
        (answer,) = ear.hear(REPORT)  # The terminal goes on answering meanwhile.
        assert isinstance(answer, CursorPosition)
        pastes = [one.text for one in ear.wait() if isinstance(one, Paste)]
        if pastes:
            break
    assert pastes == ["bbb"]
    assert keys(ear.hear(F12)) == ["f12"]


def test_a_slow_paste_stays_one() -> None:
    ear = Ear()
    ear.hear(b"\x1b[200~one")
    for _ in range(PASTE_QUIET_LOOKS - 1):
        assert ear.wait() == []
    assert ear.hear(b" two") == []
    for _ in range(PASTE_QUIET_LOOKS - 1):
        assert ear.wait() == []
    (paste,) = (one for one in ear.hear(b"\x1b[201~") + ear.hear(b"x") if isinstance(one, Paste))
    assert paste.text == "one two"
