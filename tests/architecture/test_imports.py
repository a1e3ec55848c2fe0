"""Who may know whom: what really gets loaded, and that the written contracts bite.

The contracts themselves (pyproject.toml) are checked by the test command's `lint-imports` step.
Static graph and run-time truth differ, so both are looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = ROOT / "pyproject.toml"

UI_TOOLKITS = {"textual", "PySide6", "shiboken6", "pyqtgraph", "tkinter"}
HEAVY = {"torch", "onnxruntime", "ccxt"}
"""Loaded when a live venue or a model starts, never before."""

ADAPTERS = ("archive", "drill", "ml", "sim", "store", "venues")

LOADED_BY_ALL = """
import importlib, json, pkgutil, sys
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
LOADED_BY_ONE = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def _loaded(program: str, *names: str, isolated: bool = False) -> set[str]:
    """Top-level modules in memory after the imports, in a fresh interpreter."""
    # Isolated: no site-packages at all, as before the installation.
    options = ["-I", "-S"] if isolated else ["-P"]
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"
    done = subprocess.run(
        [sys.executable, *options, "-c", program, *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_engine_and_app_load_no_toolkit_and_nothing_heavy() -> None:
    loaded = _loaded(LOADED_BY_ALL, "engine", "app")
    assert {"engine", "app", "numba"} <= loaded
    assert not loaded & (UI_TOOLKITS | HEAVY | {"ui_tui", "ui_qt"})


def test_the_command_line_starts_light() -> None:
    """`pilothouse --help` waits for no library that it does not need."""
    loaded = _loaded(LOADED_BY_ONE, "app.cli.tree")
    assert "typer" in loaded
    assert not loaded & {"numba", "numpy", "pandas", "pyarrow", "pydantic", "rich"}
    assert not loaded & (UI_TOOLKITS | HEAVY)


def test_the_terminals_first_frame_waits_for_next_to_nothing() -> None:
    loaded = _loaded(LOADED_BY_ONE, "app.cli.main", "app.terminal", "app.curtain")
    assert "msgspec" in loaded
    assert not loaded & {"asyncio", "numba", "numpy", "pydantic", "rich", "sqlite3", "ssl", "typer"}
    assert not loaded & (UI_TOOLKITS | HEAVY | {"ui_tui"})


@pytest.mark.parametrize("module", ["app.setup.launcher", "app.setup.checks", "app.__main__"])
def test_the_first_start_needs_the_standard_library_only(module: str) -> None:
    loaded = _loaded(LOADED_BY_ONE, module, isolated=True)
    ours = {"app", "engine"}
    assert loaded - ours - {"__main__"} <= set(sys.stdlib_module_names)


def test_every_adapter_is_under_contract() -> None:
    """Contracts that list packages by name list all of them, also one that has just arrived."""
    contracts = {
        contract["name"]: contract
        for contract in tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    }
    here = {f"engine.{name}" for name in ADAPTERS if (ROOT / "engine" / name).is_dir()}
    logic = contracts["inside the engine: trading logic knows no adapter"]
    adapters = contracts["inside the engine: adapters know no trading logic"]
    assert set(logic["forbidden_modules"]) == here
    assert set(adapters["source_modules"]) == here
    faces = contracts["faces know nothing of the engine but its domain"]
    packages = {
        f"engine.{path.parent.name}" for path in (ROOT / "engine").glob("*/__init__.py")
    } - {"engine.domain"}
    assert set(faces["forbidden_modules"]) == packages


VIOLATIONS = {
    "app/__init__.py": "import ui_tui",
    "app/remote.py": "import textual",
    "ui_tui/__init__.py": "import engine.trading",
    "engine/core/__init__.py": "import engine.strategy",
    "engine/sim/__init__.py": "import engine.archive",
    "engine/trading/__init__.py": "import engine.store",
    "engine/archive/__init__.py": "import engine.market",
    "engine/runtime/__init__.py": "import ccxt",
    "engine/ports/__init__.py": "import sqlite3",
    "engine/strategy/__init__.py": "import torch",
    "engine/kernels/__init__.py": "import pandas",
}
"""One breach of each contract."""


def _lint(tree: Path) -> str:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [tool, "--config", str(tree / "pyproject.toml"), "--no-cache", "--no-logo"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _bare_tree(tree: Path) -> Path:
    """Our packages, empty, under our contracts."""
    (tree / "pyproject.toml").write_bytes(PYPROJECT.read_bytes())
    packages = [path.parent for path in (ROOT / "engine").rglob("__init__.py")]
    for package in [ROOT / "app", ROOT / "ui_tui", *packages]:
        folder = tree / package.relative_to(ROOT)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text("")
    (tree / "ui_tui" / "app.py").write_text("import engine.core.clock\n")
    (tree / "engine" / "core" / "clock.py").write_text("")
    return tree


def test_each_contract_catches_its_breach(tmp_path: Path) -> None:
    tree = _bare_tree(tmp_path)
    contracts = tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
    assert f"{len(contracts)} kept, 0 broken" in _lint(tree)

    for name, line in VIOLATIONS.items():
        (tree / name).write_text(f"{line}\n")
    told = _lint(tree)
    kept = [line for line in told.splitlines() if " KEPT" in line]
    assert not kept, told
    assert f"0 kept, {len(contracts)} broken" in told, told
