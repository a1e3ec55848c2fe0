"""Writes the lock files beside this one from pyproject.toml. README.md says when and how."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYPROJECT = HERE.parent.parent / "pyproject.toml"
HEADER = "# Written by packaging/locks/make.py; do not edit. Plain pins: no index is named here.\n"
FORBIDDEN = re.compile(r"://|--(?:index|extra-index|find-links|trusted-host)|^-[if]\b", re.M)


def compile_pins(uv: str, requirements: list[str], lock: Path, *options: str) -> list[str]:
    """The hashed closure of `requirements` for every platform and Python, one text per package.

    Written to `lock`, where uv looks for the versions to keep when it is not told to upgrade.
    """
    command = [
        uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate",
        "--universal", "--python-version", "3.11", "--fork-strategy", "fewest",
        "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links",
        "--output-file", str(lock), *options,
    ]  # fmt: skip
    done = subprocess.run(command, input="\n".join(requirements), text=True, stdout=sys.stderr)
    if done.returncode:
        sys.exit(done.returncode)
    return re.findall(r"^[^\s#].*\n(?:[ \t].*\n)*", lock.read_text(encoding="utf-8"), re.M)


def write(lock: Path, pins: list[str]) -> None:
    text = HEADER + "".join(pins)
    if found := FORBIDDEN.search(text):
        sys.exit(f"{lock.name} would name an index: {found.group()}")
    lock.write_text(text, encoding="utf-8", newline="\n")
    print(f"{lock.name}: {len(pins)} packages")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv", help="the uv program (default: %(default)s)")
    parser.add_argument("--upgrade", action="store_true", help="take the newest allowed versions")
    arguments = parser.parse_args()

    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    sets = {**project["optional-dependencies"], "base": project["dependencies"]}
    in_base: set[str] = set()
    for name in sorted(sets, key="base".__ne__):
        lock = HERE / f"{name}.txt"
        options = ["--upgrade"] if arguments.upgrade else []
        if name != "base":
            options += ["--constraint", str(HERE / "base.txt")]
        pins = compile_pins(arguments.uv, sets[name], lock, *options)
        # Every set is installed on top of base, so what base pins is not said again.
        write(lock, [pin for pin in pins if pin not in in_base])
        if name == "base":
            in_base = set(pins)


if __name__ == "__main__":
    main()
