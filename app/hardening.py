"""What keeps the keys of a live engine in its memory: no core files, no looking in from outside.

Swap is not in our hands: Python cannot keep its strings out of it. Encrypt it, or have none.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4


def harden() -> list[str]:
    """Private files, no core dumps, and on Linux no debugger or /proc reader of the same user.
    Returns what this system could not do, for the log."""
    os.umask(0o077)
    failed: list[str] = []
    if sys.platform != "win32":
        import resource

        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        except (OSError, ValueError) as error:
            failed.append(f"core dumps stay possible: {error}")
    if sys.platform == "linux" and _prctl(PR_SET_DUMPABLE, 0) != 0:
        failed.append("other processes of this user may read this one's memory")
    return failed


def is_dumpable() -> bool:
    """Whether this process could leave a core, or be looked into. True where nobody can say."""
    return sys.platform != "linux" or _prctl(PR_GET_DUMPABLE, 0) != 0


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))
