"""`python3 -m app test [pytest's words]`: every check the project has, in one command.

All steps run, also after one has failed; those that only read the sources run side by side. Each
is told in one line (a failed one with what it said), and pytest comes last, so that its own summary
closes the output.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

WORKERS = 3
"""pytest processes, unless -n is given. The machines this runs on have two cores, and the tests of
the drill exchange wait more than they work."""


def run(
    checkout: Path, words: Sequence[str], while_checking: Callable[[], None] = lambda: None
) -> int:
    """Run all steps in `checkout`; 0 when every one passed, else pytest's code or 1.
    `while_checking` is done before the tests, beside the steps that only read."""
    tools = Path(sys.executable).parent
    mypy = [sys.executable, "-m", "mypy"]
    steps = {
        "ruff check": [sys.executable, "-m", "ruff", "check", "."],
        "ruff format": [sys.executable, "-m", "ruff", "format", "--check", "."],
        "mypy --strict": mypy,
        # What Windows lacks is found without it. After the early return of a function there, its
        # rest is rightly not reached.
        "mypy for Windows": [
            *(*mypy, "--platform", "win32", "--no-warn-unreachable"),
            *("--cache-dir", ".mypy_cache/win32"),
        ],
        "import contracts": [str(tools / "lint-imports"), "--no-cache"],
    }
    with ThreadPoolExecutor() as side_by_side:
        running = {
            name: side_by_side.submit(_step, command, checkout) for name, command in steps.items()
        }
        while_checking()
        passed = [_tell(name, step.result()) for name, step in running.items()]
    code = subprocess.call([sys.executable, "-m", "pytest", *_pytest_words(words)], cwd=checkout)
    return code or (0 if all(passed) else 1)


class _Done(NamedTuple):
    passed: bool
    said: str
    took_s: float


def _step(command: Sequence[str], checkout: Path) -> _Done:
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        passed, said = done.returncode == 0, done.stdout.decode(errors="replace")
    except OSError as error:
        passed, said = False, f"{command[0]}: {error.strerror}: run python3 -m app test\n"
    return _Done(passed, said, time.perf_counter() - started)


def _tell(name: str, done: _Done) -> bool:
    print(f"{'ok    ' if done.passed else 'FAILED'}  {name}  ({done.took_s:.1f} s)", flush=True)
    if not done.passed:
        print(done.said.rstrip(), end="\n\n", flush=True)
    return done.passed


def _pytest_words(words: Sequence[str]) -> list[str]:
    """pytest's command line, in parallel unless the person says otherwise or wants a debugger."""
    own = any(word.startswith(("-n", "--numprocesses", "--pdb")) or word == "-s" for word in words)
    return [*words] if own else ["-n", str(WORKERS), *words]
