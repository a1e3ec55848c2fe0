"""The command line as a shell sees it: exit codes, one line on stderr, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app import VERSION
from tests.unit.app.small_checkout import ROOT, Outcome


def pilothouse(*words: str, **environ: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "app", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_help_and_version() -> None:
    for words in ([], ["--help"], ["-h"]):
        shown = pilothouse(*words)
        assert (shown.code, shown.err) == (0, "")
        assert "config" in shown.out
        assert "doctor" in shown.out
        assert "warm" not in shown.out
    assert pilothouse("--version").out == f"pilothouse {VERSION}\n"


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["nope"], ["No such command 'nope'", "pilothouse --help"]),
        (["confg"], ["Did you mean 'config'?"]),
        (["--nope"], ["No such option", "--nope"]),
        (["--home"], ["--home", "name a folder"]),
        (["doctor", "--home"], ["--home", "name a folder"]),
        (["--home", "/dev/null", "doctor"], ["--home: /dev/null", "is not a folder"]),
        (["--home=", "doctor"], ["--home", "name a folder"]),
        (["config"], ["pilothouse config", "Missing command"]),
        (["config", "chek"], ["No such command 'chek'", "Did you mean 'check'?"]),
        (["config", "check", "/nowhere.toml"], ["/nowhere.toml", "No such file"]),
        (["config", "check", "/"], ["/: Is a directory"]),
        (["config", "check", "a", "b"], ["b"]),
        (["doctor", "extra"], ["extra"]),
        (["doctor", "--json=yes"], ["--json"]),
        (["\x1b[2J\x1b]0;owned\x07"], ["No such command"]),
        (["config", "check", "\x1b[2J\n\n"], ["No such file"]),
        (["\udcff\udcfe"], ["No such command"]),
        (["x" * 100_000], ["No such command"]),
        ([""], ["No such command"]),
    ],
)
def test_rubbish_gets_one_line_and_exit_2(words: list[str], parts: list[str]) -> None:
    outcome = pilothouse(*words)
    outcome.assert_one_line(2, *parts)
    assert outcome.out == ""
    assert outcome.err.endswith("\n")
    assert len(outcome.err) < 1100
    assert outcome.err[:-1].isprintable()


def test_a_settings_file_with_a_typo(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("[paper]\ncaptal = 5\n")
    pilothouse("config", "check", str(file)).assert_one_line(
        2, f"{file}:2: paper.captal: 5", "did you mean capital?"
    )
    file.write_text("[paper]\ncapital = 5\n")
    right = pilothouse("config", "check", str(file), "--json")
    assert json.loads(right.out) == {"file": str(file), "ok": True, "values_set": 1}


@pytest.mark.parametrize(
    ("text", "keymap", "code", "parts"),
    [
        ('[ui]\nkeymap = "mine.toml"\n', None, 4, ["ui.keymap: ", "mine.toml: does not exist"]),
        ('[ui]\nkeymap = "a\\u0000b"\n', None, 4, ["ui.keymap: "]),
        (
            '[ui]\nkeymap = "mine.toml"\n',
            '[global]\nkill = "k"\n',
            4,
            ["mine.toml:2: ", "function"],
        ),
        ('[ui]\nkeymap = "mine.toml"\n', '[ladder]\nbuy_limit = "B"\n', 0, []),
        ('\n[live]\nvenue = "nope"\n', None, 2, ["settings.toml:3: live.venue: nope: proven are"]),
        ('[paper]\nscenario = "nope"\n', None, 2, ["settings.toml:2: paper.scenario: nope"]),
    ],
)
def test_config_check_looks_at_what_the_settings_name(
    own_home: Path, text: str, keymap: str | None, code: int, parts: list[str]
) -> None:
    """It said "right", and the terminal then refused to start, or took the shipped keys."""
    folder = own_home / "config"
    folder.mkdir()
    (folder / "settings.toml").write_text(text)
    if keymap is not None:
        (folder / "mine.toml").write_text(keymap)
    checked = pilothouse("config", "check")
    if parts:
        checked.assert_one_line(code, *parts)
    else:
        assert (checked.code, checked.err) == (0, "")


def test_config_show_names_each_source(own_home: Path) -> None:
    file = own_home / "config" / "settings.toml"
    file.parent.mkdir()
    file.write_text("[risk]\ncollar_pct = 2.5\n")
    shown = pilothouse("config", "show", "--json")
    assert (shown.code, shown.err) == (0, "")
    values = json.loads(shown.out)["settings"]
    assert values["risk.collar_pct"] == {"value": 2.5, "source": f"{file}:2"}
    assert values["log.level"] == {"value": "info", "source": "default"}
    assert "risk.collar_pct" in pilothouse("config", "show").out


def test_home_may_follow_the_command(tmp_path: Path) -> None:
    shown = pilothouse("config", "show", "--json", "--home", str(tmp_path))
    assert json.loads(shown.out)["file"] == str(tmp_path / "config" / "settings.toml")


def test_doctor_json_is_one_document() -> None:
    shown = pilothouse("doctor", "--json")
    assert (shown.code, shown.err) == (0, "")
    assert {"name", "status", "value", "remedy"} == set(json.loads(shown.out)["findings"][0])


def test_a_terminal_without_unicode() -> None:
    shown = pilothouse("doctor", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert (shown.code, shown.err) == (0, "")


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app", "doctor"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert said == ""


COMMAND = """
import typer
from engine.domain import errors
from app.cli.output import ExitCode, fail
app = typer.Typer()

@app.command("trial")
def trial() -> None:
    {body}
"""

RUN = """
import sys
from app.cli import main
main.COMMANDS["trial"] = main.Row("trial_command", "A command of this test.")
sys.exit(main.main(["trial"]))
"""


def _trial(folder: Path, body: str) -> Outcome:
    """Run a command with this body under the real root."""
    (folder / "trial_command.py").write_text(COMMAND.format(body=body))
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("body", "code", "line"),
    [
        ("raise errors.WorkFailed('it broke')", 1, "it broke"),
        ("raise errors.BadInput('qty', '-1', 'above 0')", 2, "qty: -1: above 0"),
        ("raise errors.EngineNotRunning('start it')", 3, "start it"),
        ("raise errors.ConfigError('two\\nlines \\x1b[31mred')", 4, "two lines [31mred"),
        ("raise errors.TimedOut('too slow')", 5, "too slow"),
        ("fail(ExitCode.TIMEOUT, 'too slow')", 5, "too slow"),
        ("raise typer.Exit(3)", 3, ""),
        ("raise KeyboardInterrupt", 130, ""),
    ],
)
def test_errors_become_their_code_and_line(tmp_path: Path, body: str, code: int, line: str) -> None:
    outcome = _trial(tmp_path, body)
    assert (outcome.code, outcome.err.strip(), outcome.out) == (code, line, "")


def test_an_unforeseen_error_is_logged_not_shown(tmp_path: Path, own_home: Path) -> None:
    outcome = _trial(tmp_path, "raise ZeroDivisionError('signature=abc')")
    log = own_home / "state" / "logs" / "cli.log"
    outcome.assert_one_line(1, "internal error: ZeroDivisionError", str(log))
    assert len(outcome.err.splitlines()) == 1
    assert "in trial" in json.loads(log.read_text())["traceback"]
    assert "abc" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_an_unforeseen_error_where_nothing_can_be_logged(tmp_path: Path, own_home: Path) -> None:
    (own_home / "state").write_text("in the way")
    outcome = _trial(tmp_path, "raise ZeroDivisionError('x')")
    outcome.assert_one_line(1, "internal error: ZeroDivisionError", "could not be logged")
