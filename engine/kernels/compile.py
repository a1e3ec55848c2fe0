"""The one place that says how kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True, "_nrt": False}


def kernel(function: F) -> F:
    """Compile with a disk cache, IEEE arithmetic (no fastmath), no threads, the GIL released.

    Kernels allocate nothing and keep no array: whoever calls holds the arrays. So references are
    not counted (`_nrt`), which would cost two atomic steps per array and call: most of the time of
    a replay. A kernel that allocates does not compile.

    The plain function stays reachable as `.py_func`; tests hold the two against each other.
    """
    return cast(F, numba.njit(**OPTIONS)(function))
