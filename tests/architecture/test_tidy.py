"""The tree keeps its own rules: sizes, silence, leftovers, and no trace of anybody's machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THIS = Path(__file__).resolve().relative_to(ROOT)

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 80

LONG_FILES: dict[str, str] = {}
"""Files over the limit -> why they are better whole."""

LONG_FUNCTIONS: dict[str, str] = {}
""" "file:function" over the limit -> why it is better whole."""

TEXT_SUFFIXES = {
    ".cfg", ".css", ".csv", ".in", ".ini", ".json", ".jsonl", ".md", ".py", ".sh", ".sql", ".svg",
    ".tcss", ".toml", ".txt", ".yaml", ".yml", "",
}  # fmt: skip

# Taken apart, so that this file does not find itself.
LEFTOVERS = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
TRACES = {
    "a package index": re.compile(
        r"(?:py"
        r"pi|python"
        r"hosted|ana"
        r"conda|npm"
        r"js|deb"
        r"ian)\.(?:org|com)"
        r"|--(?:extra-)?index"
        r"-url[ =]\S|--find"
        r"-links[ =]\S"
        r"|:"
        r"//[\w.]+/(?:sim"
        r"ple|pack"
        r"ages)/",
        re.I,
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:wo"
        r"rk|ro"
        r"ot|ho"
        r"me/\w+|op"
        r"t/(?:wheels|py"
        r"pi)|Users/\w+|priv"
        r"ate/var)/"
    ),
}
ALLOWED_TRACES = {
    # The checks for such things have to name them.
    "packaging/locks/make.py": "a package index",
}


@cache
def tracked() -> tuple[Path, ...]:
    """Files that are in the repository or about to be; everything, where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [Path(name) for name in listed.stdout.split("\0") if name]
    else:
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return tuple(path for path in found if (ROOT / path).is_file())


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    for path in tracked():
        if path.suffix in (suffixes or TEXT_SUFFIXES):
            yield path, (ROOT / path).read_text(encoding="utf-8")


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, text in texts(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def test_the_tree_is_seen() -> None:
    assert {Path("pyproject.toml"), Path("app/__main__.py")} <= set(tracked())


def test_files_have_a_size_one_can_read() -> None:
    long = {
        str(path): lines
        for path, text in texts(".py")
        if (lines := text.count("\n")) > FILE_LINES_MAX
    }
    assert set(long) == set(LONG_FILES), f"over {FILE_LINES_MAX} lines, or no longer: {long}"


def test_functions_fit_a_screen() -> None:
    long = {
        f"{path}:{node.name}": lines
        for path, node in functions()
        if (lines := _own_lines(node)) > FUNCTION_LINES_MAX
    }
    assert set(long) == set(LONG_FUNCTIONS), f"over {FUNCTION_LINES_MAX} lines: {long}"


def _own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_error_is_passed_over_in_silence() -> None:
    silent = [
        f"{path}:{node.lineno}"
        for path, text in texts(".py")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(step, ast.Pass) for step in node.body)
    ]
    assert not silent, "say what is done about it, or use contextlib.suppress with a reason"


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{path}:{number}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if LEFTOVERS.search(line)
    ]
    assert not left, "an open end belongs in an issue"


@pytest.mark.parametrize("what", TRACES)
def test_no_trace_of_where_it_was_made(what: str) -> None:
    traces = [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts()
        if path != THIS and ALLOWED_TRACES.get(path.as_posix()) != what
        for number, line in enumerate(text.splitlines(), 1)
        if TRACES[what].search(line)
    ]
    assert not traces, f"{what} is named"


def test_locks_are_plain_hashed_pins() -> None:
    line = re.compile(r"[\w.\-]+==[\w.+!]+(?: ; .+)? \\|    --hash=sha256:[0-9a-f]{64}(?: \\)?|#.*")
    for path, text in texts(".txt"):
        if path.parent == Path("packaging/locks"):
            odd = [row for row in text.splitlines() if not line.fullmatch(row)]
            assert not odd, (path, odd[:3])
            pins = re.findall(r"^[\w.\-]+==.*\n", text, re.M)
            hashed = re.findall(r"^[\w.\-]+==.*\n    --hash", text, re.M)
            assert len(pins) == len(hashed) > 0, path


def test_packaging_is_no_package() -> None:
    assert not list((ROOT / "packaging").rglob("__init__.py")), (
        "the name belongs to a library that pip and others import"
    )


BANNED = {
    "engine/trading/sample.py": [
        "import time\nNOW = time.time()\n",
        "import time\nNOW = time.time_ns()\n",
        "from time import monotonic\nNOW = monotonic()\n",
        "import time\nNOW = time.monotonic_ns()\n",
        "from datetime import UTC, datetime\nNOW = datetime.now(UTC)\n",
        "import datetime\nNOW = datetime.datetime.utcnow()\n",
        "import random\nX = random.random()\n",
        "import uuid\nX = uuid.uuid4()\n",
        "import secrets\nX = secrets.token_hex()\n",
        "import os\nX = os.urandom(8)\n",
        "import numpy as np\nX = np.random.default_rng()\n",
        "import numpy as np\nX = np.random.rand(3)\n",
        "from engine.core import clock\nfrom . import limits\nX = (clock, limits)\n",
        "def f() -> None:\n    try:\n        f()\n    except Exception:\n        return\n",
        "print('hello')\n",
    ],
}
FREE = {
    "engine/core/clock.py": "import time\n\nNOW = time.time_ns()\n",
    "engine/core/ids.py": "import secrets\n\nimport numpy as np\n\n"
    "X = (secrets.token_hex(), np.random.default_rng(1))\n",
    "engine/trading/sample.py": "import time\n\nSTARTED = time.perf_counter()\n",
}


def _ruff(path: str, source: str) -> subprocess.CompletedProcess[str]:
    """What ruff says of `source`, were it the file at `path`."""
    return subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--stdin-filename", path, "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("path", "source"), [(path, source) for path, sources in BANNED.items() for source in sources]
)
def test_lint_catches_what_would_break_a_replay(path: str, source: str) -> None:
    told = _ruff(path, source)
    assert told.returncode == 1
    assert re.search(r"TID251|TID252|NPY002|DTZ|BLE001|T201", told.stdout), told.stdout


@pytest.mark.parametrize("path", FREE)
def test_lint_leaves_the_sources_of_time_and_chance_alone(path: str) -> None:
    told = _ruff(path, FREE[path])
    assert told.returncode == 0, told.stdout
