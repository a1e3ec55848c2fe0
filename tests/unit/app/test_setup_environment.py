"""The first start from a bare checkout, in real processes with a bare Python and the real pip."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.app.small_checkout import BARE_PYTHON, Checkout, Outcome, a_lock

# The copy has none of our libraries, so its command line cannot start: this line is the proof
# that the installation came to its end and handed over.
HANDED_OVER = (4, "typer: is not installed")


def _forbid_making(checkout: Checkout) -> dict[str, str]:
    """A Python that cannot make an environment, to prove that none is made."""
    return _python_without(checkout, "ensurepip")


def _python_without(checkout: Checkout, module: str) -> dict[str, str]:
    """The environment variables of a Python that lacks `module`, as Debian's lacks ensurepip."""
    folder = checkout.root.parent / "shim"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Lacks:\n"
        "    def __init__(self, finder): self.finder = finder\n"
        "    def find_spec(self, name, *rest):\n"
        f"        return None if name == {module!r} else self.finder.find_spec(name, *rest)\n"
        "sys.meta_path[:] = [Lacks(finder) for finder in sys.meta_path]\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_installs_once_and_then_only_hands_over(checkout: Checkout) -> None:
    first = checkout.run("--version")
    first.assert_one_line(*HANDED_OVER)
    assert "making .venv: done" in first.err
    assert "installing base: done" in first.err
    assert list(checkout.venv.glob("lib/python3*/site-packages/tiny.py"))

    again = checkout.run("--version", **_forbid_making(checkout))
    again.assert_one_line(*HANDED_OVER)
    assert again.err.strip() == again.last_line

    installed = subprocess.run(
        [checkout.venv / "bin" / "pilothouse", "--version"],
        cwd=checkout.root.parent,
        env=checkout.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    Outcome(installed.returncode, installed.stdout, installed.stderr).assert_one_line(*HANDED_OVER)

    _a_changed_lock_is_noticed(checkout)


def _a_changed_lock_is_noticed(checkout: Checkout) -> None:
    good = checkout.lock.read_text()
    checkout.lock.write_text(a_lock("0" * 64))
    inside = subprocess.run(
        [checkout.venv / "bin" / "pilothouse", "--version"],
        env=checkout.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    Outcome(inside.returncode, inside.stdout, inside.stderr).assert_one_line(
        4, "does not hold what packaging/locks asks for", "python3 -m app"
    )
    # Without --force pip would not even look at the file of a version that is there.
    for installed in checkout.venv.glob("lib/python3*/site-packages/tiny*"):
        shutil.rmtree(installed) if installed.is_dir() else installed.unlink()
    tampered = checkout.run("--version")
    tampered.assert_one_line(4, "tiny: the downloaded file is not the one", "report it")

    for way in (
        {"PIP_FIND_LINKS": ""},
        {"PIP_FIND_LINKS": "", "PIP_NO_INDEX": "0", "PIP_INDEX_URL": "http://127.0.0.1:9"},
    ):
        offline = checkout.run("--version", **way)
        offline.assert_one_line(4, "network: no package index", "go online")

    checkout.lock.write_text(good)
    checkout.run("--version").assert_one_line(*HANDED_OVER)


def test_two_starts_at_once_install_once(checkout: Checkout) -> None:
    both = [checkout.start("--version") for _ in range(2)]
    outcomes = [Outcome(0, *process.communicate(timeout=100)) for process in both]
    assert all(HANDED_OVER[1] in outcome.last_line for outcome in outcomes), outcomes
    told = "".join(outcome.err for outcome in outcomes)
    assert told.count("making .venv: done") == 1
    assert told.count("installing base: done") == 1


def test_a_half_made_environment_is_made_again(checkout: Checkout) -> None:
    (checkout.venv / "bin").mkdir(parents=True)
    (checkout.venv / "pyvenv.cfg").write_text("home = /nowhere\n")
    (checkout.venv / "bin" / "python").symlink_to("/nowhere/python3")
    mended = checkout.run("--version")
    mended.assert_one_line(*HANDED_OVER)
    assert "incomplete" in mended.err


def test_python_without_ensurepip(checkout: Checkout) -> None:
    outcome = checkout.run("--version", **_python_without(checkout, "ensurepip"))
    outcome.assert_one_line(4, "python3-venv", "ensurepip")
    assert len(outcome.err.strip().splitlines()) == 1
    assert not checkout.venv.exists()


def test_python_too_old(checkout: Checkout) -> None:
    old = (
        "import sys; sys.version_info = (3, 10, 9)\nfrom app.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [BARE_PYTHON, "-c", old], cwd=checkout.root, capture_output=True, text=True, check=False
    )
    Outcome(done.returncode, done.stdout, done.stderr).assert_one_line(
        4, "python: 3.10", "3.11 or newer"
    )


def test_venv_is_a_link(checkout: Checkout, tmp_path: Path) -> None:
    checkout.venv.symlink_to(tmp_path / "elsewhere")
    checkout.run("--version").assert_one_line(4, ".venv: is a link: remove it")


def test_venv_is_a_file(checkout: Checkout) -> None:
    checkout.venv.write_text("not a folder")
    checkout.run("--version").assert_one_line(4, ".venv", "remove .venv")


def _mounted(checkout: Checkout, mount: str) -> Outcome:
    """The start in a namespace of its own, where `mount` has been done to the checkout."""
    script = f'{mount} && cd "$0" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(checkout.root), *checkout.command("data")],
        env=checkout.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no mounting here")
    return Outcome(done.returncode, done.stdout, done.stderr)


needs_mounts = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="mounting needs root on Linux",
)


@needs_mounts
def test_read_only_checkout(checkout: Checkout) -> None:
    outcome = _mounted(checkout, 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"')
    outcome.assert_one_line(4, ".venv.lock: cannot be written", "copy the checkout")


@needs_mounts
def test_no_disk_space(checkout: Checkout) -> None:
    copied = checkout.root.with_name("copy")
    checkout.root.rename(copied)
    checkout.root.mkdir()
    small = f'mount -t tmpfs -o size=8m tmpfs "$0" && cp -r "{copied}/." "$0"'
    outcome = _mounted(checkout, small)
    outcome.assert_one_line(4, "disk space", "MB free", "about 1500 MB needed", "make room")
