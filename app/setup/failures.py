"""What can go wrong while the environment is made, and the one line that each case gets.

Every line reads "what: what is wrong: the remedy".
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path


class SetupError(Exception):
    """The installation cannot go on; the text is the line for the person."""


def no_venv_module(version: str, *, debian: bool) -> str:
    remedy = f"run: apt install python{version}-venv" if debian else "install that part of Python"
    return f"python3-venv: Python {version} comes without its venv or ensurepip module: {remedy}"


def too_little_space(place: Path, free_mb: int, needed_mb: int) -> str:
    return (
        f"disk space: {free_mb} MB free at {place}, about {needed_mb} MB needed: "
        "make room there, or move the checkout to a larger disk"
    )


def missing_library(name: str | None) -> str:
    return f"{name}: is not installed: remove .venv and start again with python3 -m app"


def unforeseen(error: Exception, log: str) -> str:
    return (
        f"internal error while setting up: {type(error).__name__}: {error}: remove .venv and start "
        f"again; if it stays, report it with {log}"
    )


def from_os_error(error: OSError, checkout: Path) -> str:
    """A file operation on the checkout or its `.venv` that failed."""
    place = error.filename if error.filename is not None else checkout
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (
            f"{place}: cannot be written, and .venv is made in the checkout: "
            "copy the checkout to a folder of your own and start it there"
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk space: none left at {place}: make room there and start again"
    return f"{place}: {error.strerror or error}: mend that, or remove .venv, and start again"


def from_venv(output: str, version: str, *, debian: bool) -> str:
    """`python -m venv` failed with `output`."""
    if "ensurepip is not" in output or "No module named ensurepip" in output:
        return no_venv_module(version, debian=debian)
    if "No space left on device" in output:
        return "disk space: none left while making .venv: make room and start again"
    return f".venv: cannot be made: {_last_line(output)}: mend that and start again"


def from_pip(output: str, log: Path, unsupported: str = "") -> str:
    """pip failed with `output`, kept in `log`; `unsupported` names what the locks leave out."""
    for pattern, explain in _PIP_FAILURES:
        if found := re.search(pattern, output, re.I | re.S):
            return explain(found)
    if found := re.search(r"No matching distribution found for (\S+)", output):
        if unsupported:
            return (
                f"{found[1]}: there is no build of it for {unsupported}: "
                "use Python 3.11 to 3.14 on a 64-bit x86 or ARM machine"
            )
        # The locks were checked for this kind of machine, so the index is not the public one, or
        # pip gave up on it without a word.
        return (
            f"network: no package index that pip knows offers {found[1]}: go online, or set your "
            "proxy (https_proxy) or your own index (pip config set global.index-url ...), "
            "and start again"
        )
    return f"pip: {_last_line(output)}: the whole story is in {log}"


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if line.lower().startswith("error")]
    return (told or lines or ["it ended without a word"])[-1]


# The first that matches wins. A network that fails makes pip say in the end that no version was
# found, so the network comes before that.
_PIP_FAILURES: list[tuple[str, Callable[[re.Match[str]], str]]] = [
    (
        r"DO NOT MATCH THE HASHES.*?\n\s+(?P<name>[\w.\-]+)==",
        lambda found: (
            f"{found['name']}: the downloaded file is not the one that packaging/locks names: "
            "try again from another network; if it stays so, do not use the file and report it"
        ),
    ),
    (
        r"No space left on device|Errno 28|Disk quota exceeded",
        lambda _: (
            "disk space: none left while installing: make room (also in the folder for "
            "temporary files, TMPDIR) and start again"
        ),
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        lambda _: (
            "network: the package index's certificate is not trusted here: check the clock, "
            "or tell pip about your proxy's certificate (pip config set global.cert FILE)"
        ),
    ),
    (
        r"Failed to establish a new connection|Temporary failure in name resolution"
        r"|NameResolutionError|NewConnectionError|Max retries exceeded|Connection refused"
        r"|Connection reset|RemoteDisconnected|ProxyError|Read timed out|ReadTimeoutError"
        r"|ConnectTimeoutError|connection broken",
        lambda _: (
            "network: the package index cannot be reached: go online, or set your proxy "
            "(https_proxy) or your own index (pip config set global.index-url ...), and start again"
        ),
    ),
    (
        r"Permission denied: (?P<place>'[^']+')|Read-only file system: (?P<other>'[^']+')",
        lambda found: (
            f"{found['place'] or found['other']}: cannot be written: "
            "make it writable and start again"
        ),
    ),
]
