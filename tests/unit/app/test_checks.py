"""`python3 -m app test` on a project in small, with the real tools."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.app.small_checkout import ROOT

PYPROJECT = """
[tool.mypy]
packages = ["app"]
[tool.importlinter]
root_packages = ["app"]
[[tool.importlinter.contracts]]
name = "no sockets"
type = "forbidden"
source_modules = ["app"]
forbidden_modules = ["app.sockets"]
[tool.pytest.ini_options]
addopts = ["-p", "no:pytest-qt"]
"""
GOOD = "VALUE = 1\n"
TEST = "def test_one() -> None:\n    assert {condition}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "pyproject.toml": PYPROJECT,
        "app/__init__.py": GOOD,
        "app/sockets.py": GOOD,
        "tests/test_one.py": TEST.format(condition=True),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def _check(project: Path, *words: str) -> tuple[int, list[str]]:
    program = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from app.setup import checks\n"
        "sys.exit(checks.run(pathlib.Path('.'), sys.argv[2:]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(ROOT), *words],
        cwd=project,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def test_all_is_well(project: Path) -> None:
    code, lines = _check(project)
    assert code == 0, lines
    assert [line.partition("  (")[0].split(maxsplit=1) for line in lines[:5]] == [
        ["ok", "ruff check"],
        ["ok", "ruff format"],
        ["ok", "mypy --strict"],
        ["ok", "mypy for Windows"],
        ["ok", "import contracts"],
    ]
    assert "1 passed" in lines[-1]
    assert any("3 workers" in line for line in lines)


def test_one_bad_step_fails_the_whole_and_the_others_still_run(project: Path) -> None:
    (project / "app" / "__init__.py").write_text("import os\n")
    code, lines = _check(project, "-n", "0")
    assert code == 1
    assert any(line.startswith("FAILED  ruff check") for line in lines)
    assert any("F401" in line for line in lines)
    assert any(line.startswith("ok      import contracts") for line in lines)
    assert "1 passed" in lines[-1]


def test_a_failing_test_closes_the_output_with_pytest_s_own_summary(project: Path) -> None:
    (project / "tests" / "test_one.py").write_text(TEST.format(condition=False))
    code, lines = _check(project, "-q", "-n", "0")
    assert code == 1
    assert "1 failed" in lines[-1]
