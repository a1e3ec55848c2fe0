"""The key map: one file, overrides by action, and errors that name file and line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.views.actions import ACTIONS, Risk, contexts_of
from app.views.keymap import Keymap, key_label, key_name, load_keymap, override, parse_keymap
from app.views.presets import PRESETS
from engine.domain.errors import ConfigError


def own(text: str) -> Keymap:
    """The shipped keys with `text` as a person's own file."""
    from importlib import resources

    shipped = (resources.files("resources") / "keymap.toml").read_text("utf-8")
    return Keymap(override(parse_keymap(shipped, "shipped"), parse_keymap(text, "own.toml")))


def test_every_action_has_a_key_or_is_keyless_on_purpose() -> None:
    keymap = load_keymap()
    for action in ACTIONS.values():
        assert bool(keymap.keys_of(action.id)) is not action.is_keyless, action.id


def test_a_pane_is_asked_before_everywhere() -> None:
    keymap = load_keymap()
    in_ladder = keymap.action_for("x", contexts_of("ladder"))
    assert in_ladder is not None
    assert in_ladder.id == "order_cancel"
    assert keymap.action_for("x", contexts_of("bots")) is None
    everywhere = keymap.action_for("f12", contexts_of("log"))
    assert everywhere is not None
    assert everywhere.id == "kill"


def test_own_keys_replace_those_of_the_action() -> None:
    keymap = own('[global]\npause_all = "f7"\n')
    assert keymap.keys_of("pause_all") == ["f7"]
    assert keymap.action_for("f6", ("global",)) is None


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_whole_and_without_clashes(preset: str) -> None:
    keymap = load_keymap(preset=preset)
    for action in ACTIONS.values():
        assert keymap.keys_of(action.id) or action.is_keyless, action.id


def test_the_vim_preset_moves_with_its_letters_and_own_lines_go_over_it(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[ladder]\ncursor_up = "u"\ncursor_up10 = "U"\n')
    keymap = load_keymap(path, "vim")
    found = keymap.action_for("colon", contexts_of("ladder"))
    assert found is not None
    assert found.id == "palette"
    assert keymap.keys_in("ladder", "cursor_up") == ["u"]
    assert keymap.keys_in("list", "row_last") == ["G", "end"]
    assert len(keymap.sources) == 3


def test_no_own_file_is_no_error(tmp_path: Path) -> None:
    assert load_keymap(tmp_path / "keymap.toml").keys_of("kill") == ["f12"]


def test_an_own_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_text('[ladder]\nbuy_limit = ["B", "insert"]\n', "utf-8")
    assert load_keymap(path).keys_of("buy_limit") == ["B", "insert"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[global]\n\nkil = "f12"\n', 3, "unknown action kil"),
        ('[glob]\nkill = "f12"\n', 1, "unknown section glob"),
        ('[bots]\nkill = "f12"\n', 2, "belongs into [global]"),
        ('[global]\npause_all = "f12"\n', 2, "f12 is the key of kill"),
        ('[ladder]\nbuy_limit = "s"\n', 2, "s is the key of"),
        ("[global]\npause_all = 7\n", 2, "expected a key"),
        ('[global]\nkill = ""\n', 2, "must keep a key"),
        ('[ladder]\nbuy_limit = "f8"\n', 2, "f8 is flatten_symbol everywhere"),
        ('[global]\npalette = "ctrl+alt+k"\n', 2, "drop the Alt"),
        ('[global]\npalette = "ctrl+shift+a"\n', 2, "drop the Shift"),
        ('[global]\nsymbol = "ctrl+1"\n', 2, "digits lose"),
        ('[global]\nsymbol = "alt+1"\n', 2, "digits lose"),
        ('[ladder]\norder_move = "shift+enter"\n', 2, "loses its modifiers"),
        ('[global]\npalette = "ctrl+h"\n', 2, "backspace"),
        ('[global]\npalette = "ctrl+i"\n', 2, "tab"),
        ('[global]\npalette = "ctrl+m"\n', 2, "enter"),
        ('[global]\npalette = "ctrl+b"\n', 2, "tmux"),
        ('[global]\npalette = "ctrl+a"\n', 2, "screen"),
        ('[global]\nsymbol = "~"\n', 2, "ssh"),
        ('[global]\nsymbol = "ctrl++"\n', 2, "no Ctrl of that sign"),
        ('[lader]\nbuy_join = "B"\n', 1, "did you mean ladder?"),
        ('[ladder]\nbuy_jion = "B"\n', 2, "did you mean buy_join?"),
        ('[ladder]\nxyzzy = "B"\n', 2, "pilothouse act lists them"),
        ('[ladder]\n"buy_join" = ["B", 5]\n', 2, "expected a key"),
        ('[global]\nsymbol = "kp_enter"\n', 2, "no such key"),
        ('[global]\nsymbol = "super+s"\n', 2, "reach a terminal"),
        ('[global]\npause_all = "p"\n', 2, "needs a function key"),
        ('[global]\npause_all = "f11"\n', 2, "desktop terminals"),
        ('[global]\nhelp = "f1"\n', 2, "second key"),
        ('[ladder]\nbuy_market = "B"\n', 2, "Caps Lock"),
        ('[ladder]\nbuy_join = "space"\n', 2, "by accident"),
        ('[ladder]\ncenter = "shift+f2"\n', 2, "loses the modifier"),
    ],
)
def test_errors_name_file_line_and_remedy(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own(text)
    assert str(caught.value).startswith(f"own.toml:{line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[global\n", "line 1"),
        ('[ladder]\nbuy_join = "B"\nbuy_join = "V"\n', "line 3"),
        ("[ladder]\nbuy_join = " + "9" * 5_000, "a number of 5000 digits (at line 2)"),
        ("[ladder]\nbuy_join = 1e99999999999999999999", "(at line 2)"),
        ("a = " + "[" * 5_000, "brackets within brackets"),
    ],
)
def test_bad_toml_is_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"own\.toml: not a valid key map") as told:
        own(text)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "Is a directory"),
        (os.mkfifo, "no plain file"),
        (lambda path: path.symlink_to(path), "symbolic links"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "No such file"),
        (lambda path: path.symlink_to("/dev/zero"), "no plain file"),
        (lambda path: path.write_bytes(b"#" * 2_000_000), "2000000 bytes"),
        (lambda path: path.write_bytes(b"[ladder]\xff"), "byte 8: not UTF-8"),
    ],
)
def test_what_is_not_a_key_map(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    """Least of all is it the shipped keys."""
    path = tmp_path / "keymap.toml"
    make(path)
    with pytest.raises(ConfigError) as told:
        load_keymap(path)
    assert words in str(told.value)
    assert str(told.value).startswith(f"{path}: ")


def test_a_byte_order_mark_and_foreign_line_ends_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "keymap.toml"
    path.write_bytes(b'\xef\xbb\xbf[ladder]\r\nbuy_limit = "B"\r\n')
    assert load_keymap(path).keys_of("buy_limit") == ["B"]


@pytest.mark.parametrize(
    ("written", "name"),
    [("?", "question_mark"), ("Ctrl+P", "ctrl+p"), ("+", "plus"), ("B", "B"), ("F8", "f8")],
)
def test_keys_may_be_written_as_people_do(written: str, name: str) -> None:
    assert key_name(written) == name


def test_labels() -> None:
    labels = [key_label(key) for key in ("shift+f8", "question_mark", "escape", "ctrl+p", "b", "H")]
    assert labels == ["Shift+F8", "?", "Esc", "Ctrl+P", "b", "H"]


def test_keys_that_add_risk_are_never_priority() -> None:
    """They must not work from inside a dialog or text field."""
    for action in ACTIONS.values():
        assert not (action.priority and action.risk is Risk.INCREASE), action.id
